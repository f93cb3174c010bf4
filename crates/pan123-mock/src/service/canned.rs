//! Responses prepared by a test.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::response::ApiResponse;
use crate::tcp::Break;

/// A prepared response for [`Service::respond_next`](super::Service::respond_next) or a custom [`Fault`](super::Fault).
///
/// ```
/// use std::time::Duration;
/// use pan123_mock::{CannedResponse, Edit, http};
///
/// let too_frequent = CannedResponse::envelope(429, "请求太频繁").times(2);
/// let no_files = CannedResponse::data(serde_json::json!({"fileList": [], "lastFileId": -1}));
/// let gateway = CannedResponse::raw(http::StatusCode::BAD_GATEWAY, "<html>502</html>");
/// // The task is created, but the response is lost.
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
    Data(Value),
    Raw { status: StatusCode, body: Bytes },
}

/// A change to the service's own response.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Edit {
    /// Sets `data` to null, whatever the code.
    NullData,
    /// Removes `data`.
    NoData,
    /// Writes all numbers in `data` as strings.
    NumbersAsStrings,
    /// Sets `data.status`.
    Status(i64),
    /// Removes the second half of the body; `Content-Length` is that of the rest.
    Truncated,
}

impl CannedResponse {
    /// Creates an HTTP 200 response with an envelope of this code and message; `data` is null.
    pub fn envelope(code: i64, message: impl Into<String>) -> Self {
        Self::new(Kind::Envelope {
            code,
            message: message.into(),
        })
    }

    /// Creates the response to a success with this `data`.
    pub fn data(data: impl Into<Value>) -> Self {
        Self::new(Kind::Data(data.into()))
    }

    /// Creates a response with this HTTP status and body. It has no headers but `Date` and those that are added.
    pub fn raw(status: StatusCode, body: impl Into<Bytes>) -> Self {
        Self::new(Kind::Raw {
            status,
            body: body.into(),
        })
    }

    /// Creates a response that the service computes as usual, to delay or edit it, to add a header, or to let a request through before the
    /// next prepared response.
    pub fn passthrough() -> Self {
        Self::new(Kind::Own(None)).after_acting()
    }

    /// Edits a [`passthrough`](Self::passthrough) response; it does not change any other.
    pub fn edited(mut self, edit: Edit) -> Self {
        if let Kind::Own(edits) = &mut self.kind {
            *edits = Some(edit);
        }
        self
    }

    /// Sets a header, replacing the original one.
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }

    /// Delays the response.
    pub fn delay(mut self, delay: Duration) -> Self {
        self.delay = Some(delay);
        self
    }

    /// Lets the service act on the request first, as if its own response had been lost.
    pub fn after_acting(mut self) -> Self {
        self.acts = true;
        self
    }

    /// Breaks the exchange, as many times as the break says. The service does not act on a request that is cut. A server that cannot break
    /// the connection approximates it: see [`WireOutcome`](crate::WireOutcome).
    pub fn broken(mut self, broken: Break) -> Self {
        if broken.request_cut().is_some() {
            self.acts = false;
        }
        self.times = self.times.max(broken.count());
        self.broken = Some(broken);
        self
    }

    /// Uses this response for this many requests instead of one.
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

    /// Builds the HTTP response; `own` is the service's response.
    pub(super) fn into_http(self, own: Option<ApiResponse>, trace_id: &str) -> Response<Bytes> {
        let mut response = match self.kind {
            Kind::Own(edit) => edited(own.unwrap_or(ApiResponse::NoRoute), edit, trace_id),
            Kind::Envelope { code, message } => ApiResponse::error(code, message).to_http(trace_id),
            Kind::Data(data) => ApiResponse::ok(&data).to_http(trace_id),
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
        Some(Edit::NullData) => own.edit_data(|data| *data = Some(Value::Null)),
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

fn as_texts(value: &mut Value) {
    match value {
        Value::Number(number) => *value = number.to_string().into(),
        Value::Array(values) => values.iter_mut().for_each(as_texts),
        Value::Object(fields) => fields.values_mut().for_each(as_texts),
        _ => {}
    }
}
