//! Any answer to any endpoint: nothing panics, and no code, trace id, status or number that was there is lost.
//!
//! The bytes are a line `status <tab> trace id <tab> Retry-After <tab> Date`, each of them optional, and a body.

use std::collections::BTreeSet;
use std::fmt::Debug;

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode};
use pan123_proto::access_token::IssueToken;
use pan123_proto::offline::Progress;
use pan123_proto::user::GetUserInfo;
use pan123_proto::{Endpoint, Error, Input};

use super::json::{Object, not_empty};
use crate::support::reading::read_with;
use crate::support::{download, progress};

pub(crate) fn run(data: &[u8]) -> BTreeSet<String> {
    let answer = answer(data);
    let body = String::from_utf8_lossy(answer.body());
    let said = Said::read(&answer, &body);
    let token = said.ask(&IssueToken::new("id", "secret"), &answer);
    let user = said.ask(&GetUserInfo, &answer);
    let created = said.ask(&download(), &answer);
    let polled = said.ask(&progress(), &answer);
    if let Some(data) = &said.data {
        let text = |name| data.read_one(|key| key == name).and_then(not_empty);
        let number = |name| data.read_one::<u64>(|key| key == name);
        if let (Ok(token), Some(expected)) = (&token, text("accessToken")) {
            assert_eq!(token.expose(), expected);
        }
        if let (Ok(user), Some(expected)) = (&user, number("uid")) {
            assert_eq!(user.uid, expected);
        }
        if let Some(task) = task(data) {
            let created = created.as_ref().expect("a task id");
            assert_eq!(created.task.get(), task);
        }
        if let Some(expected) = seen(data) {
            let polled = polled.as_ref().expect("a progress");
            assert_eq!(*polled, expected);
        }
    }
    BTreeSet::from([
        end("token", &token),
        end("user", &user),
        end("create", &created),
        end("progress", &polled),
    ])
}

fn answer(data: &[u8]) -> Response<Bytes> {
    let end = data.iter().position(|&byte| byte == b'\n');
    let (head, body) = end.map_or((&[][..], data), |end| (&data[..end], &data[end + 1..]));
    let mut fields = head.split(|&byte| byte == b'\t');
    let status = fields.next().map(StatusCode::from_bytes);
    let mut answer = Response::new(Bytes::copy_from_slice(body));
    *answer.status_mut() = status.and_then(Result::ok).unwrap_or_default();
    for (name, value) in ["x-traceid", "retry-after", "date"].into_iter().zip(fields) {
        if let Ok(value) = HeaderValue::from_bytes(value) {
            answer.headers_mut().insert(name, value);
        }
    }
    answer
}

/// What a response says unambiguously.
struct Said<'a> {
    status: StatusCode,
    code: Option<i64>,
    trace: Option<String>,
    /// The data of a success.
    data: Option<Object<'a>>,
}

impl<'a> Said<'a> {
    fn read(answer: &Response<Bytes>, body: &'a str) -> Said<'a> {
        let header = answer.headers().get("x-traceid");
        let header = header.and_then(|value| value.to_str().ok());
        let mut said = Said {
            status: answer.status(),
            code: None,
            trace: header.filter(|text| !text.is_empty()).map(str::to_owned),
            data: None,
        };
        if let Some(object) = Object::read(body) {
            said.code = object.read_one(|key| key == "code");
            let is_trace = |key: &str| key.eq_ignore_ascii_case("x-traceID");
            if object.count(is_trace) > 0 {
                let trace = said.code.and_then(|_| object.read_one(is_trace));
                said.trace = trace.and_then(not_empty);
            }
            let data = object.one(|key| key == "data");
            said.data = data.filter(|_| said.code == Some(0)).and_then(Object::read);
        } else if body.contains(|character| character < ' ') {
            // It may be an envelope after all, with a control character in a string.
            said.trace = None;
        }
        said
    }

    /// Decodes the response. An error must keep its code, trace id and status.
    fn ask<E: Endpoint>(&self, endpoint: &E, answer: &Response<Bytes>) -> Result<E::Response, Error>
    where
        E::Response: Debug,
    {
        let result = read_with(endpoint, Input::Response(answer.clone()));
        match &result {
            Ok(_) => assert!(self.code.is_none_or(|code| code == 0)),
            Err(error) => {
                drop(format!("{error} {error:?} {:?}", error.retry_after()));
                assert_eq!(error.http_status(), Some(self.status));
                if let Some(trace) = &self.trace {
                    assert_eq!(error.trace_id(), Some(trace.as_str()));
                }
                if let Some(code) = self.code.filter(|&code| code != 0) {
                    let api = error.api().expect("the service's refusal");
                    assert_eq!(api.number(), code);
                }
            }
        }
        result
    }
}

/// The new task that this data must be read as.
fn task(data: &Object<'_>) -> Option<u64> {
    let id = data.read_one(|key| matches!(key, "taskID" | "taskId"))?;
    (id != 0).then_some(id)
}

/// The progress that this data must be read as.
fn seen(data: &Object<'_>) -> Option<Progress> {
    let percent = data.read_one::<f64>(|key| key == "process")?;
    let status: i64 = data.read_one(|key| key == "status")?;
    let status = serde_json::from_str(&status.to_string()).ok()?;
    Some(Progress::new(percent, status))
}

fn end<T>(what: &str, result: &Result<T, Error>) -> String {
    match result {
        Ok(_) => format!("{what}: read"),
        Err(error) => format!("{what}: {:?}", error.kind()),
    }
}
