//! Chaos in virtual time: calls, watches and fetches of tokens on one session or two, with everything that can go wrong, drawn
//! from a seed. The oracle checks what must always hold, whatever the policy of the core.
//!
//! `PAN123_CHAOS_SEEDS` sets the number of runs, `PAN123_CHAOS_FROM` the first seed. To repeat one seed, set both to it and 1.

#![allow(clippy::print_stderr, reason = "a failing run prints its seed")]

mod coverage;
mod oracle;
mod run;
mod service;

use std::thread;

use self::coverage::Coverage;

const SEEDS: u64 = 4000;
/// In a full run, each fault and each outcome occurs at least this often.
const MIN_OCCURRENCES: u64 = 20;

#[test]
fn invariants_hold_whatever_goes_wrong_even_seeds() {
    run_every_other(0);
}

#[test]
fn invariants_hold_whatever_goes_wrong_odd_seeds() {
    run_every_other(1);
}

fn run_every_other(parity: u64) {
    let from = setting("PAN123_CHAOS_FROM", 0);
    let seeds = setting("PAN123_CHAOS_SEEDS", SEEDS);
    let mut coverage = Coverage::default();
    for seed in (from..from + seeds).filter(|seed| seed % 2 == parity) {
        let guard = PrintSeed(seed);
        coverage.add(&run::run(seed));
        drop(guard);
    }
    let rare = coverage.below(MIN_OCCURRENCES);
    assert!(seeds < SEEDS || rare.is_empty(), "too rare: {rare:?}");
}

#[expect(
    clippy::disallowed_methods,
    reason = "the person who runs the tests chooses how many"
)]
pub(crate) fn setting(name: &str, default: u64) -> u64 {
    match std::env::var(name) {
        Ok(text) => text.parse().expect("a number"),
        Err(_) => default,
    }
}

/// Prints the seed if the run panics.
pub(crate) struct PrintSeed(pub(crate) u64);

impl Drop for PrintSeed {
    fn drop(&mut self) {
        if thread::panicking() {
            let seed = self.0;
            eprintln!("seed {seed}: repeat with PAN123_CHAOS_FROM={seed} PAN123_CHAOS_SEEDS=1");
        }
    }
}
