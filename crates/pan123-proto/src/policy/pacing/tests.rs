use fastrand::Rng;

use super::*;
use crate::base::base;

const CLASS: RateClass = RateClass::new("test", Duration::from_secs(1));
const SECOND: Duration = Duration::from_secs(1);

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

fn limiter() -> Limiter {
    Limiter::new(Pacing::default())
}

#[test]
fn booked_slot_is_kept() {
    let now = base();
    let mut limiter = limiter();
    let tickets = [(); 3].map(|()| limiter.ticket(CLASS, Priority::High));
    for (nth, ticket) in (0..).zip(&tickets) {
        let expected = match nth {
            0 => Slot::Now,
            nth => Slot::At(now + nth * SECOND),
        };
        assert_eq!(limiter.book(ticket, now, far(now)), expected);
    }
    for _ in 0..3 {
        let again = limiter.book(&tickets[2], now, far(now));
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
    let [first, second] = [(); 2].map(|()| limiter.ticket(CLASS, Priority::High));
    assert_eq!(limiter.book(&first, now, far(now)), Slot::Now);
    let second_at = |limiter: &mut Limiter| limiter.book(&second, now, far(now));
    assert_eq!(second_at(&mut limiter), Slot::At(now + SECOND));
    let again = limiter.book(&first, now, far(now));
    assert_eq!(again, Slot::At(now + SECOND));
    assert_eq!(second_at(&mut limiter), Slot::At(now + 2 * SECOND));
}

#[test]
fn slot_past_the_deadline_is_not_booked_and_one_moved_past_it_is_freed() {
    let now = base();
    let soon = Bound::Slot(now + SECOND);
    let mut limiter = limiter();
    let [low, refused, high] = [Priority::Low, Priority::Low, Priority::High]
        .map(|priority| limiter.ticket(CLASS, priority));
    let first = limiter.ticket(CLASS, Priority::High);
    assert_eq!(limiter.book(&first, now, soon), Slot::Now);
    assert_eq!(limiter.book(&low, now, soon), Slot::At(now + SECOND));
    let slot = limiter.book(&refused, now, soon);
    assert_eq!(slot, too_late(now + 2 * SECOND, 1));
    assert_eq!(limiter.pace(CLASS, now).waiting, 1);
    let slot = limiter.book(&high, now, Bound::Slot(now + SECOND / 2));
    assert_eq!(slot, too_late(now + SECOND, 0));
    let unmoved = limiter.book(&low, now, soon);
    assert_eq!(
        unmoved,
        Slot::At(now + SECOND),
        "nobody moves for one who goes"
    );
    assert_eq!(limiter.book(&high, now, soon), Slot::At(now + SECOND));
    let slot = limiter.book(&low, now, soon);
    assert_eq!(slot, too_late(now + 3 * SECOND, 2), "after the refused one");
    assert_eq!(limiter.pace(CLASS, now).waiting, 1);
}

#[test]
fn each_refused_caller_is_told_another_time() {
    let mut limiter = limiter();
    let now = base();
    let refused_at = |limiter: &mut Limiter, priority, now: Instant, patience: u32| {
        let ticket = limiter.ticket(CLASS, priority);
        match limiter.book(&ticket, now, Bound::Slot(now + patience * SECOND)) {
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
    let [first, second] = [(); 2].map(|()| limiter.ticket(CLASS, Priority::High));
    assert_eq!(limiter.book(&first, then, far(then)), Slot::Now);
    assert_eq!(
        limiter.book(&second, then, far(then)),
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
    let tickets = [(); 100].map(|()| limiter.ticket(CLASS, Priority::High));
    let patient = Bound::HoldOff(now + 10 * SECOND);
    for (nth, ticket) in (1..).zip(&tickets[1..]) {
        if nth == 1 {
            assert_eq!(limiter.book(&tickets[0], now, patient), Slot::Now);
        }
        let slot = limiter.book(ticket, now, patient);
        assert_eq!(slot, Slot::At(now + nth * SECOND));
    }
    assert_eq!(limiter.time_held_off(CLASS, now), Duration::ZERO);
    limiter.hold_off(CLASS, now, now, 10 * SECOND, &too_many_requests());
    let slot = limiter.book(&tickets[50], now, patient);
    assert!(matches!(slot, Slot::At(_)), "{slot:?}");
    limiter.hold_off(
        CLASS,
        now + SECOND,
        now + SECOND,
        10 * SECOND,
        &too_many_requests(),
    );
    let Slot::TooLate(refusal) = limiter.book(&tickets[50], now + SECOND, patient) else {
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
    let [first, gone, next] = [(); 3].map(|()| limiter.ticket(CLASS, Priority::High));
    assert_eq!(limiter.book(&first, now, far(now)), Slot::Now);
    assert_eq!(limiter.book(&gone, now, far(now)), Slot::At(now + SECOND));
    let later = now + 5 * SECOND;
    assert_eq!(limiter.book(&next, later, far(now)), Slot::Now);
    assert_eq!(limiter.pace(CLASS, later).waiting, 0);
}

#[test]
fn classes_with_the_same_name_share_a_queue() {
    let now = base();
    let mut limiter = limiter();
    let same = RateClass::new("test", Duration::ZERO);
    let other = RateClass::new("other", SECOND);
    let ask = |limiter: &mut Limiter, class| {
        let ticket = limiter.ticket(class, Priority::High);
        limiter.book(&ticket, now, far(now))
    };
    assert_eq!(ask(&mut limiter, CLASS), Slot::Now);
    assert_eq!(ask(&mut limiter, same), Slot::At(now + SECOND));
    assert_eq!(ask(&mut limiter, other), Slot::Now);
}

/// Tickets that book one after the other, the first of which is sent at once.
fn booked<const N: usize>(limiter: &mut Limiter, priorities: [Priority; N]) -> [Ticket; N] {
    let now = base();
    let tickets = priorities.map(|priority| limiter.ticket(CLASS, priority));
    for (nth, ticket) in (0..).zip(&tickets) {
        let slot = limiter.book(ticket, now, far(now));
        match nth {
            0 => assert_eq!(slot, Slot::Now),
            nth => assert_eq!(slot, Slot::At(now + nth * SECOND)),
        }
    }
    tickets
}

#[test]
fn low_priority_gets_one_slot_in_four() {
    let now = base();
    let mut limiter = limiter();
    let tickets = booked(&mut limiter, [Priority::High; 6]);
    let low = limiter.ticket(CLASS, Priority::Low);
    // One has been sent, so that two more go before it.
    let at = limiter.book(&low, now, far(now));
    assert_eq!(at, Slot::At(now + 3 * SECOND));
    let last = limiter.book(&tickets[5], now, far(now));
    assert_eq!(last, Slot::At(now + 6 * SECOND));
}

#[test]
fn moved_ticket_does_not_take_the_slot_of_low_priority() {
    let now = base();
    let mut limiter = limiter();
    let mut priorities = [Priority::High; 5];
    priorities[3] = Priority::Low;
    let [first, _, _, low, high] = booked(&mut limiter, priorities);
    // A second attempt goes before all later tickets, but for the turn of the low one.
    let at = limiter.book(&first, now, far(now));
    assert_eq!(at, Slot::At(now + SECOND));
    let low = limiter.book(&low, now, far(now));
    assert_eq!(low, Slot::At(now + 3 * SECOND));
    let high = limiter.book(&high, now, far(now));
    assert_eq!(high, Slot::At(now + 5 * SECOND));
}

#[test]
fn freed_slot_is_not_moved_by_a_hold_off() {
    let now = base();
    let mut limiter = limiter();
    let [_, gone, next] = booked(&mut limiter, [Priority::High; 3]);
    limiter.release(&gone);
    assert!(limiter.hold_off(CLASS, now, now, 5 * SECOND, &too_many_requests()));
    let at = limiter.book(&next, now, far(now));
    assert_eq!(at, Slot::At(now + 5 * SECOND));
}

#[test]
fn freed_slot_goes_to_the_next_ticket_while_it_lies_ahead() {
    let now = base();
    let mut limiter = limiter();
    let [_, second, gone, last] = booked(&mut limiter, [Priority::High; 4]);
    limiter.release(&gone);
    let then = now + SECOND;
    assert_eq!(limiter.book(&second, then, far(now)), Slot::Now);
    let next = limiter.ticket(CLASS, Priority::High);
    let at = limiter.book(&next, then, far(now));
    assert_eq!(at, Slot::At(now + 2 * SECOND));
    let at = limiter.book(&last, then, far(now));
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
                    let gone = waiting.swap_remove(rng.usize(..waiting.len()));
                    limiter.release(&gone);
                }
                5 if rng.u8(0..8) == 0 => {
                    let wait = rng.u32(1..20) * SECOND;
                    limiter.hold_off(CLASS, now, now, wait, &too_many_requests());
                    held_until = held_until.max(now + wait);
                }
                _ => {}
            }
            waiting.retain(|ticket| match limiter.book(ticket, now, far(now)) {
                Slot::Now => {
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
                other => panic!(
                    "seed {seed}: {other:?}, though the deadline is far and the pace its own"
                ),
            });
            assert_eq!(limiter.pace(CLASS, now).waiting, waiting.len());
            let queue = limiter.queue(CLASS);
            assert!(queue.slots.iter().is_sorted_by_key(|booking| booking.at));
        }
        // Nobody is forgotten: all who stay are served about when the last place was promised.
        let late = u32::try_from(waiting.len()).unwrap() * SECOND;
        let last = limiter
            .queue(CLASS)
            .slots
            .back()
            .map_or(now, |booking| booking.at);
        let mut time = now;
        while !waiting.is_empty() {
            time += SECOND;
            waiting.retain(|ticket| limiter.book(ticket, time, far(time)) != Slot::Now);
            assert!(time <= last + late, "seed {seed}");
        }
    }
}
