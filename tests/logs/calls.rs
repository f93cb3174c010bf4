//! Each call is a span, with events for what happens in it.

use pan123_mock::http::{HeaderValue, StatusCode, header::RETRY_AFTER};
use pan123_mock::path::{ACCESS_TOKEN, OFFLINE_DOWNLOAD, OFFLINE_PROGRESS, USER_INFO};
use pan123_mock::{CannedResponse, Service, TaskScript};
use pan123_proto::user::GetUserInfo;
use pan123_proto::{ErrorCode, ErrorKind};
use serde_json::{Value, json};

use crate::logs::both::{Adapter, BOTH, events, logs, spans};

fn held_off(seconds: &'static str) -> CannedResponse {
    let canned = CannedResponse::envelope(429, "请求太频繁");
    canned.header(RETRY_AFTER, HeaderValue::from_static(seconds))
}

#[test]
fn successful_call_is_a_span() {
    for adapter in BOTH {
        let lines = logs(
            adapter,
            |_| {},
            |client| {
                client.send(&GetUserInfo).unwrap();
            },
        );
        let mut spans = spans(&lines, USER_INFO);
        assert_eq!(spans.len(), 1, "{adapter:?}: {lines:#?}");
        let trace = spans[0]["trace_id"].take();
        assert!(trace.as_str().is_some_and(|trace| !trace.is_empty()));
        let expected = json!({
            "name": "call", "method": "GET", "endpoint": USER_INFO, "attempt": 1, "code": 0, "elapsed_ms": 0,
            "trace_id": null
        });
        assert_eq!(spans[0], expected, "{adapter:?}");
        assert_eq!(events(&lines, "retrying"), [], "{adapter:?}");
    }
}

#[test]
fn each_retry_is_logged() {
    for adapter in BOTH {
        let lines = logs(
            adapter,
            |service| {
                let bad = CannedResponse::raw(StatusCode::BAD_GATEWAY, "<html>");
                service.respond_next(USER_INFO, held_off("7"));
                service.respond_next(USER_INFO, bad);
                service.respond_next(USER_INFO, CannedResponse::envelope(401, "token is expired"));
            },
            |client| {
                client.send(&GetUserInfo).unwrap();
            },
        );
        let mut again = events(&lines, "retrying");
        let backoff = again[1].remove("wait_ms").unwrap_or_default();
        assert!(backoff.as_u64().is_some_and(|wait| wait < 500), "{backoff}");
        for event in &mut again {
            event.remove("trace_id");
        }
        let expected = [
            json!({
                "attempt": 1, "reason": "hold-off", "wait_ms": 7000, "error": "Api", "code": 429, "http_status": 200
            }),
            json!({"attempt": 2, "reason": "backoff", "error": "Http", "http_status": 502}),
            json!({
                "attempt": 3, "reason": "token rejected", "wait_ms": 0, "error": "Api", "code": 401, "http_status": 200
            }),
        ];
        assert_eq!(again.map_to_values(), expected, "{adapter:?}");
        let span = &spans(&lines, USER_INFO)[0];
        assert_eq!((&span["attempt"], &span["code"]), (&json!(4), &json!(0)));
        assert!(span["elapsed_ms"].as_u64() >= Some(7000), "{span}");
        assert_eq!(spans(&lines, ACCESS_TOKEN).len(), 2, "{adapter:?}");
    }
}

#[test]
fn failed_call_logs_its_error() {
    for adapter in BOTH {
        let lines = logs(
            adapter,
            |service| {
                service.respond_next(
                    OFFLINE_DOWNLOAD,
                    CannedResponse::envelope(5066, "no such file"),
                );
            },
            |client| {
                let error = client.create_two().unwrap_err();
                assert_eq!(error.code(), Some(ErrorCode::FileNotFound));
            },
        );
        let span = &spans(&lines, OFFLINE_DOWNLOAD)[0];
        assert_eq!(
            (&span["code"], &span["http_status"]),
            (&json!(5066), &json!(200))
        );
        let ended = events(&lines, "ended");
        let ended = ended.last().expect("the call ended");
        assert_eq!(
            (&ended["error"], &ended["code"]),
            (&json!("Api"), &json!(5066))
        );
        assert_eq!(ended["trace_id"], span["trace_id"]);
    }
}

#[test]
fn trace_id_in_the_log_is_escaped() {
    for adapter in BOTH {
        let lines = logs(
            adapter,
            |service| {
                let body = r#"{"code":5066,"x-traceID":"t\u001b[2J\n\u202e"}"#;
                service.respond_next(USER_INFO, CannedResponse::raw(StatusCode::OK, body));
            },
            |client| {
                client.send(&GetUserInfo).unwrap_err();
            },
        );
        let trace = &spans(&lines, USER_INFO)[0]["trace_id"];
        assert_eq!(trace, r"t\u{1b}[2J\n\u{202e}", "{adapter:?}");
        let ended = &events(&lines, "ended");
        assert!(
            ended.iter().any(|event| &event["trace_id"] == trace),
            "{ended:?}"
        );
    }
}

#[test]
fn rest_of_a_dropped_create_logs_its_task() {
    let lines = logs(
        Adapter::Async,
        |_| {},
        |client| client.drop_create("https://example.com/a"),
    );
    let ended = events(&lines, "detached call ended");
    let expected = [json!({"endpoint": OFFLINE_DOWNLOAD, "created": "394756"})];
    assert_eq!(ended.map_to_values(), expected);

    let reject = CannedResponse::envelope(5066, "no such file");
    let prepare = |service: &mut Service| service.respond_next(OFFLINE_DOWNLOAD, reject);
    let lines = logs(Adapter::Async, prepare, |client| {
        client.drop_create("https://example.com/a");
    });
    let failed = &events(&lines, "detached call failed")[0];
    assert_eq!(
        (&failed["error"], &failed["code"]),
        (&json!("Api"), &json!(5066))
    );
}

#[test]
fn token_fetch_is_logged() {
    for adapter in BOTH {
        let lines = logs(
            adapter,
            |_| {},
            |client| {
                client.send(&GetUserInfo).unwrap();
            },
        );
        assert_eq!(events(&lines, "fetching a token").len(), 1, "{adapter:?}");
        let fetched = events(&lines, "token fetched");
        assert_eq!(
            fetched.map_to_values(),
            [json!({"from": "the service", "lifetime_s": 30 * 24 * 3600})]
        );
        assert_eq!(spans(&lines, ACCESS_TOKEN).len(), 1, "{adapter:?}");

        let lines = logs(
            adapter,
            |service| {
                service.respond_next(
                    ACCESS_TOKEN,
                    CannedResponse::envelope(401, "clientSecret错误"),
                );
            },
            |client| {
                let error = client.send(&GetUserInfo).unwrap_err();
                assert_eq!(error.kind(), ErrorKind::Credentials);
            },
        );
        let failed = events(&lines, "token fetch failed");
        assert_eq!((failed.len(), &failed[0]["code"]), (1, &json!(401)));
        assert_eq!(events(&lines, "token fetched"), []);
    }
}

#[test]
fn only_waits_of_more_than_a_second_are_logged() {
    for adapter in BOTH {
        let reasons = |lines: &[Value]| {
            let mut waits = events(lines, "waiting").map_to_values();
            // A wait for a token ends at its signal, long before the time that is logged.
            waits.retain(|wait| wait["reason"] != "Token");
            waits
        };
        let lines = logs(
            adapter,
            |_| {},
            |client| {
                client.create_two().unwrap();
            },
        );
        assert_eq!(reasons(&lines), [] as [Value; 0], "{adapter:?}");

        let prepare = |service: &mut Service| {
            service.respond_next(OFFLINE_PROGRESS, held_off("2"));
            service.set_default_script(TaskScript::succeeds_after(12));
        };
        let lines = logs(adapter, prepare, |client| {
            let task = client.create_two().unwrap();
            client.wait(task);
        });
        let waits = reasons(&lines);
        assert_eq!(
            waits[0],
            json!({"reason": "Pace", "at_most_ms": 2000}),
            "{adapter:?}"
        );
        let polls = &waits[1..];
        let is_long = |wait: &Value| wait["at_most_ms"].as_u64() > Some(1000);
        assert!(!polls.is_empty() && polls.iter().all(is_long), "{waits:?}");
        assert!(
            polls.iter().all(|wait| wait["reason"] == "Poll"),
            "{waits:?}"
        );
    }
}

/// Fields as values, to be compared with what is expected.
trait ToValues {
    fn map_to_values(self) -> Vec<Value>;
}

impl ToValues for Vec<serde_json::Map<String, Value>> {
    fn map_to_values(self) -> Vec<Value> {
        self.into_iter().map(Value::Object).collect()
    }
}
