//! Responses have the fields and types of the recorded bodies.

use std::collections::BTreeMap;

use pan123_mock::{CLIENT_ID, CLIENT_SECRET, Effect, ReasonKey, Service, TaskScript};
use serde_json::{Value, json};

use crate::mock::file_shapes::keys;
use crate::mock::world::{World, token_request, world};

/// Keys and types without values; an array has the shape of its first element.
#[derive(Debug, PartialEq)]
pub(crate) enum Shape {
    Null,
    Bool,
    Number,
    String,
    Array(Option<Box<Shape>>),
    Object(BTreeMap<String, Shape>),
}

pub(crate) fn shape(value: &Value) -> Shape {
    match value {
        Value::Null => Shape::Null,
        Value::Bool(_) => Shape::Bool,
        Value::Number(_) => Shape::Number,
        Value::String(_) => Shape::String,
        Value::Array(values) => Shape::Array(values.first().map(|first| Box::new(shape(first)))),
        Value::Object(fields) => Shape::Object(
            fields
                .iter()
                .map(|(name, value)| (name.clone(), shape(value)))
                .collect(),
        ),
    }
}

macro_rules! fixture {
    ($name:literal) => {
        serde_json::from_str::<Value>(include_str!(concat!("../fixtures/", $name, ".json")))
            .expect(concat!($name, " is JSON"))
    };
}
pub(crate) use fixture;

#[test]
fn access_token_response() {
    let mut world = world();
    let response = world.envelope(&token_request(CLIENT_ID, CLIENT_SECRET));
    assert_eq!(
        shape(&response),
        shape(&fixture!("official_access_token_response"))
    );
}

#[test]
fn documented_access_token_request_is_accepted() {
    let credentials = Service::builder().credentials("123456789", "123456789");
    let mut world = World::new(credentials.service());
    let mut request = token_request("", "");
    let body = fixture!("official_access_token_request").to_string();
    *request.body_mut() = body.into();
    assert_eq!(world.envelope(&request)["code"], 0);
}

#[test]
fn errors_of_revoked_and_expired_tokens() {
    let mut world = world();
    let first = world.token();
    for _ in 0..3 {
        world.token();
    }
    let mut pushed_out = world.user_info(&first);
    let recorded = fixture!("observed_error_401_tokens_exceeded");
    pushed_out["x-traceID"] = recorded["x-traceID"].clone();
    assert_eq!(pushed_out, recorded);

    let second = world.token();
    world.now += std::time::Duration::from_secs(40 * 86_400);
    let mut expired = world.user_info(&second);
    let rebuilt = fixture!("rebuilt_error_401_token_expired");
    expired["x-traceID"] = rebuilt["x-traceID"].clone();
    assert_eq!(expired, rebuilt);
}

#[test]
fn create_and_progress_responses() {
    let mut world = world();
    let token = world.token();
    for asked in [
        fixture!("official_offline_create_request"),
        fixture!("synthetic_offline_create_request_full"),
    ] {
        let created = world.create(&token, &asked);
        assert_eq!(
            shape(&created),
            shape(&fixture!("official_offline_create_response"))
        );
        let task = created["data"]["taskID"].as_u64().expect("a task id");
        let running = world.poll(&token, task);
        assert_eq!(
            shape(&running),
            shape(&fixture!("synthetic_offline_process_response_running"))
        );
        world.poll(&token, task);
        let done = world.poll(&token, task);
        let official = fixture!("official_offline_process_response_success");
        assert_eq!(done["data"].to_string(), official["data"].to_string());
        assert_eq!(shape(&done), shape(&official));
    }
}

fn callback(script: TaskScript, key: ReasonKey) -> String {
    let service = Service::builder().default_script(script).reason_key(key);
    let mut world = World::new(service.service());
    let token = world.token();
    let task = world.task(
        &token,
        &json!({"url": "https://example.com/a", "callBackUrl": "http://127.0.0.1:9/"}),
    );
    world.poll(&token, task);
    let Some(Effect::PostCallback { body, .. }) = world.effects.pop() else {
        panic!("a callback is due");
    };
    String::from_utf8(body.to_vec()).expect("a text")
}

fn parsed(body: &str) -> Value {
    serde_json::from_str(body).expect("the callback is JSON")
}

#[test]
fn callback_bodies() {
    let succeeded = callback(TaskScript::succeeds_after(1), ReasonKey::FailReason);
    let official = include_str!("../fixtures/official_offline_callback_success.json");
    assert_eq!(keys(&succeeded), keys(official));
    assert_eq!(shape(&parsed(&succeeded)), shape(&parsed(official)));
    let failed = callback(TaskScript::fails_after(1, "no"), ReasonKey::FailReason);
    assert_eq!(keys(&failed), keys(official));
    assert_eq!(
        shape(&parsed(&failed)),
        shape(&fixture!("synthetic_offline_callback_failed_failReason"))
    );

    let failed = callback(TaskScript::fails_after(1, "no"), ReasonKey::FileReason);
    let mut failed = parsed(&failed);
    failed.as_object_mut().expect("an object").remove("fileID");
    assert_eq!(
        shape(&failed),
        shape(&fixture!("synthetic_offline_callback_failed_fileReason"))
    );
}
