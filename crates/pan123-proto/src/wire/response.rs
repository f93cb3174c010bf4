//! What a response means: the envelope's code is judged first, the HTTP status only where there is no envelope.

mod flat;

use std::borrow::Cow;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::header::{DATE, RETRY_AFTER};
use http::{HeaderMap, HeaderName, Response, StatusCode};
use jiff::fmt::rfc2822::DateTimeParser;
use serde::de::DeserializeOwned;

use super::body::body_text;
use super::envelope::{self, Envelope, ids_of_key};
use super::failure::{Failure, FailureClass};
use super::json::{Body, Json, Names};
use super::redaction::Redactor;
use super::timestamp::system_time;
use crate::error::{ApiError, Error, ErrorCode, ResponseError};
use crate::text;

/// The longest `Retry-After` that is honoured.
pub(crate) const MAX_RETRY_AFTER: Duration = Duration::from_secs(300);
/// The most characters of a body that an error keeps.
const MAX_EXCERPT: usize = 200;
/// The most characters of the service's own message, and of a parser's message about its response.
const MAX_MESSAGE: usize = 1000;
/// The most characters of a trace id.
pub(crate) const MAX_TRACE_ID: usize = 200;

/// Where a response holds its data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ResponseFormat {
    /// In the `data` of the service's envelope.
    Envelope,
    /// The whole body is the data, under an HTTP status of success. An envelope with a `code` other than 0 is a rejection here
    /// too, and so is a body with an `error` or an `error_description`.
    Flat,
}

/// What decoding a response needs to know.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Decoder<'a> {
    /// Whether the response may hold a secret, so that nothing of it is quoted.
    pub(crate) secret: bool,
    /// The most bytes of body.
    pub(crate) body_limit: usize,
    /// The key of the id of what the request created.
    pub(crate) created_id: Names,
    /// The text by which a rejection for too many concurrent downloads is known.
    pub(crate) too_many_downloads: &'a str,
    pub(crate) redactor: Redactor<'a>,
    /// The local calendar, for a response without a date.
    pub(crate) wall: SystemTime,
}

/// Returns the trace id of a success as it came, so with whatever secret it may echo.
pub(crate) fn trace_id_of_success(
    format: ResponseFormat,
    response: &Response<Bytes>,
) -> Option<String> {
    let body = Body::new(response.body());
    let trace_id = match format {
        ResponseFormat::Envelope => envelope::trace_id(&body),
        ResponseFormat::Flat => trace_id(response.headers()),
    };
    trace_id.map(Cow::into_owned)
}

/// Where the promised data of a success is.
struct Found<'a> {
    data: Json<'a>,
    /// Where else it may be.
    elsewhere: Option<Json<'a>>,
    envelope: Option<Envelope<'a>>,
}

impl Decoder<'_> {
    pub(crate) fn read<T: DeserializeOwned>(
        &self,
        format: ResponseFormat,
        response: &Response<Bytes>,
    ) -> Result<T, Failure> {
        self.check_length(response)?;
        let body = Body::new(response.body());
        let found = self.find_data(format, response, &body)?;
        found.data.to().or_else(|error| {
            let elsewhere = found.elsewhere.and_then(|data| data.to().ok());
            elsewhere.ok_or_else(|| self.missing_data(response, found.envelope.as_ref(), &error))
        })
    }

    fn check_length(&self, response: &Response<Bytes>) -> Result<(), Failure> {
        if response.body().len() > self.body_limit {
            let reason = format!("the body is larger than {} bytes", self.body_limit);
            return Err(self.undecodable(response, None, reason));
        }
        Ok(())
    }

    fn find_data<'b>(
        &self,
        format: ResponseFormat,
        response: &Response<Bytes>,
        body: &'b Body<'_>,
    ) -> Result<Found<'b>, Failure> {
        match (format, Envelope::read(body)) {
            (_, Ok(envelope)) if envelope.code != 0 => Err(self.rejection(response, &envelope)),
            (ResponseFormat::Envelope, Ok(envelope)) => Ok(Found {
                data: envelope.data(),
                elsewhere: None,
                envelope: Some(envelope),
            }),
            (ResponseFormat::Envelope, Err(error)) => Err(self.no_envelope(response, &error)),
            (ResponseFormat::Flat, envelope) => {
                self.check_flat(response, body.json())?;
                Ok(Found {
                    data: body.json(),
                    // Should the service add its envelope one day, a token that cannot be issued again must not be lost.
                    elsewhere: envelope.ok().map(|envelope| envelope.data()),
                    envelope: None,
                })
            }
        }
    }

    fn rejection(&self, response: &Response<Bytes>, envelope: &Envelope<'_>) -> Failure {
        let message = envelope.message();
        let too_many =
            !self.too_many_downloads.is_empty() && message.contains(self.too_many_downloads);
        let code = if too_many {
            ErrorCode::TooManyDownloads
        } else {
            ErrorCode::from_number(envelope.code)
        };
        Failure {
            class: match code {
                ErrorCode::Unauthorized => FailureClass::TokenRejected,
                ErrorCode::RateLimited => FailureClass::RateLimited,
                _ => FailureClass::Rejected,
            },
            error: Error::Api(Box::new(ApiError {
                code,
                number: Some(envelope.code),
                message: self.shown(&message, MAX_MESSAGE),
                trace_id: self
                    .redact_trace_id(envelope.trace_id().or_else(|| trace_id(response.headers()))),
                http_status: response.status(),
                retry_after: self.retry_after(response.headers()),
                follows_lost_response: false,
            })),
        }
    }

    /// A success without the promised data.
    fn missing_data(
        &self,
        response: &Response<Bytes>,
        envelope: Option<&Envelope<'_>>,
        error: &serde_json::Error,
    ) -> Failure {
        let reason = format!("success without the promised data: {}", self.quote(error));
        self.undecodable(response, envelope.and_then(Envelope::trace_id), reason)
    }

    /// A response that is not from the service's application: the status decides.
    fn no_envelope(&self, response: &Response<Bytes>, error: &serde_json::Error) -> Failure {
        if should_hold_data(response.status()) {
            let reason = format!("not a response of the service: {}", self.quote(error));
            return self.undecodable(response, None, reason);
        }
        self.by_status(response)
    }

    fn by_status(&self, response: &Response<Bytes>) -> Failure {
        let status = response.status();
        let error = self.response_error(response, None, reason_of_status(status));
        Failure {
            class: class_of_status(status),
            error: Error::Http(Box::new(error)),
        }
    }

    fn undecodable(
        &self,
        response: &Response<Bytes>,
        trace: Option<Cow<'_, str>>,
        reason: String,
    ) -> Failure {
        Failure {
            class: FailureClass::Indeterminate,
            error: Error::Decode(Box::new(ResponseError {
                candidates: ids_of_key(&body_text(response.body()), self.created_id),
                ..self.response_error(response, trace, reason)
            })),
        }
    }

    fn response_error(
        &self,
        response: &Response<Bytes>,
        trace: Option<Cow<'_, str>>,
        reason: String,
    ) -> ResponseError {
        ResponseError {
            http_status: response.status(),
            trace_id: self.redact_trace_id(trace.or_else(|| trace_id(response.headers()))),
            retry_after: self.retry_after(response.headers()),
            reason,
            candidates: Vec::new(),
            excerpt: if self.secret {
                String::new()
            } else {
                let body = body_text(response.body());
                self.shown(&body, MAX_EXCERPT)
            },
        }
    }

    /// A parser's message quotes the body, so for a secret one only the position is given.
    fn quote(&self, error: &serde_json::Error) -> String {
        if self.secret {
            match error.line() {
                0 => "a field is missing or cannot be read".to_owned(),
                line => format!("line {line} column {}", error.column()),
            }
        } else {
            self.shown(&error.to_string(), MAX_MESSAGE)
        }
    }

    /// Returns at most `max` characters of a text from outside, without secrets and invisible characters: whoever prints it must
    /// not print what moves the cursor or starts a line of the log.
    fn shown(&self, text: &str, max: usize) -> String {
        text::shown(self.redactor.redact_prefix(text, max), max)
    }

    fn redact_trace_id(&self, text: Option<Cow<'_, str>>) -> Option<String> {
        text.map(|text| self.shown(&text, MAX_TRACE_ID))
    }

    /// Reads `Retry-After`, in seconds or as a date; at most five minutes.
    fn retry_after(&self, headers: &HeaderMap) -> Option<Duration> {
        let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
        let wait = match text.parse() {
            Ok(seconds) => Duration::from_secs(seconds),
            Err(_) if is_digits(text) => MAX_RETRY_AFTER,
            Err(_) => {
                let now = date(headers).unwrap_or(self.wall);
                http_date(text)?.duration_since(now).unwrap_or_default()
            }
        };
        Some(wait.min(MAX_RETRY_AFTER))
    }
}

/// Whether a body under this status should hold the promised data.
fn should_hold_data(status: StatusCode) -> bool {
    status.is_success() || status.is_informational()
}

/// Whether this is a number of seconds, even one too large for any type.
fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn class_of_status(status: StatusCode) -> FailureClass {
    match status {
        StatusCode::UNAUTHORIZED => FailureClass::TokenRejected,
        StatusCode::TOO_MANY_REQUESTS => FailureClass::RateLimited,
        StatusCode::REQUEST_TIMEOUT => FailureClass::Indeterminate,
        status if status.is_server_error() => FailureClass::Indeterminate,
        _ => FailureClass::Rejected,
    }
}

fn reason_of_status(status: StatusCode) -> String {
    if status.is_redirection() {
        "a redirect, which is never followed".to_owned()
    } else {
        let reason = status
            .canonical_reason()
            .unwrap_or("not a response of the service");
        reason.to_lowercase()
    }
}

/// Returns what the service's clock showed when it responded.
pub(crate) fn date(headers: &HeaderMap) -> Option<SystemTime> {
    http_date(headers.get(DATE)?.to_str().ok()?)
}

fn http_date(text: &str) -> Option<SystemTime> {
    let date = DateTimeParser::new()
        .relaxed_weekday(true)
        .parse_timestamp(text)
        .ok()?;
    system_time(date)
}

fn trace_id(headers: &HeaderMap) -> Option<Cow<'_, str>> {
    let name = HeaderName::from_static("x-traceid");
    let trace = headers.get(name)?.to_str().ok()?;
    (!trace.is_empty()).then_some(Cow::Borrowed(trace))
}

#[cfg(test)]
mod tests;
