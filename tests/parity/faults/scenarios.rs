//! A scenario for each fault of the table.

mod bodies;
mod clocks;
mod rejections;
mod responses;
mod together;
mod tokens;
mod wire;

use std::time::Duration;

use pan123_mock::http::StatusCode;
use pan123_mock::{CannedResponse, TcpServer};
use pan123_tests::scenario::{Identity, Scenario};

use crate::faults::row::Op;

/// A fault, by the name that it has in the table.
pub(crate) struct Fault {
    pub(crate) name: &'static str,
    pub(crate) arrange: Arrange,
    /// A server that must receive nothing.
    elsewhere: Option<TcpServer>,
}

/// Makes the fault happen to this call. If it adds no calls itself, one is added after it.
type Arrange = Box<dyn Fn(Scenario, Op) -> Scenario + Send + Sync>;

impl Fault {
    fn new(
        name: &'static str,
        arrange: impl Fn(Scenario, Op) -> Scenario + Send + Sync + 'static,
    ) -> Fault {
        Fault {
            name,
            arrange: Box::new(arrange),
            elsewhere: None,
        }
    }

    /// A fault that is a prepared response to the call.
    fn responded(
        name: &'static str,
        response: impl Fn(Op) -> CannedResponse + Send + Sync + 'static,
    ) -> Fault {
        Fault::new(name, move |scenario, op| {
            scenario.canned(op.path(), response(op))
        })
    }

    pub(crate) fn check_other_host(&self) -> Option<String> {
        let came = self.elsewhere.as_ref().map_or(0, TcpServer::accepted);
        (came > 0).then(|| format!("{came} connections to another host"))
    }
}

/// All faults.
pub(crate) fn all() -> impl Iterator<Item = Fault> {
    let parts = [
        rejections::faults(),
        responses::faults(),
        bodies::faults(),
        wire::faults(),
        tokens::faults(),
        together::faults(),
        clocks::faults(),
    ];
    parts.into_iter().flatten()
}

/// More often than any call is sent.
const ALWAYS: usize = 10_000;

/// The timeout of a request without a response: on sockets this time really passes. It is longer if a response has to come at
/// last, since the machine may be busy.
fn request_timeout(times: usize) -> Duration {
    Duration::from_millis(if times == 1 { 1000 } else { 300 })
}

fn ok(body: impl Into<Vec<u8>>) -> CannedResponse {
    CannedResponse::raw(StatusCode::OK, body.into())
}

/// HTTP 200 with one of two bodies.
fn body(progress: &'static str, create: &'static str) -> impl Fn(Op) -> CannedResponse {
    move |op| match op {
        Op::Progress => ok(progress),
        Op::Create => ok(create).after_acting(),
    }
}

const HTML: &[u8] = b"<html>\xff<h1>Bad Gateway</h1>";

fn html(status: StatusCode) -> CannedResponse {
    CannedResponse::raw(status, HTML)
}

/// Sets a short timeout for this many missing responses. No token has to be fetched within it.
fn with_short_timeout(scenario: Scenario, times: usize) -> Scenario {
    scenario.with(|settings| {
        settings.request_timeout = request_timeout(times);
        settings.identity = Identity::Issued;
    })
}
