//! Clocks that are wrong or jump. A token that was fetched before stays valid.

use std::time::Duration;

use pan123_tests::scenario::{Act, Call};

use super::Fault;

pub(super) fn faults() -> Vec<Fault> {
    const HOUR: i64 = 3600;
    let hour = Duration::from_secs(3600);
    let nearly_a_month = (30 * 24 - 1) * HOUR;
    let before = |name, act: Act| Fault::new(name, move |scenario, _| scenario.act(act.clone()));
    let between = |name, act: Act| {
        Fault::new(name, move |scenario, _| {
            scenario.call(Call::UserInfo).act(act.clone())
        })
    };
    vec![
        before(
            "the client's wall clock is an hour ahead",
            Act::SetWallClock(HOUR),
        ),
        before(
            "the client's wall clock is an hour behind",
            Act::SetWallClock(-HOUR),
        ),
        before(
            "the client's wall clock is a year ahead",
            Act::SetWallClock(365 * 24 * HOUR),
        ),
        Fault::new(
            "the client's wall clock is 30 days less an hour ahead, and two hours pass",
            move |scenario, _| {
                scenario
                    .act(Act::SetWallClock(nearly_a_month))
                    .call(Call::UserInfo)
                    .act(Act::Advance(2 * hour))
            },
        ),
        between(
            "the client's wall clock jumps an hour ahead",
            Act::SetWallClock(HOUR),
        ),
        between(
            "the client's wall clock jumps an hour back",
            Act::SetWallClock(-HOUR),
        ),
        between(
            "the service's clock jumps an hour ahead",
            Act::AdvanceService(hour),
        ),
        between("the machine sleeps for an hour", Act::Advance(hour)),
        between(
            "the machine sleeps for 31 days",
            Act::Advance(31 * 24 * hour),
        ),
    ]
}
