//! What the service said no with.

use std::fmt;
use std::time::Duration;

use http::StatusCode;

/// The service's own refusal: an envelope whose `code` is not 0, or the `error` of an endpoint that has no envelope.
///
/// Codes and texts: <https://123yunpan.yuque.com/org-wiki-123yunpan-muaork/cr6ced/>, where the vendor lists them.
#[derive(Clone, Debug)]
pub struct ApiError {
    pub(crate) code: ErrorCode,
    /// None where the service gave none.
    pub(crate) number: Option<i64>,
    pub(crate) message: String,
    pub(crate) trace_id: Option<String>,
    pub(crate) http_status: StatusCode,
    pub(crate) retry_after: Option<Duration>,
}

impl ApiError {
    /// What the code means.
    pub fn code(&self) -> ErrorCode {
        self.code
    }

    /// The code as the service sent it; the HTTP status if it refused without one.
    pub fn number(&self) -> i64 {
        let status = self.http_status.as_u16();
        self.number.unwrap_or(status.into())
    }

    /// Whether it is the word of a server in trouble, which says nothing of what was asked.
    pub(crate) fn may_pass(&self) -> bool {
        let status = self.http_status;
        let trouble = status.is_server_error() || status == StatusCode::REQUEST_TIMEOUT;
        self.code == ErrorCode::RateLimited || (self.number.is_none() && trouble)
    }

    /// The service's text, often Chinese; of a long one the first 1000 characters.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The service's `x-traceID`, to be named when asking its support.
    pub fn trace_id(&self) -> Option<&str> {
        self.trace_id.as_deref()
    }

    /// The HTTP status that the refusal came under, mostly 200.
    pub fn http_status(&self) -> StatusCode {
        self.http_status
    }

    /// How long the service asked to stay away, at most five minutes.
    pub fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    /// Whether the text says that newer tokens pushed this one out: another process uses the same client id.
    pub fn is_token_pushed_out(&self) -> bool {
        self.code == ErrorCode::Unauthorized
            && (self.message.contains("exceeded the limit")
                || self.message.contains("exceeded the imit"))
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.number {
            Some(number) => write!(f, "code {number}: {}", self.message)?,
            None => write!(f, "HTTP {}: {}", self.http_status.as_u16(), self.message)?,
        }
        if self.is_token_pushed_out() {
            f.write_str(
                " (another process uses this client id: at most 3 tokens of it live at once)",
            )?;
        }
        match &self.trace_id {
            Some(trace) => write!(f, " [trace {trace}]"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for ApiError {}

/// What a code of the service means, as far as that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorCode {
    /// 401: the token is wrong, expired or pushed out.
    Unauthorized,
    /// 429, 42902 or 42903: too many requests.
    RateLimited,
    /// Too many downloads run at once. Known by its text, `同时下载的任务超出最大限制`; its number is not known.
    TooManyDownloads,
    /// 1: an internal error; in practice a catch-all whose text says more.
    Internal,
    /// 5060: something of that name is there already.
    NameExists,
    /// 5066: no such file.
    FileNotFound,
    /// 5113: the day's download traffic is used up.
    TrafficExceeded,
    /// 20103: an upload is still being verified.
    Verifying,
    /// Any other number.
    Other(i64),
}

impl ErrorCode {
    pub(crate) fn from_number(number: i64) -> ErrorCode {
        match number {
            401 => ErrorCode::Unauthorized,
            429 | 42902 | 42903 => ErrorCode::RateLimited,
            1 => ErrorCode::Internal,
            5060 => ErrorCode::NameExists,
            5066 => ErrorCode::FileNotFound,
            5113 => ErrorCode::TrafficExceeded,
            20103 => ErrorCode::Verifying,
            other => ErrorCode::Other(other),
        }
    }
}
