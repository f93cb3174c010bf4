//! Faults that 64 concurrent callers meet.

use std::time::Duration;

use pan123_mock::http::StatusCode;
use pan123_mock::path::ACCESS_TOKEN;
use pan123_tests::scenario::{Act, Call, Identity};
use pan123_tests::service_access::push_tokens_out;

use super::{Fault, html};

const CALLERS: usize = 64;

pub(super) fn faults() -> Vec<Fault> {
    let month = Duration::from_secs(31 * 24 * 3600);
    vec![
        Fault::new("64 at once, the first calls of all", |scenario, op| {
            scenario.act(Act::Together(CALLERS, op.call()))
        }),
        Fault::new("64 at once, the token was pushed out", |scenario, op| {
            scenario
                .call(Call::UserInfo)
                .act(Act::Others(push_tokens_out))
                .act(Act::Together(CALLERS, op.call()))
        }),
        Fault::new(
            "64 at once, the service finds the token expired",
            move |scenario, op| {
                scenario
                    .call(Call::UserInfo)
                    .act(Act::AdvanceService(month))
                    .act(Act::Together(CALLERS, op.call()))
            },
        ),
        Fault::new(
            "64 at once, token endpoint: HTTP 502 once",
            |scenario, op| {
                scenario
                    .canned(ACCESS_TOKEN, html(StatusCode::BAD_GATEWAY))
                    .act(Act::Together(CALLERS, op.call()))
            },
        ),
        Fault::new(
            "64 at once, token endpoint: wrong secret",
            |scenario, op| {
                scenario
                    .with(|settings| settings.identity = Identity::Credentials("me", "wrong"))
                    .act(Act::Together(CALLERS, op.call()))
            },
        ),
    ]
}
