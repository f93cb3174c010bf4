//! Chaos in virtual time: several workers on one ledger, with everything that can go wrong, drawn from a seed.
//!
//! `PAN123_CHAOS_SEEDS` sets the number of runs, `PAN123_CHAOS_FROM` the first seed.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use fastrand::Rng;
use pan123_proto::Pacing;
use pan123_proto::batch::BatchPolicy;

use super::oracle::{books, check};
use super::service::Faults;
use super::sim::{Fate, Sim, items};
use crate::chaos::{PrintSeed, setting};
use crate::support::shared_pace::{PaceStore, least_gap};
use crate::support::{millis, secs};

const SEEDS: u64 = 600;
/// Nothing goes wrong on purpose after that.
const CALM: u64 = 400;

/// What the runs had, so that a chaos that is none is noticed.
#[derive(Debug, Default)]
struct Totals {
    kills: usize,
    freezes: usize,
    faults: usize,
    unconfirmed: usize,
    succeeded: u64,
    failed: u64,
    refused_full: usize,
    shared: usize,
}

#[test]
fn nothing_is_lost_and_nothing_is_sent_twice_whatever_goes_wrong() {
    let from = setting("PAN123_CHAOS_FROM", 0);
    let seeds = setting("PAN123_CHAOS_SEEDS", SEEDS);
    let mut totals = Totals::default();
    for seed in from..from + seeds {
        let guard = PrintSeed(seed);
        run(seed, &mut totals);
        drop(guard);
    }
    if seeds >= SEEDS {
        assert!(totals.kills > 100 && totals.freezes > 50, "{totals:?}");
        assert!(
            totals.faults > 100 && totals.refused_full > 100,
            "{totals:?}"
        );
        assert!(
            totals.succeeded > 1000 && totals.unconfirmed > 50,
            "{totals:?}"
        );
        assert!(totals.shared > 200, "{totals:?}");
    }
}

fn run(seed: u64, totals: &mut Totals) {
    let mut rng = Rng::with_seed(seed);
    let mut sim = Sim::new(seed);
    let added = rng.usize(1..12);
    let workers = rng.usize(1..4);
    let mut chance = |of: u32| if rng.bool() { rng.u32(0..of) } else { 0 };
    sim.service.faults = Faults {
        never_left: chance(100),
        response_lost: chance(60),
        rate_limited: chance(100),
        token_rejected: chance(100),
        server_error: chance(40),
        item_rejected: chance(40),
        task_fails: chance(400),
    };
    let bad_transactions = chance(100);
    if rng.bool() {
        let mut pace = PaceStore::default().jitter(rng.fork());
        for _ in 0..rng.u8(0..3) {
            let from = secs(rng.u64(0..CALM));
            pace = pace.down(from, from + secs(rng.u64(0..60)));
        }
        sim.pace = Some(pace);
        totals.shared += 1;
    }
    sim.service.cap = if rng.bool() {
        rng.usize(1..6)
    } else {
        usize::MAX
    };
    sim.service.duration = Box::new(|rng| millis(rng.u64(100..90_000)));
    let mut fates = rng.fork();
    let faults = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&faults);
    sim.set_fates(move |_, now, _| {
        if now > secs(CALM) || fates.u32(0..1000) >= bad_transactions {
            return Fate::Answered;
        }
        counted.fetch_add(1, Ordering::Relaxed);
        let happened = fates.bool();
        match fates.u32(0..5) {
            0 => Fate::Busy,
            1 => Fate::Full,
            2 => Fate::Broken { happened },
            3 => Fate::Killed { happened },
            _ => Fate::Down { happened },
        }
    });
    let mut kills = rng.fork();
    let deadly = if rng.bool() {
        rng.usize(20..400)
    } else {
        usize::MAX
    };
    sim.kill = Box::new(move |_, _| deadly < usize::MAX && kills.usize(0..deadly) == 0);
    let policy = || BatchPolicy::default().max_creates(3);
    for _ in 0..workers {
        let worker = sim.worker(Pacing::default());
        sim.start(worker, policy(), items(added));
    }
    let mut now = 0;
    while now < CALM {
        now += rng.u64(1..40);
        sim.run_until(secs(now));
        for worker in 0..workers {
            if sim.workers[worker].running.is_none() && rng.bool() {
                totals.kills += usize::from(sim.workers[worker].report.is_none());
                sim.start(worker, policy(), items(added));
            } else if rng.u32(0..20) == 0 {
                totals.freezes += 1;
                sim.workers[worker].frozen_until = sim.now + secs(rng.u64(1..90));
            }
        }
    }
    // A last, undisturbed worker brings everything to its end.
    sim.kill = Box::new(|_, _| false);
    sim.set_fates(|_, _, _| Fate::Answered);
    sim.service.faults = Faults::default();
    sim.run();
    let last = sim.worker(Pacing::default());
    sim.start(last, policy(), items(added));
    sim.run();
    check_pace(&sim);
    totals.unconfirmed += check(&sim, added);
    let counts = books(&sim).counts;
    assert_eq!(counts.open(), 0, "seed {seed}: not all ended: {counts:?}");
    let report = sim.workers[last].report.clone().expect("a report");
    totals.succeeded += report.succeeded();
    totals.failed += report.failed();
    totals.faults += faults.load(Ordering::Relaxed);
    totals.refused_full += sim.service.refused_full;
}

/// Workers that share a pace create at most one a second.
fn check_pace(sim: &Sim) {
    if sim.pace.is_some() {
        let gap = least_gap(&sim.service.creates_at);
        assert!(gap >= secs(1), "seed {}: {gap:?}", sim.seed);
    }
}
