//! The requests that were seen. Printed, they show neither tokens nor client secrets.

use std::borrow::Cow;
use std::fmt;

use bytes::Bytes;
use http::header::{AUTHORIZATION, COOKIE};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use percent_encoding::percent_decode_str;
use serde_json::Value;

use super::response::{Reply, envelope_code};
use crate::tcp::WireOutcome;

const REDACTED: &str = "[redacted]";

/// A request as it came. Its `Debug` output leaves out tokens and client secrets; the fields have them.
#[derive(Clone)]
#[non_exhaustive]
pub struct RecordedRequest {
    /// The method.
    pub method: Method,
    /// The path, without the query.
    pub path: String,
    /// The query as it was written, without the question mark; empty if there was none.
    pub query: String,
    /// All headers.
    pub headers: HeaderMap,
    /// The body, or its first 64 KiB.
    pub body: Bytes,
    /// How many bytes the body had.
    pub body_length: usize,
    /// What became of the exchange.
    pub wire_outcome: WireOutcome,
    /// The HTTP status of the answer, if one came.
    pub status: Option<StatusCode>,
    /// The code of the answer, if one came and was an envelope.
    pub code: Option<i64>,
}

/// So much of a body is kept.
const MAX_RECORDED_BODY: usize = 64 * 1024;

impl RecordedRequest {
    pub(super) fn of(request: &Request<Bytes>, reply: &Reply) -> Self {
        let mut headers = request.headers().clone();
        for (name, value) in &mut headers {
            *value = copied(value);
            value.set_sensitive([AUTHORIZATION, COOKIE].contains(name));
        }
        let body = request.body();
        let response =
            Some(&reply.response).filter(|_| reply.wire_outcome() == WireOutcome::Responded);
        Self {
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

    /// The body as JSON, if it is JSON.
    pub fn json(&self) -> Option<Value> {
        serde_json::from_slice(&self.body).ok()
    }

    /// The headers without secrets, as pairs: one may come twice.
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

    /// The body without secrets.
    pub(crate) fn redacted_body(&self) -> String {
        match self.json() {
            Some(mut json) => {
                redact(&mut json);
                json.to_string()
            }
            // What cannot be read cannot be redacted.
            None => format!("{} bytes", self.body_length),
        }
    }

    /// The query without secrets.
    pub(crate) fn redacted_query(&self) -> String {
        redact_query(&self.query)
    }
}

impl fmt::Debug for RecordedRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecordedRequest")
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

/// What a server reads of a request shares the memory of all that was read with it, which is not to be kept for its sake.
fn copied(value: &HeaderValue) -> HeaderValue {
    HeaderValue::from_bytes(value.as_bytes()).unwrap_or_else(|_| value.clone())
}

/// A query without the values of secrets.
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

/// In the spellings of the OAuth endpoint, which keeps its secrets in the query, and in any of a client's own.
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
        RecordedRequest::of(&request, &reply)
    }

    #[test]
    fn secrets_are_in_the_fields_but_not_in_the_debug_output() {
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
    fn a_body_that_is_not_json_is_not_shown() {
        let shown = format!("{:?}", recorded(Request::post("/"), "clientSecret=hush"));
        assert!(shown.contains("17 bytes"), "{shown}");
        assert!(!shown.contains("hush"), "{shown}");
    }

    #[test]
    fn of_a_long_body_the_beginning_is_kept() {
        let recorded = recorded(Request::post("/"), &"a".repeat(100_000));
        assert_eq!(
            (recorded.body.len(), recorded.body_length),
            (MAX_RECORDED_BODY, 100_000)
        );
    }
}
