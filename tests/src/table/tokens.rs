//! Tokens: fetched, used up, refused.

use std::time::Duration;

use crate::door::push_tokens_out;
use crate::scenario::{Act, Call, Identity, Scenario};
use pan123_mock::CannedResponse;
use pan123_mock::http::StatusCode;
use pan123_mock::path::{ACCESS_TOKEN, OFFLINE_DOWNLOAD, USER_INFO};
use pan123_proto::ErrorCode;

use super::create;

const DAY: Duration = Duration::from_secs(24 * 3600);

pub(crate) fn table() -> Vec<Scenario> {
    let mut table = used();
    table.extend(refused());
    table.extend(not_fetched());
    table
}

fn used() -> Vec<Scenario> {
    vec![
        Scenario::new("a cold start fetches one token and keeps it")
            .call(Call::UserInfo)
            .call(Call::UserInfo)
            .expect(|seen| {
                assert_eq!(seen.paths(), [ACCESS_TOKEN, USER_INFO, USER_INFO]);
                assert_eq!(seen.requests[0].header("authorization"), None);
                let token = seen.requests[1].header("authorization");
                let token = token.unwrap_or_default();
                assert!(token.starts_with("Bearer ey"), "{token}");
                assert_eq!(seen.kinds(), ["ok", "ok"]);
            }),
        Scenario::new("a token whose end has come is replaced before it is refused")
            .call(Call::UserInfo)
            .act(Act::Later(31 * DAY))
            .call(Call::UserInfo)
            .expect(|seen| {
                let paths = [ACCESS_TOKEN, USER_INFO, ACCESS_TOKEN, USER_INFO];
                assert_eq!(seen.paths(), paths);
            }),
    ]
}

fn refused() -> Vec<Scenario> {
    let replaced = |name| {
        let scenario = Scenario::new(name).call(Call::UserInfo);
        scenario.expect(|seen| {
            let (old, new) = ([ACCESS_TOKEN, USER_INFO], [USER_INFO, ACCESS_TOKEN]);
            assert_eq!(seen.paths(), [&old[..], &new, &[USER_INFO]].concat());
            assert_eq!(seen.kinds(), ["ok", "ok"]);
        })
    };
    vec![
        replaced("a token that was pushed out is replaced")
            .act(Act::Elsewhere(push_tokens_out))
            .call(Call::UserInfo),
        replaced("a token that the service finds expired is replaced")
            .act(Act::Ahead(31 * DAY))
            .call(Call::UserInfo),
        Scenario::new("a create that its token kept from acting is sent again")
            .call(Call::UserInfo)
            .act(Act::Elsewhere(push_tokens_out))
            .call(create())
            .expect(|seen| {
                assert_eq!((seen.count(OFFLINE_DOWNLOAD), seen.tasks), (2, 1));
                assert_eq!(seen.kinds(), ["ok", "ok"]);
            }),
        Scenario::new("401 for ever")
            .canned(
                USER_INFO,
                CannedResponse::envelope(401, "token is expired").times(9),
            )
            .call(Call::UserInfo)
            .call(Call::UserInfo)
            .expect(|seen| {
                assert_eq!(seen.kinds()[0], "Unauthorized");
                assert_eq!(seen.results[0].code, Some(ErrorCode::Unauthorized));
                let twice = [ACCESS_TOKEN, USER_INFO, ACCESS_TOKEN, USER_INFO];
                assert_eq!(seen.paths()[..4], twice);
            }),
        Scenario::new("401 for ever, with a text that says why")
            .canned(
                USER_INFO,
                CannedResponse::envelope(401, "tokens number has exceeded the limit").times(2),
            )
            .call(Call::UserInfo)
            .expect(|seen| {
                let text = &seen.results[0].text;
                assert!(
                    text.contains("another process uses this client id"),
                    "{text}"
                );
                assert!(seen.results[0].trace.is_some());
            }),
        Scenario::new("HTTP 401 without an envelope")
            .canned(
                USER_INFO,
                CannedResponse::raw(StatusCode::UNAUTHORIZED, "no"),
            )
            .call(Call::UserInfo)
            .expect(|seen| assert_eq!((seen.count(USER_INFO), seen.minted), (2, 2))),
        Scenario::new("a fixed token that is refused")
            .with(|settings| settings.identity = Identity::Token("eyJ.of.somebody"))
            .call(Call::UserInfo)
            .call(create())
            .expect(|seen| {
                assert_eq!(seen.kinds(), ["Unauthorized", "Unauthorized"]);
                assert_eq!(seen.paths(), [USER_INFO, OFFLINE_DOWNLOAD]);
                let sent = seen.requests[0].header("authorization");
                assert_eq!(sent.as_deref(), Some("Bearer eyJ.of.somebody"));
                assert_eq!(seen.tasks, 0);
            }),
    ]
}

fn not_fetched() -> Vec<Scenario> {
    let gateway = || CannedResponse::raw(StatusCode::BAD_GATEWAY, "<html>502</html>");
    vec![
        Scenario::new("wrong credentials")
            .with(|settings| settings.identity = Identity::Credentials("me", "wrong"))
            .call(Call::UserInfo)
            .call(create())
            .act(Act::Later(Duration::from_secs(61)))
            .call(Call::UserInfo)
            .expect(|seen| {
                assert_eq!(seen.kinds(), ["Credentials"; 3]);
                assert_eq!(seen.paths(), [ACCESS_TOKEN, ACCESS_TOKEN]);
            }),
        Scenario::new("the token endpoint answers 502 once")
            .canned(ACCESS_TOKEN, gateway())
            .call(Call::UserInfo)
            .expect(|seen| assert_eq!(seen.paths(), [ACCESS_TOKEN, ACCESS_TOKEN, USER_INFO])),
        Scenario::new("the token endpoint answers 429 once")
            .canned(ACCESS_TOKEN, CannedResponse::envelope(429, "请求太频繁"))
            .call(Call::UserInfo)
            .expect(|seen| assert_eq!(seen.paths(), [ACCESS_TOKEN, ACCESS_TOKEN, USER_INFO])),
        Scenario::new("the token endpoint answers success without a token once")
            .canned(ACCESS_TOKEN, CannedResponse::envelope(0, "ok"))
            .call(Call::UserInfo)
            .expect(|seen| assert_eq!(seen.paths(), [ACCESS_TOKEN, ACCESS_TOKEN, USER_INFO])),
        Scenario::new("the token endpoint answers 502 for ever")
            .canned(ACCESS_TOKEN, gateway().times(99))
            .call(Call::UserInfo)
            .call(create())
            .expect(|seen| {
                assert_eq!(seen.kinds(), ["Token", "Token"]);
                assert_eq!(seen.count(ACCESS_TOKEN), seen.requests.len());
                assert_eq!(seen.results[0].status, Some(502));
                assert!(seen.results[0].retryable);
            }),
    ]
}
