//! Responses without an envelope, as the OAuth endpoint of the service sends them.

use std::borrow::Cow;

use bytes::Bytes;
use http::{Response, StatusCode};

use super::{Decoder, MAX_MESSAGE, class_of_status, should_hold_data, trace_id};
use crate::error::{ApiError, Error, ErrorCode};
use crate::wire::failure::Failure;
use crate::wire::json::{Json, Names};
use crate::wire::lenient::lossy_text;

impl Decoder<'_> {
    /// Returns the failure if the body is not the data. It is known not to be an envelope with a rejection.
    pub(super) fn check_flat(
        &self,
        response: &Response<Bytes>,
        body: Json<'_>,
    ) -> Result<(), Failure> {
        if let Some(rejection) = OAuthError::read(body) {
            return Err(self.flat_rejection(response, &rejection));
        }
        if !should_hold_data(response.status()) {
            return Err(self.by_status(response));
        }
        Ok(())
    }

    /// The status stands in for the missing code: a server error rejects nothing permanently.
    fn flat_rejection(&self, response: &Response<Bytes>, rejection: &OAuthError) -> Failure {
        let status = response.status();
        Failure {
            class: class_of_status(status),
            error: Error::Api(Box::new(ApiError {
                code: rejection.code(status),
                number: None,
                message: self.shown(&rejection.text, MAX_MESSAGE),
                trace_id: self.redact_trace_id(trace_id(response.headers())),
                http_status: status,
                retry_after: self.retry_after(response.headers()),
                follows_lost_response: false,
            })),
        }
    }
}

/// An error in the form of RFC 6749. The service documents none.
struct OAuthError {
    name: Option<String>,
    text: String,
}

impl OAuthError {
    fn read(body: Json<'_>) -> Option<OAuthError> {
        let names: [Names; 2] = [&["error"], &["error_description"]];
        let [name, text] = body.fields(names).ok()?;
        let name_text = name.values().find_map(error_text);
        let text = text.values().find_map(error_text).or(name_text)?;
        Some(OAuthError {
            name: name.optional(error_text),
            text,
        })
    }

    /// Maps the name, which is more precise than the status, except under a server error.
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

/// Returns the text of a value; none if the value means that there is no error.
fn error_text(json: Json<'_>) -> Option<String> {
    match json.spelling() {
        "null" | "false" | "\"\"" => None,
        spelling => Some(lossy_text(json).map_or_else(|| spelling.to_owned(), Cow::into_owned)),
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use serde::Deserialize;

    use super::super::ResponseFormat;
    use super::*;
    use crate::wire::failure::FailureClass;
    use crate::wire::redaction::Redactor;

    #[derive(Debug, Deserialize)]
    struct Pair {
        token: String,
    }

    fn read(status: u16, body: &str) -> Result<Pair, Failure> {
        let decoder = Decoder {
            secret: true,
            body_limit: 1000,
            created_id: &[],
            too_many_downloads: "",
            redactor: Redactor::NOTHING,
            wall: SystemTime::UNIX_EPOCH,
        };
        let response = Response::builder().status(status);
        let response = response.body(Bytes::copy_from_slice(body.as_bytes()));
        decoder.read(ResponseFormat::Flat, &response.unwrap())
    }

    #[test]
    fn whole_body_is_the_data() {
        for body in [
            r#"{"token":"t"}"#,
            r#"{"token":"t","error":null,"error_description":""}"#,
            r#"{"token":"t","error":false,"code":0,"data":null}"#,
            r#"{"code":0,"message":"ok","data":{"token":"t"}}"#,
            "\u{feff}{\"token\":\"t\"}\r\n\0",
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
            assert_eq!(failure.class, FailureClass::Indeterminate, "{body}");
            assert!(matches!(failure.error, Error::Decode(_)));
        }
    }

    #[test]
    fn envelope_with_a_code_is_a_rejection_under_any_status() {
        for status in [200, 302, 400, 500] {
            for (code, class) in [
                (401, FailureClass::TokenRejected),
                (429, FailureClass::RateLimited),
                (1, FailureClass::Rejected),
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
    fn body_with_an_error_is_classed_by_its_status() {
        for (status, class) in [
            (200, FailureClass::Rejected),
            (302, FailureClass::Rejected),
            (400, FailureClass::Rejected),
            (401, FailureClass::TokenRejected),
            (403, FailureClass::Rejected),
            (429, FailureClass::RateLimited),
            (408, FailureClass::Indeterminate),
            (500, FailureClass::Indeterminate),
            (503, FailureClass::Indeterminate),
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
    fn status_decides_without_envelope_or_error() {
        for (status, class) in [
            (302, FailureClass::Rejected),
            (400, FailureClass::Rejected),
            (401, FailureClass::TokenRejected),
            (408, FailureClass::Indeterminate),
            (429, FailureClass::RateLimited),
            (502, FailureClass::Indeterminate),
        ] {
            for body in ["", "<html>", r#"{"token":"t"}"#, r#"{"message":"m"}"#] {
                let failure = read(status, body).unwrap_err();
                assert_eq!(failure.class, class, "{status} {body}");
                assert!(matches!(failure.error, Error::Http(_)));
            }
        }
    }
}
