//! Rate limits and deadlines.

use std::time::Duration;

use crate::scenario::Scenario;
use pan123_mock::CannedResponse;
use pan123_mock::http::header::RETRY_AFTER;
use pan123_mock::http::{HeaderValue, StatusCode};
use pan123_mock::path::{OFFLINE_DOWNLOAD, OFFLINE_PROGRESS};
use pan123_proto::offline::Download;
use pan123_proto::{Endpoint, ErrorCode, Pacing, RetryPolicy};

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
    vec![
        Scenario::new("42902 and 42903")
            .canned(OFFLINE_PROGRESS, too_frequent(42902))
            .canned(OFFLINE_PROGRESS, too_frequent(42903))
            .canned(OFFLINE_PROGRESS, running())
            .call(PROGRESS)
            .expect(|observed| {
                assert_eq!(observed.kinds(), ["ok"]);
                assert_eq!(observed.count(OFFLINE_PROGRESS), 3);
            }),
        Scenario::new("429 on a create, which was rejected before it acted")
            .canned(OFFLINE_DOWNLOAD, too_frequent(429))
            .canned(OFFLINE_DOWNLOAD, bare("2"))
            .call(create())
            .expect(|observed| {
                assert_eq!(observed.kinds(), ["ok"]);
                assert_eq!((observed.count(OFFLINE_DOWNLOAD), observed.tasks), (3, 1));
            }),
        Scenario::new("a Retry-After past the deadline")
            .canned(OFFLINE_DOWNLOAD, bare("121"))
            .call(create())
            .expect(|observed| {
                let outcome = &observed.results[0];
                assert_eq!(outcome.kind, "RateLimited");
                assert_eq!(outcome.retry_after, Some(Duration::from_secs(121)));
                assert_eq!(observed.count(OFFLINE_DOWNLOAD), 1);
            }),
        Scenario::new("no time left for another attempt")
            .with(|settings| {
                settings.call_timeout = Some(Duration::from_secs(5));
                settings.retry = RetryPolicy::default().max_attempts(100);
            })
            .canned(
                OFFLINE_PROGRESS,
                CannedResponse::raw(StatusCode::SERVICE_UNAVAILABLE, "").times(100),
            )
            .call(PROGRESS)
            .expect(|observed| {
                assert_eq!(observed.kinds(), ["Deadline"]);
                assert_eq!(observed.results[0].status, Some(503));
            }),
        Scenario::new("no time left for the wait that a 503 asks for")
            .canned(
                OFFLINE_PROGRESS,
                CannedResponse::raw(StatusCode::SERVICE_UNAVAILABLE, "")
                    .header(RETRY_AFTER, HeaderValue::from_static("121")),
            )
            .call(PROGRESS)
            .expect(|observed| {
                let outcome = &observed.results[0];
                assert_eq!((&*outcome.kind, outcome.status), ("Deadline", Some(503)));
                assert_eq!(outcome.retry_after, Some(Duration::from_secs(121)));
                assert!(outcome.text.contains("HTTP 503") && outcome.text.contains("121"));
            }),
        Scenario::new("no turn within the call's time")
            .with(|settings| {
                let rarely = Duration::from_secs(1000);
                settings.pacing = Pacing::default().every(Download::RATE, rarely);
                settings.call_timeout = Some(Duration::from_secs(60));
            })
            .call(create())
            .call(create())
            .call(create())
            .expect(|observed| {
                let refused = "QueueTooLong";
                assert_eq!(observed.kinds(), ["ok", refused, refused]);
                let waits: Vec<_> = observed.results.iter().map(|it| it.retry_after).collect();
                let told = |secs| Some(Duration::from_secs(secs));
                assert_eq!(waits, [None, told(1000), told(2000)]);
                assert_eq!((observed.count(OFFLINE_DOWNLOAD), observed.tasks), (1, 1));
            }),
        Scenario::new("no turn within the call's time after a rejected token")
            .with(|settings| settings.call_timeout = Some(Duration::from_secs(1)))
            .canned(
                OFFLINE_DOWNLOAD,
                CannedResponse::envelope(401, "token is expired"),
            )
            .call(create())
            .expect(|observed| {
                let outcome = &observed.results[0];
                assert_eq!(outcome.kind, "Deadline");
                assert_eq!(outcome.code, Some(ErrorCode::Unauthorized));
                assert_eq!(observed.count(OFFLINE_DOWNLOAD), 1);
            }),
    ]
}
