//! Where a batch spends its polls: how soon the ends of tasks are known, against a round robin.

use std::time::Duration;

use pan123_proto::batch::{NextPoll, PollSchedule};
use pan123_proto::offline::{Progress, TaskStatus};

use crate::support::base::base;
use crate::support::poll_mixes::{MIXED, MIXES, Mix, RoundRobin, Scheduled, run};

/// How many times sooner than by a round robin the ends are known, over some seeds.
fn times_sooner(mix: &Mix, count: usize, seeds: std::ops::Range<u64>) -> f64 {
    let (mut robin, mut scheduled) = (0.0, 0.0);
    for seed in seeds {
        robin += run(mix, count, seed, base(), RoundRobin::default()).mean_delay;
        let outcome = run(mix, count, seed, base(), Scheduled::new());
        scheduled += outcome.mean_delay;
        assert!(
            mix.failed_polls > 0.0 || outcome.unseen <= 1.0,
            "{}, {count}, seed {seed}: {outcome:?}",
            mix.name
        );
    }
    robin / scheduled
}

#[test]
fn ends_are_known_eight_times_sooner_than_by_a_round_robin() {
    let times = times_sooner(&MIXED, 1000, 0..10);
    assert!(times >= 8.0, "{times:.1} times sooner");
}

#[test]
fn two_mixes_were_not_used_for_tuning() {
    assert_eq!(MIXES.iter().filter(|mix| !mix.tuned).count(), 2);
}

#[test]
fn no_mix_is_worse_than_a_round_robin() {
    for mix in &MIXES {
        for (count, at_least) in [(100, 1.0), (1000, mix.times_sooner)] {
            let times = times_sooner(mix, count, 20..21);
            assert!(
                times >= at_least,
                "{}, {count}: {times:.2} times sooner, not {at_least}",
                mix.name
            );
        }
    }
}

const PACE: Duration = Duration::from_millis(200);

/// What is polled at some time, if anything.
fn poll(schedule: &mut PollSchedule<u32>, seconds: u64) -> Option<u32> {
    match schedule.next(base() + Duration::from_secs(seconds), PACE) {
        NextPoll::Poll(task) => Some(task),
        _ => None,
    }
}

fn schedule(max_gap: Duration) -> PollSchedule<u32> {
    PollSchedule::new(Duration::from_secs(1), max_gap)
}

#[test]
fn a_longer_gap_than_a_minute_makes_the_bound_longer() {
    let gap = Duration::from_secs(600);
    let mut schedule = schedule(gap);
    schedule.add(1, base());
    assert!(schedule.max_unseen(PACE) >= gap);
}

#[test]
fn a_removed_task_is_not_polled_even_if_it_was_urgent_or_in_flight() {
    let mut schedule = schedule(Duration::from_secs(15));
    schedule.add_older(1, base());
    schedule.urge(1);
    schedule.remove(1);
    assert_eq!(poll(&mut schedule, 100), None);

    schedule.add_older(1, base());
    schedule.urge(1);
    schedule.remove(1);
    schedule.add(1, base() + Duration::from_secs(150));
    assert_eq!(poll(&mut schedule, 150), None, "it has just been created");

    schedule.add_older(1, base());
    assert_eq!(poll(&mut schedule, 200), Some(1));
    schedule.remove(1);
    schedule.add(1, base() + Duration::from_secs(200));
    // The answer to the poll of the one before.
    let progress = Progress::new(50.0, TaskStatus::Running);
    schedule.answered(1, base() + Duration::from_secs(201), &progress);
    schedule.urge(1);
    assert_eq!(poll(&mut schedule, 202), Some(1));
    assert_eq!(poll(&mut schedule, 300), None, "it is being polled");
}
