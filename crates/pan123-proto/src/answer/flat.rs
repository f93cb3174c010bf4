//! Answers without an envelope, as the service's OAuth endpoint gives them.

use bytes::Bytes;
use http::{Response, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{Good, MOST_MESSAGE, Reading, class_of_status, promises, trace_id};
use crate::envelope::Envelope;
use crate::error::{ApiError, Error, ErrorCode};
use crate::retry::Failure;

impl Reading<'_> {
    /// The body as a whole, which is known to be no envelope that refuses.
    pub(super) fn read_flat<T: DeserializeOwned>(
        &self,
        answer: &Response<Bytes>,
        body: &str,
    ) -> Result<Good<T>, Failure> {
        if let Some(refusal) = Refusal::read(body) {
            return Err(self.flat_refusal(answer, &refusal));
        }
        if !promises(answer.status()) {
            return Err(self.by_status(answer));
        }
        let value = match serde_json::from_str(body) {
            Ok(value) => value,
            // Should the service put its envelope around it one day, what cannot be had again is not to be lost.
            Err(error) => Envelope::read(body)
                .and_then(|envelope| envelope.data())
                .map_err(|_| self.unkept(answer, None, &error))?,
        };
        Ok(Good {
            value,
            trace_id: self.clean(trace_id(answer.headers())),
        })
    }

    /// The status stands for the code that is not there: a server in trouble has refused nothing for good.
    fn flat_refusal(&self, answer: &Response<Bytes>, refusal: &Refusal) -> Failure {
        let status = answer.status();
        Failure {
            class: class_of_status(status),
            error: Error::Api(Box::new(ApiError {
                code: refusal.code(status),
                number: None,
                message: self.scrub.start(&refusal.text, MOST_MESSAGE),
                trace_id: self.clean(trace_id(answer.headers())),
                http_status: status,
                retry_after: self.retry_after(answer.headers()),
                follows_lost_answer: false,
            })),
        }
    }
}

/// What a body says no with. The service documents no form of it; this is the one of RFC 6749.
struct Refusal {
    name: Option<String>,
    text: String,
}

impl Refusal {
    fn read(body: &str) -> Option<Refusal> {
        #[derive(Deserialize)]
        struct Wire {
            error: Option<Value>,
            error_description: Option<Value>,
        }
        let wire: Wire = serde_json::from_str(body).ok()?;
        let name = said(wire.error);
        let text = said(wire.error_description).or_else(|| name.clone())?;
        Some(Refusal { name, text })
    }

    /// By the name, if it is one that says more than the status; a server in trouble has found nothing wrong.
    fn code(&self, status: StatusCode) -> ErrorCode {
        match self.name.as_deref() {
            Some("invalid_grant") if !status.is_server_error() => ErrorCode::InvalidGrant,
            Some("invalid_client" | "unauthorized_client") if !status.is_server_error() => {
                ErrorCode::InvalidClient
            }
            _ => ErrorCode::from_number(status.as_u16().into()),
        }
    }
}

/// The text of a value; none if it says that nothing is wrong.
fn said(value: Option<Value>) -> Option<String> {
    match value? {
        Value::Null | Value::Bool(false) => None,
        Value::String(text) => Some(text).filter(|text| !text.is_empty()),
        other => Some(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use serde::Deserialize;

    use super::*;
    use crate::endpoint::ResponseFormat;
    use crate::retry::Class;
    use crate::scrub::Scrub;

    #[derive(Debug, Deserialize)]
    struct Pair {
        token: String,
    }

    fn read(status: u16, body: &str) -> Result<Pair, Failure> {
        let reading = Reading {
            secret: true,
            body_limit: 1000,
            too_many_downloads: "",
            scrub: Scrub::NOTHING,
            wall: SystemTime::UNIX_EPOCH,
        };
        let answer = Response::builder().status(status);
        let answer = answer.body(Bytes::copy_from_slice(body.as_bytes()));
        let good = reading.read(ResponseFormat::Flat, &answer.unwrap())?;
        Ok(good.value)
    }

    #[test]
    fn the_whole_body_is_the_answer() {
        for body in [
            r#"{"token":"t"}"#,
            r#"{"token":"t","error":null,"error_description":""}"#,
            r#"{"token":"t","error":false,"code":0,"data":null}"#,
            r#"{"code":0,"message":"ok","data":{"token":"t"}}"#,
        ] {
            assert_eq!(read(200, body).unwrap().token, "t");
        }
        for body in [
            "",
            "<html>",
            "{}",
            r#"{"code":0,"data":{"token":7}}"#,
            r#"{"token":7}"#,
        ] {
            let failure = read(200, body).unwrap_err();
            assert_eq!(failure.class, Class::Doubtful, "{body}");
            assert!(matches!(failure.error, Error::Decode(_)));
        }
    }

    #[test]
    fn an_envelope_that_refuses_is_a_refusal_whatever_the_status() {
        for status in [200, 302, 400, 500] {
            for (code, class) in [
                (401, Class::TokenRefused),
                (429, Class::RateLimited),
                (1, Class::Refused),
            ] {
                let body = format!(r#"{{"code":{code},"message":"m","token":"t","error":"e"}}"#);
                let failure = read(status, &body).unwrap_err();
                assert_eq!(failure.class, class);
                let api = failure.error.api().unwrap();
                assert_eq!((api.number(), api.message()), (code, "m"));
            }
        }
    }

    #[test]
    fn a_body_with_an_error_is_a_refusal_by_its_status() {
        for (status, class) in [
            (200, Class::Refused),
            (302, Class::Refused),
            (400, Class::Refused),
            (401, Class::TokenRefused),
            (403, Class::Refused),
            (429, Class::RateLimited),
            (408, Class::Doubtful),
            (500, Class::Doubtful),
            (503, Class::Doubtful),
        ] {
            for (body, message) in [
                (
                    r#"{"error":"invalid_grant","error_description":"令牌已被使用"}"#,
                    "令牌已被使用",
                ),
                (r#"{"error":"invalid_grant"}"#, "invalid_grant"),
                (r#"{"error_description":"used"}"#, "used"),
                (
                    r#"{"error":"invalid_grant","error_description":null}"#,
                    "invalid_grant",
                ),
                (r#"{"error":{"a":1},"token":"t"}"#, r#"{"a":1}"#),
            ] {
                let failure = read(status, body).unwrap_err();
                assert_eq!(failure.class, class, "{status} {body}");
                let api = failure.error.api().unwrap();
                assert_eq!(api.message(), message);
                assert_eq!(api.number(), i64::from(status));
                assert_eq!(api.http_status().as_u16(), status);
                let shown = format!("HTTP {status}: {message}");
                assert_eq!(api.to_string(), shown);
            }
        }
    }

    #[test]
    fn with_neither_the_status_decides() {
        for (status, class) in [
            (302, Class::Refused),
            (400, Class::Refused),
            (401, Class::TokenRefused),
            (408, Class::Doubtful),
            (429, Class::RateLimited),
            (502, Class::Doubtful),
        ] {
            for body in ["", "<html>", r#"{"token":"t"}"#, r#"{"message":"m"}"#] {
                let failure = read(status, body).unwrap_err();
                assert_eq!(failure.class, class, "{status} {body}");
                assert!(matches!(failure.error, Error::Http(_)));
            }
        }
    }
}
