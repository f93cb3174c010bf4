//! A response that is not what the service promises.

use std::fmt;
use std::time::Duration;

use http::StatusCode;

/// A response without the service's envelope, or without the data that the endpoint promises.
#[derive(Clone, Debug)]
pub struct ResponseError {
    pub(crate) http_status: StatusCode,
    pub(crate) trace_id: Option<String>,
    pub(crate) retry_after: Option<Duration>,
    pub(crate) reason: String,
    pub(crate) excerpt: String,
    /// The ids of what the request created, as far as the body names any.
    pub(crate) candidates: Vec<u64>,
}

impl ResponseError {
    /// Returns the HTTP status of the response.
    pub fn http_status(&self) -> StatusCode {
        self.http_status
    }

    /// Returns the trace id, if the headers or the body carried one.
    pub fn trace_id(&self) -> Option<&str> {
        self.trace_id.as_deref()
    }

    /// Returns how long the response asked the client to wait, at most five minutes.
    pub fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    /// Returns the start of the body, at most 200 characters; empty for a response that may carry a secret. It may be printed:
    /// what does not show by itself is escaped.
    pub fn excerpt(&self) -> &str {
        &self.excerpt
    }
}

impl fmt::Display for ResponseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HTTP {}: {}", self.http_status.as_u16(), self.reason)?;
        if !self.excerpt.is_empty() {
            write!(f, "; the body starts with `{}`", self.excerpt)?;
        }
        match &self.trace_id {
            Some(trace) => write!(f, " [trace {trace}]"),
            None => Ok(()),
        }
    }
}
