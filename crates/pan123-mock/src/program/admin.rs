//! `/__admin/`: inspects and controls the mock. All bodies are JSON.

mod commands;
mod queries;

use std::net::{Ipv4Addr, Ipv6Addr};

use bytes::Bytes;
use http::uri::Authority;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::serve::Shared;

const ROOT: &str = "/__admin";

/// Returns whether this path belongs to the admin interface.
pub(super) fn is_admin_path(path: &str) -> bool {
    path.strip_prefix(ROOT)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The HTTP status and an error message.
type AdminError = (StatusCode, String);

type CommandResult = Result<(), AdminError>;

/// The handler of a route.
enum Action {
    /// Reads the state.
    Query(fn(&Shared, &AdminRequest<'_>) -> Value),
    /// Changes the state and returns a value.
    Create(fn(&Shared, &AdminRequest<'_>) -> Result<Value, AdminError>),
    /// Changes the state as the body says.
    Command(fn(&Shared, &AdminRequest<'_>) -> CommandResult),
    /// Changes the state and ignores the body.
    Trigger(fn(&Shared)),
}

use Action::{Command, Create, Query, Trigger};

/// All routes with their descriptions. A path that ends with a slash takes a parameter.
#[rustfmt::skip]
const ROUTES: &[(Method, &str, &str, Action)] = &[
    (Method::GET, "", "lists the routes and the named faults", Query(|_, _| help())),
    (Method::GET, "state", "returns the time and the number of requests, tasks and so on", Query(queries::state)),
    (Method::GET, "requests", "lists the recorded requests; ?secrets=true includes tokens and secrets", Query(queries::requests)),
    (Method::DELETE, "requests", "removes the recorded requests", Trigger(commands::clear_requests)),
    (Method::GET, "tasks", "lists the offline downloads with their progress and outcome", Query(queries::tasks)),
    (Method::POST, "tasks/", "sets the progress of the running task with this id: {\"process\": 12.5, \"status\": 3}; or ends it: {\"size\": 1024} or {\"reason\": \"…\"}", Command(commands::update_task)),
    (Method::GET, "callbacks", "lists the callbacks and their delivery", Query(queries::callbacks)),
    (Method::PUT, "callbacks", "sets how future callbacks are posted: {\"delay_ms\": 5000, \"times\": 2, \"lost\": true, \"reason_key\": \"fileReason\"}; missing keys have their defaults", Command(commands::set_callbacks)),
    (Method::GET, "files", "lists the files and folders of the drive", Query(queries::files)),
    (Method::POST, "files", "adds this many files to a folder and returns their ids: {\"parent\": 0, \"files\": 250}", Create(commands::add_files)),
    (Method::GET, "copies", "lists the asynchronous copies and their status", Query(queries::copies)),
    (Method::PUT, "copy-script", "sets the script of future asynchronous copies: {\"succeeds_after\": 2}", Command(commands::set_copy_script)),
    (Method::POST, "next-copy-fails", "makes the next asynchronous copy fail", Trigger(commands::fail_next_copy)),
    (Method::PUT, "list-end", "sets how lists mark their last page: \"minusOne\", \"zero\", or \"never\"", Command(commands::set_list_end)),
    (Method::GET, "faults", "lists the pending faults", Query(queries::faults)),
    (Method::POST, "faults", "injects a fault: {\"fault\": \"rate_limited\", \"path\": \"/api/v1/offline/download\", \"times\": 2}; also with \"always\" or \"chance\", or with a response of your own", Command(commands::add_fault)),
    (Method::DELETE, "faults", "removes the pending faults", Trigger(commands::clear_faults)),
    (Method::GET, "routes", "lists the endpoints of your own", Query(queries::routes)),
    (Method::POST, "routes", "adds an endpoint of your own: {\"method\": \"GET\", \"path\": \"/api/v1/share/list\", \"data\": {}}; also with \"code\" and \"message\", \"token\": false, and a state: \"when\", \"then\", \"scenario\"", Command(commands::add_route)),
    (Method::DELETE, "routes", "removes the endpoints of your own and their states", Trigger(commands::clear_routes)),
    (Method::PUT, "script", "sets the script of future tasks that are not fetched: {\"succeeds_after\": 3}; with \"url\" only for this source, which is then not fetched", Command(commands::set_script)),
    (Method::PUT, "rate-limits", "sets the requests per second by path: {\"/api/v1/user/info\": 0.5}; or \"free\", \"member\", \"off\"", Command(commands::set_rate_limits)),
    (Method::PUT, "running-limit", "sets how many downloads may run at once, counted separately for the drive and the image bed: 3, or null", Command(commands::set_running_limit)),
    (Method::POST, "revoke-tokens", "revokes all live tokens", Trigger(commands::revoke_tokens)),
    (Method::POST, "oauth-code", "authorizes an app and returns the code: {\"redirect_uri\": \"https://example.com/\"}", Create(commands::oauth_code)),
    (Method::POST, "oauth-pair", "returns the token pair of an app that was just authorized", Query(commands::oauth_pair)),
    (Method::POST, "time", "moves the clock: {\"advance_ms\": 60000}, {\"stop_at\": \"2025-03-23T15:38:37+08:00\"}, {\"run\": true}", Command(commands::update_time)),
    (Method::GET, "options", "returns the current options of the service; ?secrets=true includes the client secret", Query(queries::options)),
    (Method::POST, "reset", "starts a new service with the options in the body, or those of the command line; the clock is not changed", Command(commands::reset)),
];

/// A request to the admin interface.
struct AdminRequest<'a> {
    /// The parameter, which follows the path of the route.
    parameter: &'a str,
    query: &'a str,
    body: &'a Bytes,
}

/// The host names under which the admin interface answers, besides `localhost` and IP addresses.
///
/// A web page can make its own name resolve to this machine, and then reads what it likes from it (DNS rebinding). The `Host` header
/// still has that name.
pub(super) struct AdminHosts(Vec<String>);

impl AdminHosts {
    pub(super) fn new(names: Vec<String>) -> Self {
        Self(names)
    }

    /// Returns the first host in the request that is not answered, if there is one.
    fn find_unknown(&self, headers: &HeaderMap) -> Option<String> {
        let hosts = headers.get_all(header::HOST).iter();
        let mut hosts = hosts.map(|host| String::from_utf8_lossy(host.as_bytes()).into_owned());
        hosts.find(|host| !self.contains(host))
    }

    fn contains(&self, host: &str) -> bool {
        let Ok(authority) = host.parse::<Authority>() else {
            return false;
        };
        let name = authority.host();
        let ipv6 = name.strip_prefix('[').and_then(|it| it.strip_suffix(']'));
        name.parse::<Ipv4Addr>().is_ok()
            || ipv6.is_some_and(|ip| ip.parse::<Ipv6Addr>().is_ok())
            || name.eq_ignore_ascii_case("localhost")
            || self.0.iter().any(|known| name.eq_ignore_ascii_case(known))
    }
}

pub(super) fn respond(shared: &Shared, request: &Request<Bytes>) -> Response<Bytes> {
    let allowed = check_origin(&shared.settings.admin_hosts, request.headers());
    let result = allowed.and_then(|()| route_request(shared, request));
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

/// A web page open in a browser must not read or control the mock.
fn check_origin(hosts: &AdminHosts, headers: &HeaderMap) -> Result<(), AdminError> {
    let refused = |message: String| Err((StatusCode::FORBIDDEN, message));
    if headers.contains_key(header::ORIGIN) {
        return refused("web pages may not use the admin interface".to_owned());
    }
    match hosts.find_unknown(headers) {
        Some(host) => refused(format!(
            "the admin interface does not answer to the host {host:?}: use `localhost` or an IP address, or start the mock with \
             --admin-host NAME"
        )),
        None => Ok(()),
    }
}

fn route_request(shared: &Shared, request: &Request<Bytes>) -> Result<Value, AdminError> {
    let path = request.uri().path();
    let path = path
        .strip_prefix(ROOT)
        .unwrap_or(path)
        .trim_start_matches('/');
    let mut allowed = Vec::new();
    for (method, route, _, action) in ROUTES {
        let Some(parameter) = parameter(path, route) else {
            continue;
        };
        if method == request.method() {
            let query = request.uri().query().unwrap_or_default();
            let body = request.body();
            let admin_request = AdminRequest {
                parameter,
                query,
                body,
            };
            match action {
                Query(query) => return Ok(query(shared, &admin_request)),
                Create(create) => return create(shared, &admin_request),
                Command(action) => action(shared, &admin_request)?,
                Trigger(action) => action(shared),
            }
            return Ok(json!({ "ok": true }));
        }
        allowed.push(method.as_str());
    }
    if allowed.is_empty() {
        let message = format!("{ROOT}/{path} does not exist; GET {ROOT}/ lists the routes");
        return Err((StatusCode::NOT_FOUND, message));
    }
    let message = format!("{ROOT}/{path} accepts only {}", allowed.join(" and "));
    Err((StatusCode::METHOD_NOT_ALLOWED, message))
}

/// Returns the parameter, if the path matches the route.
fn parameter<'a>(path: &'a str, route: &str) -> Option<&'a str> {
    let rest = path.strip_prefix(route)?;
    let takes_parameter = route.ends_with('/');
    (rest.is_empty() != takes_parameter).then_some(rest)
}

fn help() -> Value {
    let routes = ROUTES.iter().map(|(method, route, description, _)| {
        json!({ "method": method.as_str(), "path": format!("{ROOT}/{route}"), "description": description })
    });
    json!({ "routes": routes.collect::<Vec<_>>(), "faults": crate::FAULT_NAMES })
}

impl AdminRequest<'_> {
    fn json<T: DeserializeOwned>(&self) -> Result<T, AdminError> {
        serde_json::from_slice(self.body).map_err(|error| bad_request(error.to_string()))
    }

    fn includes_secrets(&self) -> bool {
        self.query == "secrets=true"
    }
}

fn bad_request(error: impl Into<String>) -> AdminError {
    (StatusCode::BAD_REQUEST, error.into())
}
