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
            "the client's calendar is an hour ahead",
            Act::SetCalendar(HOUR),
        ),
        before(
            "the client's calendar is an hour behind",
            Act::SetCalendar(-HOUR),
        ),
        before(
            "the client's calendar is a year ahead",
            Act::SetCalendar(365 * 24 * HOUR),
        ),
        Fault::new(
            "the client's calendar is 30 days less an hour ahead, and two hours pass",
            move |scenario, _| {
                scenario
                    .act(Act::SetCalendar(nearly_a_month))
                    .call(Call::UserInfo)
                    .act(Act::Advance(2 * hour))
            },
        ),
        between(
            "the client's calendar jumps an hour ahead",
            Act::SetCalendar(HOUR),
        ),
        between(
            "the client's calendar jumps an hour back",
            Act::SetCalendar(-HOUR),
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
