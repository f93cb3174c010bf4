//! Pacing: when each request may be sent. Pure arithmetic: the caller waits, and asks again at the time it was given.

mod in_flight;
mod lanes;
mod shared;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::endpoint::RateClass;
use crate::error::{Error, SharedPaceError};
use crate::machine::control::{Control, Waiters};
use crate::machine::shared_pace::{MAX_SLOWDOWN, MIN_SLOW_INTERVAL, PaceOp, SLOWDOWN_PERIOD};
use crate::machine::{Signal, later};
use in_flight::{InFlight, Permit};
use lanes::{Lanes, Number, Standing};
use shared::{Outages, SharedSlot, SharedTurn};

/// The rate limits that a session enforces on its own requests.
///
/// A request waits for its turn. If that would come after the deadline of its call, the call ends at once with
/// [`Error::QueueTooLong`]; of a create, the default deadline does not count that wait: see [`Call`](crate::Call).
///
/// By default: 1 new offline download a second, 5 progress calls a second, and for every other endpoint the lowest figure that
/// the service documents. Of each class at most 100 requests are in flight at once.
#[derive(Clone, Debug)]
#[doc(alias = "限流")]
pub struct Pacing {
    off: bool,
    intervals: HashMap<&'static str, Duration>,
    max_in_flight: usize,
}

impl Default for Pacing {
    fn default() -> Pacing {
        Pacing {
            off: false,
            intervals: HashMap::new(),
            max_in_flight: 100,
        }
    }
}

impl Pacing {
    /// Sets no limits in time, until the service answers 429. Still at most
    /// [`max_in_flight`](Pacing::max_in_flight) requests of a class are in flight at once.
    pub fn off() -> Pacing {
        Pacing {
            off: true,
            ..Pacing::default()
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

    /// Sets how many requests of one class may be in flight at once, 100 by default; 0 counts as 1. Further ones wait until one ends,
    /// so that 10,000 watches without a pace open no 10,000 connections.
    pub fn max_in_flight(mut self, requests: usize) -> Pacing {
        self.max_in_flight = requests.max(1);
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
    /// How long a new request of high priority would wait for its slot.
    pub wait: Duration,
}

/// A call's place in the queue of a class, for all of its attempts.
#[derive(Debug)]
pub(crate) struct Ticket {
    id: TicketId,
    /// The index of its queue.
    class: usize,
    priority: Priority,
    permit: Permit,
    /// None before it books for the first time.
    number: Option<Number>,
}

type TicketId = u64;

/// The slot of a ticket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Slot {
    /// It may be used now.
    Due,
    /// Ask again at this time.
    At(Instant),
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
    queues: Vec<Queue>,
    next_id: TicketId,
}

impl Limiter {
    pub(crate) fn new(pacing: Pacing) -> Limiter {
        Limiter {
            pacing,
            is_shared: false,
            outages: Outages::default(),
            queues: Vec::new(),
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
            id: self.next_id,
            class: self.index(class),
            priority,
            permit: Permit::None,
            number: None,
        }
    }

    /// Books a slot if the ticket has none, and uses it if its time has come. The control is that of the machine that asks.
    pub(crate) fn turn(
        &mut self,
        ticket: &mut Ticket,
        now: Instant,
        bound: Bound,
        control: &Arc<Control>,
    ) -> Turn {
        let is_shared = self.is_shared;
        let retry_at = self.outages.retry_at(now);
        let queue = self.queue_of(ticket);
        let (slot, standing) = queue.book(ticket, now, bound);
        match slot {
            Slot::Due => {}
            Slot::At(at) => return Turn::Wait(at, control.listen()),
            Slot::TooLate(refusal) => return Turn::TooLate(refusal),
        }
        if !queue.in_flight.may_take(ticket) {
            let (until, signal) = queue.wait_for_permit(ticket, now, control);
            return Turn::Wait(until, signal);
        }
        if !is_shared || queue.interval.is_zero() {
            queue.send(ticket, standing, now);
            return Turn::Now(UsedSlot {
                asked: None,
                until: queue.valid_until(now),
            });
        }
        if let Some(retry_at) = retry_at {
            return Turn::Wait(retry_at, control.listen());
        }
        match queue.shared.turn(ticket.id, now) {
            SharedTurn::Now(used) => {
                queue.send(ticket, standing, now);
                Turn::Now(used)
            }
            SharedTurn::At(at) => Turn::Wait(at, control.listen()),
            SharedTurn::Asked(until) => Turn::Wait(until, queue.shared.wait(control)),
            SharedTurn::Ask => {
                // What it asks for would otherwise be for the first of the tickets before it.
                queue.lanes.pass_before(ticket.priority, standing);
                Turn::Reserve(PaceOp::Reserve {
                    class: queue.class,
                    every: shared::spacing(queue.interval),
                })
            }
        }
    }

    /// Books a slot if the ticket has none. Returns until when, or until which signal, there is nothing to do but wait; none if it is
    /// time for [`turn`](Limiter::turn).
    pub(crate) fn wait_for_turn(
        &mut self,
        ticket: &mut Ticket,
        now: Instant,
        bound: Bound,
        control: &Arc<Control>,
    ) -> Option<(Instant, Signal)> {
        let queue = self.queue_of(ticket);
        match queue.book(ticket, now, bound).0 {
            Slot::At(at) => Some((at, control.listen())),
            Slot::Due if !queue.in_flight.may_take(ticket) => {
                Some(queue.wait_for_permit(ticket, now, control))
            }
            Slot::Due | Slot::TooLate(_) => None,
        }
    }

    /// The shared pace gave the ticket's class a slot in `wait`. Returns the calls to wake.
    pub(crate) fn reserved(&mut self, ticket: &Ticket, now: Instant, wait: Duration) -> Waiters {
        let queue = self.queue_of(ticket);
        let Some(asked) = queue.shared.asked_by(ticket.id) else {
            return Waiters::default();
        };
        let interval = queue.interval;
        let (slot, waiters) = queue.shared.reserved(asked, now, wait, interval);
        queue.nothing_before(slot.from);
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
        let queue = self.queue_of(ticket);
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

    /// Frees the slot of a ticket for the next to book; no other slot moves. Its request, if there is one, has ended. Returns the calls
    /// to wake.
    pub(crate) fn release(&mut self, ticket: &mut Ticket) -> Waiters {
        let queue = self.queue_of(ticket);
        queue.leave(ticket);
        let waiters = queue.in_flight.end(ticket);
        match queue.shared.asked_by(ticket.id) {
            Some(_) => waiters.and(queue.shared.end_asking()),
            None => waiters,
        }
    }

    /// The ticket's request has ended, and there may be another one. Returns the calls to wake.
    pub(crate) fn request_ended(&mut self, ticket: &mut Ticket) -> Waiters {
        let queue = self.queue_of(ticket);
        queue.in_flight.end(ticket)
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
        let index = self.index(class);
        self.queues[index].hold_off(sent, now, wait, cause)
    }

    /// How long the class has held off in all, or the shared pace was unavailable: a clock that runs meanwhile only.
    pub(crate) fn time_held_off(&self, class: RateClass, now: Instant) -> Duration {
        let queue = self.find(class);
        let held_off = queue.map_or(Duration::ZERO, |queue| queue.time_held_off(now));
        held_off + self.time_unavailable(now)
    }

    /// Returns why the shared pace is unavailable, if it is.
    pub(crate) fn outage(&self) -> Option<Error> {
        self.outages.error()
    }

    /// Returns the 429 for which the class last held off.
    pub(crate) fn hold_off_cause(&self, class: RateClass) -> Option<Error> {
        let hold_off = self.find(class)?.hold_off.as_ref()?;
        Some(hold_off.cause.clone())
    }

    pub(crate) fn pace(&self, class: RateClass, now: Instant) -> PaceStatus {
        let fresh = Queue::new(class, &self.pacing);
        let queue = self.find(class).unwrap_or(&fresh);
        let newcomer = queue.lanes.standing(Priority::High, None);
        PaceStatus {
            interval: queue.spacing(now),
            waiting: queue.lanes.waiting(),
            wait: queue.time_of(newcomer, now).saturating_duration_since(now),
        }
    }

    fn queue_of(&mut self, ticket: &Ticket) -> &mut Queue {
        &mut self.queues[ticket.class]
    }

    fn find(&self, class: RateClass) -> Option<&Queue> {
        let mut queues = self.queues.iter();
        queues.find(|queue| queue.class.name() == class.name())
    }

    /// Returns the index of the queue of a class.
    fn index(&mut self, class: RateClass) -> usize {
        let mut queues = self.queues.iter();
        let index = queues.position(|queue| queue.class.name() == class.name());
        index.unwrap_or_else(|| {
            self.queues.push(Queue::new(class, &self.pacing));
            self.queues.len() - 1
        })
    }
}

/// How long a slot is good at least.
const MIN_VALIDITY: Duration = Duration::from_millis(10);
/// So many refused callers in a row are told different times; then the times start over, since not all come back.
const MAX_PROMISED: u32 = 1000;

/// How long a request that waits for others to end sleeps at most: should one of those that were woken before it never have come.
const MAX_PERMIT_WAIT: Duration = Duration::from_secs(10);

/// The queue of one class: slots, the interval apart.
#[derive(Debug)]
struct Queue {
    class: RateClass,
    interval: Duration,
    lanes: Lanes,
    /// The time of the first slot: nothing is sent before.
    free_from: Option<Instant>,
    /// The last hold-off.
    hold_off: Option<HoldOff>,
    /// How long the hold-offs before it lasted in all.
    held_off_before: Duration,
    slowdown: Option<Slowdown>,
    /// The time that the next refused caller of a priority is told, if its turn does not come later.
    next_promise: HashMap<Priority, Instant>,
    in_flight: InFlight,
    shared: SharedSlot,
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
    fn new(class: RateClass, pacing: &Pacing) -> Queue {
        Queue {
            class,
            interval: pacing.interval(class),
            lanes: Lanes::default(),
            free_from: None,
            hold_off: None,
            held_off_before: Duration::ZERO,
            slowdown: None,
            next_promise: HashMap::new(),
            in_flight: InFlight::new(pacing.max_in_flight),
            shared: SharedSlot::default(),
        }
    }

    /// Gives the ticket a slot if it has none, and takes it away if it comes too late.
    fn book(&mut self, ticket: &mut Ticket, now: Instant, bound: Bound) -> (Slot, Standing) {
        if self.lanes.is_empty() {
            self.nothing_before(now);
        }
        let standing = self.lanes.standing(ticket.priority, ticket.number);
        let at = self.time_of(standing, now);
        let is_due = at <= now;
        if !(is_due && standing.is_booked) && self.is_too_late(at, bound) {
            self.leave(ticket);
            let refusal = self.refuse(ticket.priority, standing, at, now, bound);
            return (refusal, standing);
        }
        if !standing.is_booked {
            ticket.number = Some(self.lanes.book(ticket.priority, ticket.number));
        }
        let slot = if is_due { Slot::Due } else { Slot::At(at) };
        (slot, standing)
    }

    /// Uses the slot of a ticket. One whose slot has passed loses it and must book again, before those that came later.
    fn send(&mut self, ticket: &mut Ticket, standing: Standing, now: Instant) {
        self.lanes.send(ticket.priority, standing);
        self.free_from = Some(later(now, self.spacing(now)));
        self.in_flight.take(ticket);
    }

    fn leave(&mut self, ticket: &mut Ticket) {
        if let Some(number) = ticket.number.take() {
            self.lanes.leave(ticket.priority, number);
        }
    }

    fn wait_for_permit(
        &mut self,
        ticket: &mut Ticket,
        now: Instant,
        control: &Arc<Control>,
    ) -> (Instant, Signal) {
        let in_flight = &mut self.in_flight;
        let signal = in_flight.wait(ticket, control);
        (later(now, MAX_PERMIT_WAIT), signal)
    }

    /// Returns the time of a slot. Newcomers before it, and a 429, move it back.
    fn time_of(&self, standing: Standing, now: Instant) -> Instant {
        let Some(free_from) = self.free_from else {
            return now;
        };
        let position = u32::try_from(standing.position).unwrap_or(u32::MAX);
        later(free_from, self.spacing(now).saturating_mul(position))
    }

    /// Until when a slot of this session's own pace is good if it is used now; none in a class without a limit.
    fn valid_until(&self, now: Instant) -> Option<Instant> {
        let spacing = self.spacing(now);
        (!spacing.is_zero()).then(|| later(now, validity(spacing)))
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
        standing: Standing,
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
        let waiting = standing.position.min(self.lanes.waiting());
        Slot::TooLate(Refusal {
            at,
            ahead: waiting + turns(at.saturating_duration_since(slot), interval),
            interval,
            is_held_off: self.is_held_off_past(bound.deadline()),
        })
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
        self.shared.give_up();
        self.nothing_before(held_until);
        true
    }

    fn time_held_off(&self, now: Instant) -> Duration {
        let hold_off = self.hold_off.as_ref();
        self.held_off_before + hold_off.map_or(Duration::ZERO, |hold_off| hold_off.lasted(now))
    }

    /// Moves the slots so that none comes before this time. Their order stays; free ones are passed.
    fn nothing_before(&mut self, time: Instant) {
        if self.free_from < Some(time) {
            self.free_from = Some(time);
            self.lanes.pass_free();
        }
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

#[cfg(test)]
mod tests;
