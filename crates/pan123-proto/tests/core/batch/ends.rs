//! How batches and their items end.

use pan123_proto::Pacing;
use pan123_proto::batch::BatchPolicy;

use super::service::Faults;
use super::sim::{Sim, items};
use crate::support::secs;

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
