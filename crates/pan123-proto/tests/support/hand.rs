//! For tests that drive one machine by hand, step by step.

use std::fmt::Debug;

use bytes::Bytes;
use http::Response;
use pan123_proto::{
    Detached, Endpoint, Input, Machine, Step, StoreOp, StoreResult, Transmit, Wait,
};
use serde_json::{Value, json};

use super::{at, fixed, secs};

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

pub(crate) fn detached<T: Debug>(step: Step<T>) -> Detached {
    match step {
        Step::Detach(machine) => machine,
        other => panic!("a detached machine was expected: {other:?}"),
    }
}

/// The store's answer to a machine that wants to know whether it can save.
pub(crate) fn proof<T: Debug>(step: Step<T>) -> Input {
    Input::Stored(match step {
        Step::Store(StoreOp::Save(_)) => StoreResult::Saved,
        Step::Store(StoreOp::Prepare) => StoreResult::Prepared,
        other => panic!("a proof was to be asked for: {other:?}"),
    })
}

pub(crate) fn ready<T: Debug>(step: Step<T>) -> T {
    match step {
        Step::Ready(output) => output,
        other => panic!("the end was expected: {other:?}"),
    }
}

/// The request of an endpoint, with a given token.
pub(crate) fn request(endpoint: &impl Endpoint) -> Transmit {
    let call = fixed().call_as::<Value>(endpoint);
    transmit(
        call.expect("a good request")
            .resume(at(secs(0)), Input::Wake),
    )
}

/// The JSON body of a request.
pub(crate) fn body(transmit: &Transmit) -> Value {
    serde_json::from_slice(transmit.request.body()).expect("a JSON body")
}

/// A response with this status and body.
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
