//! The model with a fixed clock, and requests of a well-behaved client.

use std::time::{Duration, SystemTime};

use pan123_mock::bytes::Bytes;
use pan123_mock::http::{Request, request};
use pan123_mock::{CLIENT_ID, CLIENT_SECRET, Effect, File, Handled, Service, path};
use serde_json::{Value, json};

pub(crate) struct World {
    pub(crate) service: Service,
    pub(crate) now: SystemTime,
    pub(crate) effects: Vec<Effect>,
}

/// A service with the default options.
pub(crate) fn world() -> World {
    World::new(Service::default())
}

impl World {
    pub(crate) fn new(service: Service) -> Self {
        Self {
            service,
            now: SystemTime::UNIX_EPOCH + Duration::from_secs(1_742_715_517),
            effects: Vec::new(),
        }
    }

    pub(crate) fn handle(&mut self, request: &Request<Bytes>) -> Handled {
        let outcome = self.service.handle(self.now, request);
        self.effects.extend(outcome.effects.clone());
        outcome
    }

    /// Returns the envelope of the response.
    pub(crate) fn envelope(&mut self, request: &Request<Bytes>) -> Value {
        envelope(&self.handle(request))
    }

    pub(crate) fn token(&mut self) -> String {
        let response = self.envelope(&token_request(CLIENT_ID, CLIENT_SECRET));
        response["data"]["accessToken"]
            .as_str()
            .expect("a token")
            .to_owned()
    }

    pub(crate) fn user_info(&mut self, token: &str) -> Value {
        self.envelope(&get(path::USER_INFO, token))
    }

    pub(crate) fn create(&mut self, token: &str, body: &Value) -> Value {
        self.envelope(&post(path::OFFLINE_DOWNLOAD, token, body))
    }

    pub(crate) fn task(&mut self, token: &str, body: &Value) -> u64 {
        let response = self.create(token, body);
        response["data"]["taskID"].as_u64().expect("a task id")
    }

    pub(crate) fn poll(&mut self, token: &str, task: u64) -> Value {
        let path = format!("{}?taskID={task}", path::OFFLINE_PROGRESS);
        self.envelope(&get(&path, token))
    }

    /// Lists a page of the drive.
    pub(crate) fn list(&mut self, token: &str, query: &str) -> Value {
        self.envelope(&get(&format!("{}?{query}", path::FILE_LIST), token))
    }

    pub(crate) fn post(&mut self, path: &str, token: &str, body: &Value) -> Value {
        self.envelope(&post(path, token, body))
    }

    /// Creates a folder in the root with the files and folders of these rows.
    pub(crate) fn folder_with(&mut self, rows: &[Value]) -> u64 {
        let (service, now) = (&mut self.service, self.now);
        let folder = service.add_folder(now, 0, "folder");
        for row in rows {
            let name = row["filename"].as_str().expect("a name");
            match row["size"].as_u64() {
                Some(size) if row["type"] == 0 => service.add_file(now, folder, name, size),
                _ => service.add_folder(now, folder, name),
            };
        }
        folder
    }

    pub(crate) fn file(&self, id: u64) -> &File {
        let mut files = self.service.files();
        files.find(|file| file.id() == id).expect("a known id")
    }
}

pub(crate) fn envelope(outcome: &Handled) -> Value {
    let response = &outcome.reply.response;
    assert_eq!(response.status(), 200);
    serde_json::from_slice(response.body()).expect("an envelope")
}

pub(crate) fn get(path: &str, token: &str) -> Request<Bytes> {
    authorized(Request::get(path), token)
        .body(Bytes::new())
        .expect("a request")
}

pub(crate) fn post(path: &str, token: &str, body: &Value) -> Request<Bytes> {
    with_body(Request::post(path), token, body)
}

pub(crate) fn put(path: &str, token: &str, body: &Value) -> Request<Bytes> {
    with_body(Request::put(path), token, body)
}

pub(crate) fn token_request(id: &str, secret: &str) -> Request<Bytes> {
    Request::post(path::ACCESS_TOKEN)
        .header("Platform", "open_platform")
        .header("Content-Type", "application/json")
        .body(
            json!({"clientID": id, "clientSecret": secret})
                .to_string()
                .into(),
        )
        .expect("a request")
}

fn with_body(builder: request::Builder, token: &str, body: &Value) -> Request<Bytes> {
    authorized(builder, token)
        .header("Content-Type", "application/json")
        .body(body.to_string().into())
        .expect("a request")
}

fn authorized(builder: request::Builder, token: &str) -> request::Builder {
    builder
        .header("Platform", "open_platform")
        .header("Authorization", format!("Bearer {token}"))
}

pub(crate) fn code_and_message(envelope: &Value) -> (i64, &str) {
    (
        envelope["code"].as_i64().expect("a code"),
        envelope["message"].as_str().expect("a message"),
    )
}
