//! Tokens: fetched, expired, rejected.

use std::time::Duration;

use crate::scenario::{Act, Call, Scenario};
use crate::service_access::push_tokens_out;
use pan123_mock::CannedResponse;
use pan123_mock::http::StatusCode;
use pan123_mock::path::{ACCESS_TOKEN, OFFLINE_DOWNLOAD, USER_INFO};

use super::create;

const DAY: Duration = Duration::from_secs(24 * 3600);

pub(crate) fn table() -> Vec<Scenario> {
    let mut table = used();
    table.extend(rejected());
    table.extend(not_fetched());
    table
}

fn used() -> Vec<Scenario> {
    vec![
        Scenario::new("a cold start fetches one token and keeps it")
            .call(Call::UserInfo)
            .call(Call::UserInfo)
            .expect(|observed| {
                assert_eq!(observed.paths(), [ACCESS_TOKEN, USER_INFO, USER_INFO]);
                assert_eq!(observed.requests[0].header("authorization"), None);
                let token = observed.requests[1].header("authorization");
                let token = token.unwrap_or_default();
                assert!(token.starts_with("Bearer ey"), "{token}");
                assert_eq!(observed.kinds(), ["ok", "ok"]);
            }),
        Scenario::new("a token whose end has come is replaced before it is rejected")
            .call(Call::UserInfo)
            .act(Act::Advance(31 * DAY))
            .call(Call::UserInfo)
            .expect(|observed| {
                let paths = [ACCESS_TOKEN, USER_INFO, ACCESS_TOKEN, USER_INFO];
                assert_eq!(observed.paths(), paths);
            }),
    ]
}

fn rejected() -> Vec<Scenario> {
    let replaced = |name| {
        let scenario = Scenario::new(name).call(Call::UserInfo);
        scenario.expect(|observed| {
            let (old, new) = ([ACCESS_TOKEN, USER_INFO], [USER_INFO, ACCESS_TOKEN]);
            assert_eq!(observed.paths(), [&old[..], &new, &[USER_INFO]].concat());
            assert_eq!(observed.kinds(), ["ok", "ok"]);
        })
    };
    vec![
        replaced("a token that was pushed out is replaced")
            .act(Act::Others(push_tokens_out))
            .call(Call::UserInfo),
        replaced("a token that the service finds expired is replaced")
            .act(Act::AdvanceService(31 * DAY))
            .call(Call::UserInfo),
        Scenario::new("a create that its token kept from acting is sent again")
            .call(Call::UserInfo)
            .act(Act::Others(push_tokens_out))
            .call(create())
            .expect(|observed| {
                assert_eq!((observed.count(OFFLINE_DOWNLOAD), observed.tasks), (2, 1));
                assert_eq!(observed.kinds(), ["ok", "ok"]);
            }),
        Scenario::new("401 for ever, with a text that says why")
            .canned(
                USER_INFO,
                CannedResponse::envelope(401, "tokens number has exceeded the limit").times(2),
            )
            .call(Call::UserInfo)
            .expect(|observed| {
                let text = &observed.results[0].text;
                assert!(
                    text.contains("another process uses this client id"),
                    "{text}"
                );
                assert!(observed.results[0].trace.is_some());
            }),
    ]
}

fn not_fetched() -> Vec<Scenario> {
    let gateway = || CannedResponse::raw(StatusCode::BAD_GATEWAY, "<html>502</html>");
    vec![
        Scenario::new("the token endpoint responses 502 once")
            .canned(ACCESS_TOKEN, gateway())
            .call(Call::UserInfo)
            .expect(|observed| {
                assert_eq!(observed.paths(), [ACCESS_TOKEN, ACCESS_TOKEN, USER_INFO]);
            }),
        Scenario::new("the token endpoint responses 502 for ever")
            .canned(ACCESS_TOKEN, gateway().times(99))
            .call(Call::UserInfo)
            .call(create())
            .expect(|observed| {
                assert_eq!(observed.kinds(), ["Token", "Token"]);
                assert_eq!(observed.count(ACCESS_TOKEN), observed.requests.len());
                assert_eq!(observed.results[0].status, Some(502));
                assert!(observed.results[0].retryable);
            }),
    ]
}
