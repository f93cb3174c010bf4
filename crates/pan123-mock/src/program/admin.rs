//! `/__admin/`: what the mock has seen, and what it is to do. Everything is JSON.

mod commands;
mod queries;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::serve::Shared;

const ROOT: &str = "/__admin";

/// Whether a request to this path is for the mock, and not for the service.
pub(super) fn is_admin_path(path: &str) -> bool {
    path.strip_prefix(ROOT)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// HTTP status and what was wrong.
type AdminError = (StatusCode, String);

type CommandResult = Result<(), AdminError>;

/// What comes of a request.
enum Action {
    /// It is told something.
    Query(fn(&Shared, &AdminRequest<'_>) -> Value),
    /// Something is made of what it says, and told, or it is refused.
    Create(fn(&Shared, &AdminRequest<'_>) -> Result<Value, AdminError>),
    /// What it asks for is done, or refused.
    Command(fn(&Shared, &AdminRequest<'_>) -> CommandResult),
    /// Something is done, whatever it says.
    Trigger(fn(&Shared)),
}

use Action::{Command, Create, Query, Trigger};

/// What can be admin_request for, each with a word on it. A path that ends with a slash takes one more word.
#[rustfmt::skip]
const ROUTES: &[(Method, &str, &str, Action)] = &[
    (Method::GET, "", "this list", Query(|_, _| help())),
    (Method::GET, "state", "the time, and how much there is of everything", Query(queries::state)),
    (Method::GET, "requests", "the requests that came; ?secrets=true shows tokens and secrets, too", Query(queries::requests)),
    (Method::DELETE, "requests", "forgets them", Trigger(commands::forget_requests)),
    (Method::GET, "tasks", "the offline downloads, how far they are and how they ended", Query(queries::tasks)),
    (Method::POST, "tasks/", "moves the task with the id that follows, unless it has ended: {\"process\": 12.5, \"status\": 3}; or ends it: {\"size\": 1024} or {\"reason\": \"…\"}", Command(commands::move_task)),
    (Method::GET, "callbacks", "the callbacks, and what became of them", Query(queries::callbacks)),
    (Method::PUT, "callbacks", "how callbacks are posted from now on, all of it: {\"delay_ms\": 5000, \"copies\": 2, \"lost\": true, \"reason_key\": \"fileReason\"}", Command(commands::set_callbacks)),
    (Method::GET, "files", "the files and folders of the drive", Query(queries::files)),
    (Method::POST, "files", "puts so many files into a folder, and tells their ids: {\"parent\": 0, \"files\": 250}", Create(commands::add_files)),
    (Method::GET, "copies", "the copies of several files, and how they ended", Query(queries::copies)),
    (Method::PUT, "copy-script", "how these go from now on: {\"succeeds_after\": 2}", Command(commands::set_copy_script)),
    (Method::POST, "next-copy-fails", "the next one fails where it would have ended well", Trigger(commands::fail_next_copy)),
    (Method::PUT, "list-end", "what the last page of a list says, \"minusOne\" or \"zero\"; or \"never\", and there is no last one", Command(commands::set_list_end)),
    (Method::GET, "faults", "the faults that are still to come", Query(queries::faults)),
    (Method::POST, "faults", "one more: {\"fault\": \"rate_limited\", \"path\": \"/api/v1/offline/download\", \"times\": 2}; also \"always\", \"chance\", and answers of your own", Command(commands::set_fault)),
    (Method::DELETE, "faults", "forgets them", Trigger(commands::clear_faults)),
    (Method::PUT, "script", "how tasks go from now on that are not fetched: {\"succeeds_after\": 3}; with \"url\" only those of this source, which is not fetched then", Command(commands::set_script)),
    (Method::PUT, "rate_limits", "requests a second, by path: {\"/api/v1/user/info\": 0.5}; or \"free\", \"member\", \"off\"", Command(commands::set_rate_limits)),
    (Method::PUT, "running-limit", "how many downloads may run at once, in the drive and in the image bed each: 3, or null", Command(commands::set_running_limit)),
    (Method::POST, "revoke-tokens", "pushes out all tokens that live", Trigger(commands::revoke_tokens)),
    (Method::POST, "oauth-code", "somebody authorises an app: tells the code for {\"redirect_uri\": \"https://example.com/\"}", Create(commands::oauth_code)),
    (Method::POST, "oauth-pair", "tells a pair of tokens of an app that was authorised now", Query(commands::oauth_pair)),
    (Method::POST, "time", "moves the time: {\"advance_ms\": 60000}, {\"stop_at\": \"2025-03-23T15:38:37+08:00\"}, {\"run\": true}", Command(commands::move_time)),
    (Method::GET, "options", "the options of the service as they are now; ?secrets=true shows the client secret, too", Query(queries::options)),
    (Method::POST, "reset", "a new service: with the options that are sent, or those of the start. The time stays as it is", Command(commands::reset)),
];

/// A request of whoever leads the mock.
struct AdminRequest<'a> {
    /// What follows the path of the route.
    rest: &'a str,
    query: &'a str,
    body: &'a Bytes,
}

pub(super) fn respond(shared: &Shared, request: &Request<Bytes>) -> Response<Bytes> {
    // A page that somebody looks at in a browser must not lead the mock.
    let from_a_page = request.headers().contains_key(header::ORIGIN);
    let result = if from_a_page {
        let message = "this is not for web pages".to_owned();
        Err((StatusCode::FORBIDDEN, message))
    } else {
        route_request(shared, request)
    };
    let (status, body) = match result {
        Ok(value) => (StatusCode::OK, value),
        Err((status, error)) => (status, json!({ "error": error })),
    };
    let mut response = Response::new(Bytes::from(format!("{body}\n")));
    *response.status_mut() = status;
    let json = HeaderValue::from_static("application/json; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
}

fn route_request(shared: &Shared, request: &Request<Bytes>) -> Result<Value, AdminError> {
    let path = request.uri().path();
    let path = path
        .strip_prefix(ROOT)
        .unwrap_or(path)
        .trim_start_matches('/');
    let mut allowed = Vec::new();
    for (method, route, _, action) in ROUTES {
        let Some(rest) = parameter(path, route) else {
            continue;
        };
        if method == request.method() {
            let query = request.uri().query().unwrap_or_default();
            let body = request.body();
            let admin_request = AdminRequest { rest, query, body };
            match action {
                Query(tell) => return Ok(tell(shared, &admin_request)),
                Create(make) => return make(shared, &admin_request),
                Command(action) => action(shared, &admin_request)?,
                Trigger(action) => action(shared),
            }
            return Ok(json!({ "ok": true }));
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

/// What follows the path of a route, if it is this one.
fn parameter<'a>(path: &'a str, route: &str) -> Option<&'a str> {
    let rest = path.strip_prefix(route)?;
    let takes_parameter = route.ends_with('/');
    (rest.is_empty() != takes_parameter).then_some(rest)
}

fn help() -> Value {
    let routes = ROUTES.iter().map(|(method, route, what, _)| {
        json!({ "method": method.as_str(), "path": format!("{ROOT}/{route}"), "what": what })
    });
    json!({ "routes": routes.collect::<Vec<_>>(), "faults": crate::FAULT_NAMES })
}

impl AdminRequest<'_> {
    fn json<T: DeserializeOwned>(&self) -> Result<T, AdminError> {
        serde_json::from_slice(self.body).map_err(|error| bad_request(error.to_string()))
    }

    fn shows_secrets(&self) -> bool {
        self.query == "secrets=true"
    }
}

fn bad_request(error: impl Into<String>) -> AdminError {
    (StatusCode::BAD_REQUEST, error.into())
}
