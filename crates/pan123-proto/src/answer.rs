//! What an answer means: the envelope's code is judged first, the HTTP status only where no envelope came.

mod flat;

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::header::{DATE, RETRY_AFTER};
use http::{HeaderMap, HeaderName, Response, StatusCode};
use jiff::fmt::rfc2822::DateTimeParser;
use serde::de::DeserializeOwned;

use crate::date::system_time;
use crate::endpoint::ResponseFormat;
use crate::envelope::Envelope;
use crate::error::{ApiError, Error, ErrorCode, ResponseError};
use crate::retry::{Class, Failure, MOST_RETRY_AFTER};
use crate::scrub::Scrub;

/// The most characters of a body that an error keeps.
const MOST_EXCERPT: usize = 200;
/// The most characters of the service's own message, and of what a parser says of its answer.
const MOST_MESSAGE: usize = 1000;
/// The most characters of a trace id.
const MOST_TRACE_ID: usize = 200;

/// What has to be known to read an answer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reading<'a> {
    /// Whether the answer may hold a token, so that nothing of it is quoted.
    pub(crate) secret: bool,
    /// The most bytes of body.
    pub(crate) body_limit: usize,
    /// The text that says that too many downloads run at once.
    pub(crate) too_many_downloads: &'a str,
    /// What must not be quoted.
    pub(crate) scrub: Scrub<'a>,
    /// The local calendar, where the answer has no date of its own.
    pub(crate) wall: SystemTime,
}

/// An answer with what was promised.
#[derive(Debug)]
pub(crate) struct Good<T> {
    pub(crate) value: T,
    pub(crate) trace_id: Option<String>,
}

impl Reading<'_> {
    pub(crate) fn read<T: DeserializeOwned>(
        &self,
        format: ResponseFormat,
        answer: &Response<Bytes>,
    ) -> Result<Good<T>, Failure> {
        if answer.body().len() > self.body_limit {
            let reason = format!("the body is larger than {} bytes", self.body_limit);
            return Err(self.decode(answer, None, reason));
        }
        // A character of another encoding in a text must not hide the code, the trace id or the data beside it.
        let body = String::from_utf8_lossy(answer.body());
        match (format, Envelope::read(&body)) {
            (_, Ok(envelope)) if envelope.code != 0 => Err(self.refusal(answer, envelope)),
            (ResponseFormat::Envelope, Ok(envelope)) => match envelope.data() {
                Ok(value) => Ok(Good {
                    value,
                    trace_id: self.clean(envelope.trace_id),
                }),
                Err(error) => Err(self.unkept(answer, envelope.trace_id, &error)),
            },
            (ResponseFormat::Envelope, Err(error)) => Err(self.no_answer(answer, &error)),
            (ResponseFormat::Flat, _) => self.read_flat(answer, &body),
        }
    }

    fn refusal(&self, answer: &Response<Bytes>, envelope: Envelope<'_>) -> Failure {
        let too_many = !self.too_many_downloads.is_empty()
            && envelope.message.contains(self.too_many_downloads);
        let code = if too_many {
            ErrorCode::TooManyDownloads
        } else {
            ErrorCode::from_number(envelope.code)
        };
        Failure {
            class: match code {
                ErrorCode::Unauthorized => Class::TokenRefused,
                ErrorCode::RateLimited => Class::RateLimited,
                _ => Class::Refused,
            },
            error: Error::Api(Box::new(ApiError {
                code,
                number: Some(envelope.code),
                message: self.scrub.start(&envelope.message, MOST_MESSAGE),
                trace_id: self.clean(envelope.trace_id.or_else(|| trace_id(answer.headers()))),
                http_status: answer.status(),
                retry_after: self.retry_after(answer.headers()),
                follows_lost_answer: false,
            })),
        }
    }

    /// Success, but not with what was promised.
    fn unkept(
        &self,
        answer: &Response<Bytes>,
        trace: Option<String>,
        error: &serde_json::Error,
    ) -> Failure {
        let reason = format!("success without the promised data: {}", self.quote(error));
        self.decode(answer, trace, reason)
    }

    /// Nothing that the service's application says: the status decides.
    fn no_answer(&self, answer: &Response<Bytes>, error: &serde_json::Error) -> Failure {
        if promises(answer.status()) {
            let reason = format!("no answer of the service: {}", self.quote(error));
            return self.decode(answer, None, reason);
        }
        self.by_status(answer)
    }

    fn by_status(&self, answer: &Response<Bytes>) -> Failure {
        let status = answer.status();
        let unreadable = self.unreadable(answer, None, reason_of_status(status));
        Failure {
            class: class_of_status(status),
            error: Error::Http(Box::new(unreadable)),
        }
    }

    fn decode(&self, answer: &Response<Bytes>, trace: Option<String>, reason: String) -> Failure {
        Failure {
            class: Class::Doubtful,
            error: Error::Decode(Box::new(self.unreadable(answer, trace, reason))),
        }
    }

    fn unreadable(
        &self,
        answer: &Response<Bytes>,
        trace: Option<String>,
        reason: String,
    ) -> ResponseError {
        ResponseError {
            http_status: answer.status(),
            trace_id: self.clean(trace.or_else(|| trace_id(answer.headers()))),
            retry_after: self.retry_after(answer.headers()),
            reason,
            excerpt: if self.secret {
                String::new()
            } else {
                let body = String::from_utf8_lossy(answer.body());
                self.scrub.start(&body, MOST_EXCERPT)
            },
        }
    }

    /// What a parser says of a body quotes it, so of a secret one only the place is told.
    fn quote(&self, error: &serde_json::Error) -> String {
        if self.secret {
            format!("line {} column {}", error.line(), error.column())
        } else {
            self.scrub.start(&error.to_string(), MOST_MESSAGE)
        }
    }

    fn clean(&self, text: Option<String>) -> Option<String> {
        text.map(|text| self.scrub.start(&text, MOST_TRACE_ID))
    }

    /// In seconds or as a date; never more than five minutes.
    fn retry_after(&self, headers: &HeaderMap) -> Option<Duration> {
        let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
        let wait = match text.parse() {
            Ok(seconds) => Duration::from_secs(seconds),
            Err(_) if is_digits(text) => MOST_RETRY_AFTER,
            Err(_) => {
                let now = date(headers).unwrap_or(self.wall);
                http_date(text)?.duration_since(now).unwrap_or_default()
            }
        };
        Some(wait.min(MOST_RETRY_AFTER))
    }
}

/// Whether a body under this status should be what was asked for.
fn promises(status: StatusCode) -> bool {
    status.is_success() || status.is_informational()
}

/// A number of seconds, be it too large for any type.
fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn class_of_status(status: StatusCode) -> Class {
    match status {
        StatusCode::UNAUTHORIZED => Class::TokenRefused,
        StatusCode::TOO_MANY_REQUESTS => Class::RateLimited,
        StatusCode::REQUEST_TIMEOUT => Class::Doubtful,
        status if status.is_server_error() => Class::Doubtful,
        _ => Class::Refused,
    }
}

fn reason_of_status(status: StatusCode) -> String {
    if status.is_redirection() {
        "a redirect, which is never followed".to_owned()
    } else {
        let reason = status
            .canonical_reason()
            .unwrap_or("no answer of the service");
        reason.to_lowercase()
    }
}

/// The service's clock at the time of the answer.
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

fn trace_id(headers: &HeaderMap) -> Option<String> {
    let name = HeaderName::from_static("x-traceid");
    let trace = headers.get(name)?.to_str().ok()?;
    (!trace.is_empty()).then(|| trace.to_owned())
}

#[cfg(test)]
mod tests;
