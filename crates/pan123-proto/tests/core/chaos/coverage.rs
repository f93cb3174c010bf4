//! How often each fault and each outcome occurred: what hardly occurs is not tested.

use std::collections::BTreeMap;
use std::fmt::Debug;

macro_rules! faults {
    ($($list:ident: $($value:ident)*,)*) => {
        /// What goes wrong on the network, in the service, in a driver or on its machine.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Fault { $($($value,)*)* }

        $(pub(crate) const $list: &[Fault] = &[$(Fault::$value,)*];)*
    };
}

faults! {
    NETWORK: Slow NeverLeft BadCertificate LostBefore HungBefore LostAfter HungAfter Redirected BadGateway Garbage,
    RESPONSES: Code401 Code429 NotFound OtherCode RetryAfter,
    SERVICE: TokenRejected AllTokensRejected TokenEndpointDown ServerDown,
    DRIVERS: DetachedInPlace DetachedDropped DetachedLeaked DetachedKilled DetachedFrozen DetachedPaused CallerDropped
        CallerFrozen Stop StopInFlight WokenInFlight WrongInputInFlight WrongInputWaiting
        WokenTooEarly WokenTooLate,
    MACHINES: Suspended ClockForward ClockBack SecondProcess,
}

/// Of calls, by the kinds of `Error`.
const OUTCOMES: &str = "Done AmbiguousDone AmbiguousNotDone Api Unauthorized Credentials Token TokenBackoff RateLimited Http \
    Transport RetriesExhausted Deadline Stopped";

#[derive(Clone, Debug, Default)]
pub(crate) struct Coverage(BTreeMap<String, u64>);

impl Coverage {
    pub(crate) fn count(&mut self, what: impl Debug) {
        let what = format!("{what:?}").trim_matches('"').to_owned();
        *self.0.entry(what).or_default() += 1;
    }

    pub(crate) fn add(&mut self, other: &Coverage) {
        for (what, count) in &other.0 {
            *self.0.entry(what.clone()).or_default() += count;
        }
    }

    /// The faults and outcomes that occurred less often than this.
    pub(crate) fn below(&self, min: u64) -> Vec<String> {
        let lists = [NETWORK, RESPONSES, SERVICE, DRIVERS, MACHINES];
        let faults = lists.concat().into_iter().map(|it| format!("{it:?}"));
        let all = faults.chain(OUTCOMES.split_whitespace().map(str::to_owned));
        all.filter(|what| self.0.get(what).is_none_or(|count| *count < min))
            .collect()
    }
}
