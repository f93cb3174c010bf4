//! The account behind the tokens.

use serde_json::{Value, json};

pub(super) const UID: u64 = 1_814_442_530;

/// `data` of the user's information: an account with the paid rights that the real service asks for.
pub(super) fn info() -> Value {
    json!({
        "uid": UID,
        "nickname": "pan123-mock",
        "headImage": "http://127.0.0.1/head.jpg",
        "passport": "13800000000",
        "mail": "",
        "spaceUsed": 459_894_954_684_u64,
        // More than 2^52: a client that reads it as a double and writes it back may change it.
        "spacePermanent": 6_894_212_784_062_464_u64,
        "spaceTemp": 0,
        "spaceTempExpr": 0,
        "vip": true,
        "directTraffic": 276_046_404_229_020_u64,
        "isHideUID": false,
        "httpsCount": 9_999_998,
        "vipInfo": [{
            "vipLevel": 3,
            "vipLabel": "长期VIP",
            "startTime": "2025-04-27 11:18:49",
            "endTime": "9999-12-31 23:59:59",
        }],
        "developerInfo": {
            "startTime": "2025-07-16 17:27:53",
            "endTime": "2099-07-16 17:27:52",
        },
    })
}
