//! Tokens that are rejected again and again, and one that the service does not issue in time.

use std::time::{Duration, SystemTime};

use pan123_mock::http::header::RETRY_AFTER;
use pan123_mock::http::{HeaderValue, StatusCode};
use pan123_mock::path::{ACCESS_TOKEN, OAUTH_TOKEN, USER_INFO};
use pan123_mock::{CannedResponse, Fault};

use crate::observed::Observed;
use crate::scenario::{Act, Call, Identity, Scenario};
use crate::service_access::{ServiceAccess, push_tokens_out};

pub(crate) fn table() -> Vec<Scenario> {
    let developer =
        Scenario::new("a token of another process pushes out each token after one call");
    let app = Scenario::new("the access token of each pair is revoked after one call");
    let app = app.with(|settings| settings.identity = Identity::App);
    vec![
        rejected_again_and_again(developer, push_tokens_out)
            .expect(|observed| assert_backs_off(observed, ACCESS_TOKEN)),
        rejected_again_and_again(app, |service, _| {
            let revoked = CannedResponse::envelope(401, "token is expired");
            service.fault(Fault::from(revoked).on(USER_INFO));
        })
        .expect(|observed| assert_backs_off(observed, OAUTH_TOKEN)),
        Scenario::new("no token within the call's time")
            .with(|settings| settings.call_timeout = Some(Duration::from_secs(2)))
            .canned(ACCESS_TOKEN, too_many_tokens())
            .call(Call::UserInfo)
            .expect(|observed| {
                let outcome = &observed.results[0];
                assert_eq!((&*outcome.kind, outcome.status), ("Deadline", Some(429)));
                assert!(outcome.text.contains("access token"), "{outcome:?}");
            }),
    ]
}

/// Asks for a longer wait than the call has.
fn too_many_tokens() -> CannedResponse {
    CannedResponse::raw(StatusCode::TOO_MANY_REQUESTS, "")
        .header(RETRY_AFTER, HeaderValue::from_static("60"))
}

const CALLS: usize = 12;

/// Makes calls, and has the token of each but the first rejected once. The time between them is only what they wait for a token.
fn rejected_again_and_again(scenario: Scenario, reject: Others) -> Scenario {
    let first = scenario.call(Call::UserInfo);
    (1..CALLS).fold(first, |scenario, _| {
        scenario.act(Act::Others(reject)).call(Call::UserInfo)
    })
}

type Others = fn(&mut dyn ServiceAccess, SystemTime);

/// Checks that about seven tokens of this path were replaced, and that the other calls were told to come back later.
#[track_caller]
fn assert_backs_off(observed: &Observed, path: &str) {
    let (kinds, issued) = (observed.kinds(), observed.count(path));
    assert!((7..=8).contains(&issued), "{issued} tokens: {kinds:?}");
    let expected = [vec!["ok"; issued], vec!["TokenBackoff"; CALLS - issued]];
    assert_eq!(kinds, expected.concat());
    // Of the later calls only the first one, which met the last 401, sent anything.
    assert_eq!(observed.count(USER_INFO), 2 * issued);
    let last = &observed.results[CALLS - 1];
    assert!(last.retryable);
    let remedy = "share one token store";
    assert!(last.text.contains(remedy), "{}", last.text);
}
