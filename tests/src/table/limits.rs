//! Being told to wait, and running out of time.

use std::time::Duration;

use crate::scenario::Scenario;
use pan123_mock::CannedResponse;
use pan123_mock::http::header::RETRY_AFTER;
use pan123_mock::http::{HeaderValue, StatusCode};
use pan123_mock::path::{OFFLINE_DOWNLOAD, OFFLINE_PROGRESS};
use pan123_proto::{ErrorCode, RetryPolicy};

use super::{PROGRESS, create};

const RUNNING: &str = r#"{"code":0,"data":{"process":1,"status":0}}"#;

fn running() -> CannedResponse {
    CannedResponse::raw(StatusCode::OK, RUNNING)
}

fn too_frequent(code: i64) -> CannedResponse {
    CannedResponse::envelope(code, "请求太频繁")
}

fn bare(retry_after: &'static str) -> CannedResponse {
    let canned = CannedResponse::raw(StatusCode::TOO_MANY_REQUESTS, "");
    canned.header(RETRY_AFTER, HeaderValue::from_static(retry_after))
}

pub(crate) fn table() -> Vec<Scenario> {
    let waited_out = |name, refusals: [CannedResponse; 2]| {
        let mut scenario = Scenario::new(name);
        for refusal in refusals {
            scenario = scenario.canned(OFFLINE_PROGRESS, refusal);
        }
        let scenario = scenario.canned(OFFLINE_PROGRESS, running());
        scenario.call(PROGRESS).expect(|seen| {
            assert_eq!(seen.kinds(), ["ok"]);
            assert_eq!(seen.count(OFFLINE_PROGRESS), 3);
        })
    };
    // The third second of the calendar that all drivers begin with, as the service writes it.
    let date = "Sun, 23 Mar 2025 07:38:40 GMT";
    vec![
        waited_out("429 twice", [too_frequent(429), too_frequent(429)]),
        waited_out(
            "42902 and 42903",
            [too_frequent(42902), too_frequent(42903)],
        ),
        waited_out("HTTP 429 in seconds and as a date", [bare("7"), bare(date)]),
        Scenario::new("429 on a create, which was refused before it acted")
            .canned(OFFLINE_DOWNLOAD, too_frequent(429))
            .canned(OFFLINE_DOWNLOAD, bare("2"))
            .call(create())
            .expect(|seen| {
                assert_eq!(seen.kinds(), ["ok"]);
                assert_eq!((seen.count(OFFLINE_DOWNLOAD), seen.tasks), (3, 1));
            }),
        Scenario::new("429 for ever")
            .canned(OFFLINE_PROGRESS, too_frequent(429).times(1000))
            .call(PROGRESS)
            .expect(|seen| {
                assert_eq!(seen.kinds(), ["RateLimited"]);
                assert_eq!(seen.results[0].code, Some(ErrorCode::RateLimited));
                assert!(seen.results[0].retry_after.is_some());
                assert!(seen.count(OFFLINE_PROGRESS) > 4);
            }),
        Scenario::new("a Retry-After past the deadline")
            .canned(OFFLINE_DOWNLOAD, bare("121"))
            .call(create())
            .expect(|seen| {
                let told = &seen.results[0];
                assert_eq!(told.kind, "RateLimited");
                assert_eq!(told.retry_after, Some(Duration::from_secs(121)));
                assert_eq!(seen.count(OFFLINE_DOWNLOAD), 1);
            }),
        Scenario::new("no time left for another attempt")
            .with(|settings| {
                settings.call_timeout = Duration::from_secs(5);
                settings.retry = RetryPolicy::default().max_attempts(100);
            })
            .canned(
                OFFLINE_PROGRESS,
                CannedResponse::raw(StatusCode::SERVICE_UNAVAILABLE, "").times(100),
            )
            .call(PROGRESS)
            .expect(|seen| {
                assert_eq!(seen.kinds(), ["Deadline"]);
                assert_eq!(seen.results[0].status, Some(503));
            }),
    ]
}
