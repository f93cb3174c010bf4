//! Exchanges that break on the wire.

use std::time::Duration;

use pan123_mock::{Break, End, Point};
use pan123_tests::scenario::{BrokenExchange, Identity, Received};

use super::{ALWAYS, Fault, with_short_timeout};
use crate::faults::row::Op;

pub(super) fn faults() -> Vec<Fault> {
    let mut faults = requests();
    faults.extend(responses());
    faults.extend(silence());
    faults.extend(interim());
    faults.push(Fault::new("nobody listens", |scenario, _| {
        let scenario = scenario.unreachable();
        scenario.with(|settings| settings.identity = Identity::Token("eyJ.of.somebody"))
    }));
    faults
}

/// Exchanges that break once.
fn once(name: &'static str, broken: BrokenExchange) -> Fault {
    Fault::new(name, move |scenario, op| {
        scenario.broken(op.path(), broken.clone())
    })
}

fn requests() -> Vec<Fault> {
    let unreceived = |name, point, end| {
        let broken = BrokenExchange::request(Break::request(point, end), Received::CutOff);
        once(name, broken)
    };
    let (line, whole) = (Point::Bytes(9), Point::Whole);
    vec![
        unreceived(
            "closed before the request is read",
            Point::Bytes(0),
            End::Close,
        ),
        unreceived(
            "reset before the request is read",
            Point::Bytes(0),
            End::Reset,
        ),
        unreceived("closed in the first line of the request", line, End::Close),
        unreceived("reset in the first line of the request", line, End::Reset),
        unreceived(
            "closed after the headers of the request",
            Point::Head,
            End::Close,
        ),
        unreceived(
            "reset after the headers of the request",
            Point::Head,
            End::Reset,
        ),
        unreceived(
            "closed before the last byte of the request",
            Point::AllButOne,
            End::Close,
        ),
        unreceived(
            "reset before the last byte of the request",
            Point::AllButOne,
            End::Reset,
        ),
        unreceived("closed when the request is read", whole, End::Close),
        unreceived("reset when the request is read", whole, End::Reset),
    ]
}

fn responses() -> Vec<Fault> {
    let cut = |name, point, end| {
        let broken = BrokenExchange::response(Break::response(point, end), Received::CutOff);
        once(name, broken)
    };
    let (line, head) = (Point::Bytes(11), Point::Bytes(40));
    let reset_for_ever = Break::response(Point::Bytes(0), End::Reset);
    vec![
        cut(
            "closed after it was carried out",
            Point::Bytes(0),
            End::Close,
        ),
        cut(
            "reset after it was carried out",
            Point::Bytes(0),
            End::Reset,
        ),
        cut("closed in the first line of the response", line, End::Close),
        cut("reset in the first line of the response", line, End::Reset),
        cut("closed after half a head", head, End::Close),
        cut("reset after half a head", head, End::Reset),
        cut("closed before the body", Point::Head, End::Close),
        cut("reset before the body", Point::Head, End::Reset),
        cut(
            "closed in the body, shorter than its length",
            Point::Body(20),
            End::Close,
        ),
        cut("reset in the body", Point::Body(20), End::Reset),
        cut(
            "closed before the last byte of the body",
            Point::AllButOne,
            End::Close,
        ),
        cut(
            "reset before the last byte of the body",
            Point::AllButOne,
            End::Reset,
        ),
        once(
            "reset after it was carried out, always",
            BrokenExchange::response(reset_for_ever, Received::CutOff).times(ALWAYS),
        ),
        once(
            "closed in a chunk",
            BrokenExchange::response(
                Break::replace(
                    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{\"cod",
                    End::Close,
                ),
                Received::CutOff,
            ),
        ),
        Fault::new(
            "a body longer than its length, and another call",
            |scenario, op| {
                let more = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nno";
                let broken = BrokenExchange::response(Break::after(more), Received::Response);
                let scenario = scenario.broken(op.path(), broken);
                scenario.call(op.call()).call(op.call())
            },
        ),
    ]
}

fn silence() -> Vec<Fault> {
    let slow = |name, broken: BrokenExchange| {
        Fault::new(name, move |scenario, op: Op| {
            with_short_timeout(scenario, broken.times).broken(op.path(), broken.clone())
        })
    };
    let stops =
        |point| BrokenExchange::response(Break::response(point, End::Silence), Received::TimedOut);
    let unreceived = Break::request(Point::Whole, End::Silence);
    let drip = Break::drip(Duration::from_secs(1));
    vec![
        slow("silence, and it was carried out", stops(Point::Bytes(0))),
        slow(
            "silence, and it was not carried out",
            BrokenExchange::request(unreceived, Received::TimedOut),
        ),
        slow("silence always", stops(Point::Bytes(0)).times(ALWAYS)),
        slow("silence after half a head", stops(Point::Bytes(40))),
        slow("silence after half a body", stops(Point::Body(20))),
        slow(
            "an response at a byte a second",
            BrokenExchange::response(drip, Received::TimedOut),
        ),
    ]
}

fn interim() -> Vec<Fault> {
    let before = |name, bytes: &'static str| {
        once(
            name,
            BrokenExchange::response(Break::before(bytes), Received::Response),
        )
    };
    let hints = "HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n";
    vec![
        before(
            "HTTP 100 before the response",
            "HTTP/1.1 100 Continue\r\n\r\n",
        ),
        before(
            "HTTP 102 before the response",
            "HTTP/1.1 102 Processing\r\n\r\n",
        ),
        before("HTTP 103 before the response", hints),
        once(
            "HTTP 100 and no response",
            BrokenExchange::response(
                Break::replace("HTTP/1.1 100 Continue\r\n\r\n", End::Close),
                Received::CutOff,
            ),
        ),
    ]
}
