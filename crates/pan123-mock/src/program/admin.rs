//! `/__admin/`: what the mock has seen, and what it is to do. Everything is JSON.

mod done;
mod made;
mod told;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::server::Shared;

const ROOT: &str = "/__admin";

/// Whether a request to this path is for the mock, and not for the service.
pub(super) fn is_meant(path: &str) -> bool {
    path.strip_prefix(ROOT)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// HTTP status and what was wrong.
type Refused = (StatusCode, String);

type Done = Result<(), Refused>;

/// What comes of a request.
enum Act {
    /// It is told something.
    Tell(fn(&Shared, &Asked<'_>) -> Value),
    /// Something is made of what it says, and told, or it is refused.
    Make(fn(&Shared, &Asked<'_>) -> Result<Value, Refused>),
    /// What it asks for is done, or refused.
    Do(fn(&Shared, &Asked<'_>) -> Done),
    /// Something is done, whatever it says.
    Just(fn(&Shared)),
}

use Act::{Do, Just, Make, Tell};

/// What can be asked for, each with a word on it. A path that ends with a slash takes one more word.
#[rustfmt::skip]
const ROUTES: &[(Method, &str, &str, Act)] = &[
    (Method::GET, "", "this list", Tell(|_, _| help())),
    (Method::GET, "state", "the time, and how much there is of everything", Tell(told::state)),
    (Method::GET, "requests", "the requests that came; ?secrets=true shows tokens and secrets, too", Tell(told::requests)),
    (Method::DELETE, "requests", "forgets them", Just(done::forget_requests)),
    (Method::GET, "tasks", "the offline downloads, how far they are and how they ended", Tell(told::tasks)),
    (Method::POST, "tasks/", "moves the task with the id that follows, unless it has ended: {\"process\": 12.5, \"status\": 3}; or ends it: {\"size\": 1024} or {\"reason\": \"…\"}", Do(done::move_task)),
    (Method::GET, "callbacks", "the callbacks, and what became of them", Tell(told::callbacks)),
    (Method::PUT, "callbacks", "how callbacks are posted from now on, all of it: {\"delay_ms\": 5000, \"copies\": 2, \"lost\": true, \"reason_key\": \"fileReason\"}", Do(done::set_callbacks)),
    (Method::GET, "files", "the files and folders of the drive", Tell(told::files)),
    (Method::POST, "files", "puts so many files into a folder, and tells their ids: {\"parent\": 0, \"files\": 250}", Make(made::files)),
    (Method::GET, "copies", "the copies of several files, and how they ended", Tell(told::copies)),
    (Method::PUT, "copy-course", "how these go from now on: {\"succeeds_after\": 2}", Do(done::set_copy_course)),
    (Method::POST, "next-copy-fails", "the next one fails where it would have ended well", Just(done::fail_next_copy)),
    (Method::PUT, "list-end", "what the last page of a list says, \"minusOne\" or \"zero\"; or \"never\", and there is no last one", Do(done::set_list_end)),
    (Method::GET, "faults", "the faults that are still to come", Tell(told::faults)),
    (Method::POST, "faults", "one more: {\"fault\": \"rate_limited\", \"path\": \"/api/v1/offline/download\", \"times\": 2}; also \"for_ever\", \"chance\", and answers of your own", Do(done::set_fault)),
    (Method::DELETE, "faults", "forgets them", Just(done::clear_faults)),
    (Method::PUT, "course", "how tasks go from now on that are not fetched: {\"succeeds_after\": 3}; with \"url\" only those of this source, which is not fetched then", Do(done::set_course)),
    (Method::PUT, "pace", "requests a second, by path: {\"/api/v1/user/info\": 0.5}; or \"free\", \"member\", \"off\"", Do(done::set_pace)),
    (Method::PUT, "running-limit", "how many downloads may run at once, in the drive and in the image bed each: 3, or null", Do(done::set_running_limit)),
    (Method::POST, "token-pushed-out", "pushes out all tokens that live", Just(done::push_tokens_out)),
    (Method::POST, "oauth-code", "somebody authorises an app: tells the code for {\"redirect_uri\": \"https://example.com/\"}", Make(made::oauth_code)),
    (Method::POST, "oauth-pair", "tells a pair of tokens of an app that was authorised now", Tell(made::oauth_pair)),
    (Method::POST, "time", "moves the time: {\"advance_ms\": 60000}, {\"stop_at\": \"2025-03-23T15:38:37+08:00\"}, {\"run\": true}", Do(done::move_time)),
    (Method::GET, "options", "the options of the service as they are now; ?secrets=true shows the client secret, too", Tell(told::options)),
    (Method::POST, "reset", "a new service: with the options that are sent, or those of the start. The time stays as it is", Do(done::reset)),
];

/// A request of whoever leads the mock.
struct Asked<'a> {
    /// What follows the path of the route.
    rest: &'a str,
    query: &'a str,
    body: &'a Bytes,
}

pub(super) fn answer(shared: &Shared, request: &Request<Bytes>) -> Response<Bytes> {
    // A page that somebody looks at in a browser must not lead the mock.
    let from_a_page = request.headers().contains_key(header::ORIGIN);
    let answer = if from_a_page {
        let message = "this is not for web pages".to_owned();
        Err((StatusCode::FORBIDDEN, message))
    } else {
        routed(shared, request)
    };
    let (status, body) = match answer {
        Ok(answer) => (StatusCode::OK, answer),
        Err((status, error)) => (status, json!({ "error": error })),
    };
    let mut response = Response::new(Bytes::from(format!("{body}\n")));
    *response.status_mut() = status;
    let json = HeaderValue::from_static("application/json; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
}

fn routed(shared: &Shared, request: &Request<Bytes>) -> Result<Value, Refused> {
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
            let asked = Asked { rest, query, body };
            match act {
                Tell(tell) => return Ok(tell(shared, &asked)),
                Make(make) => return make(shared, &asked),
                Do(act) => act(shared, &asked)?,
                Just(act) => act(shared),
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
    fn json<T: DeserializeOwned>(&self) -> Result<T, Refused> {
        serde_json::from_slice(self.body).map_err(|error| refused(error.to_string()))
    }

    fn shows_secrets(&self) -> bool {
        self.query == "secrets=true"
    }
}

fn refused(error: impl Into<String>) -> Refused {
    (StatusCode::BAD_REQUEST, error.into())
}
