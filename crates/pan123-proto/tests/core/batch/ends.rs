//! How batches and their items end.

use pan123_proto::Pacing;
use pan123_proto::batch::{BatchEvent, BatchPolicy, ItemChange};
use pan123_proto::ledger::{ItemState, LedgerOp, Transaction, read_line};
use pan123_proto::offline::WatchPolicy;

use super::oracle::{books, check};
use super::service::Faults;
use super::sim::{Sim, account, items};
use crate::support::shared_pace::PaceStore;
use crate::support::{at, secs};

#[test]
fn every_item_ends_and_the_counts_add_up() {
    let mut sim = Sim::new(1);
    let worker = sim.worker(Pacing::default());
    sim.start(worker, BatchPolicy::default(), items(200));
    sim.run();
    let report = sim.workers[worker].report.clone().expect("a report");
    assert_eq!(report.succeeded(), 200, "{report:?}");
    assert_eq!(report.counts.total(), 200);
    assert_eq!(sim.service.creates, 200);
    // One create a second, and each task ends within a minute.
    assert!(sim.now < secs(280), "{:?}", sim.now);
}

#[test]
fn failed_tasks_are_sent_again_a_few_times() {
    let mut sim = Sim::new(2);
    sim.service.faults = Faults {
        task_fails: 1000,
        ..Faults::default()
    };
    let worker = sim.worker(Pacing::default());
    sim.start(worker, BatchPolicy::default(), items(5));
    sim.run();
    let report = sim.workers[worker].report.clone().expect("a report");
    assert_eq!(
        (report.failed(), sim.service.creates),
        (5, 15),
        "{report:?}"
    );
}

#[test]
fn task_that_is_given_up_is_told_from_one_that_failed() {
    for gives_up in [false, true] {
        let mut sim = Sim::new(2);
        sim.service.faults.task_fails = 1000;
        let seconds = if gives_up { 1000 } else { 10 };
        sim.service.duration = Box::new(move |_| secs(seconds));
        let worker = sim.worker(Pacing::default());
        let watch = WatchPolicy::default().deadline(secs(100));
        let policy = BatchPolicy::default().max_attempts(1).watch(watch);
        sim.start(worker, policy, items(1));
        sim.run();
        let item = &books(&sim).items[0];
        let found = (item.state, item.is_given_up(), item.failures);
        let failures = u32::from(!gives_up);
        assert_eq!(found, (ItemState::Failed, gives_up, failures), "{item:?}");
        let told = |event: &BatchEvent| match event {
            BatchEvent::Item {
                change: ItemChange::Failed { is_given_up, .. },
                ..
            } => *is_given_up == gives_up,
            _ => false,
        };
        let mut events = sim.workers[worker].events.iter();
        assert!(events.any(|(_, event)| told(event)), "{item:?}");
    }
}

#[test]
fn failed_task_may_run_again_under_its_id() {
    let mut sim = Sim::new(2);
    sim.service.reuses_tasks = true;
    sim.service.faults.task_fails = 1000;
    let worker = sim.worker(Pacing::default());
    sim.start(worker, BatchPolicy::default(), items(1));
    sim.run_until(secs(90));
    sim.service.faults.task_fails = 0;
    sim.run_until(secs(600));
    let report = sim.workers[worker].report.clone().expect("a report");
    assert_eq!(
        (report.succeeded(), sim.service.creates),
        (1, 2),
        "{report:?}"
    );
}

#[test]
fn counters_of_an_imported_item_may_be_as_high_as_they_can() {
    let mut sim = Sim::new(2);
    sim.service.faults.task_fails = 1000;
    let line = r#"{"key":"item-0","download":{"url":"https://example.com/0","fileName":"item-0"},
        "attempts":4294967295,"failures":4294967295}"#;
    let item = read_line(line).expect("an item");
    let mut ledger = sim.ledger.open(&account()).expect("a ledger");
    let import = Transaction::new(at(sim.now).wall, vec![LedgerOp::Import(vec![item])]);
    ledger.run(import).expect("it answers");
    drop(ledger);
    let worker = sim.worker(Pacing::default());
    sim.start(worker, BatchPolicy::default(), Vec::new());
    sim.run();
    let report = sim.workers[worker].report.clone().expect("a report");
    assert_eq!((report.failed(), sim.service.creates), (1, 1), "{report:?}");
}

#[test]
fn service_that_answers_no_create_makes_few_items_unconfirmed() {
    let mut sim = Sim::new(3);
    let worker = sim.worker(Pacing::default());
    sim.start(worker, BatchPolicy::default(), items(1000));
    // It has a token.
    sim.run_until(secs(5));
    sim.service.faults.server_error = 1000;
    sim.run_until(secs(600));
    sim.service.faults.server_error = 0;
    sim.run();
    let unconfirmed = check(&sim, 1000);
    assert!((5..20).contains(&unconfirmed), "{unconfirmed}");
}

#[test]
fn shared_pace_that_is_away_for_hours_gives_nothing_up() {
    let mut sim = Sim::new(1);
    sim.pace = Some(PaceStore::default().down(secs(20), secs(3 * 3600)));
    sim.service.duration = Box::new(|_| secs(60));
    let worker = sim.worker(Pacing::default());
    // A single failed poll would give a task up.
    let watch = WatchPolicy::default()
        .deadline(secs(3600))
        .max_failed_polls(1);
    sim.start(worker, BatchPolicy::default().watch(watch), items(40));
    sim.run();
    let worker = &sim.workers[worker];
    let report = worker.report.clone().expect("a report");
    let failed: Vec<_> = worker
        .events
        .iter()
        .filter(|(_, event)| {
            matches!(
                event,
                BatchEvent::Item {
                    change: ItemChange::Failed { .. },
                    ..
                }
            )
        })
        .collect();
    assert!(failed.is_empty(), "{failed:?}");
    assert_eq!(report.succeeded(), 40, "{report:?}");
}
