//! Two processes with the same credentials share a token store.
//!
//! A call ends with the 401 of a token that was issued after its own first 401, and with no other. So a stored token of another
//! process that is rejected as well does not end it.

use std::collections::HashSet;
use std::time::SystemTime;

use crate::observed::SentRequest;
use crate::scenario::{Act, Call, Scenario};
use crate::service_access::{ServiceAccess, push_tokens_out};
use pan123_mock::path::{ACCESS_TOKEN, OFFLINE_DOWNLOAD, USER_INFO};
use pan123_mock::{CannedResponse, Fault};
use pan123_proto::ErrorCode;

use super::create;

pub(crate) fn table() -> Vec<Scenario> {
    vec![
        Scenario::new("another process uses the stored token and issues none")
            .with(|settings| settings.shares_store = true)
            .call(Call::UserInfo)
            .act(Act::OtherProcess(Call::UserInfo))
            .act(Act::Restart)
            .call(Call::UserInfo)
            .expect(|observed| {
                assert_eq!(
                    observed.paths(),
                    [ACCESS_TOKEN, USER_INFO, USER_INFO, USER_INFO]
                );
                assert_eq!(observed.kinds(), ["ok"; 3]);
            }),
        replaced_by_another_process("the stored token of another process replaces a rejected one")
            .call(Call::UserInfo)
            .expect(|observed| {
                assert_eq!(observed.paths()[5..], [USER_INFO, USER_INFO]);
                assert_eq!(
                    (observed.kinds(), observed.count(ACCESS_TOKEN)),
                    (vec!["ok"; 3], 2)
                );
            }),
        replaced_by_another_process(
            "a call whose own and stored tokens are both rejected issues one",
        )
        .act(Act::Others(push_tokens_out))
        .call(Call::UserInfo)
        .expect(|observed| {
            let third = [USER_INFO, USER_INFO, ACCESS_TOKEN, USER_INFO];
            assert_eq!(observed.paths()[5..], third);
            assert_eq!(observed.kinds(), ["ok"; 3]);
            assert_eq!(tokens(&observed.requests[5..]), 3);
        }),
        replaced_by_another_process(
            "a create whose own and stored tokens are both rejected acts once",
        )
        .act(Act::Others(push_tokens_out))
        .call(create())
        .expect(|observed| {
            let third = [
                OFFLINE_DOWNLOAD,
                OFFLINE_DOWNLOAD,
                ACCESS_TOKEN,
                OFFLINE_DOWNLOAD,
            ];
            assert_eq!(observed.paths()[5..], third);
            assert_eq!((observed.kinds(), observed.tasks), (vec!["ok"; 3], 1));
        }),
        replaced_by_another_process("a call whose issued token is rejected, too, ends")
            .act(Act::Others(reject_every_token))
            .call(Call::UserInfo)
            .expect(|observed| {
                let third = [USER_INFO, USER_INFO, ACCESS_TOKEN, USER_INFO];
                assert_eq!(observed.paths()[5..], third);
                assert_eq!(observed.kinds(), ["ok", "ok", "Unauthorized"]);
                assert_eq!(observed.results[2].code, Some(ErrorCode::Unauthorized));
            }),
    ]
}

/// The client holds a token that was pushed out, and another process has stored the next one: five requests.
fn replaced_by_another_process(name: &'static str) -> Scenario {
    Scenario::new(name)
        .with(|settings| settings.shares_store = true)
        .call(Call::UserInfo)
        .act(Act::Others(push_tokens_out))
        .act(Act::OtherProcess(Call::UserInfo))
}

fn reject_every_token(service: &mut dyn ServiceAccess, _: SystemTime) {
    let rejected = CannedResponse::envelope(401, "token is expired");
    service.fault(Fault::from(rejected).on(USER_INFO).always());
}

/// How many different tokens the requests carry.
fn tokens(requests: &[SentRequest]) -> usize {
    let carried = requests
        .iter()
        .filter_map(|sent| sent.header("authorization"));
    carried.collect::<HashSet<_>>().len()
}
