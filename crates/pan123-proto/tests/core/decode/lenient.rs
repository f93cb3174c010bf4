//! What the service is known to vary, and where that ends: numbers as text, missing data, ids of any size, trace ids.

use std::time::{Duration, SystemTime};

use crate::support::reading::{created, polled, read_with, token, user};
use crate::support::{Reply, World, fixed, hand, progress};
use http::HeaderValue;
use pan123_proto::offline::TaskStatus;
use pan123_proto::{Error, ErrorCode, ErrorKind, Input};

#[test]
fn success_with_null_data_is_only_good_where_nothing_was_promised() {
    let body = include_str!("../../fixtures/official_envelope_ok_null_data.json");
    for error in [
        polled(body).unwrap_err(),
        user(body).unwrap_err(),
        token(body).unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::Decode);
        let trace = error.trace_id().unwrap();
        assert!(trace.starts_with("eyJhbGci"));
    }
    let error = created(body).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Ambiguous);
    assert!(error.trace_id().is_some());
}

#[test]
fn progress_without_data_is_asked_for_again_and_never_zero() {
    for data in [
        r#""data":null"#,
        r#""data":{}"#,
        r#""data":[]"#,
        r#""data":{"process":null,"status":0}"#,
        r#""data":{"process":1}"#,
        r#""data":{"status":2}"#,
        r#""data":{"process":"","status":2}"#,
        r#""message":"ok""#,
    ] {
        let body = format!(r#"{{"code":0,{data}}}"#);
        assert_eq!(polled(&body).unwrap_err().kind(), ErrorKind::Decode);
        let mut world = World::new(move |_, _| Reply::http(200, &body));
        let asked = world.start(fixed().call(&progress()).unwrap());
        world.run();
        let Error::RetriesExhausted {
            attempts: 4, last, ..
        } = asked.get().unwrap_err()
        else {
            panic!("{data}");
        };
        assert_eq!(last.kind(), ErrorKind::Decode, "{data}");
        assert_eq!(world.sent().len(), 4);
    }
}

#[test]
fn numbers_may_be_text() {
    let body = r#"{"code":"0","message":"ok","data":{"taskID":"394756"}}"#;
    assert_eq!(created(body).unwrap().task.get(), 394_756);
    let body = r#"{"code":"0","data":{"process":"99.5","status":"2"}}"#;
    let progress = polled(body).unwrap();
    assert_eq!(
        (progress.percent, progress.status),
        (99.5, TaskStatus::Succeeded)
    );
    let body =
        r#"{"code":"0","data":{"uid":"7","spaceUsed":"6894212784062464","spaceTempExpr":"0"}}"#;
    assert_eq!(user(body).unwrap().space_used, Some(6_894_212_784_062_464));
    let error = polled(r#"{"code":"5066","message":"m"}"#).unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::FileNotFound));
}

#[test]
fn no_digit_of_a_task_id_is_lost() {
    for id in [9_007_199_254_740_993, i64::MAX.unsigned_abs() + 1, u64::MAX] {
        for key in ["taskID", "taskId"] {
            for quote in ["", "\""] {
                let body = format!(r#"{{"code":0,"data":{{"{key}":{quote}{id}{quote}}}}}"#);
                assert_eq!(created(&body).unwrap().task.get(), id, "{body}");
            }
        }
    }
}

#[test]
fn a_task_id_that_is_none_makes_a_create_ambiguous() {
    for id in [
        "0",
        "-1",
        "1.5",
        "null",
        "\"\"",
        "\"abc\"",
        "true",
        "18446744073709551616",
        "9007199254740994.0",
        "{}",
    ] {
        let body = format!(r#"{{"code":0,"message":"ok","data":{{"taskID":{id}}}}}"#);
        let error = created(&body).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Ambiguous, "{id}");
    }
}

#[test]
fn fields_that_nobody_knows_are_passed_over() {
    let body = r#"{"extra":[{"deep":null}],"code":0,"data":{"status":3,"taskID":1,"x":{}},"n":1}"#;
    assert_eq!(created(body).unwrap().task.get(), 1);
    let body = r#"{"data":{"process":1,"fileID":7,"status":0},"code":0,"status":"?"}"#;
    assert_eq!(polled(body).unwrap().status, TaskStatus::Running);
}

#[test]
fn the_trace_id_may_be_anywhere_or_nowhere() {
    let refused = |body: &str, header: Option<&'static str>| {
        let Input::Response(mut answer) = hand::answer(200, body) else {
            unreachable!();
        };
        if let Some(trace) = header {
            let value = HeaderValue::from_static(trace);
            answer.headers_mut().insert("x-traceid", value);
        }
        read_with(&progress(), Input::Response(answer)).unwrap_err()
    };
    for (body, header, trace) in [
        (r#"{"code":1,"x-traceID":"b"}"#, None, Some("b")),
        (r#"{"code":1,"x-traceID":"b"}"#, Some("h"), Some("b")),
        (r#"{"code":1,"X-TraceId":"b"}"#, None, Some("b")),
        (r#"{"code":1,"x-traceID":""}"#, Some("h"), Some("h")),
        (r#"{"code":1,"x-traceID":null}"#, Some("h"), Some("h")),
        (r#"{"code":1}"#, Some("h"), Some("h")),
        (r#"{"code":1}"#, None, None),
        (r#"{"code":1}"#, Some(""), None),
        ("<html>", Some("h"), Some("h")),
        (
            r#"{"code":0,"data":null,"x-traceID":"b"}"#,
            Some("h"),
            Some("b"),
        ),
    ] {
        let error = refused(body, header);
        assert_eq!(error.trace_id(), trace, "{body} {header:?}");
    }
}

#[test]
fn a_refusal_may_have_no_message_and_no_data() {
    for body in [
        r#"{"code":5066}"#,
        r#"{"code":5066,"message":null,"data":null}"#,
        r#"{"code":5066,"message":[1],"data":{"any":["thing"]}}"#,
    ] {
        let error = created(body).unwrap_err();
        assert_eq!(error.code(), Some(ErrorCode::FileNotFound));
        assert_eq!(error.api().unwrap().message(), "");
    }
}

#[test]
fn what_is_no_envelope_is_quoted_but_for_tokens() {
    for body in [
        "<html>gateway</html>",
        "[]",
        "null",
        r#"{"message":"no Route matched"}"#,
    ] {
        let Error::Decode(answer) = polled(body).unwrap_err() else {
            panic!("{body}");
        };
        assert_eq!(answer.excerpt(), body);
        assert_eq!(answer.http_status(), 200);
    }
    for body in [
        "<html>canary</html>",
        r#"{"code":0,"data":"canary"}"#,
        r#"{"code":0,"data":{"accessToken":["canary"]}}"#,
        r#"{"code":0,"data":{"accessToken":"canary","accessToken":"canary"}}"#,
    ] {
        let error = token(body).unwrap_err();
        let shown = format!("{error} {error:?}");
        assert!(!shown.contains("canary"), "{shown}");
    }
}

#[test]
fn both_dates_of_a_token_are_read() {
    let end = |date: &str| {
        let body = format!(r#"{{"code":0,"data":{{"accessToken":"t","expiredAt":{date}}}}}"#);
        let expired_at = token(&body).unwrap().expired_at()?;
        let since: Duration = expired_at.duration_since(SystemTime::UNIX_EPOCH).unwrap();
        Some(since.as_secs())
    };
    assert_eq!(end("\"2025-03-23T15:48:37+08:00\""), Some(1_742_716_117));
    assert_eq!(end("\"2025-03-23 15:48:37\""), Some(1_742_716_117));
    for date in ["null", "\"\"", "\"soon\"", "1742716117", "{}"] {
        assert_eq!(end(date), None, "{date}");
    }
}
