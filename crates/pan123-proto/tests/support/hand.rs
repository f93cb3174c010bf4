//! For tests that drive one machine by hand, step by step.

use std::fmt::Debug;

use bytes::Bytes;
use http::Response;
use pan123_proto::{Input, Refresh, Step, Transmit, Wait};
use serde_json::{Value, json};

pub(crate) fn transmit<T: Debug>(step: Step<T>) -> Transmit {
    match step {
        Step::Transmit(transmit) => transmit,
        other => panic!("a request was expected: {other:?}"),
    }
}

pub(crate) fn wait<T: Debug>(step: Step<T>) -> Wait {
    match step {
        Step::Wait(wait) => wait,
        other => panic!("a wait was expected: {other:?}"),
    }
}

pub(crate) fn refresh<T: Debug>(step: Step<T>) -> Refresh {
    match step {
        Step::Refresh(refresh) => refresh,
        other => panic!("a refresh was expected: {other:?}"),
    }
}

pub(crate) fn ready<T: Debug>(step: Step<T>) -> T {
    match step {
        Step::Ready(output) => output,
        other => panic!("the end was expected: {other:?}"),
    }
}

/// An answer with this status and body.
pub(crate) fn answer(status: u16, body: &str) -> Input {
    let response = Response::builder().status(status);
    let body = Bytes::copy_from_slice(body.as_bytes());
    Input::Response(response.body(body).expect("a good status"))
}

#[allow(
    clippy::needless_pass_by_value,
    reason = "for calls with `json!` in place"
)]
pub(crate) fn data(data: Value) -> Input {
    answer(
        200,
        &json!({"code": 0, "message": "ok", "data": data}).to_string(),
    )
}

pub(crate) fn code(code: i64, message: &str) -> Input {
    answer(
        200,
        &json!({"code": code, "message": message, "data": null}).to_string(),
    )
}
