//! The requests that were seen. Printed, they show neither tokens nor client secrets.

use std::fmt;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode, header};
use serde_json::Value;

use super::answer::code_in;

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
    /// The whole body.
    pub body: Bytes,
    /// The HTTP status of the answer.
    pub status: StatusCode,
    /// The code of the answer, if it was an envelope.
    pub code: Option<i64>,
}

impl RecordedRequest {
    pub(super) fn of(request: &Request<Bytes>, answer: &Response<Bytes>) -> Self {
        let mut headers = request.headers().clone();
        for (name, value) in &mut headers {
            value.set_sensitive(name == header::AUTHORIZATION);
        }
        Self {
            method: request.method().clone(),
            path: request.uri().path().to_owned(),
            query: request.uri().query().unwrap_or_default().to_owned(),
            headers,
            body: request.body().clone(),
            status: answer.status(),
            code: code_in(answer.body()),
        }
    }

    /// The body as JSON, if it is JSON.
    pub fn json(&self) -> Option<Value> {
        serde_json::from_slice(&self.body).ok()
    }

    /// The body without secrets.
    pub(crate) fn shown_body(&self) -> String {
        match self.json() {
            Some(mut json) => {
                redact(&mut json);
                json.to_string()
            }
            // What cannot be read cannot be redacted.
            None => format!("{} bytes", self.body.len()),
        }
    }

    /// The query without secrets.
    pub(crate) fn shown_query(&self) -> String {
        without_secrets(&self.query)
    }
}

impl fmt::Debug for RecordedRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecordedRequest")
            .field("method", &self.method)
            .field("path", &self.path)
            .field("query", &self.shown_query())
            .field("headers", &self.headers)
            .field("body", &self.shown_body())
            .field("status", &self.status)
            .field("code", &self.code)
            .finish()
    }
}

/// A query without the values of secrets.
pub(crate) fn without_secrets(query: &str) -> String {
    let pairs: Vec<String> = query.split('&').map(shown_pair).collect();
    pairs.join("&")
}

fn shown_pair(pair: &str) -> String {
    match pair.split_once('=') {
        Some((key, _)) if is_secret(key) => format!("{key}={REDACTED}"),
        _ => pair.to_owned(),
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

/// Also in the spellings of the OAuth endpoint, which keeps its secrets in the query.
fn is_secret(key: &str) -> bool {
    let key = key.replace('_', "").to_ascii_lowercase();
    let secrets = ["clientsecret", "accesstoken", "refreshtoken", "code"];
    secrets.contains(&key.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_in_the_fields_but_not_in_the_debug_output() {
        let request = Request::post("/api/v1/x?client_secret=hush1&taskID=7")
            .header("Authorization", "Bearer hush2")
            .header("Authorization", "Bearer hush4")
            .header("Platform", "open_platform")
            .body(Bytes::from(r#"{"clientID":"me","clientSecret":"hush3"}"#))
            .unwrap();
        let recorded = RecordedRequest::of(&request, &Response::default());

        let shown = format!("{recorded:?}");
        assert!(!shown.contains("hush"), "{shown}");
        for kept in ["taskID=7", "open_platform", "me", "/api/v1/x", "POST"] {
            assert!(shown.contains(kept), "{kept} in {shown}");
        }
        assert_eq!(recorded.headers["Authorization"], "Bearer hush2");
        assert_eq!(recorded.json().unwrap()["clientSecret"], "hush3");
    }

    #[test]
    fn a_body_that_is_not_json_is_not_shown() {
        let request = Request::post("/")
            .body(Bytes::from("clientSecret=hush"))
            .unwrap();
        let shown = format!("{:?}", RecordedRequest::of(&request, &Response::default()));
        assert!(shown.contains("17 bytes"), "{shown}");
        assert!(!shown.contains("hush"), "{shown}");
    }
}
