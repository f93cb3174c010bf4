//! Recorded requests, whose `Debug` output contains neither tokens nor client secrets.

use std::borrow::Cow;
use std::fmt;
use std::time::SystemTime;

use bytes::Bytes;
use http::header::{AUTHORIZATION, COOKIE};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use percent_encoding::percent_decode_str;
use serde_json::Value;

use super::response::{Reply, envelope_code};
use crate::tcp::WireOutcome;

const REDACTED: &str = "[redacted]";

/// A recorded request. Its `Debug` output redacts tokens and client secrets; its methods return them.
#[derive(Clone)]
pub struct RecordedRequest {
    pub(crate) received_at: SystemTime,
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) body_length: usize,
    pub(crate) wire_outcome: WireOutcome,
    pub(crate) status: Option<StatusCode>,
    pub(crate) code: Option<i64>,
}

/// The longest body that is recorded in full.
const MAX_RECORDED_BODY: usize = 64 * 1024;

impl RecordedRequest {
    /// Returns when the request was received, by the service's clock.
    pub fn received_at(&self) -> SystemTime {
        self.received_at
    }

    /// Returns the method.
    pub fn method(&self) -> &Method {
        &self.method
    }

    /// Returns the path, without the query.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Returns the raw query without the question mark; empty if there was none.
    pub fn query(&self) -> &str {
        &self.query
    }

    /// Returns all headers.
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// Returns the body, or its first 64 KiB.
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// Returns the length of the whole body.
    pub fn body_length(&self) -> usize {
        self.body_length
    }

    /// Returns what the client observed of the exchange.
    pub fn wire_outcome(&self) -> WireOutcome {
        self.wire_outcome
    }

    /// Returns the HTTP status of the response, if it was sent.
    pub fn status(&self) -> Option<StatusCode> {
        self.status
    }

    /// Returns the code of the response, if it was sent and has an envelope.
    pub fn code(&self) -> Option<i64> {
        self.code
    }

    pub(super) fn of(now: SystemTime, request: &Request<Bytes>, reply: &Reply) -> Self {
        let mut headers = request.headers().clone();
        for (name, value) in &mut headers {
            *value = copied(value);
            value.set_sensitive([AUTHORIZATION, COOKIE].contains(name));
        }
        let body = request.body();
        let response =
            Some(&reply.response).filter(|_| reply.wire_outcome() == WireOutcome::Responded);
        Self {
            received_at: now,
            method: request.method().clone(),
            path: request.uri().path().to_owned(),
            query: request.uri().query().unwrap_or_default().to_owned(),
            headers,
            body: Bytes::copy_from_slice(&body[..body.len().min(MAX_RECORDED_BODY)]),
            body_length: body.len(),
            wire_outcome: reply.wire_outcome(),
            status: response.map(Response::status),
            code: response.and_then(|response| envelope_code(response.body())),
        }
    }

    /// Returns the body as JSON, if it is JSON.
    pub fn json(&self) -> Option<Value> {
        serde_json::from_slice(&self.body).ok()
    }

    /// Returns the headers with secrets redacted. A name may occur more than once.
    pub(crate) fn redacted_headers(&self) -> Vec<(&str, Cow<'_, str>)> {
        let pairs = self.headers.iter().map(|(name, value)| {
            let shown = if is_secret(name.as_str()) {
                Cow::Borrowed(REDACTED)
            } else {
                String::from_utf8_lossy(value.as_bytes())
            };
            (name.as_str(), shown)
        });
        pairs.collect()
    }

    /// Returns the body with secrets redacted.
    pub(crate) fn redacted_body(&self) -> String {
        match self.json() {
            Some(mut json) => {
                redact(&mut json);
                json.to_string()
            }
            // A body that is not JSON cannot be redacted.
            None => format!("{} bytes", self.body_length),
        }
    }

    /// Returns the query with secrets redacted.
    pub(crate) fn redacted_query(&self) -> String {
        redact_query(&self.query)
    }
}

impl fmt::Debug for RecordedRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecordedRequest")
            .field("received_at", &self.received_at)
            .field("method", &self.method)
            .field("path", &self.path)
            .field("query", &self.redacted_query())
            .field("headers", &self.redacted_headers())
            .field("body", &self.redacted_body())
            .field("body_length", &self.body_length)
            .field("wire_outcome", &self.wire_outcome)
            .field("status", &self.status)
            .field("code", &self.code)
            .finish()
    }
}

/// Copies a header value, which otherwise keeps the server's whole read buffer alive.
fn copied(value: &HeaderValue) -> HeaderValue {
    HeaderValue::from_bytes(value.as_bytes()).unwrap_or_else(|_| value.clone())
}

/// Redacts the values of secrets in a query.
pub(crate) fn redact_query(query: &str) -> String {
    let pairs: Vec<String> = query.split('&').map(redacted_pair).collect();
    pairs.join("&")
}

fn redacted_pair(pair: &str) -> String {
    let key = pair.split('=').next().unwrap_or_default();
    let decoded = percent_decode_str(key).decode_utf8_lossy();
    if is_secret(&decoded) && key.len() < pair.len() {
        format!("{key}={REDACTED}")
    } else {
        pair.to_owned()
    }
}

fn redact(json: &mut Value) {
    match json {
        Value::Object(fields) => {
            for (key, value) in fields.iter_mut() {
                if is_secret(key) {
                    *value = REDACTED.into();
                } else {
                    redact(value);
                }
            }
        }
        Value::Array(values) => values.iter_mut().for_each(redact),
        _ => {}
    }
}

/// Covers the spellings of the OAuth endpoint, which has its secrets in the query, and similar names.
fn is_secret(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    let words = ["secret", "token", "password", "authorization", "cookie"];
    key == "code" || words.iter().any(|word| key.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recorded(request: http::request::Builder, body: &str) -> RecordedRequest {
        let request = request.body(Bytes::from(body.to_owned())).unwrap();
        let reply = Reply {
            response: Response::default(),
            delay: None,
            broken: None,
        };
        RecordedRequest::of(SystemTime::UNIX_EPOCH, &request, &reply)
    }

    #[test]
    fn debug_output_redacts_secrets_and_fields_keep_them() {
        let query = "client_secret=hush1&taskID=7&client%5Fsecret=hush5&token=hush6&a=b=c&refresh-token=hush7";
        let request = Request::post(format!("/api/v1/x?{query}"))
            .header("Authorization", "Bearer hush2")
            .header("Authorization", "Bearer hush4")
            .header("Cookie", "a=hush8")
            .header("X-Token", "hush9")
            .header("Platform", "open_platform");
        let recorded = recorded(request, r#"{"clientID":"me","clientSecret":"hush3"}"#);

        let shown = format!("{recorded:?}");
        assert!(!shown.contains("hush"), "{shown}");
        for kept in [
            "taskID=7",
            "a=b=c",
            "open_platform",
            "me",
            "/api/v1/x",
            "POST",
        ] {
            assert!(shown.contains(kept), "{kept} in {shown}");
        }
        assert_eq!(recorded.headers["Authorization"], "Bearer hush2");
        assert_eq!(recorded.json().unwrap()["clientSecret"], "hush3");
    }

    #[test]
    fn non_json_body_is_omitted_from_debug_output() {
        let shown = format!("{:?}", recorded(Request::post("/"), "clientSecret=hush"));
        assert!(shown.contains("17 bytes"), "{shown}");
        assert!(!shown.contains("hush"), "{shown}");
    }

    #[test]
    fn long_bodies_are_truncated() {
        let recorded = recorded(Request::post("/"), &"a".repeat(100_000));
        assert_eq!(
            (recorded.body.len(), recorded.body_length),
            (MAX_RECORDED_BODY, 100_000)
        );
    }
}
