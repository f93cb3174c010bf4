//! Answers that a test has prepared, to see what a client makes of them.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use serde::{Deserialize, Serialize};

use super::response::ApiResponse;
use crate::tcp::Break;

/// A prepared answer for [`Service::respond_next`](super::Service::respond_next), or for a [`Fault`](super::Fault) of your own.
///
/// ```
/// use std::time::Duration;
/// use pan123_mock::{CannedResponse, Edit, http};
///
/// let too_frequent = CannedResponse::envelope(429, "请求太频繁").times(2);
/// let gateway = CannedResponse::raw(http::StatusCode::BAD_GATEWAY, "<html>502</html>");
/// // The task is created, and nobody is told.
/// let lost = CannedResponse::raw(http::StatusCode::GATEWAY_TIMEOUT, "").after_acting();
/// let slow = CannedResponse::passthrough().delay(Duration::from_secs(5));
/// let empty = CannedResponse::passthrough().edited(Edit::NullData);
/// ```
#[derive(Debug, Clone)]
pub struct CannedResponse {
    pub(super) kind: Kind,
    pub(super) headers: HeaderMap,
    pub(super) delay: Option<Duration>,
    pub(super) acts: bool,
    pub(super) broken: Option<Break>,
    pub(super) times: usize,
}

#[derive(Debug, Clone)]
pub(super) enum Kind {
    Own(Option<Edit>),
    Envelope { code: i64, message: String },
    Raw { status: StatusCode, body: Bytes },
}

/// Kind becomes of an answer of the service's own before it is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Edit {
    /// `data` is null, whatever the code says.
    NullData,
    /// `data` is left out.
    NoData,
    /// All numbers in `data` are written as texts.
    NumbersAsStrings,
    /// `data.status` is this number.
    Status(i64),
    /// The second half of the body is left out, and the length announced is that of the first.
    Truncated,
}

impl CannedResponse {
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

    /// The answer that the service gives anyway: to delay it, to edit it, to add a header, or to let a request through before the
    /// next prepared answer.
    pub fn passthrough() -> Self {
        Self::new(Kind::Own(None)).after_acting()
    }

    /// Changes the service's own answer; it does nothing to another one.
    pub fn edited(mut self, edit: Edit) -> Self {
        if let Kind::Own(edits) = &mut self.kind {
            *edits = Some(edit);
        }
        self
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

    /// Breaks the exchange on its way, and so many as the break says. The service does not act on a request that it is not to hear of. Kind a server cannot do
    /// exactly it does as nearly as it can: see [`WireOutcome`](crate::WireOutcome).
    pub fn broken(mut self, broken: Break) -> Self {
        if broken.request_cut().is_some() {
            self.acts = false;
        }
        self.times = self.times.max(broken.count());
        self.broken = Some(broken);
        self
    }

    /// Answers this many requests in a row instead of one.
    pub fn times(mut self, times: usize) -> Self {
        self.times = times;
        self
    }

    pub(super) fn new(kind: Kind) -> Self {
        Self {
            kind,
            headers: HeaderMap::new(),
            delay: None,
            acts: false,
            broken: None,
            times: 1,
        }
    }

    /// The answer to send in place of `own`.
    pub(super) fn into_http(self, own: Option<ApiResponse>, trace_id: &str) -> Response<Bytes> {
        let mut response = match self.kind {
            Kind::Own(edit) => edited(own.unwrap_or(ApiResponse::NoRoute), edit, trace_id),
            Kind::Envelope { code, message } => ApiResponse::error(code, message).to_http(trace_id),
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

fn edited(mut own: ApiResponse, edit: Option<Edit>, trace_id: &str) -> Response<Bytes> {
    match edit {
        None => {}
        Some(Edit::NullData) => own.edit_data(|data| *data = Some(serde_json::Value::Null)),
        Some(Edit::NoData) => own.edit_data(|data| *data = None),
        Some(Edit::NumbersAsStrings) => own.edit_data(|data| data.iter_mut().for_each(as_texts)),
        Some(Edit::Status(status)) => own.edit_data(|data| {
            if let Some(old) = data.as_mut().and_then(|data| data.get_mut("status")) {
                *old = status.into();
            }
        }),
        Some(Edit::Truncated) => {
            let mut response = own.to_http(trace_id);
            let half = response.body().len() / 2;
            response.body_mut().truncate(half);
            return response;
        }
    }
    own.to_http(trace_id)
}

fn as_texts(value: &mut serde_json::Value) {
    match value {
        serde_json::Value::Number(number) => *value = number.to_string().into(),
        serde_json::Value::Array(values) => values.iter_mut().for_each(as_texts),
        serde_json::Value::Object(fields) => fields.values_mut().for_each(as_texts),
        _ => {}
    }
}
