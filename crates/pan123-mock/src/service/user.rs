//! The account behind the tokens.

use serde_json::value::RawValue;

pub(super) const UID: u64 = 1_814_442_530;

/// An account with the paid rights that the real service requires. Its `spacePermanent` exceeds 2^52, which reveals clients that read it as
/// a double.
const INFO: &str = r#"{
"uid":1814442530,
"nickname":"pan123-mock",
"headImage":"http://127.0.0.1/head.jpg",
"passport":"13800000000",
"mail":"",
"spaceUsed":459894954684,
"spacePermanent":6894212784062464,
"spaceTemp":0,
"spaceTempExpr":0,
"vip":true,
"directTraffic":276046404229020,
"isHideUID":false,
"httpsCount":9999998,
"vipInfo":[
{"vipLevel":1,"vipLabel":"VIP","startTime":"2025-07-06 11:12:53","endTime":"2098-05-14 14:13:05"},
{"vipLevel":2,"vipLabel":"SVIP","startTime":"2025-06-06 11:12:53","endTime":"2025-07-06 11:12:52"},
{"vipLevel":3,"vipLabel":"长期VIP","startTime":"2025-04-27 11:18:49","endTime":"9999-12-31 23:59:59"}
],
"developerInfo":{"startTime":"2025-07-16 17:27:53","endTime":"2099-07-16 17:27:52"}
}"#;

/// Returns `data` of the user info, with its fields in documented order.
pub(super) fn info() -> &'static RawValue {
    serde_json::from_str(INFO).unwrap_or(RawValue::NULL)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn account_has_the_uid_constant() {
        let info: serde_json::Value = serde_json::from_str(info().get()).unwrap();
        assert_eq!(info["uid"], UID);
    }
}
