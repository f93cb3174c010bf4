//! Pacing: when each request may be sent. Pure arithmetic: the caller waits, and asks again at the time it was given.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use crate::endpoint::RateClass;
use crate::machine::later;

/// The rate limits that a session enforces on its own requests.
///
/// By default: 1 new offline download a second, 5 progress calls a second, and for every other endpoint the lowest figure that
/// the service documents.
#[derive(Clone, Debug, Default)]
#[doc(alias = "限流")]
pub struct Pacing {
    off: bool,
    intervals: HashMap<&'static str, Duration>,
}

impl Pacing {
    /// Sets no limits, until the service answers 429.
    pub fn off() -> Pacing {
        Pacing {
            off: true,
            intervals: HashMap::new(),
        }
    }

    /// Allows one request of this class every `interval`; zero means no limit.
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

/// Which requests go first when several of one class wait.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Priority {
    /// A caller waits for this response.
    #[default]
    High,
    /// Background work, such as the polls of a watch. While both priorities wait, one slot in four is for this one.
    Low,
}

/// The state of a rate class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PaceStatus {
    /// The current interval between two requests: longer than configured for a while after a 429.
    pub interval: Duration,
    /// The number of requests that wait for their slot.
    pub waiting: usize,
    /// How long a new request of high priority would wait.
    pub wait: Duration,
}

/// A call's place in the queue of a class, for all of its attempts.
#[derive(Debug)]
pub(crate) struct Ticket {
    class: RateClass,
    id: u64,
    priority: Priority,
}

/// The slot of a ticket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Slot {
    /// Send now; the slot is used up.
    Now,
    /// Ask again at this time.
    At(Instant),
    /// The slot would come after the caller's deadline, so none was booked.
    TooLate(Instant),
}

#[derive(Debug)]
pub(crate) struct Limiter {
    pacing: Pacing,
    queues: HashMap<&'static str, Queue>,
    next_id: u64,
}

impl Limiter {
    pub(crate) fn new(pacing: Pacing) -> Limiter {
        Limiter {
            pacing,
            queues: HashMap::new(),
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

    /// Books a slot if the ticket has none, and uses it if its time has come.
    pub(crate) fn book(&mut self, ticket: &Ticket, now: Instant, deadline: Instant) -> Slot {
        self.queue(ticket.class).book(ticket, now, deadline)
    }

    /// Frees the slot of a ticket for the next to book; no other slot moves.
    pub(crate) fn release(&mut self, ticket: &Ticket) {
        self.queue(ticket.class).release(ticket.id);
    }

    /// Reacts to a 429 for a request that was sent at `sent`: the class sends nothing for `wait`, and is slower afterwards.
    /// Returns false if the request was sent before the current hold-off began, which already accounts for it.
    pub(crate) fn hold_off(
        &mut self,
        class: RateClass,
        sent: Instant,
        now: Instant,
        wait: Duration,
    ) -> bool {
        self.queue(class).hold_off(sent, now, wait)
    }

    pub(crate) fn pace(&self, class: RateClass, now: Instant) -> PaceStatus {
        let fresh = Queue::new(self.pacing.interval(class));
        let queue = self.queues.get(class.name()).unwrap_or(&fresh);
        let newcomer = Holder {
            id: u64::MAX,
            priority: Priority::High,
        };
        let (_, at) = queue.position_for(newcomer, now);
        PaceStatus {
            interval: queue.spacing(now),
            waiting: queue
                .slots
                .iter()
                .filter(|slot| slot.holder.is_some())
                .count(),
            wait: at.saturating_duration_since(now),
        }
    }

    fn queue(&mut self, class: RateClass) -> &mut Queue {
        let interval = self.pacing.interval(class);
        self.queues
            .entry(class.name())
            .or_insert_with(|| Queue::new(interval))
    }
}

/// How many requests of high priority may precede one of low priority.
const MAX_HIGH_RUN: u32 = 3;
/// How long a class stays slower after a hold-off.
const SLOWDOWN_PERIOD: Duration = Duration::from_secs(60);
/// The largest factor by which a class is slowed down.
const MAX_SLOWDOWN: u32 = 8;
/// The interval of a class without a limit while it is slowed down.
const MIN_SLOW_INTERVAL: Duration = Duration::from_millis(100);

/// The queue of one class: slots in order of time, at least the interval apart.
#[derive(Debug)]
struct Queue {
    interval: Duration,
    slots: VecDeque<Booking>,
    /// Nothing is sent before this time.
    free_from: Option<Instant>,
    /// How many requests of high priority were sent since the last one of low priority.
    high_run: u32,
    /// When the last hold-off began.
    held_since: Option<Instant>,
    slowdown: Option<Slowdown>,
}

#[derive(Debug)]
struct Booking {
    at: Instant,
    /// None after its holder was dropped.
    holder: Option<Holder>,
}

#[derive(Clone, Copy, Debug)]
struct Holder {
    id: u64,
    priority: Priority,
}

impl Holder {
    /// Whether this holder takes the slot of `other`, after `run` requests of high priority in a row.
    fn goes_before(self, other: Holder, run: u32) -> bool {
        match (self.priority, other.priority) {
            (Priority::High, Priority::Low) => run < MAX_HIGH_RUN,
            (Priority::Low, Priority::High) => run >= MAX_HIGH_RUN,
            _ => self.id < other.id,
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct Slowdown {
    until: Instant,
    factor: u32,
}

impl Queue {
    fn new(interval: Duration) -> Queue {
        Queue {
            interval,
            slots: VecDeque::new(),
            free_from: None,
            high_run: 0,
            held_since: None,
            slowdown: None,
        }
    }

    fn book(&mut self, ticket: &Ticket, now: Instant, deadline: Instant) -> Slot {
        let is_mine =
            |booking: &Booking| booking.holder.is_some_and(|holder| holder.id == ticket.id);
        let index = if let Some(index) = self.slots.iter().position(is_mine) {
            index
        } else {
            let holder = Holder {
                id: ticket.id,
                priority: ticket.priority,
            };
            let (index, at) = self.position_for(holder, now);
            if at > deadline {
                return Slot::TooLate(at);
            }
            self.insert(holder, index, at, now);
            index
        };
        let at = self.slots[index].at;
        if at <= now {
            self.use_slot(index, now);
            Slot::Now
        } else if at > deadline {
            self.release(ticket.id);
            Slot::TooLate(at)
        } else {
            Slot::At(at)
        }
    }

    /// Returns the slot that a newcomer would get: the first free one, the first whose holder it precedes, or a new one at the
    /// end.
    fn position_for(&self, newcomer: Holder, now: Instant) -> (usize, Instant) {
        let mut run = self.high_run;
        for (index, booking) in self.slots.iter().enumerate() {
            let Some(holder) = booking.holder else {
                return (index, booking.at);
            };
            if newcomer.goes_before(holder, run) {
                return (index, booking.at);
            }
            run = run_after(run, holder);
        }
        let behind = self
            .slots
            .back()
            .map(|last| later(last.at, self.spacing(now)));
        let at = behind.max(self.free_from).map_or(now, |at| at.max(now));
        (self.slots.len(), at)
    }

    /// Gives a newcomer this slot; the holders from there on move back by the same rule.
    fn insert(&mut self, newcomer: Holder, index: usize, at: Instant, now: Instant) {
        if index == self.slots.len() {
            self.slots.push_back(Booking {
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
            .fold(self.high_run, |run, booking| {
                booking.holder.map_or(run, |holder| run_after(run, holder))
            });
        for booking in self.slots.iter_mut().skip(index) {
            match booking.holder {
                None => {
                    booking.holder = Some(moving);
                    return;
                }
                Some(holder) if moving.goes_before(holder, run) => {
                    booking.holder = Some(moving);
                    run = run_after(run, moving);
                    moving = holder;
                }
                Some(holder) => run = run_after(run, holder),
            }
        }
        let behind = self.slots.back();
        let behind = behind.map_or(at, |last| later(last.at, self.spacing(now)));
        self.slots.push_back(Booking {
            at: behind,
            holder: Some(moving),
        });
    }

    /// Uses a slot. A ticket whose slot has passed loses it and must book again, before those that came later.
    fn use_slot(&mut self, index: usize, now: Instant) {
        if let Some(holder) = self.slots[index].holder {
            self.high_run = run_after(self.high_run, holder);
        }
        self.slots.drain(..=index);
        self.respace(later(now, self.spacing(now)), now);
    }

    fn release(&mut self, id: u64) {
        for booking in &mut self.slots {
            if booking.holder.is_some_and(|holder| holder.id == id) {
                booking.holder = None;
            }
        }
    }

    fn hold_off(&mut self, sent: Instant, now: Instant, wait: Duration) -> bool {
        if self.held_since.is_some_and(|began| sent <= began) {
            return false;
        }
        let factor = match self.slowdown {
            Some(slowdown) if now < slowdown.until => (slowdown.factor * 2).min(MAX_SLOWDOWN),
            _ => 2,
        };
        let held_until = later(now, wait);
        self.held_since = Some(now);
        self.slowdown = Some(Slowdown {
            until: held_until + SLOWDOWN_PERIOD,
            factor,
        });
        let free_from = self.free_from.map_or(held_until, |at| at.max(held_until));
        self.respace(free_from, now);
        true
    }

    /// Moves slots so that none comes before `free_from` and all keep their distance. Their order stays.
    fn respace(&mut self, free_from: Instant, now: Instant) {
        let spacing = self.spacing(now);
        let mut earliest = free_from;
        self.slots.retain_mut(|booking| {
            if booking.holder.is_none() && booking.at < earliest {
                return false;
            }
            booking.at = booking.at.max(earliest);
            earliest = later(booking.at, spacing);
            true
        });
        self.free_from = Some(free_from);
    }

    fn spacing(&self, now: Instant) -> Duration {
        match self.slowdown {
            Some(slowdown) if now < slowdown.until => self
                .interval
                .saturating_mul(slowdown.factor)
                .max(MIN_SLOW_INTERVAL),
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
