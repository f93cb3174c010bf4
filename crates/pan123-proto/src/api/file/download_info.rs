//! `GET /api/v1/file/download_info`: a URL to download a file from.
//!
//! <https://123yunpan.yuque.com/org-wiki-123yunpan-muaork/cr6ced/fnf60phsushn8ip2>.

use std::fmt;
use std::time::Duration;

use http::Method;
use serde::{Deserialize, Deserializer};

use crate::endpoint::{Endpoint, Idempotency, Query, RateClass};
use crate::ids::FileId;
use crate::wire::http_url::RedactedUrl;
use crate::wire::json::{self, Unreadable};
use crate::wire::lenient::not_empty;

/// Requests a URL to download a file from. The service rejects it with
/// [`TrafficExceeded`](crate::ErrorCode::TrafficExceeded) when the day's traffic is used up, and with
/// [`FileNotFound`](crate::ErrorCode::FileNotFound).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GetDownloadUrl {
    file: FileId,
}

impl GetDownloadUrl {
    /// Creates the request for a file.
    pub fn new(file: FileId) -> GetDownloadUrl {
        GetDownloadUrl { file }
    }
}

impl Endpoint for GetDownloadUrl {
    const METHOD: Method = Method::GET;
    const PATH: &'static str = "/api/v1/file/download_info";
    const RATE: RateClass = RateClass::new("file/download_info", Duration::from_millis(200));
    const IDEMPOTENCY: Idempotency = Idempotency::Idempotent;
    // It may hold a signed URL.
    const SECRET_RESPONSE: bool = true;
    type Response = DownloadUrl;

    fn query(&self, query: &mut Query) {
        query.push("fileId", self.file);
    }
}

/// A URL of the service's download hosts. For a while anyone who has it can download the file without a token: send no token
/// there, and do not log it. `Debug` leaves out the query, which holds the signature.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct DownloadUrl(String);

impl DownloadUrl {
    /// Returns the URL as the service sent it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the URL as the service sent it.
    pub fn into_string(self) -> String {
        self.0
    }
}

impl fmt::Debug for DownloadUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("DownloadUrl")
            .field(&RedactedUrl(&self.0))
            .finish()
    }
}

impl<'de> Deserialize<'de> for DownloadUrl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        json::deserialize(deserializer, |json| {
            let [url] = json.fields([&["downloadUrl", "downloadURL"]])?;
            let url = url.essential(not_empty)?;
            Ok::<_, Unreadable>(DownloadUrl(url.into_owned()))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signature_is_not_printed_and_url_is_unchanged() {
        let url = "https://cdn.example/123-61/a?v=3&s=canary&bzc=%E6%B5%8B";
        let json = format!(r#"{{"downloadUrl":"{url}"}}"#);
        let read: DownloadUrl = serde_json::from_str(&json).unwrap();
        assert_eq!(read.as_str(), url);
        assert_eq!(
            format!("{read:?}"),
            r#"DownloadUrl("https://cdn.example/…")"#
        );
        assert_eq!(read.into_string(), url);
    }

    #[test]
    fn response_without_a_url_is_an_error() {
        for json in [
            "null",
            "{}",
            r#"{"downloadUrl":null}"#,
            r#"{"downloadUrl":""}"#,
            r#"{"downloadUrl":7}"#,
        ] {
            serde_json::from_str::<DownloadUrl>(json).unwrap_err();
        }
    }
}
