//! The scripted server: requests sent, and replies.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimePrinter;
use pan123_proto::{Input, Transmit, TransportError};
use serde_json::{Value, json};

use super::START;

/// The paths of the service.
pub(crate) mod path {
    pub(crate) const TOKEN: &str = "/api/v1/access_token";
    pub(crate) const OAUTH: &str = "/api/v1/oauth2/access_token";
    pub(crate) const USER_INFO: &str = "/api/v1/user/info";
    pub(crate) const CREATE: &str = "/api/v1/offline/download";
    pub(crate) const PROGRESS: &str = "/api/v1/offline/download/process";
    pub(crate) const LIST: &str = "/api/v2/file/list";
    pub(crate) const DETAIL: &str = "/api/v1/file/detail";
    pub(crate) const MKDIR: &str = "/upload/v1/file/mkdir";
}

/// How long a response takes by default.
pub(crate) const LATENCY: Duration = Duration::from_millis(50);

/// A request as it was sent.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    /// Virtual time since the start.
    pub(crate) at: Duration,
    pub(crate) path: String,
    pub(crate) query: Option<String>,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Sent {
    pub(crate) fn new(at: Duration, request: &Request<Bytes>) -> Sent {
        Sent {
            at,
            path: request.uri().path().to_owned(),
            query: request.uri().query().map(str::to_owned),
            headers: request.headers().clone(),
            body: request.body().clone(),
        }
    }

    /// The token that it carries; empty without one.
    pub(crate) fn token(&self) -> &str {
        token_in(&self.headers)
    }
}

pub(crate) fn token_in(headers: &HeaderMap) -> &str {
    let value = headers.get(AUTHORIZATION);
    let text = value.and_then(|value| value.to_str().ok());
    text.and_then(|text| text.strip_prefix("Bearer "))
        .unwrap_or_default()
}

/// What the server knows when a request comes.
pub(crate) struct ServerView<'a> {
    /// Virtual time since the start.
    pub(crate) at: Duration,
    /// All requests before this one.
    pub(crate) earlier: &'a [Sent],
}

impl ServerView<'_> {
    /// How many requests to this path came before this one.
    pub(crate) fn count(&self, path: &str) -> usize {
        self.earlier.iter().filter(|sent| sent.path == path).count()
    }

    /// The service's own clock.
    pub(crate) fn wall(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + START + self.at
    }
}

/// A reply, and when it arrives.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) after: Duration,
    pub(crate) what: What,
}

#[derive(Debug)]
pub(crate) enum What {
    Answer(Response<Bytes>),
    Failure(TransportError),
    /// Nothing until the request's timeout.
    Hang,
    /// The driver drops the request and resumes with `Wake`.
    GiveUp,
}

impl Reply {
    fn new(what: What) -> Reply {
        Reply {
            after: LATENCY,
            what,
        }
    }

    /// Success with this data.
    #[allow(
        clippy::needless_pass_by_value,
        reason = "for calls with `json!` in place"
    )]
    pub(crate) fn data(data: Value) -> Reply {
        let envelope = json!({"code": 0, "message": "ok", "data": data, "x-traceID": "trace"});
        Reply::http(200, &envelope.to_string())
    }

    /// An error code, under HTTP 200.
    pub(crate) fn code(code: i64, message: &str) -> Reply {
        let envelope =
            json!({"code": code, "message": message, "data": null, "x-traceID": "trace"});
        Reply::http(200, &envelope.to_string())
    }

    pub(crate) fn http(status: u16, body: &str) -> Reply {
        let response = Response::builder().status(status);
        let body = Bytes::copy_from_slice(body.as_bytes());
        Reply::new(What::Answer(response.body(body).expect("a good status")))
    }

    pub(crate) fn failure(error: TransportError) -> Reply {
        Reply::new(What::Failure(error))
    }

    pub(crate) fn cut() -> Reply {
        Reply::failure(TransportError::interrupted("connection reset"))
    }

    pub(crate) fn hang() -> Reply {
        Reply::new(What::Hang)
    }

    pub(crate) fn give_up() -> Reply {
        Reply::new(What::GiveUp)
    }

    /// What a driver returns that respects the limits of the request, and after which time.
    pub(crate) fn within(self, transmit: &Transmit) -> (Duration, Input) {
        let timed_out = || (transmit.timeout, Input::Failed(TransportError::timed_out()));
        match self.what {
            What::Hang => timed_out(),
            _ if self.after > transmit.timeout => timed_out(),
            What::GiveUp => (self.after, Input::Wake),
            What::Failure(error) => (self.after, Input::Failed(error)),
            What::Answer(answer) if answer.body().len() > transmit.body_limit => {
                (self.after, Input::Failed(TransportError::body_too_large()))
            }
            What::Answer(answer) => (self.after, Input::Response(answer)),
        }
    }

    pub(crate) fn after(mut self, after: Duration) -> Reply {
        self.after = after;
        self
    }

    pub(crate) fn header(mut self, name: &'static str, value: &str) -> Reply {
        if let What::Answer(response) = &mut self.what {
            let name = HeaderName::from_static(name);
            let value = HeaderValue::from_str(value).expect("a good header");
            response.headers_mut().insert(name, value);
        }
        self
    }
}

/// A token `token-<number>` that lives for `life` by the service's clock, with a `Date`.
pub(crate) fn issue_token(view: &ServerView<'_>, number: usize, life: Duration) -> Reply {
    issue_token_until(number, view.wall() + life).header("date", &http_date(view.wall()))
}

/// The same, without a `Date`.
pub(crate) fn issue_token_until(number: usize, expired_at: SystemTime) -> Reply {
    let expired_at = timestamp(expired_at).to_string();
    Reply::data(json!({"accessToken": format!("token-{number}"), "expiredAt": expired_at}))
}

pub(crate) fn http_date(wall: SystemTime) -> String {
    DateTimePrinter::new()
        .timestamp_to_rfc9110_string(&timestamp(wall))
        .expect("a year of four digits")
}

fn timestamp(wall: SystemTime) -> Timestamp {
    let exact = Timestamp::try_from(wall).expect("a time in range");
    Timestamp::from_second(exact.as_second()).expect("a time in range")
}

/// A healthy service: it numbers its tokens and tasks, and every task runs forever.
pub(crate) fn routine(view: &ServerView<'_>, request: &Request<Bytes>) -> Reply {
    let path = request.uri().path();
    let number = view.count(path) + 1;
    match path {
        path::TOKEN => issue_token(view, number, Duration::from_secs(30 * 24 * 3600)),
        path::USER_INFO => Reply::data(json!({"uid": 7})),
        path::CREATE => Reply::data(json!({"taskID": number})),
        path::PROGRESS => Reply::data(json!({"process": 10, "status": 0})),
        _ => Reply::http(404, "no such path"),
    }
}
