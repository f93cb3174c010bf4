//! Pacing: who may send when. Arithmetic only; the caller waits, and asks again when its time has come.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use crate::endpoint::RateClass;
use crate::machine::later;

/// How fast requests of each class may follow each other.
///
/// By default each class keeps its own pace: 1 offline download a second, 5 progress calls a second, and the lowest figure
/// that the service documents for the rest.
#[derive(Clone, Debug, Default)]
pub struct Pacing {
    off: bool,
    intervals: HashMap<&'static str, Duration>,
}

impl Pacing {
    /// No pace at all, until the service answers 429.
    pub fn off() -> Pacing {
        Pacing {
            off: true,
            intervals: HashMap::new(),
        }
    }

    /// One request of this class every `interval`; zero is no limit.
    ///
    /// ```
    /// use pan123_proto::{Endpoint, Pacing, offline::Download};
    /// use std::time::Duration;
    ///
    /// let slower = Pacing::default().every(Download::RATE, Duration::from_secs(3));
    /// # drop(slower);
    /// ```
    pub fn every(mut self, class: RateClass, interval: Duration) -> Pacing {
        self.intervals.insert(class.name(), interval);
        self
    }

    fn interval(&self, class: RateClass) -> Duration {
        match self.intervals.get(class.name()) {
            Some(interval) => *interval,
            None if self.off => Duration::ZERO,
            None => class.interval(),
        }
    }
}

/// Who goes first when several wait in one class.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Priority {
    /// Somebody waits for this one answer.
    #[default]
    High,
    /// One of many, such as the polls of a watch. While both wait, one slot in four is theirs.
    Low,
}

/// How a class stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Pace {
    /// The time between two requests now: longer than configured for a while after a 429.
    pub interval: Duration,
    /// How many requests wait for their time.
    pub waiting: usize,
    /// How long a new request of high priority would wait.
    pub wait: Duration,
}

/// A place in the queue of a class, kept over all attempts of one call.
#[derive(Debug)]
pub(crate) struct Ticket {
    class: RateClass,
    id: u64,
    priority: Priority,
}

/// The answer to a ticket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Slot {
    /// Send now; the place is used up.
    Now,
    /// Ask again then.
    At(Instant),
    /// The place would come after the caller's deadline, so none was booked.
    TooLate(Instant),
}

#[derive(Debug)]
pub(crate) struct Limiter {
    pacing: Pacing,
    lanes: HashMap<&'static str, Lane>,
    next_id: u64,
}

impl Limiter {
    pub(crate) fn new(pacing: Pacing) -> Limiter {
        Limiter {
            pacing,
            lanes: HashMap::new(),
            next_id: 0,
        }
    }

    pub(crate) fn ticket(&mut self, class: RateClass, priority: Priority) -> Ticket {
        self.next_id += 1;
        Ticket {
            class,
            id: self.next_id,
            priority,
        }
    }

    /// Books a place if the ticket has none, and uses it if its time has come.
    pub(crate) fn ask(&mut self, ticket: &Ticket, now: Instant, deadline: Instant) -> Slot {
        self.lane(ticket.class).ask(ticket, now, deadline)
    }

    /// Gives a place back, for the next to book; nobody else moves.
    pub(crate) fn release(&mut self, ticket: &Ticket) {
        self.lane(ticket.class).release(ticket.id);
    }

    /// After a 429 to a request that was sent at `sent`: nobody of its class sends for `wait`, and then more slowly.
    /// False if it was sent before the last such hold-off began, which has been answered for already.
    pub(crate) fn hold_off(
        &mut self,
        class: RateClass,
        sent: Instant,
        now: Instant,
        wait: Duration,
    ) -> bool {
        self.lane(class).hold_off(sent, now, wait)
    }

    pub(crate) fn pace(&self, class: RateClass, now: Instant) -> Pace {
        let fresh = Lane::new(self.pacing.interval(class));
        let lane = self.lanes.get(class.name()).unwrap_or(&fresh);
        let newcomer = Holder {
            id: u64::MAX,
            priority: Priority::High,
        };
        let (_, at) = lane.place_for(newcomer, now);
        Pace {
            interval: lane.spacing(now),
            waiting: lane
                .slots
                .iter()
                .filter(|slot| slot.holder.is_some())
                .count(),
            wait: at.saturating_duration_since(now),
        }
    }

    fn lane(&mut self, class: RateClass) -> &mut Lane {
        let interval = self.pacing.interval(class);
        self.lanes
            .entry(class.name())
            .or_insert_with(|| Lane::new(interval))
    }
}

/// How many of high priority go before one of low priority gets its turn.
const HIGH_RUN: u32 = 3;
/// For how long after the end of a hold-off a class goes more slowly.
const SLOW_FOR: Duration = Duration::from_secs(60);
/// The most that a class is slowed down.
const MOST_SLOWDOWN: u32 = 8;
/// The time between two requests of a class without a pace while it is slowed down.
const LEAST_SLOW_INTERVAL: Duration = Duration::from_millis(100);

/// The queue of one class: places in the order of their time, at least the interval apart.
#[derive(Debug)]
struct Lane {
    interval: Duration,
    slots: VecDeque<Place>,
    /// Nothing is sent before this.
    free_from: Option<Instant>,
    /// How many of high priority were sent since the last one of low priority.
    high_run: u32,
    held_since: Option<Instant>,
    slow: Option<Slow>,
}

#[derive(Debug)]
struct Place {
    at: Instant,
    /// None after its holder went away.
    holder: Option<Holder>,
}

#[derive(Clone, Copy, Debug)]
struct Holder {
    id: u64,
    priority: Priority,
}

impl Holder {
    /// Whether this one takes a place from the one who sits there, after `run` of high priority in a row.
    fn goes_before(self, other: Holder, run: u32) -> bool {
        match (self.priority, other.priority) {
            (Priority::High, Priority::Low) => run < HIGH_RUN,
            (Priority::Low, Priority::High) => run >= HIGH_RUN,
            _ => self.id < other.id,
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct Slow {
    until: Instant,
    factor: u32,
}

impl Lane {
    fn new(interval: Duration) -> Lane {
        Lane {
            interval,
            slots: VecDeque::new(),
            free_from: None,
            high_run: 0,
            held_since: None,
            slow: None,
        }
    }

    fn ask(&mut self, ticket: &Ticket, now: Instant, deadline: Instant) -> Slot {
        let held = |place: &Place| place.holder.is_some_and(|holder| holder.id == ticket.id);
        let index = if let Some(index) = self.slots.iter().position(held) {
            index
        } else {
            let holder = Holder {
                id: ticket.id,
                priority: ticket.priority,
            };
            let (index, at) = self.place_for(holder, now);
            if at > deadline {
                return Slot::TooLate(at);
            }
            self.seat(holder, index, at, now);
            index
        };
        let at = self.slots[index].at;
        if at <= now {
            self.send(index, now);
            Slot::Now
        } else if at > deadline {
            self.release(ticket.id);
            Slot::TooLate(at)
        } else {
            Slot::At(at)
        }
    }

    /// Where a newcomer would sit: the first free place, the first whose holder it goes before, or a new one at the end.
    fn place_for(&self, newcomer: Holder, now: Instant) -> (usize, Instant) {
        let mut run = self.high_run;
        for (index, place) in self.slots.iter().enumerate() {
            let Some(sitting) = place.holder else {
                return (index, place.at);
            };
            if newcomer.goes_before(sitting, run) {
                return (index, place.at);
            }
            run = run_after(run, sitting);
        }
        let behind = self
            .slots
            .back()
            .map(|last| later(last.at, self.spacing(now)));
        let at = behind.max(self.free_from).map_or(now, |at| at.max(now));
        (self.slots.len(), at)
    }

    /// Seats a newcomer there; whoever sat there moves on by the same rule.
    fn seat(&mut self, newcomer: Holder, index: usize, at: Instant, now: Instant) {
        if index == self.slots.len() {
            self.slots.push_back(Place {
                at,
                holder: Some(newcomer),
            });
            return;
        }
        let mut moving = newcomer;
        let mut run = self
            .slots
            .iter()
            .take(index)
            .fold(self.high_run, |run, place| {
                place.holder.map_or(run, |holder| run_after(run, holder))
            });
        for place in self.slots.iter_mut().skip(index) {
            match place.holder {
                None => {
                    place.holder = Some(moving);
                    return;
                }
                Some(sitting) if moving.goes_before(sitting, run) => {
                    place.holder = Some(moving);
                    run = run_after(run, moving);
                    moving = sitting;
                }
                Some(sitting) => run = run_after(run, sitting),
            }
        }
        let behind = self.slots.back();
        let behind = behind.map_or(at, |last| later(last.at, self.spacing(now)));
        self.slots.push_back(Place {
            at: behind,
            holder: Some(moving),
        });
    }

    /// Uses a place up. Whoever let an earlier one pass has none any more and books again, before those who came later.
    fn send(&mut self, index: usize, now: Instant) {
        if let Some(holder) = self.slots[index].holder {
            self.high_run = run_after(self.high_run, holder);
        }
        self.slots.drain(..=index);
        self.respace(later(now, self.spacing(now)), now);
    }

    fn release(&mut self, id: u64) {
        for place in &mut self.slots {
            if place.holder.is_some_and(|holder| holder.id == id) {
                place.holder = None;
            }
        }
    }

    fn hold_off(&mut self, sent: Instant, now: Instant, wait: Duration) -> bool {
        if self.held_since.is_some_and(|began| sent <= began) {
            return false;
        }
        let factor = match self.slow {
            Some(slow) if now < slow.until => (slow.factor * 2).min(MOST_SLOWDOWN),
            _ => 2,
        };
        let held_until = later(now, wait);
        self.held_since = Some(now);
        self.slow = Some(Slow {
            until: held_until + SLOW_FOR,
            factor,
        });
        let free_from = self.free_from.map_or(held_until, |at| at.max(held_until));
        self.respace(free_from, now);
        true
    }

    /// Moves places so that none comes before `free_from` and all keep their distance. Their order stays.
    fn respace(&mut self, free_from: Instant, now: Instant) {
        let spacing = self.spacing(now);
        let mut earliest = free_from;
        self.slots.retain_mut(|place| {
            if place.holder.is_none() && place.at < earliest {
                return false;
            }
            place.at = place.at.max(earliest);
            earliest = later(place.at, spacing);
            true
        });
        self.free_from = Some(free_from);
    }

    fn spacing(&self, now: Instant) -> Duration {
        match self.slow {
            Some(slow) if now < slow.until => self
                .interval
                .saturating_mul(slow.factor)
                .max(LEAST_SLOW_INTERVAL),
            _ => self.interval,
        }
    }
}

fn run_after(run: u32, sent: Holder) -> u32 {
    match sent.priority {
        Priority::High => run + 1,
        Priority::Low => 0,
    }
}

#[cfg(test)]
mod tests;
