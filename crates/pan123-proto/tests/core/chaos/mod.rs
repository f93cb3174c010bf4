//! Chaos in virtual time: calls, watches and fetches of tokens on one session or two, with everything that can go wrong, drawn
//! from a seed. The oracle checks what must always hold, whatever the policy of the core.
//!
//! `PAN123_CHAOS_SEEDS` sets the number of runs, `PAN123_CHAOS_FROM` the first seed. To repeat one seed, set both to it and 1.

#![allow(clippy::print_stderr, reason = "a failing run prints its seed")]

mod coverage;
mod oracle;
mod run;
mod service;

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use self::coverage::Coverage;

const SEEDS: u64 = 4000;
const THREADS: u64 = 2;
/// In a full run, each fault and each outcome occurs at least this often.
const MIN_OCCURRENCES: u64 = 40;

#[test]
fn invariants_hold_whatever_goes_wrong() {
    let from = setting("PAN123_CHAOS_FROM", 0);
    let seeds = setting("PAN123_CHAOS_SEEDS", SEEDS);
    let coverage = run_all(from, seeds);
    let rare = coverage.below(MIN_OCCURRENCES);
    assert!(seeds < SEEDS || rare.is_empty(), "too rare: {rare:?}");
}

#[expect(
    clippy::disallowed_methods,
    reason = "the seeds are shared out to threads; each run stays in one"
)]
fn run_all(from: u64, seeds: u64) -> Coverage {
    let step = usize::try_from(THREADS).expect("few threads");
    let part = |nth: u64| {
        let mut coverage = Coverage::default();
        for seed in (from + nth..from + seeds).step_by(step) {
            if FAILED.load(Ordering::Relaxed) {
                break;
            }
            let guard = PrintSeed(seed);
            coverage.add(&run::run(seed));
            drop(guard);
        }
        coverage
    };
    thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS)
            .map(|nth| scope.spawn(move || part(nth)))
            .collect();
        let mut sum = Coverage::default();
        for thread in threads {
            sum.add(&thread.join().expect("no invariant was violated"));
        }
        sum
    })
}

#[expect(
    clippy::disallowed_methods,
    reason = "the person who runs the tests chooses how many"
)]
fn setting(name: &str, default: u64) -> u64 {
    match std::env::var(name) {
        Ok(text) => text.parse().expect("a number"),
        Err(_) => default,
    }
}

/// Ends the other thread, too.
static FAILED: AtomicBool = AtomicBool::new(false);

/// Prints the seed if the run panics.
struct PrintSeed(u64);

impl Drop for PrintSeed {
    fn drop(&mut self) {
        if thread::panicking() {
            let seed = self.0;
            FAILED.store(true, Ordering::Relaxed);
            eprintln!("seed {seed}: repeat with PAN123_CHAOS_FROM={seed} PAN123_CHAOS_SEEDS=1");
        }
    }
}
