//! `GET /api/v1/user/info`: the user of the token, and the storage quota. The cheapest call that proves a token.
//!
//! <https://123yunpan.yuque.com/org-wiki-123yunpan-muaork/cr6ced/> (获取用户信息).

use std::time::{Duration, SystemTime};

use http::Method;
use serde::{Deserialize, Deserializer};

use crate::endpoint::{Endpoint, Idempotency, RateClass};
use crate::wire::json::{self, Json, Unreadable};
use crate::wire::lenient::{date, flag, lossy_text, whole};

/// Requests the user's information.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GetUserInfo;

impl Endpoint for GetUserInfo {
    const METHOD: Method = Method::GET;
    const PATH: &'static str = "/api/v1/user/info";
    const RATE: RateClass = RateClass::new("user/info", Duration::from_millis(100));
    const IDEMPOTENCY: Idempotency = Idempotency::Idempotent;
    type Response = UserInfo;
}

/// The user. Sizes are in bytes; fields that the response leaves out are `None`.
///
/// The user's phone number, mail address and picture are not read. To get them, pass a type of your own to
/// [`Session::call_as`](crate::Session::call_as).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct UserInfo {
    /// The user's id.
    pub uid: u64,
    /// The display name; empty if there is none.
    pub nickname: String,
    /// The used space.
    pub space_used: Option<u64>,
    /// The permanent space.
    pub space_permanent: Option<u64>,
    /// The temporary space.
    pub space_temp: Option<u64>,
    /// When the temporary space expires, by the service's clock.
    pub space_temp_until: Option<SystemTime>,
    /// Whether the account is a paid one.
    pub vip: Option<bool>,
    /// The paid memberships (`vipInfo`); empty if there are none.
    pub vip_periods: Vec<VipPeriod>,
    /// The period of the developer membership, which developer credentials for this API need (`developerInfo`).
    pub developer: Option<Period>,
    /// The remaining direct-link traffic.
    pub direct_traffic: Option<u64>,
    /// Whether direct links leave out the user's id.
    pub hides_uid: Option<bool>,
    /// The remaining requests for HTTPS direct links.
    pub https_count: Option<u64>,
}

/// A paid membership.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct VipPeriod {
    /// 1 VIP, 2 SVIP, 3 long-term VIP.
    pub level: Option<i64>,
    /// The service's label, such as `SVIP`; empty if there is none.
    pub label: String,
    /// Its period.
    pub period: Period,
}

/// A period by the service's clock. An end in the year 9999 means no end, and is `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Period {
    /// The start.
    pub from: Option<SystemTime>,
    /// The end.
    pub until: Option<SystemTime>,
}

impl<'de> Deserialize<'de> for UserInfo {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        json::deserialize(deserializer, UserInfo::read)
    }
}

impl UserInfo {
    /// Only the id is required.
    fn read(json: Json<'_>) -> Result<UserInfo, Unreadable> {
        let [
            uid,
            nickname,
            used,
            permanent,
            temp,
            temp_until,
            vip,
            vip_periods,
            developer,
            direct_traffic,
            hides_uid,
            https_count,
        ] = json.fields([
            &["uid"],
            &["nickname"],
            &["spaceUsed"],
            &["spacePermanent"],
            &["spaceTemp"],
            &["spaceTempExpr"],
            &["vip"],
            &["vipInfo"],
            &["developerInfo"],
            &["directTraffic"],
            &["isHideUID"],
            &["httpsCount"],
        ])?;
        let vip_periods = vip_periods.value().ok().flatten().and_then(Json::elements);
        let vip_periods = vip_periods.unwrap_or_default().into_iter();
        Ok(UserInfo {
            uid: uid.essential(whole)?,
            nickname: nickname
                .optional(lossy_text)
                .unwrap_or_default()
                .into_owned(),
            space_used: used.optional(whole),
            space_permanent: permanent.optional(whole),
            space_temp: temp.optional(whole),
            space_temp_until: temp_until.optional(date),
            vip: vip.optional(flag),
            vip_periods: vip_periods
                .filter_map(|row| VipPeriod::read(row).ok())
                .collect(),
            developer: developer.optional(|json| Period::read(json).ok()),
            direct_traffic: direct_traffic.optional(whole),
            hides_uid: hides_uid.optional(flag),
            https_count: https_count.optional(whole),
        })
    }
}

impl VipPeriod {
    fn read(json: Json<'_>) -> Result<VipPeriod, Unreadable> {
        let [level, label] = json.fields([&["vipLevel"], &["vipLabel"]])?;
        Ok(VipPeriod {
            level: level.optional(whole),
            label: label.optional(lossy_text).unwrap_or_default().into_owned(),
            period: Period::read(json)?,
        })
    }
}

impl Period {
    fn read(json: Json<'_>) -> Result<Period, Unreadable> {
        let [from, until] = json.fields([&["startTime"], &["endTime"]])?;
        Ok(Period {
            from: from.optional(date),
            until: until.optional(date),
        })
    }
}
