//! The requests that were seen. Printed, they show neither tokens nor client secrets.

use std::fmt;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, header};
use serde_json::Value;

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
}

impl RecordedRequest {
    pub(super) fn of(request: &Request<Bytes>) -> Self {
        let mut headers = request.headers().clone();
        for value in headers.values_mut() {
            value.set_sensitive(false);
        }
        if let Some(value) = headers.get_mut(header::AUTHORIZATION) {
            value.set_sensitive(true);
        }
        Self {
            method: request.method().clone(),
            path: request.uri().path().to_owned(),
            query: request.uri().query().unwrap_or_default().to_owned(),
            headers,
            body: request.body().clone(),
        }
    }

    /// The body as JSON, if it is JSON.
    pub fn json(&self) -> Option<Value> {
        serde_json::from_slice(&self.body).ok()
    }

    fn shown_body(&self) -> String {
        match self.json() {
            Some(mut json) => {
                redact(&mut json);
                json.to_string()
            }
            // What cannot be read cannot be redacted.
            None => format!("{} bytes", self.body.len()),
        }
    }

    fn shown_query(&self) -> String {
        let pairs: Vec<String> = self.query.split('&').map(shown_pair).collect();
        pairs.join("&")
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
            .finish()
    }
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
            .header("Platform", "open_platform")
            .body(Bytes::from(r#"{"clientID":"me","clientSecret":"hush3"}"#))
            .unwrap();
        let recorded = RecordedRequest::of(&request);

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
        let shown = format!("{:?}", RecordedRequest::of(&request));
        assert!(shown.contains("17 bytes"), "{shown}");
        assert!(!shown.contains("hush"), "{shown}");
    }
}
