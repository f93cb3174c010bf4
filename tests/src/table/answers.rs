//! Answers that are not what was asked for, on a call that may be made again and on one that may not.

use crate::scenario::{Call, Scenario};
use pan123_mock::CannedResponse;
use pan123_mock::http::header::LOCATION;
use pan123_mock::http::{HeaderName, HeaderValue, StatusCode};
use pan123_mock::path::{OFFLINE_DOWNLOAD, OFFLINE_PROGRESS, USER_INFO};
use pan123_proto::{ErrorCode, RetryPolicy, TransportErrorKind};

use super::{PROGRESS, create};

pub(crate) fn table() -> Vec<Scenario> {
    let mut table = unreadable();
    table.extend(refusals());
    table.extend(redirects());
    table.extend(too_large());
    table
}

const HALF: &str = r#"{"code":0,"message":"ok","data":{"proc"#;
const RUNNING: &str = r#"{"code":"0","message":"ok","data":{"process":"37.5","status":"3"}}"#;

fn ok(body: &'static str) -> CannedResponse {
    CannedResponse::raw(StatusCode::OK, body)
}

fn html(status: StatusCode) -> CannedResponse {
    CannedResponse::raw(status, &b"<html>\xff<h1>Bad Gateway</h1>"[..])
}

fn unreadable() -> Vec<Scenario> {
    let mended = |name| {
        Scenario::new(name).call(PROGRESS).expect(|seen| {
            assert_eq!(seen.kinds(), ["ok"]);
            assert_eq!(seen.count(OFFLINE_PROGRESS), 2);
        })
    };
    let in_doubt = |name| {
        Scenario::new(name).call(create()).expect(|seen| {
            assert_eq!(seen.kinds(), ["Ambiguous"]);
            assert_eq!(seen.count(OFFLINE_DOWNLOAD), 1);
        })
    };
    let mut table = vec![
        Scenario::new("502 for ever on a progress")
            .canned(OFFLINE_PROGRESS, html(StatusCode::BAD_GATEWAY).times(9))
            .call(PROGRESS)
            .expect(|seen| {
                let told = &seen.results[0];
                assert_eq!(
                    (told.kind.as_str(), told.attempts),
                    ("RetriesExhausted", Some(4))
                );
                assert_eq!(told.status, Some(502));
                assert_eq!(seen.count(OFFLINE_PROGRESS), 4);
            }),
        Scenario::new("502 on a progress, and no second attempt")
            .with(|settings| settings.retry = RetryPolicy::none())
            .canned(OFFLINE_PROGRESS, html(StatusCode::BAD_GATEWAY))
            .call(PROGRESS)
            .expect(|seen| assert_eq!(seen.kinds(), ["Http"])),
        Scenario::new("502 on a create that was carried out")
            .canned(
                OFFLINE_DOWNLOAD,
                html(StatusCode::BAD_GATEWAY).after_acting(),
            )
            .call(create())
            .expect(|seen| {
                assert_eq!(seen.kinds(), ["Ambiguous"]);
                assert_eq!((seen.count(OFFLINE_DOWNLOAD), seen.tasks), (1, 1));
            }),
        Scenario::new("codes and numbers as texts")
            .canned(OFFLINE_PROGRESS, ok(RUNNING))
            .call(PROGRESS)
            .expect(|seen| assert!(seen.results[0].value.contains("percent: 37.5"))),
    ];
    for (on_progress, on_create, canned) in [
        (
            "502 on a progress",
            "502 on a create",
            html(StatusCode::BAD_GATEWAY),
        ),
        (
            "408 on a progress",
            "408 on a create",
            html(StatusCode::REQUEST_TIMEOUT),
        ),
        ("half a progress", "half a create", ok(HALF)),
        ("an empty progress", "an empty create", ok("")),
        (
            "success without progress",
            "success without a task",
            CannedResponse::envelope(0, "ok"),
        ),
    ] {
        let good = ok(RUNNING);
        table.push(
            mended(on_progress)
                .canned(OFFLINE_PROGRESS, canned.clone())
                .canned(OFFLINE_PROGRESS, good),
        );
        table.push(in_doubt(on_create).canned(OFFLINE_DOWNLOAD, canned));
    }
    table
}

fn refusals() -> Vec<Scenario> {
    let trace = HeaderName::from_static("x-traceid");
    let trace = (trace, HeaderValue::from_static("a trace of the header"));
    vec![
        Scenario::new("too many downloads at once")
            .canned(
                OFFLINE_DOWNLOAD,
                CannedResponse::envelope(7, "同时下载的任务超出最大限制，请稍后"),
            )
            .call(create())
            .expect(|seen| {
                let told = &seen.results[0];
                assert_eq!(told.code, Some(ErrorCode::TooManyDownloads));
                assert!(told.retryable);
                assert_eq!(seen.count(OFFLINE_DOWNLOAD), 1);
            }),
        Scenario::new("a refusal with a trace id")
            .canned(USER_INFO, CannedResponse::envelope(5066, "文件不存在"))
            .call(Call::UserInfo)
            .expect(|seen| {
                let told = &seen.results[0];
                assert_eq!(told.code, Some(ErrorCode::FileNotFound));
                assert_eq!(told.message.as_deref(), Some("文件不存在"));
                assert!(told.trace.as_ref().is_some_and(|trace| trace.len() > 36));
                assert_eq!((told.status, seen.requests.len()), (Some(200), 2));
            }),
        Scenario::new("a refusal under another HTTP status")
            .canned(
                OFFLINE_PROGRESS,
                CannedResponse::raw(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    r#"{"code":5113,"message":"流量已用尽"}"#,
                )
                .header(trace.0, trace.1),
            )
            .call(PROGRESS)
            .expect(|seen| {
                let told = &seen.results[0];
                assert_eq!(told.code, Some(ErrorCode::TrafficExceeded));
                assert_eq!(told.trace.as_deref(), Some("a trace of the header"));
                assert_eq!(told.status, Some(500));
            }),
        Scenario::new("a refusal with its code as text")
            .canned(
                OFFLINE_DOWNLOAD,
                CannedResponse::raw(
                    StatusCode::FORBIDDEN,
                    r#"{"code":"403","message":"123pan-global-slb forbidden"}"#,
                ),
            )
            .call(create())
            .expect(|seen| {
                assert_eq!(seen.results[0].code, Some(ErrorCode::Other(403)));
                assert_eq!(seen.kinds(), ["Api"]);
            }),
        Scenario::new("404 on a create")
            .canned(OFFLINE_DOWNLOAD, html(StatusCode::NOT_FOUND))
            .call(create())
            .expect(|seen| assert_eq!(seen.kinds(), ["Http"])),
    ]
}

/// To a path that would answer: following would be seen.
fn redirects() -> Vec<Scenario> {
    let to_user_info = |status| {
        let location = HeaderValue::from_static(USER_INFO);
        CannedResponse::raw(status, "").header(LOCATION, location)
    };
    let stays = |name| {
        Scenario::new(name).expect(|seen| {
            assert_eq!(seen.kinds(), ["Http"]);
            assert_eq!((seen.count(USER_INFO), seen.requests.len()), (0, 2));
            assert!(seen.results[0].text.contains("never followed"));
        })
    };
    vec![
        stays("302 on a progress")
            .canned(OFFLINE_PROGRESS, to_user_info(StatusCode::FOUND))
            .call(PROGRESS),
        stays("302 on a create")
            .canned(OFFLINE_DOWNLOAD, to_user_info(StatusCode::FOUND))
            .call(create()),
        stays("307 on a create")
            .canned(
                OFFLINE_DOWNLOAD,
                to_user_info(StatusCode::TEMPORARY_REDIRECT),
            )
            .call(create()),
    ]
}

fn too_large() -> Vec<Scenario> {
    let limited = |name| {
        let scenario = Scenario::new(name);
        scenario.with(|settings| settings.body_limit = 2000)
    };
    let large = |bytes: usize| {
        let mut body = RUNNING.as_bytes().to_vec();
        body.resize(bytes, b' ');
        CannedResponse::raw(StatusCode::OK, body)
    };
    vec![
        limited("a progress over the limit")
            .canned(OFFLINE_PROGRESS, large(2001).times(9))
            .call(PROGRESS)
            .expect(|seen| {
                let told = &seen.results[0];
                assert_eq!(told.reached, Some(TransportErrorKind::BodyTooLarge));
                assert_eq!((told.attempts, seen.requests.len()), (Some(4), 5));
            }),
        limited("a progress at the limit")
            .canned(OFFLINE_PROGRESS, large(2000))
            .call(PROGRESS)
            .expect(|seen| assert_eq!(seen.kinds(), ["ok"])),
        limited("a create over the limit")
            .canned(OFFLINE_DOWNLOAD, large(70_000).after_acting())
            .call(create())
            .expect(|seen| {
                assert_eq!((seen.kinds()[0], seen.tasks), ("Ambiguous", 1));
                let reached = seen.results[0].reached;
                assert_eq!(reached, Some(TransportErrorKind::BodyTooLarge));
            }),
    ]
}
