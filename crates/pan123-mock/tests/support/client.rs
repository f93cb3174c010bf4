//! A well-behaved client with a token.

use pan123_mock::http::{HeaderMap, StatusCode};
use pan123_mock::{CLIENT_ID, CLIENT_SECRET, path};
use serde_json::{Value, json};

pub(crate) struct Client {
    base_url: String,
    agent: ureq::Agent,
    pub(crate) token: String,
}

impl Client {
    pub(crate) fn new(base_url: impl Into<String>) -> Self {
        let mut client = Self {
            base_url: base_url.into(),
            agent: agent(),
            token: String::new(),
        };
        let pair = json!({"clientID": CLIENT_ID, "clientSecret": CLIENT_SECRET});
        let response = client.post(path::ACCESS_TOKEN, &pair);
        let token = response["data"]["accessToken"].as_str();
        token.expect("a token").clone_into(&mut client.token);
        client
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> Value {
        let url = format!("{}{path}", self.base_url);
        let request = self.agent.post(url).header("Platform", "open_platform");
        let response = request
            .header("Authorization", format!("Bearer {}", self.token))
            .header("Content-Type", "application/json")
            .send(body.to_string());
        read(response).1
    }

    pub(crate) fn get(&self, path: &str) -> (StatusCode, HeaderMap, Value) {
        let url = format!("{}{path}", self.base_url);
        let request = self.agent.get(url).header("Platform", "open_platform");
        let response = request
            .header("Authorization", format!("Bearer {}", self.token))
            .call();
        let (parts, body) = read(response);
        (parts.status, parts.headers, body)
    }

    pub(crate) fn create(&self, body: &Value) -> u64 {
        let response = self.post(path::OFFLINE_DOWNLOAD, body);
        response["data"]["taskID"].as_u64().expect("a task id")
    }

    pub(crate) fn poll(&self, task: u64) -> Value {
        let path = format!("{}?taskID={task}", path::OFFLINE_PROGRESS);
        self.get(&path).2["data"].clone()
    }
}

/// Ignores the proxy settings of the environment.
pub(crate) fn agent() -> ureq::Agent {
    ureq::Agent::config_builder()
        .proxy(None)
        .http_status_as_error(false)
        .build()
        .into()
}

pub(crate) type ReadResult = Result<pan123_mock::http::Response<ureq::Body>, ureq::Error>;

pub(crate) fn read(response: ReadResult) -> (pan123_mock::http::response::Parts, Value) {
    let (parts, mut body) = response.expect("a response").into_parts();
    let text = body.read_to_string().expect("a body");
    (parts, serde_json::from_str(&text).unwrap_or(Value::Null))
}
