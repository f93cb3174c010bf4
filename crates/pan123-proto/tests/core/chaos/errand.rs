//! One machine on its way, and the bounds that it keeps.

use std::time::Duration;

use pan123_proto::{Input, Transmit, TransportErrorKind, Wait};

use crate::chaos::served::{Meaning, Minted};
use crate::chaos::tokens::FetchEnd;
use crate::support::{elapsed, secs};

/// Attempts that may fail, and those of a fetch whose answer may be lost.
const MOST_ATTEMPTS: u32 = 4;
const MOST_LOST_TOKENS: u32 = 2;
const LEAST_TIME_FOR_ONCE: Duration = secs(1);
/// The longest time between two polls, as a watch has it by default.
const MOST_INTERVAL: Duration = secs(15);
const REFRESH_TIMEOUT: Duration = secs(120);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    User,
    Progress,
    /// With the number in its URL.
    Create(u64),
    Watch,
    /// With the number of its lease.
    Refresh(u64),
}

#[derive(Debug)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "each is a fact of its own that an onlooker notes"
)]
pub(crate) struct Errand {
    pub(crate) session: usize,
    pub(crate) kind: Kind,
    /// How long it may take at all.
    timeout: Duration,
    request_timeout: Duration,
    /// How long one poll of a watch may take from the time it is sent.
    poll_timeout: Duration,
    deadline: Option<Duration>,
    poll_deadline: Option<Duration>,
    /// Attempts that failed and count, refusals of its token.
    pub(crate) failures: u32,
    pub(crate) refusals: u32,
    not_before: Duration,
    /// Of a watch: the least time between polls, and when it gave its last item.
    interval: Duration,
    item_at: Option<Duration>,
    /// Polls that a nudge may bring forward: the next one, and the one after it if the next was in the queue by then.
    pub(crate) nudged: u32,
    /// The fetch that it waited for failed.
    pub(crate) fetch_failed: bool,
    pub(crate) stopped: bool,
    /// It runs by itself and for no caller.
    pub(crate) detached: bool,
    pub(crate) standing: Standing,
    /// Its last request may have been carried out, and must not be sent twice.
    pub(crate) in_doubt: bool,
    /// It ended while new tokens were refused one after the other.
    pub(crate) barren: bool,
    /// What it was told last leaves it no other step than its end.
    last_word: Option<&'static str>,
    /// What it was told last was a failure that may be tried again after a pause of its own.
    failed_now: bool,
    pub(crate) seen: Duration,
    /// If it is a fetch that ends now: how.
    pub(crate) fetch: FetchEnd,
}

#[derive(Debug)]
pub(crate) enum Standing {
    Running,
    /// With whether that is for the end of a lease.
    Waiting(bool),
    InFlight(Exchange),
    /// It runs the refresh that it won.
    InRefresh,
}

#[derive(Debug)]
pub(crate) struct Exchange {
    pub(crate) sent: Duration,
    /// The token that it carries, empty without one.
    pub(crate) token: String,
    pub(crate) meaning: Meaning,
    pub(crate) minted: Option<Minted>,
}

/// What a driver brought, as its machine has to take it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Brought {
    Answer(Meaning),
    NeverLeft,
    /// It went astray, and no other attempt can help.
    Misled,
    Untrusted,
}

impl Brought {
    pub(crate) fn read(input: &Input, meaning: Meaning) -> Brought {
        match input {
            Input::Response(_) => Brought::Answer(meaning),
            Input::Failed(error) => match error.kind() {
                TransportErrorKind::NeverLeft => Brought::NeverLeft,
                TransportErrorKind::Certificate => Brought::Untrusted,
                TransportErrorKind::Redirected => Brought::Misled,
                _ => Brought::Answer(Meaning::Doubtful(Duration::ZERO)),
            },
            _ => Brought::Answer(Meaning::Doubtful(Duration::ZERO)),
        }
    }
}

impl Errand {
    pub(crate) fn new(
        session: usize,
        kind: Kind,
        timeout: Duration,
        request_timeout: Duration,
        poll_timeout: Duration,
    ) -> Errand {
        Errand {
            session,
            kind,
            timeout,
            request_timeout,
            poll_timeout,
            deadline: None,
            poll_deadline: None,
            failures: 0,
            refusals: 0,
            not_before: Duration::ZERO,
            interval: Duration::ZERO,
            item_at: None,
            nudged: 0,
            fetch_failed: false,
            stopped: false,
            detached: false,
            standing: Standing::Running,
            in_doubt: false,
            barren: false,
            last_word: None,
            failed_now: false,
            seen: Duration::ZERO,
            fetch: FetchEnd::BY_ITSELF,
        }
    }

    pub(crate) fn refresh(session: usize, lease: u64, request_timeout: Duration) -> Errand {
        let timeout = REFRESH_TIMEOUT;
        Errand::new(
            session,
            Kind::Refresh(lease),
            timeout,
            request_timeout,
            timeout,
        )
    }

    /// A watch with this least time between its polls.
    pub(crate) fn every(mut self, interval: Duration) -> Errand {
        self.interval = interval;
        self
    }

    pub(crate) fn resumed(&mut self, at: Duration) {
        self.seen = at;
        self.deadline.get_or_insert(at + self.timeout);
        self.last_word = None;
        self.failed_now = false;
        self.fetch = FetchEnd::BY_ITSELF;
        if self.stopped {
            self.last_word = Some("it was stopped");
        } else if std::mem::take(&mut self.fetch_failed) {
            self.last_word = Some("the fetch that it waited for failed");
        } else if self.ends(at) {
            self.last_word = Some("its time is over");
        }
    }

    /// An answer came, or what there is instead of one.
    pub(crate) fn told(&mut self, at: Duration, brought: Brought) {
        self.in_doubt = self.leaves_doubt(brought);
        let last_word = match brought {
            _ if self.in_doubt => Some("what may be done is not done again"),
            Brought::Answer(Meaning::Good) => Some("it has its answer"),
            Brought::Answer(Meaning::Envelope | Meaning::Bare) => Some("it was refused"),
            Brought::Untrusted | Brought::Misled => Some("no other attempt can help"),
            Brought::Answer(Meaning::Refused) => {
                self.refusals += 1;
                let second = self.refusals == 3 || matches!(self.kind, Kind::Refresh(_));
                second.then_some("its token was refused for the second time, or its credentials")
            }
            Brought::Answer(Meaning::Limited(wait)) => {
                self.not_before = at + wait.max(secs(1));
                None
            }
            Brought::Answer(Meaning::Doubtful(wait)) => {
                self.not_before = at + wait;
                let most = match self.kind {
                    Kind::Refresh(_) => MOST_LOST_TOKENS,
                    _ => MOST_ATTEMPTS,
                };
                self.failed(most)
            }
            Brought::NeverLeft => self.failed(MOST_ATTEMPTS),
        };
        self.last_word = self.last_word.or(last_word);
    }

    /// Nobody can know whether it was done.
    fn leaves_doubt(&self, brought: Brought) -> bool {
        let lost = matches!(
            brought,
            Brought::Misled | Brought::Answer(Meaning::Doubtful(_))
        );
        lost && matches!(self.kind, Kind::Create(_))
    }

    fn failed(&mut self, most: u32) -> Option<&'static str> {
        self.failures += 1;
        self.failed_now = true;
        (self.failures >= most).then_some("all its attempts failed")
    }

    pub(crate) fn sends(&mut self, at: Duration, transmit: &Transmit) {
        self.goes_on();
        assert!(
            at >= self.not_before,
            "sent at {at:?}, though told to wait: {self:?}"
        );
        if self.kind == Kind::Watch && self.poll_deadline.is_none() {
            let next = self.item_at.map_or(at, |item| item + self.interval);
            assert!(at >= next || self.nudged > 0, "polled at {at:?}: {self:?}");
            self.nudged = self.nudged.saturating_sub(1);
            self.poll_deadline = Some(at + self.poll_timeout);
        }
        let left = self.until().saturating_sub(at);
        let timeout = transmit.timeout;
        assert_eq!(timeout, left.min(self.request_timeout), "{self:?}");
        if let Kind::Create(_) = self.kind {
            assert!(left >= LEAST_TIME_FOR_ONCE, "{timeout:?} is too short");
        }
    }

    pub(crate) fn waits(&self, wait: &Wait) {
        self.goes_on();
        let (until, end) = (elapsed(wait.until), self.until());
        assert!(until <= end, "waits until {until:?}: {self:?}");
        let between_polls =
            self.item_at == Some(self.seen) && self.poll_deadline.is_none() && self.nudged == 0;
        assert!(
            !between_polls || until <= self.seen + MOST_INTERVAL.max(self.interval),
            "waits until {until:?} for its next poll: {self:?}"
        );
        assert!(
            !self.failed_now || until < end,
            "waits for an attempt that never comes: {self:?}"
        );
    }

    /// Anything but its end is wrong after its last word.
    pub(crate) fn goes_on(&self) {
        if let Some(why) = self.last_word {
            panic!("it goes on though {why}: {self:?}");
        }
    }

    /// A watch gave an item.
    pub(crate) fn poll_ended(&mut self) {
        self.item_at = Some(self.seen);
        self.failures = 0;
        self.refusals = 0;
        self.not_before = Duration::ZERO;
        self.poll_deadline = None;
    }

    pub(crate) fn is_in_flight(&self) -> bool {
        matches!(self.standing, Standing::InFlight(_))
    }

    pub(crate) fn is_in_refresh(&self) -> bool {
        matches!(self.standing, Standing::InRefresh)
    }

    /// Whether its time is over.
    pub(crate) fn ends(&self, at: Duration) -> bool {
        self.deadline.is_some() && at >= self.until()
    }

    pub(crate) fn until(&self) -> Duration {
        let end = self.deadline.unwrap_or(Duration::MAX);
        self.poll_deadline.map_or(end, |poll| poll.min(end))
    }
}
