//! Signed callbacks: signers, requests, and an independent reader of signed URLs.

use http::header::CONTENT_TYPE;
use http::{Request, Uri};
use pan123_proto::offline::{CallbackKey, CallbackRefusal, CallbackSigner};

use super::wire::percent_decoded;

pub(crate) const NEW_SECRET: &[u8] = b"the new secret of the tests, long enough";
pub(crate) const OLD_SECRET: &[u8] = b"the old secret of the tests, long enough";
pub(crate) const NOTICE: &str = include_str!("../fixtures/official_offline_callback_success.json");

pub(crate) fn key(id: &str, secret: &[u8]) -> CallbackKey {
    CallbackKey::new(id, secret).expect("a good key")
}

/// A signer with one key.
pub(crate) fn signer(id: &str, secret: &[u8]) -> CallbackSigner {
    CallbackSigner::new([key(id, secret)]).expect("a good signer")
}

/// A signer during a key rotation: signs with `new`, accepts `old` too.
pub(crate) fn rotating() -> CallbackSigner {
    let keys = [key("new", NEW_SECRET), key("old", OLD_SECRET)];
    CallbackSigner::new(keys).expect("a good signer")
}

/// A notice of success, posted to this URL; none if that is not a URI.
pub(crate) fn posted(url: &str) -> Option<Request<Vec<u8>>> {
    let uri: Uri = url.parse().ok()?;
    let request = Request::post(uri).header(CONTENT_TYPE, "application/json");
    Some(request.body(NOTICE.into()).expect("a good request"))
}

/// The id that a URL proves, or why it is refused.
pub(crate) fn verified(signer: &CallbackSigner, url: &str) -> Result<String, CallbackRefusal> {
    let request = posted(url).expect("a URI");
    signer.verify(&request).map(|callback| callback.id)
}

/// What the three parameters of a URL say, each in the order of its occurrence. URLs that say the same are the same to a
/// signer. Written apart from the signer's own reader, to be compared with it.
pub(crate) fn said(url: &str) -> [Vec<Vec<u8>>; 3] {
    let uri = url.split('#').next().unwrap_or("");
    let query = uri.split_once('?').map_or("", |(_, query)| query);
    ["pan123_id", "pan123_key", "pan123_tag"].map(|name| {
        let mut found = Vec::new();
        for pair in query.split('&') {
            let at = pair.find('=').unwrap_or(pair.len());
            if percent_decoded(&pair.as_bytes()[..at]) == name.as_bytes() {
                found.push(percent_decoded(
                    pair.as_bytes().get(at + 1..).unwrap_or(b""),
                ));
            }
        }
        found
    })
}
