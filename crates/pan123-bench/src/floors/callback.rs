//! A signed callback checked with the crate `hmac` from a prepared key, and its body read with serde; the parts of the URL are given.

use hmac::{Hmac, KeyInit, Mac};
use serde::Deserialize;
use sha2::Sha256;

pub(crate) struct Key(Hmac<Sha256>);

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[allow(dead_code, reason = "it is read all the same")]
pub(crate) struct Notice {
    url: String,
    status: i64,
    fail_reason: String,
    #[serde(rename = "fileID")]
    file_id: u64,
}

impl Key {
    pub(crate) fn new(secret: &[u8]) -> Key {
        Key(Hmac::new_from_slice(secret).expect("a key of any length"))
    }

    /// Returns whether the tag is right, and the notice.
    pub(crate) fn verify(&self, signed: &[u8], tag: &[u8], body: &[u8]) -> (bool, Notice) {
        let mac = self.0.clone().chain_update(signed);
        let is_right = mac.verify_slice(tag).is_ok();
        (is_right, serde_json::from_slice(body).expect("a notice"))
    }
}
