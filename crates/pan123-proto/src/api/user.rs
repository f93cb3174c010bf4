//! `GET /api/v1/user/info`: the user of the token, and the storage quota. The cheapest call that proves a token.
//!
//! <https://123yunpan.yuque.com/org-wiki-123yunpan-muaork/cr6ced/> (获取用户信息).

use std::time::{Duration, SystemTime};

use http::Method;
use serde::{Deserialize, Deserializer};

use crate::endpoint::{Endpoint, Idempotency, RateClass};
use crate::wire::lenient::{Flag, Maybe, Text, Whole};
use crate::wire::timestamp::read_date;

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
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Wire {
            uid: Whole<u64>,
            nickname: Option<Text>,
            #[serde(default)]
            space_used: Maybe<Whole<u64>>,
            #[serde(default)]
            space_permanent: Maybe<Whole<u64>>,
            #[serde(default)]
            space_temp: Maybe<Whole<u64>>,
            space_temp_expr: Option<Text>,
            vip: Option<Flag>,
            #[serde(default)]
            vip_info: Maybe<Vec<VipPeriod>>,
            #[serde(default)]
            developer_info: Maybe<Period>,
            #[serde(default)]
            direct_traffic: Maybe<Whole<u64>>,
            #[serde(rename = "isHideUID")]
            hides_uid: Option<Flag>,
            #[serde(default)]
            https_count: Maybe<Whole<u64>>,
        }
        let wire = Wire::deserialize(deserializer)?;
        let number = |number: Maybe<Whole<u64>>| number.0.map(|number| number.0);
        let flag = |flag: Option<Flag>| flag.map(|flag| flag.0);
        Ok(UserInfo {
            uid: wire.uid.0,
            nickname: wire.nickname.map(|text| text.0).unwrap_or_default(),
            space_used: number(wire.space_used),
            space_permanent: number(wire.space_permanent),
            space_temp: number(wire.space_temp),
            space_temp_until: date(wire.space_temp_expr),
            vip: flag(wire.vip),
            vip_periods: wire.vip_info.0.unwrap_or_default(),
            developer: wire.developer_info.0,
            direct_traffic: number(wire.direct_traffic),
            hides_uid: flag(wire.hides_uid),
            https_count: number(wire.https_count),
        })
    }
}

impl<'de> Deserialize<'de> for VipPeriod {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Wire {
            vip_level: Option<Whole<i64>>,
            vip_label: Option<Text>,
            start_time: Option<Text>,
            end_time: Option<Text>,
        }
        let wire = Wire::deserialize(deserializer)?;
        Ok(VipPeriod {
            level: wire.vip_level.map(|level| level.0),
            label: wire.vip_label.map(|label| label.0).unwrap_or_default(),
            period: Period {
                from: date(wire.start_time),
                until: date(wire.end_time),
            },
        })
    }
}

impl<'de> Deserialize<'de> for Period {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Wire {
            start_time: Option<Text>,
            end_time: Option<Text>,
        }
        let wire = Wire::deserialize(deserializer)?;
        Ok(Period {
            from: date(wire.start_time),
            until: date(wire.end_time),
        })
    }
}

fn date(text: Option<Text>) -> Option<SystemTime> {
    text.and_then(|text| read_date(&text.0))
}
