//! How many tasks run at once.

use std::time::Duration;

use pan123_proto::Pacing;
use pan123_proto::batch::{BatchEvent, BatchPolicy};

use super::oracle::{books, check};
use super::service::Task;
use super::sim::{Sim, items};
use crate::support::secs;

/// How many tasks run at a time at most, as the service sees it.
fn most_at_once(tasks: &[Task]) -> usize {
    let at = |time: Duration| {
        tasks
            .iter()
            .filter(move |task| task.from <= time && task.runs_at(time))
    };
    tasks
        .iter()
        .map(|task| at(task.from).count())
        .max()
        .unwrap_or(0)
}

fn run(cap: usize, workers: usize, added: usize) -> Sim {
    let mut sim = Sim::new(3);
    sim.service.cap = cap;
    sim.service.duration = Box::new(|_| secs(40));
    for _ in 0..workers {
        let worker = sim.worker(Pacing::default());
        sim.start(worker, BatchPolicy::default(), items(added));
    }
    sim.run();
    check(&sim, added);
    sim
}

#[test]
fn window_is_found_and_used_and_refusals_are_few() {
    for workers in [1, 3] {
        for cap in [1, 5, 20] {
            let added = 20 * cap;
            let sim = run(cap, workers, added);
            let counts = books(&sim).counts;
            assert_eq!(sim.service.creates, added);
            assert_eq!(most_at_once(&sim.service.tasks), cap, "{counts:?}");
            // 20 rounds of tasks of 40 s each, and what it takes to hear of their ends and to try again.
            assert!(
                sim.now < secs(20 * 56),
                "cap {cap}, {workers}: {:?}",
                sim.now
            );
            let refused = sim.service.refused_full;
            assert!(refused < 20, "cap {cap}, {workers}: {refused} refused");
        }
    }
}

#[test]
fn window_grows_when_the_service_takes_more() {
    let mut sim = Sim::new(4);
    sim.service.cap = 2;
    let worker = sim.worker(Pacing::default());
    sim.start(worker, BatchPolicy::default(), items(400));
    sim.run_until(secs(300));
    let before = sim.service.tasks.len();
    assert!(before < 20, "{before}");
    sim.service.cap = 30;
    sim.run_until(secs(900));
    let counts = books(&sim).counts;
    assert!(
        counts.window.limit.is_some_and(|limit| limit >= 25),
        "{counts:?}"
    );
}

#[test]
fn tasks_of_somebody_else_take_the_whole_account_for_a_while() {
    let mut sim = Sim::new(5);
    sim.service.cap = 0;
    let worker = sim.worker(Pacing::default());
    sim.start(worker, BatchPolicy::default(), items(3));
    sim.run_until(secs(3600));
    // Tried again after 30 s, 60 s, … and every 5 min.
    let refused = sim.service.refused_full;
    assert!((10..=20).contains(&refused), "{refused} tries in an hour");
    sim.service.cap = 10;
    sim.run();
    assert_eq!(check(&sim, 3), 0);
    assert!(sim.now < secs(3600 + 300 + 120), "{:?}", sim.now);
    let full = |event: &BatchEvent| matches!(event, BatchEvent::WindowFull { .. });
    let told = sim.workers[worker]
        .events
        .iter()
        .filter(|(_, event)| full(event));
    assert_eq!(told.count(), refused);
}
