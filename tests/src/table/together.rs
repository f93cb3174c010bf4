//! Concurrent callers: in tasks, in threads, and in turn.
//!
//! This part holds only what does not depend on which caller is first.

use std::time::Duration;

use crate::scenario::{Act, Call, Identity, Of, Scenario};
use crate::service_access::push_tokens_out;
use pan123_mock::path::{ACCESS_TOKEN, OFFLINE_DOWNLOAD, OFFLINE_PROGRESS, USER_INFO};
use pan123_proto::Pacing;

use super::create;

pub(crate) fn table() -> Vec<Scenario> {
    let replaced = |name| {
        let scenario = Scenario::new(name).call(Call::UserInfo);
        // The rate limit lets one call go at a time, so that only one meets the rejected token.
        scenario.expect(|observed| {
            assert_eq!(observed.kinds(), ["ok"; 17]);
            assert_eq!(observed.count(ACCESS_TOKEN), 2);
            assert_eq!(observed.count(USER_INFO), 18);
        })
    };
    vec![
        Scenario::new("a cold start of sixteen")
            .with(|settings| settings.pacing = Pacing::off())
            .act(Act::Together(16, Call::UserInfo))
            .expect(|observed| {
                assert_eq!(observed.kinds(), ["ok"; 16]);
                assert_eq!((observed.count(ACCESS_TOKEN), observed.issued), (1, 1));
                assert_eq!(observed.count(USER_INFO), 16);
            }),
        Scenario::new("a cold start of sixteen at the usual pace")
            .act(Act::Together(16, Call::UserInfo))
            .expect(|observed| {
                assert_eq!(
                    (observed.count(ACCESS_TOKEN), observed.results.len()),
                    (1, 16)
                );
            }),
        replaced("sixteen with a token that was pushed out")
            .act(Act::Others(push_tokens_out))
            .act(Act::Together(16, Call::UserInfo)),
        replaced("sixteen with a token that the service finds expired")
            .act(Act::AdvanceService(Duration::from_secs(31 * 24 * 3600)))
            .act(Act::Together(16, Call::UserInfo)),
        Scenario::new("sixteen with wrong credentials")
            .with(|settings| settings.identity = Identity::Credentials("me", "wrong"))
            .act(Act::Together(16, Call::UserInfo))
            .expect(|observed| {
                assert_eq!(observed.kinds(), ["Credentials"; 16]);
                assert_eq!(observed.paths(), [ACCESS_TOKEN]);
            }),
        Scenario::new("eight creates")
            .act(Act::Together(8, create()))
            .expect(|observed| {
                assert_eq!((observed.count(OFFLINE_DOWNLOAD), observed.tasks), (8, 8));
            }),
        Scenario::new("more creates than there are turns in two minutes")
            .act(Act::Together(125, create()))
            .expect(|observed| {
                assert_eq!(observed.kinds(), ["ok"; 125]);
                assert_eq!(
                    (observed.count(OFFLINE_DOWNLOAD), observed.tasks),
                    (125, 125)
                );
            }),
        Scenario::new("eight who wait for the same task")
            .call(create())
            .call(Call::Wait(Of::Last))
            .act(Act::Together(8, Call::Wait(Of::Last)))
            .expect(|observed| {
                assert_eq!(observed.kinds(), ["ok"; 10]);
                assert_eq!(observed.count(OFFLINE_PROGRESS), 3 + 8);
            }),
    ]
}
