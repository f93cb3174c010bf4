//! The service as others than the client under test use it.

use std::time::SystemTime;

use bytes::Bytes;
use http::Request;
use pan123_mock::{CLIENT_ID, CLIENT_SECRET, Fault, MAX_LIVE_TOKENS, Service, TaskScript, path};

use pan123_proto::OAuth;

use crate::observed::FROM_OTHERS;

/// Access to the service past the client under test, wherever the service runs.
pub trait ServiceAccess {
    /// Sends a request at this time, and returns the body of the response.
    fn ask(&mut self, now: SystemTime, request: &Request<Bytes>) -> Bytes;

    /// Adds a fault.
    fn fault(&mut self, fault: Fault);

    /// Sets the script of new tasks.
    fn set_default_script(&mut self, script: TaskScript);

    /// Issues a token pair, as after a user's permission.
    fn oauth_pair(&mut self, now: SystemTime);

    /// Issues a code, as after a user's permission.
    fn oauth_code(&mut self, now: SystemTime, redirect_uri: &str);
}

impl ServiceAccess for Service {
    fn ask(&mut self, now: SystemTime, request: &Request<Bytes>) -> Bytes {
        self.handle(now, request).reply.response.into_body()
    }

    fn fault(&mut self, fault: Fault) {
        Service::fault(self, fault);
    }

    fn set_default_script(&mut self, script: TaskScript) {
        Service::set_default_script(self, script);
    }

    fn oauth_pair(&mut self, now: SystemTime) {
        Service::oauth_pair(self, now);
    }

    fn oauth_code(&mut self, now: SystemTime, redirect_uri: &str) {
        self.authorize(now, redirect_uri);
    }
}

/// Issues three tokens to another process with the same credentials, which pushes all older ones out.
pub fn push_tokens_out(service: &mut dyn ServiceAccess, now: SystemTime) {
    for _ in 0..MAX_LIVE_TOKENS {
        fetch_token(service, now);
    }
}

/// Returns the first token of any service with this seed.
#[must_use]
pub fn first_token(seed: u64) -> String {
    let mut service = Service::builder().seed(seed).service();
    token_in(&fetch_token(&mut service, SystemTime::UNIX_EPOCH))
}

/// The redirect URI of the app.
pub const REDIRECT_URI: &str = "https://app.example/callback";

/// Returns the OAuth app.
#[must_use]
pub fn app() -> OAuth {
    OAuth::new(CLIENT_ID, CLIENT_SECRET)
}

/// Returns the refresh token of the first pair of any service with this seed.
#[must_use]
pub fn first_refresh_token(seed: u64) -> String {
    let mut service = Service::builder().seed(seed).service();
    service.oauth_pair(SystemTime::UNIX_EPOCH).refresh_token
}

/// Returns the first code of any service with this seed.
#[must_use]
pub fn first_code(seed: u64) -> String {
    let mut service = Service::builder().seed(seed).service();
    service.authorize(SystemTime::UNIX_EPOCH, REDIRECT_URI)
}

/// Creates a task as another client. This task and all later ones stay as [`TASK_ON_ITS_WAY`] says.
pub fn create_as_another_client(service: &mut dyn ServiceAccess, now: SystemTime) {
    service.set_default_script(TaskScript::steps([TASK_ON_ITS_WAY]));
    let token = token_in(&fetch_token(service, now));
    let body = r#"{"url":"https://example.com/other.mp4"}"#;
    post(service, now, path::OFFLINE_DOWNLOAD, Some(&token), body);
}

/// Percent and status of the [`first_task`].
pub const TASK_ON_ITS_WAY: (f64, i64) = (37.5, 3);

/// Returns the id of the first task of any service.
///
/// # Panics
///
/// Never: the service creates one.
#[must_use]
pub fn first_task() -> u64 {
    let mut service = Service::default();
    create_as_another_client(&mut service, SystemTime::UNIX_EPOCH);
    service.tasks().first().expect("a task").id()
}

/// Fetches a token as another client.
pub fn fetch_token(service: &mut dyn ServiceAccess, now: SystemTime) -> Bytes {
    let body = format!(r#"{{"clientID":"{CLIENT_ID}","clientSecret":"{CLIENT_SECRET}"}}"#);
    post(service, now, path::ACCESS_TOKEN, None, &body)
}

fn post(
    service: &mut dyn ServiceAccess,
    now: SystemTime,
    path: &str,
    token: Option<&str>,
    body: &str,
) -> Bytes {
    let request = Request::post(path)
        .header("platform", "open_platform")
        .header("content-type", "application/json")
        .header(
            "authorization",
            format!("Bearer {}", token.unwrap_or_default()),
        )
        .header(FROM_OTHERS, "1")
        .body(body.to_owned().into())
        .expect("a request of constants");
    service.ask(now, &request)
}

/// Creates folders of these names in the root, in this order, as another client.
pub fn make_dirs(service: &mut dyn ServiceAccess, now: SystemTime, names: &[&str]) {
    let token = token_in(&fetch_token(service, now));
    for name in names {
        let body = format!(r#"{{"name":"{name}","parentID":0}}"#);
        post(service, now, path::MKDIR, Some(&token), &body);
    }
}

/// Moves entries to the trash as another client.
pub fn trash(service: &mut dyn ServiceAccess, now: SystemTime, ids: &[u64]) {
    let token = token_in(&fetch_token(service, now));
    let body = format!(r#"{{"fileIDs":{ids:?}}}"#);
    post(service, now, path::TRASH, Some(&token), &body);
}

/// The id of the first entry of a drive.
pub const FIRST_ENTRY: u64 = 14_710_240;

fn token_in(response: &[u8]) -> String {
    let response = String::from_utf8_lossy(response);
    let token = response.split_once(r#""accessToken":""#);
    let token = token.and_then(|(_, token)| token.split_once('"'));
    token.expect("a token").0.to_owned()
}
