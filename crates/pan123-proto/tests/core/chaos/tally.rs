//! How often each fault and each ending occurred.

/// An enum with the list of its values.
macro_rules! listed {
    ($(#[$doc:meta])* $name:ident { $($value:ident,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum $name { $($value,)* }

        impl $name {
            const ALL: &[$name] = &[$($name::$value,)*];
        }
    };
}

listed! {
    /// What went wrong on the way, at the service or with a driver.
    Fault {
        // The way of a request.
        Slow, SlowerThanTheTimeout, NeverLeft, BadCertificate, LostBefore, HungBefore, LostAfter, HungAfter, TooLarge,
        Redirected,
        // Answers.
        BadGateway, BadGatewayRetryAfter, RequestTimeout, Garbage, DataNull, NotFound, OtherCode, TooManyDownloads,
        Code401, Http401, TokenExpired, TokenPushedOut, RefusedForAWhile,
        Code429, Http429, Code42902, RetryAfterSeconds, RetryAfterDate, RetryAfterAbsurd, Late429,
        // The token endpoint.
        TokenServiceDown, TokenServiceSlow, TokenService429, TokenService401, TokenBornExpired, TokenWithoutDate,
        TokenGarbage, TokenDataNull,
        // Drivers.
        RefreshInPlace, RefreshDropped, RefreshLeaked, RefreshKilled, RefreshFrozen, RefreshPaused, LeaseRanOut,
        CallerGoneWaiting, CallerGoneInFlight, CallerGoneInRefresh, WatchGone, CallerFrozen,
        Stop, StopInFlight, Nudge, GivenUp, WrongInputInFlight, WrongInputWaiting, WokenTooEarly, WokenTooLate,
        // The machine it runs on, and the service's.
        Suspended, CalendarForward, CalendarBack, ServerRestarted, SecondProcess,
    }
}

listed! {
    /// How a call or a watch ended, or what a watch told on its way.
    Verdict {
        UserGood, UserFailed, ProgressGood, ProgressFailed, CreateGood, CreateFailed,
        AmbiguousAndDone, AmbiguousAndNotDone,
        Api, Unauthorized, Credentials, Token, RateLimited, Http, Transport, RetriesExhausted, Deadline, Stopped,
        WatchSucceeded, WatchDownloadFailed, WatchDeadline, WatchStalled, WatchPolls, WatchStopped, PollFailed,
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Tally {
    faults: Vec<u64>,
    verdicts: Vec<u64>,
}

impl Tally {
    pub(crate) fn new() -> Tally {
        Tally {
            faults: vec![0; Fault::ALL.len()],
            verdicts: vec![0; Verdict::ALL.len()],
        }
    }

    pub(crate) fn fault(&mut self, fault: Fault) {
        self.faults[fault as usize] += 1;
    }

    pub(crate) fn verdict(&mut self, verdict: Verdict) {
        self.verdicts[verdict as usize] += 1;
    }

    pub(crate) fn add(&mut self, other: &Tally) {
        let sum = |mine: &mut Vec<u64>, theirs: &[u64]| {
            for (mine, theirs) in mine.iter_mut().zip(theirs) {
                *mine += theirs;
            }
        };
        sum(&mut self.faults, &other.faults);
        sum(&mut self.verdicts, &other.verdicts);
    }

    /// Each name with its number.
    pub(crate) fn lines(&self) -> Vec<(String, u64)> {
        let faults = Fault::ALL.iter().map(|fault| format!("{fault:?}"));
        let verdicts = Verdict::ALL.iter().map(|verdict| format!("{verdict:?}"));
        let numbers = self.faults.iter().chain(&self.verdicts).copied();
        faults.chain(verdicts).zip(numbers).collect()
    }
}
