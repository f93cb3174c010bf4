//! Lost responses, and a server that cannot be reached.
//!
//! Real time passes here: each lost response takes the timeout of its request.

use std::time::Duration;

use crate::scenario::{Call, Identity, Of, Scenario};
use pan123_mock::CannedResponse;
use pan123_mock::path::{ACCESS_TOKEN, OFFLINE_DOWNLOAD, OFFLINE_PROGRESS, USER_INFO};
use pan123_proto::{RetryPolicy, TransportErrorKind};

use super::create;

/// The service acts, and its response comes after the timeout.
fn lost() -> CannedResponse {
    CannedResponse::passthrough().delay(Duration::from_secs(60))
}

pub(crate) fn table() -> Vec<Scenario> {
    let with_short_timeout = |name| {
        let scenario = Scenario::new(name);
        scenario.with(|settings| settings.request_timeout = Duration::from_millis(300))
    };
    let nobody = |name| {
        let scenario = Scenario::new(name).unreachable();
        scenario.with(|settings| settings.identity = Identity::Token("eyJ.of.somebody"))
    };
    vec![
        with_short_timeout("the response to a create is lost")
            .canned(OFFLINE_DOWNLOAD, lost())
            .call(create())
            .expect(|observed| {
                assert_eq!(observed.kinds(), ["Ambiguous"]);
                let reached = observed.results[0].reached;
                assert_eq!(reached, Some(TransportErrorKind::TimedOut));
                assert_eq!((observed.count(OFFLINE_DOWNLOAD), observed.tasks), (1, 1));
            }),
        with_short_timeout("the response to a progress is lost once")
            .canned(OFFLINE_PROGRESS, lost())
            .call(create())
            .call(Call::Progress(Of::Last))
            .expect(|observed| {
                assert_eq!(observed.kinds(), ["ok", "ok"]);
                assert_eq!(observed.count(OFFLINE_PROGRESS), 2);
            }),
        with_short_timeout("the response with a token is lost once")
            .canned(ACCESS_TOKEN, lost())
            .call(Call::UserInfo)
            .expect(|observed| {
                assert_eq!(observed.paths(), [ACCESS_TOKEN, ACCESS_TOKEN, USER_INFO]);
                assert_eq!(observed.issued, 2);
            }),
        nobody("a server that cannot be reached")
            .call(Call::UserInfo)
            .call(create())
            .expect(|observed| {
                for outcome in &observed.results {
                    assert_eq!(
                        (outcome.kind.as_str(), outcome.attempts),
                        ("RetriesExhausted", Some(4))
                    );
                    assert_eq!(outcome.reached, Some(TransportErrorKind::NeverLeft));
                }
            }),
        nobody("a server that cannot be reached, and no second attempt")
            .with(|settings| settings.retry = RetryPolicy::none())
            .call(create())
            .expect(|observed| {
                assert_eq!(observed.kinds(), ["Transport"]);
                assert!(observed.results[0].retryable);
            }),
        Scenario::new("a token that cannot be fetched")
            .unreachable()
            .call(create())
            .expect(|observed| {
                assert_eq!(observed.kinds(), ["Token"]);
                assert_eq!(
                    observed.results[0].reached,
                    Some(TransportErrorKind::NeverLeft)
                );
            }),
    ]
}
