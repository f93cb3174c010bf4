//! The service as the program `pan123-mock` in its own process, controlled over its admin interface.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::Request;
use jiff::Timestamp;
use pan123_blocking::ureq;
use pan123_mock::{Fault, TaskScript};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::setup::ServiceHost;
use crate::clock::JumpClock;
use crate::observed::{Observed, Outcome, SentRequest};
use crate::scenario::Scenario;
use crate::service_access::ServiceAccess;

/// The running program. It is killed on drop.
pub(super) struct Program {
    process: Child,
    admin: Admin,
    /// How far its clock is ahead.
    ahead: Arc<Mutex<Duration>>,
}

/// Starts the service of a scenario, on this clock. At the path is the worker of the tests.
pub(super) fn start(path: &str, scenario: &Scenario, clock: &JumpClock) -> Program {
    let mut process = Command::new(path)
        .args(["mock", "--listen", "127.0.0.1:0", "--quiet"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut base_url = String::new();
    let out = process.stdout.take().expect("it is piped");
    let read = BufReader::new(out).read_line(&mut base_url);
    read.expect("the program says where it listens");
    let admin = Admin {
        agent: agent(),
        base_url: base_url.trim().to_owned(),
    };
    assert!(
        scenario.broken.is_empty(),
        "no way to this service breaks by itself"
    );
    let options = serde_json::to_value(scenario.builder()).expect("options are JSON");
    admin.send("POST", "reset", &options);

    let ahead = Arc::<Mutex<Duration>>::default();
    let theirs = (admin.clone(), Arc::clone(&ahead));
    clock.on_move(move |now| {
        let ahead = *theirs.1.lock().unwrap_or_else(PoisonError::into_inner);
        theirs.0.stop_clock_at(now + ahead);
    });
    admin.stop_clock_at(clock.true_time().wall);
    Program {
        process,
        admin,
        ahead,
    }
}

impl ServiceHost for Program {
    fn base_url(&self) -> String {
        self.admin.base_url.clone()
    }

    fn visit(&self, visit: &mut dyn FnMut(&mut dyn ServiceAccess)) {
        visit(&mut self.admin.clone());
    }

    fn advance_service(&self, by: Duration) {
        *self.ahead.lock().unwrap_or_else(PoisonError::into_inner) += by;
        let by = u64::try_from(by.as_millis()).expect("a scenario of this age");
        self.admin
            .send("POST", "time", &json!({ "advance_ms": by }));
    }

    fn observed(&self, results: Vec<Outcome>) -> Observed {
        let requests: Vec<Recorded> = self.admin.get("requests?secrets=true");
        let tasks: Vec<Listed> = self.admin.get("tasks");
        let state: State = self.admin.get("state");
        let requests = requests.into_iter().map(Recorded::sent);
        Observed {
            requests: requests.filter(SentRequest::is_of_the_client).collect(),
            results,
            issued: state.tokens_issued,
            tasks: tasks.len(),
            task_ids: tasks.iter().map(|task| task.id).collect(),
            ..Observed::default()
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended already.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

#[derive(Deserialize)]
struct Recorded {
    method: String,
    path: String,
    query: String,
    headers: Vec<(String, String)>,
    body: String,
}

impl Recorded {
    fn sent(self) -> SentRequest {
        let headers = self.headers.into_iter();
        SentRequest {
            method: self.method,
            path: self.path,
            query: self.query,
            headers: headers
                .map(|(name, value)| (name, value.into_bytes()))
                .collect(),
            extra: Vec::new(),
            body: self.body.into_bytes(),
        }
        .sorted()
    }
}

#[derive(Deserialize)]
struct Listed {
    id: u64,
}

#[derive(Deserialize)]
struct State {
    tokens_issued: usize,
}

/// The admin interface.
#[derive(Clone)]
struct Admin {
    agent: ureq::Agent,
    base_url: String,
}

impl Admin {
    fn get<T: DeserializeOwned>(&self, what: &str) -> T {
        let response = self.ask("GET", &format!("/__admin/{what}"), Vec::new(), &[]);
        serde_json::from_slice(&response).expect("what the program tells is known")
    }

    fn send(&self, method: &str, what: &str, body: &Value) {
        self.ask(
            method,
            &format!("/__admin/{what}"),
            body.to_string().into_bytes(),
            &[],
        );
    }

    fn stop_clock_at(&self, at: SystemTime) {
        let at = Timestamp::try_from(at).expect("a time of this age");
        self.send("POST", "time", &json!({ "stop_at": at.to_string() }));
    }

    fn ask(&self, method: &str, target: &str, body: Vec<u8>, headers: &[(&str, &str)]) -> Bytes {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{target}", self.base_url));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(body).expect("a request");
        let response = self.agent.run(request).expect("the program responses");
        let status = response.status();
        let response = response
            .into_body()
            .read_to_vec()
            .expect("a whole response");
        assert!(status.is_success(), "{target}: {}", response.escape_ascii());
        response.into()
    }
}

/// An agent that ignores the proxies of the environment.
fn agent() -> ureq::Agent {
    ureq::Agent::config_builder()
        .proxy(None)
        .http_status_as_error(false)
        .build()
        .into()
}

impl ServiceAccess for Admin {
    /// The program's own clock has been set to this time.
    fn ask(&mut self, _: SystemTime, request: &Request<Bytes>) -> Bytes {
        let headers = request.headers().iter();
        let headers: Vec<_> = headers
            .map(|(name, value)| (name.as_str(), value.to_str().expect("a text")))
            .collect();
        let target = request.uri().to_string();
        Admin::ask(
            self,
            request.method().as_str(),
            &target,
            request.body().to_vec(),
            &headers,
        )
    }

    fn fault(&mut self, fault: Fault) {
        let fault = serde_json::to_value(fault);
        self.send("POST", "faults", &fault.expect("a fault is JSON"));
    }

    fn set_default_script(&mut self, script: TaskScript) {
        let script = serde_json::to_value(script);
        self.send("PUT", "script", &script.expect("a script is JSON"));
    }

    fn oauth_pair(&mut self, _: SystemTime) {
        self.send("POST", "oauth-pair", &Value::Null);
    }

    fn oauth_code(&mut self, _: SystemTime, redirect_uri: &str) {
        self.send(
            "POST",
            "oauth-code",
            &json!({ "redirect_uri": redirect_uri }),
        );
    }
}
