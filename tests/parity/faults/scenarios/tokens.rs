//! The token endpoint or the token store fails.

use std::time::Duration;

use pan123_mock::http::header::RETRY_AFTER;
use pan123_mock::http::{HeaderValue, StatusCode};
use pan123_mock::path::ACCESS_TOKEN;
use pan123_mock::{Break, CannedResponse, End, Point};
use pan123_tests::failing_store::StoreFault;
use pan123_tests::scenario::{Act, BrokenExchange, Identity, Received, Scenario};
use pan123_tests::service_access::first_token;

use super::{ALWAYS, Fault, html, ok, request_timeout};
use crate::faults::row::Op;

pub(super) fn faults() -> Vec<Fault> {
    let mut faults = down();
    faults.extend(rate_limited());
    faults.extend(useless());
    faults.extend(of_the_store());
    faults
}

fn responded(name: &'static str, canned: CannedResponse) -> Fault {
    Fault::new(name, move |scenario, _| {
        scenario.canned(ACCESS_TOKEN, canned.clone())
    })
}

fn broken(name: &'static str, broken: BrokenExchange) -> Fault {
    Fault::new(name, move |scenario, _| {
        scenario.broken(ACCESS_TOKEN, broken.clone())
    })
}

fn down() -> Vec<Fault> {
    let gateway = || html(StatusCode::BAD_GATEWAY);
    let reset = || {
        BrokenExchange::response(
            Break::response(Point::Bytes(0), End::Reset),
            Received::CutOff,
        )
    };
    let silence = || Break::response(Point::Bytes(0), End::Silence);
    let slow = move |name, times| {
        Fault::new(name, move |scenario: Scenario, _: Op| {
            let silent = BrokenExchange::response(silence(), Received::TimedOut).times(times);
            scenario
                .with(|settings| settings.request_timeout = request_timeout(times))
                .broken(ACCESS_TOKEN, silent)
        })
    };
    vec![
        responded("token endpoint: HTTP 502 once", gateway()),
        responded("token endpoint: HTTP 502 always", gateway().times(ALWAYS)),
        broken("token endpoint: reset once", reset()),
        broken("token endpoint: reset always", reset().times(ALWAYS)),
        slow("token endpoint: silence once", 1),
        slow("token endpoint: silence always", ALWAYS),
        Fault::new("token endpoint: nobody listens", |scenario, _| {
            scenario.unreachable()
        }),
    ]
}

fn rate_limited() -> Vec<Fault> {
    let too_frequent = || CannedResponse::envelope(429, "请求太频繁");
    let with_retry_after = |value| {
        let header = HeaderValue::from_static(value);
        CannedResponse::raw(StatusCode::TOO_MANY_REQUESTS, "").header(RETRY_AFTER, header)
    };
    vec![
        responded("token endpoint: code 429 twice", too_frequent().times(2)),
        responded(
            "token endpoint: code 429 for ever",
            too_frequent().times(ALWAYS),
        ),
        responded(
            "token endpoint: Retry-After of 30 seconds",
            with_retry_after("30"),
        ),
        responded(
            "token endpoint: Retry-After of 24 digits",
            with_retry_after("999999999999999999999999"),
        ),
    ]
}

/// The token store fails.
fn of_the_store() -> Vec<Fault> {
    let rows = [
        (
            "token store: what is stored is damaged",
            StoreFault::Damaged,
        ),
        ("token store: a database that restarts", StoreFault::Away),
        ("token store: nothing can be saved", StoreFault::Full),
        ("token store: an empty file", StoreFault::Emptied),
    ];
    let fault = |(name, fault)| {
        Fault::new(name, move |scenario, _| {
            scenario
                .with(|settings| settings.shares_store = true)
                .act(Act::StoreFault(Some(fault)))
        })
    };
    rows.map(fault).into()
}

/// Token responses without a token that works.
fn useless() -> Vec<Fault> {
    vec![
        responded("token endpoint: HTML once", html(StatusCode::OK)),
        responded(
            "token endpoint: success without a token, once",
            CannedResponse::envelope(0, "ok"),
        ),
        responded(
            "token endpoint: success without a token, always",
            CannedResponse::envelope(0, "ok").times(ALWAYS),
        ),
        responded(
            "token endpoint: code 401 always",
            CannedResponse::envelope(401, "token is invalid").times(ALWAYS),
        ),
        Fault::new("token endpoint: wrong secret", |scenario, _| {
            scenario.with(|settings| settings.identity = Identity::Credentials("me", "wrong"))
        }),
        Fault::new("token endpoint: an expired token always", |scenario, _| {
            scenario.service(|service| service.token_lifetime(Duration::ZERO))
        }),
        Fault::new(
            "token endpoint: a good token with a date that is over",
            |scenario, _| {
                let token = first_token(scenario.seed);
                let reply = format!(
                    r#"{{"code":0,"data":{{"accessToken":"{token}","expiredAt":"2020-01-01T00:00:00+08:00"}}}}"#
                );
                scenario.canned(ACCESS_TOKEN, ok(reply).after_acting())
            },
        ),
        Fault::new(
            "token endpoint: a good token with a date that is none",
            |scenario, _| {
                let token = first_token(scenario.seed);
                let reply = format!(
                    r#"{{"code":0,"data":{{"accessToken":"{token}","expiredAt":"soon"}}}}"#
                );
                scenario.canned(ACCESS_TOKEN, ok(reply).after_acting())
            },
        ),
        Fault::new(
            "token endpoint: a token that was never issued, once",
            |scenario, _| {
                let reply = r#"{"code":0,"data":{"accessToken":"x","expiredAt":"2035-01-01T00:00:00+08:00"}}"#;
                scenario.canned(ACCESS_TOKEN, ok(reply))
            },
        ),
    ]
}
