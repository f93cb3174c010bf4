//! Where a batch spends its polls: how soon the ends of tasks are known, against a round robin.

use crate::support::base::base;
use crate::support::poll_mixes::{MIXED, MIXES, Mix, Outcome, RoundRobin, Scheduled, run};

/// Both ways, over some seeds.
fn compare(mix: &Mix, count: usize, seeds: std::ops::Range<u64>) -> (f64, Outcome) {
    let mut robin = 0.0;
    let mut sum = Outcome::default();
    for seed in seeds {
        robin += run(mix, count, seed, base(), RoundRobin::default()).mean_delay;
        let outcome = run(mix, count, seed, base(), Scheduled::new());
        sum.mean_delay += outcome.mean_delay;
        sum.unseen = sum.unseen.max(outcome.unseen);
        // A poll that is due comes after those that are overdue, too.
        assert!(
            outcome.unseen < 1.1,
            "{}, {count}, seed {seed}: {outcome:?}",
            mix.name
        );
    }
    (robin / sum.mean_delay, sum)
}

#[test]
fn ends_are_known_eight_times_sooner_than_by_a_round_robin() {
    let (ratio, sum) = compare(&MIXED, 1000, 0..10);
    assert!(ratio >= 8.0, "{ratio:.1} times sooner: {sum:?}");
}

#[test]
fn two_mixes_were_not_used_for_tuning() {
    assert_eq!(MIXES.iter().filter(|mix| !mix.tuned).count(), 2);
}

#[test]
fn no_mix_is_worse_than_a_round_robin() {
    for mix in &MIXES {
        for count in [100, 1000] {
            let (ratio, sum) = compare(mix, count, 20..22);
            assert!(ratio >= 1.0, "{}, {count}: {ratio:.2}: {sum:?}", mix.name);
        }
    }
}
