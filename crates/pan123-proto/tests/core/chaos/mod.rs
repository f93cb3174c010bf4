//! Chaos in virtual time: callers, watches and fetches on one session or two, and all that can go wrong, drawn from a seed.
//! What must always hold is looked at with every step.
//!
//! `PAN123_CHAOS_SEEDS` says how many runs to make, `PAN123_CHAOS_FROM` with which seed to begin: to see one seed again, give
//! it and 1.

#![allow(clippy::print_stderr, reason = "a run tells its seed if it fails")]

mod errand;
mod lane;
mod onlooker;
mod play;
mod served;
mod service;
mod tally;
mod tokens;
mod verdicts;

use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use self::tally::Tally;

const SEEDS: u64 = 10_000;
const THREADS: u64 = 2;
/// In a full run, what occurs less often is not tested.
const LEAST: u64 = 100;

#[test]
fn nothing_lost_nothing_twice_nobody_forgotten() {
    let (from, seeds) = (
        setting("PAN123_CHAOS_FROM", 0),
        setting("PAN123_CHAOS_SEEDS", SEEDS),
    );
    let tally = run_all(from, seeds);
    let counts = tally.lines();
    tell(&format!("{seeds} runs from seed {from}"), &counts);
    let rare: Vec<_> = counts
        .iter()
        .filter(|(_, number)| *number < LEAST)
        .collect();
    assert!(seeds < SEEDS || rare.is_empty(), "too rare: {rare:?}");
}

/// Past the harness, which shows what a test prints only if it fails.
fn tell(title: &str, counts: &[(String, u64)]) {
    let mut out = io::stdout().lock();
    let mut told = writeln!(out, "{title}");
    for line in counts.chunks(6) {
        let line = line.iter().map(|(name, number)| format!("{name} {number}"));
        let line = line.collect::<Vec<_>>().join(", ");
        told = told.and_then(|()| writeln!(out, "  {line}"));
    }
    told.expect("somebody reads it");
}

#[expect(
    clippy::disallowed_methods,
    reason = "a run of many seeds is shared out; each stays in one thread"
)]
fn run_all(from: u64, seeds: u64) -> Tally {
    let step = usize::try_from(THREADS).expect("few threads");
    let part = |nth: u64| {
        let mut tally = Tally::new();
        for seed in (from + nth..from + seeds).step_by(step) {
            if FAILED.load(Ordering::Relaxed) {
                break;
            }
            let told = TellSeed(seed);
            tally.add(&play::run(seed));
            drop(told);
        }
        tally
    };
    thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS)
            .map(|nth| scope.spawn(move || part(nth)))
            .collect();
        let mut sum = Tally::new();
        for thread in threads {
            sum.add(&thread.join().expect("a run without a fault"));
        }
        sum
    })
}

#[expect(
    clippy::disallowed_methods,
    reason = "how much is tested is the tester's choice"
)]
fn setting(name: &str, otherwise: u64) -> u64 {
    match std::env::var(name) {
        Ok(text) => text.parse().expect("a number"),
        Err(_) => otherwise,
    }
}

/// So that the other thread ends, too.
static FAILED: AtomicBool = AtomicBool::new(false);

/// Says which seed it was if a run panics.
struct TellSeed(u64);

impl Drop for TellSeed {
    fn drop(&mut self) {
        if thread::panicking() {
            let seed = self.0;
            FAILED.store(true, Ordering::Relaxed);
            eprintln!("seed {seed}: PAN123_CHAOS_FROM={seed} PAN123_CHAOS_SEEDS=1 shows it again");
        }
    }
}
