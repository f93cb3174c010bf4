//! What a class has of a pace that is shared: one slot at a time, for the head of its own queue.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::UsedSlot;
use crate::error::{Error, SharedPaceError};
use crate::machine::control::{Control, Waiters};
use crate::machine::{Signal, later};
use crate::policy::retry::doubled;

/// After this time without an answer somebody else may ask.
const MAX_ASK: Duration = Duration::from_secs(60);
/// A process is seldom later than this.
const MIN_VALIDITY: Duration = Duration::from_millis(10);
/// Each slot is as much longer.
const MAX_VALIDITY: Duration = Duration::from_millis(50);
/// How long nobody asks after the pace was unavailable for the first time; it doubles with each further time.
const MIN_BACKOFF: Duration = Duration::from_millis(200);
const MAX_BACKOFF: Duration = Duration::from_secs(5);

/// How long a slot is good. Whoever sends later than that takes another one.
fn validity(interval: Duration) -> Duration {
    (interval / 20).clamp(MIN_VALIDITY, MAX_VALIDITY)
}

/// The time between two slots: two requests are never closer to each other than the interval, however late the first one was sent. The
/// service counts in windows of a second, so that a single request too many is rejected.
pub(super) fn spacing(interval: Duration) -> Duration {
    interval.saturating_add(validity(interval))
}

/// The slot of a class.
#[derive(Debug, Default)]
pub(super) enum SharedSlot {
    #[default]
    None,
    /// A ticket asks for it.
    Asked {
        by: u64,
        at: Instant,
        waiters: Waiters,
    },
    Reserved(Reservation),
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Reservation {
    asked: Instant,
    pub(super) from: Instant,
    until: Instant,
}

/// What the head of a queue does when its own turn has come.
#[derive(Clone, Copy, Debug)]
pub(super) enum SharedTurn {
    /// Send.
    Now(UsedSlot),
    At(Instant),
    Ask,
    /// Somebody else asks; at the latest at this time it is asked again.
    Asked(Instant),
}

impl SharedSlot {
    pub(super) fn turn(&mut self, ticket: u64, now: Instant) -> SharedTurn {
        match self {
            SharedSlot::Asked { by, at, .. } if *by != ticket && now < later(*at, MAX_ASK) => {
                return SharedTurn::Asked(later(*at, MAX_ASK));
            }
            SharedSlot::Reserved(slot) if now < slot.from => return SharedTurn::At(slot.from),
            SharedSlot::Reserved(slot) if now < slot.until => {
                let used = UsedSlot {
                    asked: Some(slot.asked),
                    until: Some(slot.until),
                };
                *self = SharedSlot::None;
                return SharedTurn::Now(used);
            }
            _ => {}
        }
        let waiters = self.end_asking();
        *self = SharedSlot::Asked {
            by: ticket,
            at: now,
            waiters,
        };
        SharedTurn::Ask
    }

    /// Registers a call that waits for an answer to somebody else.
    pub(super) fn wait(&mut self, control: &Arc<Control>) -> Signal {
        match self {
            SharedSlot::Asked { waiters, .. } => waiters.add(control),
            _ => control.listen(),
        }
    }

    /// Returns since when this ticket has asked.
    pub(super) fn asked_by(&self, ticket: u64) -> Option<Instant> {
        match self {
            SharedSlot::Asked { by, at, .. } if *by == ticket => Some(*at),
            _ => None,
        }
    }

    /// The answer is a slot in `wait`, for the class that sends once in `interval`. Returns it with the calls to wake.
    pub(super) fn reserved(
        &mut self,
        asked: Instant,
        now: Instant,
        wait: Duration,
        interval: Duration,
    ) -> (Reservation, Waiters) {
        let from = later(now, wait);
        let slot = Reservation {
            asked,
            from,
            until: later(from, validity(interval)),
        };
        let waiters = self.end_asking();
        *self = SharedSlot::Reserved(slot);
        (slot, waiters)
    }

    /// There is no answer. Returns the calls to wake.
    pub(super) fn end_asking(&mut self) -> Waiters {
        match std::mem::take(self) {
            SharedSlot::Asked { waiters, .. } => waiters,
            _ => Waiters::default(),
        }
    }

    /// The class holds off: its slot comes too early.
    pub(super) fn give_up(&mut self) {
        if let SharedSlot::Reserved(_) = self {
            *self = SharedSlot::None;
        }
    }
}

/// The times in which the shared pace was unavailable.
#[derive(Debug, Default)]
pub(super) struct Outages {
    current: Option<Outage>,
    /// How long those before lasted in all.
    before: Duration,
}

#[derive(Debug)]
struct Outage {
    since: Instant,
    failures: u32,
    retry_at: Instant,
    error: SharedPaceError,
}

impl Outages {
    /// Returns when to ask again; none if anybody may ask now.
    pub(super) fn retry_at(&self, now: Instant) -> Option<Instant> {
        let outage = self.current.as_ref()?;
        (now < outage.retry_at).then_some(outage.retry_at)
    }

    /// Nobody answered since `asked`.
    pub(super) fn fail(&mut self, asked: Instant, now: Instant, error: SharedPaceError) {
        let before = self.current.take();
        let failures = before.as_ref().map_or(0, |outage| outage.failures);
        self.current = Some(Outage {
            since: before.map_or(asked, |outage| outage.since),
            failures: failures.saturating_add(1),
            retry_at: later(now, doubled(MIN_BACKOFF, failures, MAX_BACKOFF)),
            error,
        });
    }

    pub(super) fn end(&mut self, now: Instant) {
        self.before = self.total(now);
        self.current = None;
    }

    /// A clock that runs while the pace is unavailable only.
    pub(super) fn total(&self, now: Instant) -> Duration {
        let current = self.current.as_ref();
        let current = current.map(|outage| now.saturating_duration_since(outage.since));
        self.before + current.unwrap_or_default()
    }

    pub(super) fn error(&self) -> Option<Error> {
        let outage = self.current.as_ref()?;
        Some(Error::SharedPace(outage.error.clone()))
    }
}
