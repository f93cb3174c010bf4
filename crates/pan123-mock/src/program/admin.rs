//! `/__admin/`: what the mock has seen, and what it is to do. Everything is JSON.

mod told;

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use jiff::Timestamp;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::server::Shared;
use crate::service::millis;
use crate::{Builder, Callbacks, Course, Fault, Pace};

const ROOT: &str = "/__admin";

/// Whether a request to this path is for the mock, and not for the service.
pub(super) fn is_meant(path: &str) -> bool {
    path.strip_prefix(ROOT)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// What is answered: JSON, or the refusal with what was wrong.
type Answered = Result<Value, (StatusCode, String)>;

type Act = fn(&Shared, &Asked<'_>) -> Answered;

/// What can be asked for, each with a word on it.
const ROUTES: &[(Method, &str, &str, Act)] = &[
    (Method::GET, "", "this list", |_, _| Ok(help())),
    (
        Method::GET,
        "state",
        "the time, and how much there is of everything",
        told::state,
    ),
    (
        Method::GET,
        "requests",
        "the requests that came; ?secrets=true shows tokens and secrets, too",
        told::requests,
    ),
    (Method::DELETE, "requests", "forgets them", forget_requests),
    (
        Method::GET,
        "tasks",
        "the offline downloads, how far they are and how they ended",
        told::tasks,
    ),
    (
        Method::POST,
        "tasks/",
        "moves the task with the id that follows: {\"process\": 12.5, \"status\": 3}, or ends it: {\"size\": 1024} or {\"reason\": \"…\"}",
        move_task,
    ),
    (
        Method::GET,
        "callbacks",
        "the callbacks, and what became of them",
        told::callbacks,
    ),
    (
        Method::PUT,
        "callbacks",
        "how callbacks are posted from now on: {\"delay_ms\": 5000, \"copies\": 2, \"lost\": true, \"reason_key\": \"fileReason\"}",
        set_callbacks,
    ),
    (
        Method::GET,
        "files",
        "the files and folders of the drive",
        told::files,
    ),
    (
        Method::GET,
        "faults",
        "the faults that are still to come",
        told::faults,
    ),
    (
        Method::POST,
        "faults",
        "one more: {\"fault\": \"rate_limited\", \"path\": \"/api/v1/offline/download\", \"times\": 2}; also \"for_ever\", \"chance\", and answers of your own",
        set_fault,
    ),
    (Method::DELETE, "faults", "forgets them", clear_faults),
    (
        Method::PUT,
        "course",
        "how tasks go from now on: {\"succeeds_after\": 3}; with \"url\" only those of this source",
        set_course,
    ),
    (
        Method::PUT,
        "pace",
        "requests a second, by path: {\"/api/v1/user/info\": 0.5}, or \"free\", \"member\", \"off\"",
        set_pace,
    ),
    (
        Method::PUT,
        "running-limit",
        "how many downloads may run at once: 3, or null",
        set_running_limit,
    ),
    (
        Method::POST,
        "token-pushed-out",
        "pushes out all tokens that live",
        push_tokens_out,
    ),
    (
        Method::POST,
        "time",
        "moves the time: {\"advance_ms\": 60000}, {\"stop_at\": \"2025-03-23T15:38:37+08:00\"}, {\"run\": true}",
        move_time,
    ),
    (
        Method::GET,
        "options",
        "the options that the service was made with; ?secrets=true shows the client secret, too",
        options,
    ),
    (
        Method::POST,
        "reset",
        "a new service; with the options that are sent, or those of the start. The time stays as it is",
        reset,
    ),
];

/// A request of whoever leads the mock.
struct Asked<'a> {
    /// What follows the path of the route.
    rest: &'a str,
    query: &'a str,
    body: &'a Bytes,
}

pub(super) fn answer(shared: &Shared, request: &Request<Bytes>) -> Response<Bytes> {
    let (status, body) = match routed(shared, request) {
        Ok(answer) => (StatusCode::OK, answer),
        Err((status, error)) => (status, json!({ "error": error })),
    };
    let mut response = Response::new(Bytes::from(format!("{body}\n")));
    *response.status_mut() = status;
    let json = HeaderValue::from_static("application/json; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
}

fn routed(shared: &Shared, request: &Request<Bytes>) -> Answered {
    let path = request.uri().path();
    let path = path
        .strip_prefix(ROOT)
        .unwrap_or(path)
        .trim_start_matches('/');
    let mut allowed = Vec::new();
    for (method, route, _, act) in ROUTES {
        let Some(rest) = remaining(path, route) else {
            continue;
        };
        if method == request.method() {
            let query = request.uri().query().unwrap_or_default();
            let body = request.body();
            return act(shared, &Asked { rest, query, body });
        }
        allowed.push(method.as_str());
    }
    if allowed.is_empty() {
        let message = format!("nothing is at {ROOT}/{path}: GET {ROOT}/ lists what is");
        return Err((StatusCode::NOT_FOUND, message));
    }
    let message = format!("{ROOT}/{path} takes {}", allowed.join(" and "));
    Err((StatusCode::METHOD_NOT_ALLOWED, message))
}

/// A route that ends with a slash takes one more word.
fn remaining<'a>(path: &'a str, route: &str) -> Option<&'a str> {
    let rest = path.strip_prefix(route)?;
    let takes_a_word = route.ends_with('/');
    (rest.is_empty() != takes_a_word).then_some(rest)
}

fn help() -> Value {
    let routes = ROUTES.iter().map(|(method, route, what, _)| {
        json!({ "method": method.as_str(), "path": format!("{ROOT}/{route}"), "what": what })
    });
    json!({ "routes": routes.collect::<Vec<_>>(), "faults": crate::FAULTS })
}

impl Asked<'_> {
    fn json<T: DeserializeOwned>(&self) -> Result<T, (StatusCode, String)> {
        serde_json::from_slice(self.body).map_err(|error| refused(error.to_string()))
    }
}

impl Asked<'_> {
    fn shows_secrets(&self) -> bool {
        self.query == "secrets=true"
    }
}

fn refused(error: impl Into<String>) -> (StatusCode, String) {
    (StatusCode::BAD_REQUEST, error.into())
}

/// What is answered where nothing is to say.
fn done() -> Answered {
    Ok(json!({ "ok": true }))
}

fn forget_requests(shared: &Shared, _: &Asked<'_>) -> Answered {
    shared.face.update(|service| service.clear_requests());
    done()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Move {
    process: Option<f64>,
    status: Option<i64>,
    size: Option<u64>,
    reason: Option<String>,
}

fn move_task(shared: &Shared, asked: &Asked<'_>) -> Answered {
    let id = asked.rest.parse::<u64>().ok();
    let task = id.filter(|id| shared.face.update(|service| service.task(*id).is_some()));
    let Some(task) = task else {
        let message = format!("there is no task {}", asked.rest);
        return Err((StatusCode::NOT_FOUND, message));
    };
    let end = |result| {
        shared
            .face
            .act(|service, now| service.fetch_ended(now, task, result));
    };
    match asked.json::<Move>()? {
        Move {
            process: Some(percent),
            status: Some(status),
            size: None,
            reason: None,
        } => shared
            .face
            .update(|service| service.fetch_progress(task, (percent, status))),
        Move {
            process: None,
            status: None,
            size: Some(bytes),
            reason: None,
        } => end(Ok(bytes)),
        Move {
            process: None,
            status: None,
            size: None,
            reason: Some(reason),
        } => end(Err(reason)),
        _ => {
            return Err(refused(
                "a task takes `process` and `status`, or `size`, or `reason`",
            ));
        }
    }
    done()
}

fn set_callbacks(shared: &Shared, asked: &Asked<'_>) -> Answered {
    let callbacks: Callbacks = asked.json()?;
    shared
        .face
        .update(|service| service.set_callbacks(callbacks));
    done()
}

fn set_fault(shared: &Shared, asked: &Asked<'_>) -> Answered {
    let fault: Fault = asked.json()?;
    shared.face.update(|service| service.fault(fault));
    done()
}

fn clear_faults(shared: &Shared, _: &Asked<'_>) -> Answered {
    shared.face.update(|service| service.clear_faults());
    done()
}

fn set_course(shared: &Shared, asked: &Asked<'_>) -> Answered {
    let mut fields: serde_json::Map<String, Value> = asked.json()?;
    let url = fields.remove("url");
    let course: Course =
        serde_json::from_value(fields.into()).map_err(|error| refused(error.to_string()))?;
    match url {
        None => shared
            .face
            .update(|service| service.set_default_course(course)),
        Some(Value::String(url)) => shared
            .face
            .update(|service| service.set_course_for(url, course)),
        Some(_) => return Err(refused("`url` is a text")),
    }
    done()
}

fn set_pace(shared: &Shared, asked: &Asked<'_>) -> Answered {
    let pace = match asked.json::<Value>()? {
        Value::String(name) => match name.as_str() {
            "off" => Pace::off(),
            "free" => Pace::free(),
            "member" => Pace::member(),
            _ => {
                return Err(refused(format!(
                    "no pace is called `{name}`: there are free, member, off"
                )));
            }
        },
        limits => serde_json::from_value(limits).map_err(|error| refused(error.to_string()))?,
    };
    shared.face.update(|service| service.set_pace(pace));
    done()
}

fn set_running_limit(shared: &Shared, asked: &Asked<'_>) -> Answered {
    let limit: Option<usize> = asked.json()?;
    shared
        .face
        .update(|service| service.set_running_limit(limit));
    done()
}

fn push_tokens_out(shared: &Shared, _: &Asked<'_>) -> Answered {
    let now = shared.face.now();
    shared.face.update(|service| service.token_pushed_out(now));
    done()
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum MoveTime {
    #[serde(with = "millis")]
    AdvanceMs(Duration),
    StopAt(Timestamp),
    Run(bool),
}

fn move_time(shared: &Shared, asked: &Asked<'_>) -> Answered {
    match asked.json()? {
        MoveTime::AdvanceMs(by) => shared.face.advance(by),
        MoveTime::StopAt(at) => shared.face.stop_clock_at(at.into()),
        MoveTime::Run(true) => shared.face.run_clock(),
        MoveTime::Run(false) => shared.face.stop_clock_at(shared.face.now()),
    }
    Ok(json!({ "now": timestamp(shared.face.now()) }))
}

fn options(shared: &Shared, asked: &Asked<'_>) -> Answered {
    let options = shared.face.update(|service| service.options());
    let options = serde_json::to_value(options);
    let mut options = options.map_err(|error| refused(error.to_string()))?;
    if let (false, Some(fields)) = (asked.shows_secrets(), options.as_object_mut()) {
        fields.remove("client_secret");
    }
    Ok(options)
}

fn reset(shared: &Shared, asked: &Asked<'_>) -> Answered {
    let builder: Builder = if asked.body.is_empty() {
        shared.builder.clone()
    } else {
        asked.json()?
    };
    let service = builder.fetching_as(&shared.builder).service();
    shared.face.replace(service);
    done()
}

fn timestamp(time: SystemTime) -> String {
    Timestamp::try_from(time).unwrap_or_default().to_string()
}
