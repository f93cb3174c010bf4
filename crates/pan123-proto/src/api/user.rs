//! `GET /api/v1/user/info`: whose token this is, and how much room there is. The cheapest call that proves a token.
//!
//! <https://123yunpan.yuque.com/org-wiki-123yunpan-muaork/cr6ced/> (获取用户信息).

use std::time::Duration;

use http::Method;
use serde::{Deserialize, Deserializer};

use crate::endpoint::{Endpoint, RateClass, Replay};
use crate::lenient::{Text, Whole};

/// Asks who the user is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GetUserInfo;

impl Endpoint for GetUserInfo {
    const METHOD: Method = Method::GET;
    const PATH: &'static str = "/api/v1/user/info";
    const RATE: RateClass = RateClass::new("user/info", Duration::from_millis(100));
    const REPLAY: Replay = Replay::Safe;
    type Response = UserInfo;
}

/// The user. Sizes are in bytes; what the answer left out is `None`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct UserInfo {
    /// The user's number.
    pub uid: u64,
    /// The name shown to others; empty if there is none.
    pub nickname: String,
    /// How much is used.
    pub space_used: Option<u64>,
    /// How much the user has for good.
    pub space_permanent: Option<u64>,
    /// How much the user has for a while.
    pub space_temp: Option<u64>,
    /// Whether the user pays.
    pub vip: Option<bool>,
    /// How much direct-link traffic is left.
    pub direct_traffic: Option<u64>,
}

impl<'de> Deserialize<'de> for UserInfo {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Wire {
            uid: Whole<u64>,
            nickname: Option<Text>,
            space_used: Option<Whole<u64>>,
            space_permanent: Option<Whole<u64>>,
            space_temp: Option<Whole<u64>>,
            vip: Option<bool>,
            direct_traffic: Option<Whole<u64>>,
        }
        let wire = Wire::deserialize(deserializer)?;
        let bytes = |number: Option<Whole<u64>>| number.map(|number| number.0);
        Ok(UserInfo {
            uid: wire.uid.0,
            nickname: wire.nickname.map(|text| text.0).unwrap_or_default(),
            space_used: bytes(wire.space_used),
            space_permanent: bytes(wire.space_permanent),
            space_temp: bytes(wire.space_temp),
            vip: wire.vip,
            direct_traffic: bytes(wire.direct_traffic),
        })
    }
}
