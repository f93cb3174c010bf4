//! Responses that do not hold what was asked for, to an idempotent call and to one that is not.

use crate::scenario::{Call, Scenario};
use pan123_mock::CannedResponse;
use pan123_mock::http::header::LOCATION;
use pan123_mock::http::{HeaderName, HeaderValue, StatusCode};
use pan123_mock::path::{OFFLINE_DOWNLOAD, OFFLINE_PROGRESS, USER_INFO};
use pan123_proto::{ErrorCode, RetryPolicy};

use super::{PROGRESS, create, watch};

pub(crate) fn table() -> Vec<Scenario> {
    let mut table = unreadable();
    table.extend(rejections());
    table.extend(odd_data());
    table.push(redirect());
    table
}

const RUNNING: &str = r#"{"code":"0","message":"ok","data":{"process":"37.5","status":"3"}}"#;

fn ok(body: &'static str) -> CannedResponse {
    CannedResponse::raw(StatusCode::OK, body)
}

fn html(status: StatusCode) -> CannedResponse {
    CannedResponse::raw(status, &b"<html>\xff<h1>Bad Gateway</h1>"[..])
}

fn unreadable() -> Vec<Scenario> {
    vec![
        Scenario::new("502 on a progress, and no second attempt")
            .with(|settings| settings.retry = RetryPolicy::none())
            .canned(OFFLINE_PROGRESS, html(StatusCode::BAD_GATEWAY))
            .call(PROGRESS)
            .expect(|observed| assert_eq!(observed.kinds(), ["Http"])),
        Scenario::new("502 on a progress")
            .canned(OFFLINE_PROGRESS, html(StatusCode::BAD_GATEWAY))
            .canned(OFFLINE_PROGRESS, ok(RUNNING))
            .call(PROGRESS)
            .expect(|observed| {
                assert_eq!(observed.kinds(), ["ok"]);
                assert_eq!(observed.count(OFFLINE_PROGRESS), 2);
            }),
        Scenario::new("502 on a create")
            .canned(OFFLINE_DOWNLOAD, html(StatusCode::BAD_GATEWAY))
            .call(create())
            .expect(|observed| {
                assert_eq!(observed.kinds(), ["Ambiguous"]);
                assert_eq!(observed.count(OFFLINE_DOWNLOAD), 1);
            }),
    ]
}

fn rejections() -> Vec<Scenario> {
    let trace = HeaderName::from_static("x-traceid");
    let trace = (trace, HeaderValue::from_static("a trace of the header"));
    vec![
        Scenario::new("a rejection with a trace id")
            .canned(USER_INFO, CannedResponse::envelope(5066, "文件不存在"))
            .call(Call::UserInfo)
            .expect(|observed| {
                let outcome = &observed.results[0];
                assert_eq!(outcome.code, Some(ErrorCode::FileNotFound));
                assert_eq!(outcome.message.as_deref(), Some("文件不存在"));
                assert!(outcome.trace.as_ref().is_some_and(|trace| trace.len() > 36));
                assert_eq!((outcome.status, observed.requests.len()), (Some(200), 2));
            }),
        Scenario::new("a rejection under another HTTP status")
            .canned(
                OFFLINE_PROGRESS,
                CannedResponse::raw(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    r#"{"code":5113,"message":"流量已用尽"}"#,
                )
                .header(trace.0, trace.1),
            )
            .call(PROGRESS)
            .expect(|observed| {
                let outcome = &observed.results[0];
                assert_eq!(outcome.code, Some(ErrorCode::TrafficExceeded));
                assert_eq!(outcome.trace.as_deref(), Some("a trace of the header"));
                assert_eq!(outcome.status, Some(500));
            }),
        Scenario::new("a rejection with control and direction characters")
            .canned(
                USER_INFO,
                ok(r#"{"code":5066,"message":"\u001b[2J\n\u202e\u0000","x-traceID":"t\r\n\u2028"}"#),
            )
            .call(Call::UserInfo)
            .expect(|observed| {
                let outcome = &observed.results[0];
                let (message, trace) = (r"\u{1b}[2J\n\u{202e}\u{0}", r"t\r\n\u{2028}");
                assert_eq!(outcome.message.as_deref(), Some(message));
                assert_eq!(outcome.trace.as_deref(), Some(trace));
                let shown = format!("code 5066: {message} [trace {trace}]");
                assert!(outcome.text.ends_with(&shown), "{}", outcome.text);
            }),
        Scenario::new("a rejection without a message")
            .canned(USER_INFO, ok(r#"{"code":5066,"message":null}"#))
            .call(Call::UserInfo)
            .expect(|observed| {
                let text = &observed.results[0].text;
                assert!(text.ends_with("code 5066"), "{text}");
            }),
    ]
}

fn odd_data() -> Vec<Scenario> {
    vec![
        Scenario::new("a task that is followed without a percentage")
            .canned(
                OFFLINE_PROGRESS,
                ok(r#"{"code":0,"data":{"process":null,"status":0}}"#),
            )
            .canned(
                OFFLINE_PROGRESS,
                ok(r#"{"code":0,"data":{"process":250,"status":3}}"#),
            )
            .canned(
                OFFLINE_PROGRESS,
                ok(r#"{"code":0,"data":{"process":"100%","status":2}}"#),
            )
            .call(create())
            .call(watch())
            .expect(|observed| {
                assert_eq!(observed.kinds(), ["ok"; 4]);
                let percent = |at: usize, percent: &str| {
                    let value = &observed.results[at].value;
                    assert!(value.contains(&format!("percent: {percent},")), "{value}");
                };
                percent(1, "None");
                percent(2, "Some(100.0)");
                percent(3, "None");
                assert!(observed.results[3].value.contains("Succeeded"));
            }),
        Scenario::new("a create with marks around its response and control characters in a text")
            .canned(
                OFFLINE_DOWNLOAD,
                ok("\0\u{feff}\u{feff}{\"code\":0,\"message\":\"a\n\u{1b}[2J\",\"data\":{\"taskID\":394756}}\u{feff}")
                    .after_acting(),
            )
            .call(create())
            .expect(|observed| {
                assert_eq!(observed.kinds(), ["ok"]);
                assert!(observed.results[0].value.contains("394756"));
            }),
        Scenario::new("a create that names two tasks")
            .canned(
                OFFLINE_DOWNLOAD,
                ok(r#"{"code":0,"data":{"taskID":394756,"taskId":"394757"}}"#).after_acting(),
            )
            .call(create())
            .expect(|observed| {
                assert_eq!(observed.kinds(), ["Ambiguous"]);
                let text = &observed.results[0].text;
                let names = "`taskID` or `taskId` has different values: 394756, \"394757\"";
                assert!(text.contains(names), "{text}");
                assert!(
                    text.ends_with("; the response names 394756 and 394757"),
                    "{text}"
                );
                assert_eq!((observed.count(OFFLINE_DOWNLOAD), observed.tasks), (1, 1));
            }),
    ]
}

/// A redirect to a path that would respond, so that following it would be observed.
fn redirect() -> Scenario {
    let location = HeaderValue::from_static(USER_INFO);
    let redirect = CannedResponse::raw(StatusCode::FOUND, "").header(LOCATION, location);
    Scenario::new("302 on a create")
        .canned(OFFLINE_DOWNLOAD, redirect)
        .call(create())
        .expect(|observed| {
            assert_eq!(observed.kinds(), ["Http"]);
            assert_eq!((observed.count(USER_INFO), observed.requests.len()), (0, 2));
            assert!(observed.results[0].text.contains("never followed"));
        })
}
