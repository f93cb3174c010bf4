//! Stops, and workers that follow each other.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;

use pan123_proto::Pacing;
use pan123_proto::batch::{BatchEvent, BatchPolicy, BatchReport, BatchStep, ItemChange};
use pan123_proto::ledger::{
    Ledger, LedgerAnswer, LedgerFault, LedgerOp, MemoryLedger, OpenLedger, Transaction,
};

use super::oracle::{books, check};
use super::sim::{Fate, Sim, account, items};
use crate::support::{at, elapsed, secs};

#[test]
fn stop_sends_nothing_more_and_the_next_batch_goes_on() {
    let mut sim = Sim::new(1);
    sim.service.duration = Box::new(|_| secs(120));
    let worker = sim.worker(Pacing::default());
    sim.start(worker, BatchPolicy::default(), items(100));
    sim.run_until(secs(30));
    let handle = |sim: &Sim| {
        let running = sim.workers[worker].running.as_ref().expect("it runs");
        running.batch.handle()
    };
    handle(&sim).stop();
    let sent = sim.service.creates as u64;
    let stopped = sim.now;
    sim.run();
    assert_eq!(sim.service.creates as u64, sent, "nothing new is sent");
    let grace = sim.now.saturating_sub(stopped);
    assert!(grace >= secs(10) && grace < secs(12), "{grace:?}");
    let report = sim.workers[worker].report.clone().expect("a report");
    assert_eq!(report.running(), sent, "{report:?}");
    assert_eq!(report.not_submitted(), 100 - sent, "{report:?}");
    assert_eq!(report.counts.total(), 100);
    sim.start(worker, BatchPolicy::default(), Vec::new());
    sim.run();
    assert_eq!(check(&sim, 100), 0);
    let report = sim.workers[worker].report.clone().expect("a report");
    assert_eq!((report.succeeded(), sim.service.creates), (100, 100));
    let resumed = |event: &BatchEvent| {
        matches!(
            event,
            BatchEvent::Item {
                change: ItemChange::Resumed(_),
                ..
            }
        )
    };
    let events = sim.workers[worker].events.iter();
    assert_eq!(
        events.filter(|(_, event)| resumed(event)).count() as u64,
        sent
    );
}

#[test]
fn stop_at_once_ends_a_stop_that_still_follows_tasks() {
    let mut sim = Sim::new(1);
    sim.service.duration = Box::new(|_| secs(120));
    let worker = sim.worker(Pacing::default());
    let policy = BatchPolicy::default().grace(secs(60));
    sim.start(worker, policy, items(1));
    sim.run_until(secs(10));
    let running = sim.workers[worker].running.as_mut().expect("it runs");
    running.batch.handle().stop();
    sim.run_until(secs(20));
    let running = sim.workers[worker].running.as_mut().expect("it runs");
    running.batch.stop_at_once();
    sim.run();
    assert!(sim.now < secs(22), "{:?}", sim.now);
}

/// Whatever is on its way then.
#[test]
fn stop_at_any_step_ends_the_batch_and_the_next_one_goes_on() {
    for grace in [secs(0), secs(2)] {
        for step in 1.. {
            let mut sim = Sim::new(step as u64);
            sim.service.duration = Box::new(|_| secs(4));
            let worker = sim.worker(Pacing::default());
            sim.start(worker, BatchPolicy::default().grace(grace), items(2));
            let running = sim.workers[worker].running.as_ref().expect("it runs");
            let handle = running.batch.handle();
            let stopped = Rc::new(Cell::new(false));
            let is_stopped = Rc::clone(&stopped);
            sim.kill = Box::new(move |_, steps| {
                if steps == step {
                    handle.stop();
                    is_stopped.set(true);
                }
                false
            });
            sim.run();
            if !stopped.get() {
                break;
            }
            let report = sim.workers[worker].report.clone().expect("a report");
            assert_eq!(
                report.counts.total(),
                report.counts.open() + report.succeeded()
            );
            sim.kill = Box::new(|_, _| false);
            sim.start(worker, BatchPolicy::default(), items(2));
            sim.run();
            assert_eq!(
                (check(&sim, 2), sim.service.creates),
                (0, 2),
                "{grace:?}, {step}"
            );
        }
    }
}

#[test]
fn stop_while_the_right_to_send_is_asked_for_sends_nothing() {
    let mut sim = Sim::new(1);
    let worker = sim.worker(Pacing::default());
    sim.start(worker, BatchPolicy::default(), items(4));
    let running = sim.workers[worker].running.as_ref().expect("it runs");
    let handle = running.batch.handle();
    sim.set_fates(move |_, _, ops| {
        if ops.iter().any(|op| matches!(op, LedgerOp::Intend { .. })) {
            handle.stop();
        }
        Fate::Answered
    });
    sim.run();
    assert_eq!((sim.service.creates, books(&sim).counts.open()), (0, 4));
    sim.start(worker, BatchPolicy::default(), Vec::new());
    sim.set_fates(|_, _, _| Fate::Answered);
    sim.run();
    assert_eq!((check(&sim, 4), sim.service.creates), (0, 4));
}

#[test]
fn driver_that_gives_each_create_up_gets_the_next_one_after_a_pause() {
    let ledger = MemoryLedger::new().open(&account()).expect("a ledger");
    let session = crate::support::builder().build().expect("good settings");
    let mut batch = session.batch(ledger, BatchPolicy::default());
    for item in items(1) {
        batch.add(item);
    }
    let (mut now, mut creates) = (secs(0), 0);
    while now < secs(600) && creates < 100 {
        match batch.next(at(now)) {
            BatchStep::Start(job) => {
                creates += 1;
                batch.finish(at(now), job);
            }
            BatchStep::Ledger(mut job) => {
                job.run();
                batch.recorded(at(now), job);
            }
            BatchStep::Event(_) => {}
            BatchStep::Wait(wait) => now = elapsed(wait.until),
            BatchStep::Done(report) => panic!("{report:?}"),
        }
    }
    assert!((5..20).contains(&creates), "{creates}");
}

#[test]
fn the_same_key_twice_is_one_item() {
    let mut sim = Sim::new(1);
    let worker = sim.worker(Pacing::default());
    let twice = items(10).into_iter().chain(items(10)).collect();
    sim.start(worker, BatchPolicy::default(), twice);
    sim.run();
    sim.start(worker, BatchPolicy::default(), items(10));
    sim.run();
    assert_eq!((check(&sim, 10), sim.service.creates), (0, 10));
}

#[test]
fn batch_is_not_done_while_another_worker_has_items() {
    let mut sim = Sim::new(1);
    sim.service.duration = Box::new(|_| secs(300));
    let first = sim.worker(Pacing::default());
    let second = sim.worker(Pacing::default());
    sim.start(first, BatchPolicy::default(), items(1));
    sim.run_until(secs(10));
    sim.start(second, BatchPolicy::default(), Vec::new());
    sim.run_until(secs(200));
    assert!(sim.workers[second].running.is_some(), "it waits");
    // The first one is gone: the second one takes its task over.
    sim.kill(first);
    sim.run();
    assert_eq!(books(&sim).counts.open(), 0);
    assert_eq!(
        sim.workers[second]
            .report
            .as_ref()
            .map(BatchReport::succeeded),
        Some(1)
    );
}

/// A ledger that counts how often it is open.
struct Counted {
    ledger: Box<dyn OpenLedger>,
    _open: Arc<()>,
}

impl OpenLedger for Counted {
    fn run(&mut self, transaction: Transaction) -> Result<Vec<LedgerAnswer>, LedgerFault> {
        self.ledger.run(transaction)
    }
}

#[test]
fn dropped_batch_gives_its_ledger_up_even_while_a_handle_is_kept() {
    let open = Arc::new(());
    let ledger = MemoryLedger::new().open(&account()).expect("a ledger");
    let ledger = Box::new(Counted {
        ledger,
        _open: Arc::clone(&open),
    });
    let session = crate::support::builder().build().expect("good settings");
    let mut batch = session.batch(ledger, BatchPolicy::default());
    let BatchStep::Ledger(job) = batch.next(at(secs(0))) else {
        panic!("it asks the ledger first");
    };
    let handle = batch.handle();
    let job = handle.guard_ledger(job);
    drop(batch);
    assert_eq!(Arc::strong_count(&open), 2, "the ledger is at work");
    drop(job);
    assert_eq!(Arc::strong_count(&open), 1, "{handle:?}");
}
