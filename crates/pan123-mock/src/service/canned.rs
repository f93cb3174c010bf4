//! Answers that a test has prepared, to see what a client makes of them.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};

use super::answer::Answer;
use crate::tcp::Break;

/// A prepared answer for [`Service::answer_next`](super::Service::answer_next).
///
/// ```
/// use std::time::Duration;
/// use pan123_mock::{Canned, http};
///
/// let too_frequent = Canned::envelope(429, "请求太频繁").times(2);
/// let gateway = Canned::raw(http::StatusCode::BAD_GATEWAY, "<html>502</html>");
/// // The task is created, and nobody is told.
/// let lost = Canned::raw(http::StatusCode::GATEWAY_TIMEOUT, "").after_acting();
/// let slow = Canned::own_answer().delay(Duration::from_secs(5));
/// ```
#[derive(Debug, Clone)]
pub struct Canned {
    kind: Kind,
    headers: HeaderMap,
    delay: Option<Duration>,
    acts: bool,
    broken: Option<Break>,
    times: usize,
}

#[derive(Debug, Clone)]
enum Kind {
    Own,
    Envelope { code: i64, message: String },
    Raw { status: StatusCode, body: Bytes },
}

impl Canned {
    /// HTTP 200 and the envelope with this code and message; `data` is null.
    pub fn envelope(code: i64, message: impl Into<String>) -> Self {
        Self::new(Kind::Envelope {
            code,
            message: message.into(),
        })
    }

    /// This HTTP status and body, with no headers but the `Date` and your own.
    pub fn raw(status: StatusCode, body: impl Into<Bytes>) -> Self {
        Self::new(Kind::Raw {
            status,
            body: body.into(),
        })
    }

    /// The answer that the service gives anyway: to delay it, to add a header, or to let a request through before the next
    /// prepared answer.
    pub fn own_answer() -> Self {
        Self::new(Kind::Own).after_acting()
    }

    /// Sets a header, also one that would have been there anyway.
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }

    /// Holds the answer back.
    pub fn delay(mut self, delay: Duration) -> Self {
        self.delay = Some(delay);
        self
    }

    /// The service acts on the request first, as if its own answer had then been lost.
    pub fn after_acting(mut self) -> Self {
        self.acts = true;
        self
    }

    /// Breaks the exchange on its way. What a face cannot do exactly it does as nearly as it can: see
    /// [`BrokenWire`](crate::BrokenWire).
    pub fn broken(mut self, broken: Break) -> Self {
        self.broken = Some(broken);
        self
    }

    /// Answers this many requests in a row instead of one.
    pub fn times(mut self, times: usize) -> Self {
        self.times = times;
        self
    }

    fn new(kind: Kind) -> Self {
        Self {
            kind,
            headers: HeaderMap::new(),
            delay: None,
            acts: false,
            broken: None,
            times: 1,
        }
    }

    pub(super) fn repeated(&self) -> usize {
        self.times
    }

    pub(super) fn acts(&self) -> bool {
        self.acts
    }

    pub(super) fn held_back(&self) -> Option<Duration> {
        self.delay
    }

    pub(super) fn breaks(&self) -> Option<Break> {
        self.broken.clone()
    }

    /// The answer to send in place of `own`.
    pub(super) fn in_place_of(self, own: Option<&Answer>, trace_id: &str) -> Response<Bytes> {
        let mut response = match self.kind {
            Kind::Own => own.unwrap_or(&Answer::NoRoute).written(trace_id),
            Kind::Envelope { code, message } => Answer::refused(code, message).written(trace_id),
            Kind::Raw { status, body } => {
                let mut response = Response::new(body);
                *response.status_mut() = status;
                response
            }
        };
        response.headers_mut().extend(self.headers);
        response
    }
}
