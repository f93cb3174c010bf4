//! The service rejects the request.

use std::time::Duration;

use pan123_mock::CannedResponse;
use pan123_mock::http::header::{DATE, RETRY_AFTER};
use pan123_mock::http::{HeaderValue, StatusCode};
use pan123_tests::scenario::{Act, Call, Identity, Scenario};
use pan123_tests::service_access::push_tokens_out;

use super::{ALWAYS, Fault};

pub(super) fn faults() -> Vec<Fault> {
    let mut faults = codes();
    faults.extend(tokens());
    faults.extend(retry_after());
    faults
}

fn too_frequent() -> CannedResponse {
    CannedResponse::envelope(429, "请求太频繁")
}

fn http_429() -> CannedResponse {
    CannedResponse::raw(StatusCode::TOO_MANY_REQUESTS, "")
}

fn http_503(retry_after: &'static str) -> CannedResponse {
    CannedResponse::raw(StatusCode::SERVICE_UNAVAILABLE, "")
        .header(RETRY_AFTER, HeaderValue::from_static(retry_after))
}

fn codes() -> Vec<Fault> {
    vec![
        Fault::responded("code 1, a business error", |_| {
            CannedResponse::envelope(1, "参数错误")
        }),
        Fault::responded("code 1 as a text, under HTTP 403", |_| {
            let body = r#"{"code":"1","message":"no"}"#;
            CannedResponse::raw(StatusCode::FORBIDDEN, body)
        }),
        Fault::responded("too many downloads at once", |_| {
            CannedResponse::envelope(1, "同时下载的任务超出最大限制，请稍后")
        }),
        Fault::responded("code 429 twice", |_| too_frequent().times(2)),
        Fault::responded("code 42902 once", |_| {
            CannedResponse::envelope(42902, "请求太频繁")
        }),
        Fault::responded("code 429 for ever", |_| too_frequent().times(ALWAYS)),
        Fault::responded("HTTP 429 with nothing, once", |_| http_429()),
        Fault::responded("HTTP 429 with nothing, for ever", |_| {
            http_429().times(ALWAYS)
        }),
    ]
}

fn tokens() -> Vec<Fault> {
    let code_401 = || CannedResponse::envelope(401, "token is expired");
    let http_401 = || CannedResponse::raw(StatusCode::UNAUTHORIZED, "no");
    let replaced_by_another_process = |scenario: Scenario| {
        scenario
            .with(|settings| settings.shares_store = true)
            .call(Call::UserInfo)
            .act(Act::Others(push_tokens_out))
            .act(Act::OtherProcess(Call::UserInfo))
    };
    vec![
        Fault::new(
            "code 401, and the stored token of another process helps",
            move |scenario, _| replaced_by_another_process(scenario),
        ),
        Fault::new(
            "code 401, and the stored token of another process is rejected, too",
            move |scenario, _| {
                replaced_by_another_process(scenario).act(Act::Others(push_tokens_out))
            },
        ),
        Fault::new("code 401, and a new token helps", |scenario, _| {
            scenario
                .call(Call::UserInfo)
                .act(Act::Others(push_tokens_out))
        }),
        Fault::responded("HTTP 401 with nothing, and a new token helps", move |_| {
            http_401()
        }),
        Fault::responded("code 401 always", move |_| code_401().times(ALWAYS)),
        Fault::responded("HTTP 401 always", move |_| http_401().times(ALWAYS)),
        Fault::new("code 401 to a token that was given", |scenario, _| {
            scenario.with(|settings| settings.identity = Identity::Token("eyJ.of.somebody"))
        }),
    ]
}

/// All drivers begin at 07:38:37 of this day.
const TEN_SECONDS_LATER: &str = "Sun, 23 Mar 2025 07:38:47 GMT";

fn retry_after() -> Vec<Fault> {
    let with_retry_after = |value| http_429().header(RETRY_AFTER, HeaderValue::from_static(value));
    vec![
        Fault::responded("Retry-After in seconds", move |_| with_retry_after("7")),
        Fault::responded("Retry-After as a date", move |_| {
            with_retry_after(TEN_SECONDS_LATER)
        }),
        Fault::responded("Retry-After as a date that is over", move |_| {
            with_retry_after("Sun, 23 Mar 2025 06:00:00 GMT")
        }),
        Fault::new(
            "Retry-After as a date, the client's wall clock an hour ahead",
            move |scenario, op| {
                let scenario = scenario.act(Act::SetWallClock(3600));
                scenario.canned(op.path(), with_retry_after(TEN_SECONDS_LATER))
            },
        ),
        Fault::responded(
            "Retry-After as a date, under a Date that is none",
            move |_| {
                with_retry_after(TEN_SECONDS_LATER).header(DATE, HeaderValue::from_static("today"))
            },
        ),
        Fault::responded("Retry-After that is negative", move |_| {
            with_retry_after("-5")
        }),
        Fault::responded("Retry-After that is no time", move |_| {
            with_retry_after("soon")
        }),
        Fault::responded("Retry-After of a year", move |_| {
            with_retry_after("31536000")
        }),
        Fault::responded("Retry-After of 24 digits", move |_| {
            with_retry_after("999999999999999999999999")
        }),
        Fault::new(
            "Retry-After of 24 digits, the call may take ten minutes",
            move |scenario, op| {
                scenario
                    .with(|settings| settings.call_timeout = Some(Duration::from_secs(600)))
                    .canned(op.path(), with_retry_after("999999999999999999999999"))
            },
        ),
        Fault::responded("HTTP 503 with Retry-After", |_| http_503("7")),
        Fault::responded("HTTP 503 with Retry-After of a year", |_| {
            http_503("31536000")
        }),
    ]
}
