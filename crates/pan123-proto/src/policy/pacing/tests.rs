use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Waker};

use fastrand::Rng;

use super::*;
use crate::base::base;

const CLASS: RateClass = RateClass::new("test", Duration::from_secs(1));
const SECOND: Duration = Duration::from_secs(1);
/// After this time somebody else may ask the shared pace.
const MAX_ASKED: Duration = Duration::from_secs(60);

fn far(now: Instant) -> Bound {
    Bound::Slot(now + 10_000 * SECOND)
}

/// A slot that was refused, with this many requests ahead.
fn too_late(at: Instant, ahead: usize) -> Slot {
    Slot::TooLate(Refusal {
        at,
        ahead,
        interval: SECOND,
        is_held_off: false,
    })
}

fn too_many_requests() -> Error {
    Error::Finished // any error will do
}

impl Limiter {
    /// Asks for a turn; [`Slot::Due`] is one that was used, by a request that has ended.
    fn ask(&mut self, ticket: &mut Ticket, now: Instant, bound: Bound) -> Slot {
        match self.turn(ticket, now, bound, &Arc::default()) {
            Turn::Now(_) => {
                self.request_ended(ticket);
                Slot::Due
            }
            Turn::Wait(at, _) => Slot::At(at),
            Turn::TooLate(refusal) => Slot::TooLate(refusal),
            Turn::Reserve(_) => panic!("this pace is not shared"),
        }
    }
}

fn limiter() -> Limiter {
    Limiter::new(Pacing::default())
}

#[test]
fn booked_slot_is_kept() {
    let now = base();
    let mut limiter = limiter();
    let mut tickets = [(); 3].map(|()| limiter.ticket(CLASS, Priority::High));
    for (nth, ticket) in (0..).zip(&mut tickets) {
        let expected = match nth {
            0 => Slot::Due,
            nth => Slot::At(now + nth * SECOND),
        };
        assert_eq!(limiter.ask(ticket, now, far(now)), expected);
    }
    for _ in 0..3 {
        let again = limiter.ask(&mut tickets[2], now, far(now));
        assert_eq!(
            again,
            Slot::At(now + 2 * SECOND),
            "asking books nothing more"
        );
    }
}

#[test]
fn later_attempt_of_a_call_precedes_calls_that_came_later() {
    let now = base();
    let mut limiter = limiter();
    let [mut first, mut second] = [(); 2].map(|()| limiter.ticket(CLASS, Priority::High));
    assert_eq!(limiter.ask(&mut first, now, far(now)), Slot::Due);
    let mut second_at = |limiter: &mut Limiter| limiter.ask(&mut second, now, far(now));
    assert_eq!(second_at(&mut limiter), Slot::At(now + SECOND));
    let again = limiter.ask(&mut first, now, far(now));
    assert_eq!(again, Slot::At(now + SECOND));
    assert_eq!(second_at(&mut limiter), Slot::At(now + 2 * SECOND));
}

#[test]
fn slot_past_the_deadline_is_not_booked_and_one_moved_past_it_is_freed() {
    let now = base();
    let soon = Bound::Slot(now + SECOND);
    let mut limiter = limiter();
    let [mut low, mut refused, mut high] = [Priority::Low, Priority::Low, Priority::High]
        .map(|priority| limiter.ticket(CLASS, priority));
    let mut first = limiter.ticket(CLASS, Priority::High);
    assert_eq!(limiter.ask(&mut first, now, soon), Slot::Due);
    assert_eq!(limiter.ask(&mut low, now, soon), Slot::At(now + SECOND));
    let slot = limiter.ask(&mut refused, now, soon);
    assert_eq!(slot, too_late(now + 2 * SECOND, 1));
    assert_eq!(limiter.pace(CLASS, now).waiting, 1);
    let slot = limiter.ask(&mut high, now, Bound::Slot(now + SECOND / 2));
    assert_eq!(slot, too_late(now + SECOND, 0));
    let unmoved = limiter.ask(&mut low, now, soon);
    assert_eq!(
        unmoved,
        Slot::At(now + SECOND),
        "nobody moves for one who goes"
    );
    assert_eq!(limiter.ask(&mut high, now, soon), Slot::At(now + SECOND));
    let slot = limiter.ask(&mut low, now, soon);
    assert_eq!(slot, too_late(now + 3 * SECOND, 2), "after the refused one");
    assert_eq!(limiter.pace(CLASS, now).waiting, 1);
}

#[test]
fn each_refused_caller_is_told_another_time() {
    let mut limiter = limiter();
    let now = base();
    let refused_at = |limiter: &mut Limiter, priority, now: Instant, patience: u32| {
        let mut ticket = limiter.ticket(CLASS, priority);
        match limiter.ask(&mut ticket, now, Bound::Slot(now + patience * SECOND)) {
            Slot::TooLate(refusal) => refusal.at.duration_since(base()).as_secs(),
            other => panic!("{other:?}"),
        }
    };
    let [_, _, _] = booked(&mut limiter, [Priority::High; 3]);
    let high = [(); 4].map(|()| refused_at(&mut limiter, Priority::High, now, 2));
    assert_eq!(high, [3, 4, 5, 6]);
    let low = [(); 2].map(|()| refused_at(&mut limiter, Priority::Low, now, 2));
    assert_eq!(low, [3, 4], "each priority has its own turns");
    // The turns of those who were refused pass, whether they come back or not.
    let then = now + 6 * SECOND;
    let [mut first, mut second] = [(); 2].map(|()| limiter.ticket(CLASS, Priority::High));
    assert_eq!(limiter.ask(&mut first, then, far(then)), Slot::Due);
    assert_eq!(
        limiter.ask(&mut second, then, far(then)),
        Slot::At(then + SECOND)
    );
    assert_eq!(refused_at(&mut limiter, Priority::High, then, 1), 8);
    // Callers that ask again and again do not drive the times up for ever.
    let mut asked = (0..5000).map(|_| refused_at(&mut limiter, Priority::High, then, 1));
    assert!(asked.all(|at| (8..8 + u64::from(MAX_PROMISED)).contains(&at)));
}

#[test]
fn caller_whose_wait_for_a_slot_is_free_is_refused_only_by_a_hold_off() {
    let now = base();
    let mut limiter = limiter();
    let mut tickets = [(); 100].map(|()| limiter.ticket(CLASS, Priority::High));
    let patient = Bound::HoldOff(now + 10 * SECOND);
    for (nth, ticket) in (0..).zip(&mut tickets) {
        let slot = limiter.ask(ticket, now, patient);
        match nth {
            0 => assert_eq!(slot, Slot::Due),
            nth => assert_eq!(slot, Slot::At(now + nth * SECOND)),
        }
    }
    assert_eq!(limiter.time_held_off(CLASS, now), Duration::ZERO);
    limiter.hold_off(CLASS, now, now, 10 * SECOND, &too_many_requests());
    let slot = limiter.ask(&mut tickets[50], now, patient);
    assert!(matches!(slot, Slot::At(_)), "{slot:?}");
    limiter.hold_off(
        CLASS,
        now + SECOND,
        now + SECOND,
        10 * SECOND,
        &too_many_requests(),
    );
    let Slot::TooLate(refusal) = limiter.ask(&mut tickets[50], now + SECOND, patient) else {
        panic!("held off past the deadline");
    };
    assert!(refusal.is_held_off);
    assert!(limiter.hold_off_cause(CLASS).is_some());
}

#[test]
fn time_held_off_is_that_of_overlapping_hold_offs_once() {
    let now = base();
    let mut limiter = limiter();
    for (start, wait) in [(0, 10), (5, 10), (40, 3), (41, 1)] {
        let at = now + start * SECOND;
        assert!(limiter.hold_off(CLASS, at, at, wait * SECOND, &too_many_requests()));
    }
    assert_eq!(limiter.time_held_off(CLASS, now + 42 * SECOND), 17 * SECOND);
    assert_eq!(limiter.time_held_off(CLASS, now + 99 * SECOND), 18 * SECOND);
}

#[test]
fn ticket_that_is_never_used_blocks_nobody() {
    let now = base();
    let mut limiter = limiter();
    let [mut first, mut gone, mut next] = [(); 3].map(|()| limiter.ticket(CLASS, Priority::High));
    assert_eq!(limiter.ask(&mut first, now, far(now)), Slot::Due);
    assert_eq!(
        limiter.ask(&mut gone, now, far(now)),
        Slot::At(now + SECOND)
    );
    let later = now + 5 * SECOND;
    assert_eq!(limiter.ask(&mut next, later, far(now)), Slot::Due);
    assert_eq!(limiter.pace(CLASS, later).waiting, 0);
}

#[test]
fn classes_with_the_same_name_share_a_queue() {
    let now = base();
    let mut limiter = limiter();
    let same = RateClass::new("test", Duration::ZERO);
    let other = RateClass::new("other", SECOND);
    let ask = |limiter: &mut Limiter, class| {
        let mut ticket = limiter.ticket(class, Priority::High);
        limiter.ask(&mut ticket, now, far(now))
    };
    assert_eq!(ask(&mut limiter, CLASS), Slot::Due);
    assert_eq!(ask(&mut limiter, same), Slot::At(now + SECOND));
    assert_eq!(ask(&mut limiter, other), Slot::Due);
}

/// Tickets that book one after the other, the first of which is sent at once.
fn booked<const N: usize>(limiter: &mut Limiter, priorities: [Priority; N]) -> [Ticket; N] {
    let now = base();
    let mut tickets = priorities.map(|priority| limiter.ticket(CLASS, priority));
    for (nth, ticket) in (0..).zip(&mut tickets) {
        let slot = limiter.ask(ticket, now, far(now));
        match nth {
            0 => assert_eq!(slot, Slot::Due),
            nth => assert_eq!(slot, Slot::At(now + nth * SECOND)),
        }
    }
    tickets
}

#[test]
fn low_priority_gets_one_slot_in_four() {
    let now = base();
    let mut limiter = limiter();
    let mut tickets = booked(&mut limiter, [Priority::High; 6]);
    let mut low = limiter.ticket(CLASS, Priority::Low);
    // One has been sent, so that two more go before it.
    let at = limiter.ask(&mut low, now, far(now));
    assert_eq!(at, Slot::At(now + 3 * SECOND));
    let last = limiter.ask(&mut tickets[5], now, far(now));
    assert_eq!(last, Slot::At(now + 6 * SECOND));
}

#[test]
fn moved_ticket_does_not_take_the_slot_of_low_priority() {
    let now = base();
    let mut limiter = limiter();
    let mut priorities = [Priority::High; 5];
    priorities[3] = Priority::Low;
    let [mut first, _, _, mut low, mut high] = booked(&mut limiter, priorities);
    // A second attempt goes before all later tickets, but for the turn of the low one.
    let at = limiter.ask(&mut first, now, far(now));
    assert_eq!(at, Slot::At(now + SECOND));
    let low = limiter.ask(&mut low, now, far(now));
    assert_eq!(low, Slot::At(now + 3 * SECOND));
    let high = limiter.ask(&mut high, now, far(now));
    assert_eq!(high, Slot::At(now + 5 * SECOND));
}

#[test]
fn freed_slot_is_not_moved_by_a_hold_off() {
    let now = base();
    let mut limiter = limiter();
    let [_, mut gone, mut next] = booked(&mut limiter, [Priority::High; 3]);
    limiter.release(&mut gone);
    assert!(limiter.hold_off(CLASS, now, now, 5 * SECOND, &too_many_requests()));
    let at = limiter.ask(&mut next, now, far(now));
    assert_eq!(at, Slot::At(now + 5 * SECOND));
}

#[test]
fn freed_slot_goes_to_the_next_ticket_while_it_lies_ahead() {
    let now = base();
    let mut limiter = limiter();
    let [_, mut second, mut gone, mut last] = booked(&mut limiter, [Priority::High; 4]);
    limiter.release(&mut gone);
    let then = now + SECOND;
    assert_eq!(limiter.ask(&mut second, then, far(now)), Slot::Due);
    let mut next = limiter.ticket(CLASS, Priority::High);
    let at = limiter.ask(&mut next, then, far(now));
    assert_eq!(at, Slot::At(now + 2 * SECOND));
    let at = limiter.ask(&mut last, then, far(now));
    assert_eq!(at, Slot::At(now + 3 * SECOND));
}

#[test]
fn each_429_doubles_the_interval_until_none_came_for_a_while() {
    let now = base();
    let mut limiter = limiter();
    let mut hold_off = |at: Instant| {
        assert!(limiter.hold_off(CLASS, at, at, SECOND, &too_many_requests()));
        let end = at + SECOND + SLOWDOWN_PERIOD;
        assert_eq!(limiter.pace(CLASS, end).interval, SECOND);
        let still = limiter.pace(CLASS, at + SLOWDOWN_PERIOD).interval;
        (still / 1000).as_millis()
    };
    let soon = [1, 2, 3, 4].map(|nth| hold_off(now + nth * SECOND));
    assert_eq!(soon, [2, 4, 8, 8]);
    let end = now + 4 * SECOND + SECOND + SLOWDOWN_PERIOD;
    assert_eq!(hold_off(end), 2);
}

fn control() -> Arc<Control> {
    Arc::default()
}

fn in_flight(max: usize) -> Limiter {
    Limiter::new(Pacing::off().max_in_flight(max))
}

/// Sends this request, whose pace is off.
fn send(limiter: &mut Limiter, ticket: &mut Ticket) -> bool {
    let now = base();
    match limiter.turn(ticket, now, far(now), &control()) {
        Turn::Now(_) => true,
        Turn::Wait(until, _) => {
            assert_eq!(until, now + MAX_PERMIT_WAIT);
            false
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn requests_beyond_the_maximum_wait_until_others_end() {
    let mut limiter = in_flight(2);
    let mut tickets = [(); 5].map(|()| limiter.ticket(CLASS, Priority::High));
    let sent = tickets.each_mut().map(|ticket| send(&mut limiter, ticket));
    assert_eq!(sent, [true, true, false, false, false]);
    let [first, second, third, fourth, fifth] = &mut tickets;
    assert!(
        send(&mut limiter, first),
        "its next attempt is the same request"
    );
    drop(limiter.request_ended(first));
    let mut newcomer = limiter.ticket(CLASS, Priority::High);
    assert!(!send(&mut limiter, &mut newcomer), "others wait");
    drop(limiter.release(&mut newcomer));
    assert!(send(&mut limiter, third) && !send(&mut limiter, fourth));
    drop(limiter.release(fifth));
    drop(limiter.release(second));
    assert!(send(&mut limiter, fourth));
    let mut other = limiter.ticket(RateClass::new("other", SECOND), Priority::High);
    assert!(
        send(&mut limiter, &mut other),
        "each class has its own maximum"
    );
}

#[test]
fn whoever_waits_longest_is_woken_and_one_in_four_is_of_low_priority() {
    let mut limiter = in_flight(1);
    let now = base();
    let mut running = limiter.ticket(CLASS, Priority::High);
    assert!(send(&mut limiter, &mut running));
    let mut waiting: Vec<_> = [Priority::Low, Priority::High]
        .into_iter()
        .flat_map(|priority| [priority; 5])
        .map(|priority| {
            let mut ticket = limiter.ticket(CLASS, priority);
            let control = control();
            let turn = limiter.turn(&mut ticket, now, far(now), &control);
            let Turn::Wait(_, signal) = turn else {
                panic!("{turn:?}");
            };
            (ticket, signal, control)
        })
        .collect();
    let mut order = String::new();
    while !waiting.is_empty() {
        limiter.request_ended(&mut running).wake();
        let woken = waiting
            .iter_mut()
            .position(|(_, signal, _)| has_fired(signal));
        let (mut ticket, _, _) = waiting.remove(woken.expect("one of them is woken"));
        assert!(send(&mut limiter, &mut ticket));
        order.push(if ticket.priority == Priority::High {
            'h'
        } else {
            'l'
        });
        running = ticket;
    }
    assert_eq!(order, "hhhlhhllll");
}

#[test]
fn one_who_was_woken_and_leaves_wakes_the_next() {
    let mut limiter = in_flight(1);
    let now = base();
    let mut running = limiter.ticket(CLASS, Priority::High);
    assert!(send(&mut limiter, &mut running));
    let wait = |limiter: &mut Limiter| {
        let mut ticket = limiter.ticket(CLASS, Priority::High);
        let control = control();
        match limiter.turn(&mut ticket, now, far(now), &control) {
            Turn::Wait(_, signal) => (ticket, signal, control),
            other => panic!("{other:?}"),
        }
    };
    let (mut woken, mut woken_signal, _control) = wait(&mut limiter);
    let (mut gone, _signal, _gone_control) = wait(&mut limiter);
    let (mut next, mut signal, _next_control) = wait(&mut limiter);
    limiter.request_ended(&mut running).wake();
    assert!(has_fired(&mut woken_signal));
    limiter.release(&mut gone).wake();
    assert!(
        !has_fired(&mut signal),
        "the one who left had not been woken"
    );
    limiter.release(&mut woken).wake();
    assert!(has_fired(&mut signal));
    assert!(send(&mut limiter, &mut next));
}

#[test]
fn shared_slot_is_for_the_one_who_asked_though_others_before_it_sleep() {
    let now = base();
    let mut limiter = limiter().shared(true);
    let [mut asleep, mut awake] = [(); 2].map(|()| limiter.ticket(CLASS, Priority::High));
    let mut turn = |ticket: &mut Ticket, now| limiter.turn(ticket, now, far(now), &control());
    assert!(matches!(turn(&mut asleep, now), Turn::Reserve(_)));
    assert!(matches!(turn(&mut awake, now), Turn::Wait(..)));
    let then = now + MAX_ASKED;
    assert!(matches!(turn(&mut awake, then), Turn::Reserve(_)));
    drop(limiter.reserved(&awake, then, Duration::ZERO));
    let turn = limiter.turn(&mut awake, then, far(then), &control());
    assert!(matches!(turn, Turn::Now(_)), "{turn:?}");
}

fn has_fired(signal: &mut Signal) -> bool {
    let mut context = Context::from_waker(Waker::noop());
    Pin::new(signal).poll(&mut context).is_ready()
}

/// A crowd that comes, asks at its times or later, goes away and is told 429, all at random.
#[test]
fn pace_and_hold_off_hold_under_random_operations() {
    for seed in 0..60 {
        let mut rng = Rng::with_seed(seed);
        let mut limiter = limiter();
        let mut now = base();
        let mut waiting: Vec<Ticket> = Vec::new();
        let mut last_sent: Option<Instant> = None;
        let mut held_until = now;
        for _ in 0..400 {
            now += Duration::from_millis(rng.u64(0..1500));
            match rng.u8(0..10) {
                0..4 => {
                    let low = rng.bool();
                    let priority = if low { Priority::Low } else { Priority::High };
                    waiting.push(limiter.ticket(CLASS, priority));
                }
                4 if !waiting.is_empty() => {
                    let mut gone = waiting.swap_remove(rng.usize(..waiting.len()));
                    limiter.release(&mut gone);
                }
                5 if rng.u8(0..8) == 0 => {
                    let wait = rng.u32(1..20) * SECOND;
                    limiter.hold_off(CLASS, now, now, wait, &too_many_requests());
                    held_until = held_until.max(now + wait);
                }
                _ => {}
            }
            waiting.retain_mut(|ticket| match limiter.ask(ticket, now, far(now)) {
                Slot::Due => {
                    let since = last_sent.map(|last| now.duration_since(last));
                    assert!(since.is_none_or(|since| since >= SECOND), "seed {seed}");
                    assert!(now >= held_until, "seed {seed}: sent in a hold-off");
                    last_sent = Some(now);
                    false
                }
                Slot::At(at) => {
                    assert!(at > now && at >= held_until, "seed {seed}");
                    true
                }
                other @ Slot::TooLate(_) => panic!(
                    "seed {seed}: {other:?}, though the deadline is far and the pace its own"
                ),
            });
            assert_eq!(limiter.pace(CLASS, now).waiting, waiting.len());
        }
        // Nobody is forgotten: all who stay are served about when the last place was promised.
        let late = u32::try_from(waiting.len()).unwrap() * SECOND;
        let told = |ticket| match limiter.ask(ticket, now, far(now)) {
            Slot::At(at) => at,
            other => panic!("seed {seed}: {other:?}"),
        };
        let last = waiting.iter_mut().map(told).max().unwrap_or(now);
        let mut time = now;
        while !waiting.is_empty() {
            time += SECOND;
            waiting.retain_mut(|ticket| limiter.ask(ticket, time, far(time)) != Slot::Due);
            assert!(time <= last + late, "seed {seed}");
        }
    }
}
