//! Pacing: when each request may be sent. Pure arithmetic: the caller waits, and asks again at the time it was given.

mod shared;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::endpoint::RateClass;
use crate::error::{Error, SharedPaceError};
use crate::machine::control::{Control, Waiters};
use crate::machine::shared_pace::{MAX_SLOWDOWN, MIN_SLOW_INTERVAL, PaceOp, SLOWDOWN_PERIOD};
use crate::machine::{Signal, later};
use shared::{Outages, SharedSlot, SharedTurn};

/// The rate limits that a session enforces on its own requests.
///
/// A request waits for its turn. If that would come after the deadline of its call, the call ends at once with
/// [`Error::QueueTooLong`]; of a create, the default deadline does not count that wait: see [`Call`](crate::Call).
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
enum Slot {
    /// Send now; the slot is used up.
    Now,
    /// Ask again at this time.
    At(Instant),
    /// Reserve a slot of the shared pace, with this time to the next one.
    Reserve(Duration),
    /// Somebody else does; ask again when it is reported, and at this time at the latest.
    Asked(Instant),
    /// The slot would come too late for the caller, so none was booked.
    TooLate(Refusal),
}

/// The slot of a request that may be sent now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct UsedSlot {
    /// When it was asked for, if the pace is shared.
    pub(crate) asked: Option<Instant>,
    /// The request must be sent before; none in a class without a limit.
    pub(crate) until: Option<Instant>,
}

/// What a ticket may do.
#[derive(Debug)]
pub(crate) enum Turn {
    /// Send now; the slot is used up.
    Now(UsedSlot),
    /// Ask again at this time, or when the signal fires.
    Wait(Instant, Signal),
    /// Run this operation on the shared pace, and report its result with [`Limiter::reserved`] or [`Limiter::not_reserved`].
    Reserve(PaceOp),
    TooLate(Refusal),
}

/// A slot that would come too late.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// When the turn would come, after the turns of those who were refused before.
    pub(crate) at: Instant,
    /// How many requests go first: those that wait, and those that were refused before.
    pub(crate) ahead: usize,
    /// The present interval of the class.
    pub(crate) interval: Duration,
    /// Whether the service's 429 alone makes it too late.
    pub(crate) is_held_off: bool,
}

/// What must not come after the deadline of a caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bound {
    /// Its slot.
    Slot(Instant),
    /// The end of the hold-off, if there is one: waiting for its slot takes none of its time.
    HoldOff(Instant),
}

impl Bound {
    pub(crate) fn deadline(self) -> Instant {
        match self {
            Bound::Slot(deadline) | Bound::HoldOff(deadline) => deadline,
        }
    }
}

#[derive(Debug)]
pub(crate) struct Limiter {
    pacing: Pacing,
    /// Whether the pace is shared.
    is_shared: bool,
    outages: Outages,
    queues: HashMap<&'static str, Queue>,
    next_id: u64,
}

impl Limiter {
    pub(crate) fn new(pacing: Pacing) -> Limiter {
        Limiter {
            pacing,
            is_shared: false,
            outages: Outages::default(),
            queues: HashMap::new(),
            next_id: 0,
        }
    }

    /// Takes each slot from a pace that is shared.
    pub(crate) fn shared(mut self, is_shared: bool) -> Limiter {
        self.is_shared = is_shared;
        self
    }

    pub(crate) fn ticket(&mut self, class: RateClass, priority: Priority) -> Ticket {
        self.next_id += 1;
        Ticket {
            class,
            id: self.next_id,
            priority,
        }
    }

    /// Books a slot if the ticket has none, and uses it if its time has come. The control is that of the machine that asks.
    pub(crate) fn turn(
        &mut self,
        ticket: &Ticket,
        now: Instant,
        bound: Bound,
        control: &Arc<Control>,
    ) -> Turn {
        let slot = self.book(ticket, now, bound);
        let queue = self.queue(ticket.class);
        match slot {
            Slot::Now => Turn::Now(queue.used),
            Slot::At(at) => Turn::Wait(at, control.listen()),
            Slot::Asked(until) => Turn::Wait(until, queue.shared.wait(control)),
            Slot::Reserve(every) => Turn::Reserve(PaceOp::Reserve {
                class: ticket.class,
                every,
            }),
            Slot::TooLate(refusal) => Turn::TooLate(refusal),
        }
    }

    fn book(&mut self, ticket: &Ticket, now: Instant, bound: Bound) -> Slot {
        let is_shared = self.is_shared && !self.pacing.interval(ticket.class).is_zero();
        let retry_at = self.outages.retry_at(now);
        let queue = self.queue(ticket.class);
        let index = match queue.find_or_insert(ticket, now, bound) {
            Ok(index) => index,
            Err(too_late) => return too_late,
        };
        let at = queue.slots[index].at;
        if at > now {
            return queue.keep(ticket, index, now, bound);
        }
        if !is_shared {
            queue.use_slot(index, now);
            let spacing = queue.spacing(now);
            queue.used = UsedSlot {
                asked: None,
                until: (!spacing.is_zero()).then(|| later(now, validity(spacing))),
            };
            return Slot::Now;
        }
        if let Some(retry_at) = retry_at {
            return Slot::At(retry_at);
        }
        match queue.shared.turn(ticket.id, now) {
            SharedTurn::Now(used) => {
                queue.use_slot(index, now);
                queue.used = used;
                Slot::Now
            }
            SharedTurn::At(at) => Slot::At(at),
            SharedTurn::Asked(until) => Slot::Asked(until),
            SharedTurn::Ask => Slot::Reserve(shared::spacing(queue.interval)),
        }
    }

    /// The shared pace gave the ticket's class a slot in `wait`. Returns the calls to wake.
    pub(crate) fn reserved(&mut self, ticket: &Ticket, now: Instant, wait: Duration) -> Waiters {
        let queue = self.queue(ticket.class);
        let Some(asked) = queue.shared.asked_by(ticket.id) else {
            return Waiters::default();
        };
        let interval = queue.interval;
        let (slot, waiters) = queue.shared.reserved(asked, now, wait, interval);
        let free_from = queue.free_from.map_or(slot.from, |at| at.max(slot.from));
        queue.respace(free_from, now);
        self.outages.end(now);
        waiters
    }

    /// The shared pace gave no slot; with an error that may pass, nobody asks for a while. Returns the calls to wake.
    pub(crate) fn not_reserved(
        &mut self,
        ticket: &Ticket,
        now: Instant,
        error: Option<SharedPaceError>,
    ) -> Waiters {
        let queue = self.queue(ticket.class);
        let Some(asked) = queue.shared.asked_by(ticket.id) else {
            return Waiters::default();
        };
        let waiters = queue.shared.end_asking();
        if let Some(error) = error.filter(SharedPaceError::may_pass) {
            self.outages.fail(asked, now, error);
        }
        waiters
    }

    /// A clock that runs while the shared pace is unavailable only.
    pub(crate) fn time_unavailable(&self, now: Instant) -> Duration {
        self.outages.total(now)
    }

    /// Frees the slot of a ticket for the next to book; no other slot moves. Returns the calls to wake.
    pub(crate) fn release(&mut self, ticket: &Ticket) -> Waiters {
        let queue = self.queue(ticket.class);
        queue.release(ticket.id);
        match queue.shared.asked_by(ticket.id) {
            Some(_) => queue.shared.end_asking(),
            None => Waiters::default(),
        }
    }

    /// Reacts to a 429 for a request that was sent at `sent`: the class sends nothing for `wait`, and is slower afterwards.
    /// Returns false if the request was sent before the current hold-off began, which already accounts for it.
    pub(crate) fn hold_off(
        &mut self,
        class: RateClass,
        sent: Instant,
        now: Instant,
        wait: Duration,
        cause: &Error,
    ) -> bool {
        self.queue(class).hold_off(sent, now, wait, cause)
    }

    /// How long the class has held off in all, or the shared pace was unavailable: a clock that runs meanwhile only.
    pub(crate) fn time_held_off(&self, class: RateClass, now: Instant) -> Duration {
        let queue = self.queues.get(class.name());
        let held_off = queue.map_or(Duration::ZERO, |queue| queue.time_held_off(now));
        held_off + self.time_unavailable(now)
    }

    /// Returns why the shared pace is unavailable, if it is.
    pub(crate) fn outage(&self) -> Option<Error> {
        self.outages.error()
    }

    /// Returns the 429 for which the class last held off.
    pub(crate) fn hold_off_cause(&self, class: RateClass) -> Option<Error> {
        let hold_off = self.queues.get(class.name())?.hold_off.as_ref()?;
        Some(hold_off.cause.clone())
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
/// How long a slot is good at least.
const MIN_VALIDITY: Duration = Duration::from_millis(10);
/// So many refused callers in a row are told different times; then the times start over, since not all come back.
const MAX_PROMISED: u32 = 1000;

/// The queue of one class: slots in order of time, at least the interval apart.
#[derive(Debug)]
struct Queue {
    interval: Duration,
    slots: VecDeque<Booking>,
    /// Nothing is sent before this time.
    free_from: Option<Instant>,
    /// How many requests of high priority were sent since the last one of low priority.
    high_run: u32,
    /// The last hold-off.
    hold_off: Option<HoldOff>,
    /// How long the hold-offs before it lasted in all.
    held_off_before: Duration,
    slowdown: Option<Slowdown>,
    /// The time that the next refused caller of a priority is told, if its turn does not come later.
    next_promise: HashMap<Priority, Instant>,
    shared: SharedSlot,
    /// The slot that was used last.
    used: UsedSlot,
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

#[derive(Debug)]
struct HoldOff {
    since: Instant,
    until: Instant,
    /// The 429.
    cause: Error,
}

impl HoldOff {
    /// How long it has lasted.
    fn lasted(&self, now: Instant) -> Duration {
        self.until.min(now).saturating_duration_since(self.since)
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
            hold_off: None,
            held_off_before: Duration::ZERO,
            slowdown: None,
            next_promise: HashMap::new(),
            shared: SharedSlot::default(),
            used: UsedSlot::default(),
        }
    }

    /// Returns the index of the ticket's slot, which it gets if it has none, or the refusal.
    fn find_or_insert(
        &mut self,
        ticket: &Ticket,
        now: Instant,
        bound: Bound,
    ) -> Result<usize, Slot> {
        let is_mine =
            |booking: &Booking| booking.holder.is_some_and(|holder| holder.id == ticket.id);
        if let Some(index) = self.slots.iter().position(is_mine) {
            return Ok(index);
        }
        let holder = Holder {
            id: ticket.id,
            priority: ticket.priority,
        };
        let (index, at) = self.position_for(holder, now);
        if self.is_too_late(at, bound) {
            return Err(self.refuse(ticket.priority, index, at, now, bound));
        }
        self.insert(holder, index, at, now);
        Ok(index)
    }

    /// Keeps a slot that is still to come, unless it comes too late.
    fn keep(&mut self, ticket: &Ticket, index: usize, now: Instant, bound: Bound) -> Slot {
        let at = self.slots[index].at;
        if self.is_too_late(at, bound) {
            self.release(ticket.id);
            return self.refuse(ticket.priority, index, at, now, bound);
        }
        Slot::At(at)
    }

    fn is_too_late(&self, slot: Instant, bound: Bound) -> bool {
        match bound {
            Bound::Slot(deadline) => slot > deadline,
            Bound::HoldOff(deadline) => self.is_held_off_past(deadline),
        }
    }

    fn is_held_off_past(&self, deadline: Instant) -> bool {
        let hold_off = self.hold_off.as_ref();
        hold_off.is_some_and(|hold_off| deadline < hold_off.until)
    }

    /// Tells each of the callers that are refused another time, so that they do not all come back at once.
    fn refuse(
        &mut self,
        priority: Priority,
        index: usize,
        slot: Instant,
        now: Instant,
        bound: Bound,
    ) -> Slot {
        let interval = self.spacing(now);
        let last_promise = later(slot, interval.saturating_mul(MAX_PROMISED));
        let next = self.next_promise.get(&priority);
        let at = next
            .filter(|next| (slot..last_promise).contains(*next))
            .map_or(slot, |next| *next);
        self.next_promise.insert(priority, later(at, interval));
        let waiting = self.slots.iter().take(index);
        let waiting = waiting.filter(|slot| slot.holder.is_some()).count();
        Slot::TooLate(Refusal {
            at,
            ahead: waiting + turns(at.saturating_duration_since(slot), interval),
            interval,
            is_held_off: self.is_held_off_past(bound.deadline()),
        })
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

    fn hold_off(&mut self, sent: Instant, now: Instant, wait: Duration, cause: &Error) -> bool {
        let last = self.hold_off.as_ref();
        if last.is_some_and(|last| sent <= last.since) {
            return false;
        }
        let last_until = last.map(|last| last.until);
        let factor = match self.slowdown {
            Some(slowdown) if now < slowdown.until => (slowdown.factor * 2).min(MAX_SLOWDOWN),
            _ => 2,
        };
        let held_until = later(now, wait);
        self.held_off_before = self.time_held_off(now);
        self.hold_off = Some(HoldOff {
            since: now,
            until: last_until.map_or(held_until, |last| last.max(held_until)),
            cause: cause.clone(),
        });
        self.slowdown = Some(Slowdown {
            until: held_until + SLOWDOWN_PERIOD,
            factor,
        });
        let free_from = self.free_from.map_or(held_until, |at| at.max(held_until));
        self.shared.give_up();
        self.respace(free_from, now);
        true
    }

    fn time_held_off(&self, now: Instant) -> Duration {
        let hold_off = self.hold_off.as_ref();
        self.held_off_before + hold_off.map_or(Duration::ZERO, |hold_off| hold_off.lasted(now))
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

/// How long a slot of this session's own pace is good: half its interval, so that a request which was held up does not come together
/// with the next ones.
fn validity(interval: Duration) -> Duration {
    (interval / 2).max(MIN_VALIDITY)
}

/// How many turns a time has.
fn turns(time: Duration, interval: Duration) -> usize {
    let turns = time.as_micros() / interval.as_micros().max(1);
    usize::try_from(turns).unwrap_or(usize::MAX)
}

fn run_after(run: u32, sent: Holder) -> u32 {
    match sent.priority {
        Priority::High => run + 1,
        Priority::Low => 0,
    }
}

#[cfg(test)]
mod tests;
