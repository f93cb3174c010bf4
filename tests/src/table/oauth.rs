//! OAuth apps: token pairs that are used, saved and lost.

use std::time::Duration;

use pan123_mock::path::{OAUTH_TOKEN, USER_INFO};
use pan123_mock::{CannedResponse, OauthErrorFormat, http::StatusCode};
use pan123_proto::Pacing;

use crate::failing_store::StoreFault;
use crate::observed::Observed;
use crate::scenario::{Act, Call, Code, Identity, Scenario};

pub(crate) fn table() -> Vec<Scenario> {
    let mut table = alone();
    table.extend(begun());
    table.extend(crowded());
    table.extend(lost());
    table.extend(unprovable());
    table
}

/// An access token lives two hours and is replaced ten minutes before it expires.
const NEAR_THE_END: Duration = Duration::from_secs(6900);
/// How often saving a pair is tried before it pauses.
const SAVES: usize = 3;
/// Longer than a failed fetch pauses the next one.
const A_MOMENT: Duration = Duration::from_secs(5);
const PAST_THE_END: Duration = Duration::from_secs(7300);

fn app(name: &'static str) -> Scenario {
    Scenario::new(name).with(|settings| settings.identity = Identity::App)
}

fn new_app(name: &'static str) -> Scenario {
    Scenario::new(name).with(|settings| settings.identity = Identity::NewApp)
}

/// How many token requests and how many other requests there were.
fn counts(observed: &Observed) -> (usize, usize) {
    (observed.count(OAUTH_TOKEN), observed.count(USER_INFO))
}

/// Checks that this many calls succeeded with these [`counts`] of requests.
#[track_caller]
fn assert_all_ok(observed: &Observed, responses: usize, asked: (usize, usize)) {
    assert_eq!(observed.kinds(), vec!["ok"; responses]);
    assert_eq!(counts(observed), asked);
}

fn alone() -> Vec<Scenario> {
    vec![
        app("an app with a refresh token")
            .call(Call::UserInfo)
            .call(Call::UserInfo)
            .expect(|observed| {
                assert_eq!(observed.kinds(), ["ok", "ok"]);
                assert_eq!(counts(observed), (1, 2));
                assert_eq!(observed.issued, 0, "none of the developer's three");
            }),
        app("an app that is started again")
            .call(Call::UserInfo)
            .act(Act::Restart)
            .call(Call::UserInfo)
            .expect(|observed| assert_all_ok(observed, 2, (1, 2))),
        app("an app for a day")
            .call(Call::UserInfo)
            .act(Act::Advance(PAST_THE_END))
            .call(Call::UserInfo)
            .act(Act::Advance(NEAR_THE_END))
            .call(Call::UserInfo)
            .act(Act::Restart)
            .act(Act::Advance(PAST_THE_END))
            .call(Call::UserInfo)
            .expect(|observed| assert_all_ok(observed, 4, (4, 4))),
        app("an app whose token the service ends before its time")
            .call(Call::UserInfo)
            .act(Act::AdvanceService(PAST_THE_END))
            .call(Call::UserInfo)
            .expect(|observed| assert_all_ok(observed, 2, (2, 3))),
    ]
}

fn begun() -> Vec<Scenario> {
    vec![
        new_app("a user comes with a code")
            .call(Call::UserInfo)
            .act(Act::Authorize(Code::Given))
            .call(Call::UserInfo)
            .act(Act::Restart)
            .call(Call::UserInfo)
            .expect(|observed| {
                assert_eq!(
                    observed.kinds(),
                    ["AuthorizationRequired", "ok", "ok", "ok"]
                );
                assert!(
                    observed.results[0].text.contains("authorize"),
                    "{}",
                    observed.results[0].text
                );
                assert_eq!(counts(observed), (1, 2));
            }),
        new_app("a code that was never given")
            .act(Act::Authorize(Code::Wrong))
            .call(Call::UserInfo)
            .expect(|observed| {
                assert_eq!(observed.kinds(), ["Api", "AuthorizationRequired"]);
                assert_eq!(counts(observed), (1, 0));
            }),
        new_app("a code that is used twice")
            .act(Act::Authorize(Code::Given))
            .act(Act::Authorize(Code::Given))
            .call(Call::UserInfo)
            .expect(|observed| {
                assert_eq!(observed.kinds(), ["ok", "Api", "ok"]);
                assert_eq!(counts(observed), (2, 1));
            }),
    ]
}

fn crowded() -> Vec<Scenario> {
    let sixty_four = |name| {
        app(name)
            .with(|settings| settings.pacing = Pacing::off())
            .call(Call::UserInfo)
    };
    vec![
        app("sixty-four callers of a new app")
            .with(|settings| settings.pacing = Pacing::off())
            .act(Act::Together(64, Call::UserInfo))
            .expect(|observed| assert_all_ok(observed, 64, (1, 64))),
        sixty_four("sixty-four callers near the end of a token")
            .act(Act::Advance(NEAR_THE_END))
            .act(Act::Together(64, Call::UserInfo))
            .expect(|observed| {
                // No call used the token that the refresh ended: each sent one request.
                assert_all_ok(observed, 65, (2, 65));
            }),
        // The rate limit lets one call go at a time, so that only one meets the rejected token.
        app("sixty-four callers with a token that was ended")
            .with(|settings| settings.call_timeout = Some(Duration::from_secs(600)))
            .call(Call::UserInfo)
            .act(Act::AdvanceService(PAST_THE_END))
            .act(Act::Together(64, Call::UserInfo))
            .expect(|observed| assert_all_ok(observed, 65, (2, 66))),
    ]
}

fn lost() -> Vec<Scenario> {
    let unanswered = |name| {
        let lost = CannedResponse::raw(StatusCode::GATEWAY_TIMEOUT, "").after_acting();
        let scenario = app(name).canned(OAUTH_TOKEN, lost);
        let asked = scenario.call(Call::UserInfo).call(Call::UserInfo);
        asked.expect(|observed| {
            assert_eq!(
                observed.kinds(),
                ["AuthorizationRequired", "AuthorizationRequired"]
            );
            // Once more with the same refresh token, which was used before.
            assert_eq!(counts(observed), (2, 0));
        })
    };
    vec![
        app("a pair that is lost before it was kept")
            .call(Call::UserInfo)
            .act(Act::Advance(NEAR_THE_END))
            .act(Act::FailSaves(SAVES))
            .call(Call::UserInfo)
            .act(Act::Restart)
            .call(Call::UserInfo)
            .call(Call::UserInfo)
            .act(Act::Together(64, Call::UserInfo))
            .expect(|observed| {
                let kinds = observed.kinds();
                assert_eq!(kinds.iter().filter(|kind| **kind == "ok").count(), 2);
                assert_eq!(
                    kinds
                        .iter()
                        .filter(|kind| **kind == "AuthorizationRequired")
                        .count(),
                    66
                );
                // The last one is rejected, and none follows.
                assert_eq!(observed.count(OAUTH_TOKEN), 3);
                let outcome = observed
                    .results
                    .iter()
                    .find(|outcome| outcome.kind == "AuthorizationRequired");
                let text = &outcome.expect("one").text;
                assert!(
                    text.contains("once") && text.contains("Authorize again"),
                    "{text}"
                );
            }),
        app("a pair that is kept at the second go")
            .act(Act::FailSaves(1))
            .call(Call::UserInfo)
            .act(Act::Restart)
            .call(Call::UserInfo)
            .expect(|observed| assert_all_ok(observed, 2, (1, 2))),
        app("a pair that is kept a minute later")
            .act(Act::FailSaves(SAVES))
            .call(Call::UserInfo)
            .act(Act::Advance(Duration::from_secs(61)))
            .call(Call::UserInfo)
            .act(Act::Restart)
            .call(Call::UserInfo)
            .expect(|observed| assert_all_ok(observed, 3, (1, 3))),
        app("a pair that is not kept is used, and kept with the next one")
            .call(Call::UserInfo)
            .act(Act::Advance(NEAR_THE_END))
            .act(Act::FailSaves(SAVES))
            .call(Call::UserInfo)
            .act(Act::Advance(NEAR_THE_END))
            .call(Call::UserInfo)
            .act(Act::Restart)
            .call(Call::UserInfo)
            .expect(|observed| assert_all_ok(observed, 4, (3, 4))),
        unanswered("an response with a pair that is lost"),
        unanswered("an response with a pair that is lost, and a rejection in the envelope")
            .service(|service| service.oauth_error_format(OauthErrorFormat::Envelope)),
        app("a service in trouble when a pair is wanted")
            .canned(
                OAUTH_TOKEN,
                CannedResponse::raw(StatusCode::BAD_GATEWAY, "<html>"),
            )
            .call(Call::UserInfo)
            .expect(|observed| assert_all_ok(observed, 1, (2, 1))),
        app("too many requests for pairs")
            .canned(
                OAUTH_TOKEN,
                CannedResponse::envelope(429, "请求太频繁").times(2),
            )
            .call(Call::UserInfo)
            .expect(|observed| assert_all_ok(observed, 1, (3, 1))),
    ]
}

/// The store is asked before what works once is sent.
fn unprovable() -> Vec<Scenario> {
    vec![
        app("a pair is not asked for while it could not be saved")
            .act(Act::StoreFault(Some(StoreFault::Full)))
            .call(Call::UserInfo)
            .act(Act::StoreFault(None))
            .act(Act::Advance(A_MOMENT))
            .call(Call::UserInfo)
            .act(Act::StoreFault(Some(StoreFault::Full)))
            .act(Act::Advance(NEAR_THE_END))
            .call(Call::UserInfo)
            .act(Act::Advance(NEAR_THE_END))
            .call(Call::UserInfo)
            .expect(|observed| {
                let expected = ["TokenStore", "ok", "ok", "TokenStore"];
                assert_eq!(observed.kinds(), expected);
                assert_eq!(counts(observed), (1, 2));
                let text = &observed.results[3].text;
                assert!(
                    text.contains("/data/token.json: the disk is full"),
                    "{text}"
                );
            }),
        new_app("a code is not sent while its pair could not be saved")
            .act(Act::StoreFault(Some(StoreFault::Full)))
            .act(Act::Authorize(Code::Given))
            .act(Act::StoreFault(None))
            .act(Act::Authorize(Code::Given))
            .call(Call::UserInfo)
            .expect(|observed| {
                assert_eq!(observed.kinds(), ["TokenStore", "ok", "ok"]);
                assert_eq!(counts(observed), (1, 1));
            }),
        new_app("a store whose place for a pair is empty, until the user comes with a code")
            .act(Act::StoreFault(Some(StoreFault::Emptied)))
            .call(Call::UserInfo)
            .act(Act::Authorize(Code::Given))
            .call(Call::UserInfo)
            .expect(|observed| {
                assert_eq!(observed.kinds(), ["TokenStore", "ok", "ok"]);
                assert_eq!(counts(observed), (1, 1));
                let text = &observed.results[0].text;
                assert!(text.contains("/data/token.json is empty"), "{text}");
            }),
    ]
}
