//! Items that somebody else adds to the ledger while a batch works on it.

use std::time::Duration;

use pan123_proto::batch::BatchPolicy;
use pan123_proto::ledger::{Ending, ItemId, ItemState, LedgerOp, Transaction};
use pan123_proto::{Pacing, TaskId};

use super::oracle::{books, check};
use super::sim::{Sim, account, items, key};
use crate::support::{at, millis, secs};

/// How long it takes until an item that somebody else adds is sent.
fn sent_after(claims: bool) -> Duration {
    let mut sim = Sim::new(1);
    sim.service.duration = Box::new(|_| secs(60));
    let worker = sim.worker(Pacing::default());
    sim.start(worker, BatchPolicy::default(), items(1));
    sim.run_until(secs(21));
    let mut ledger = sim.ledger.open(&account()).expect("a ledger");
    let added = LedgerOp::Add(items(2).split_off(1));
    let transaction = Transaction::new(at(sim.now).wall, vec![added]);
    ledger.run(transaction).expect("it answers");
    let before = sim.now;
    if claims {
        let running = sim.workers[worker].running.as_ref().expect("it runs");
        running.batch.handle().claim();
    }
    sim.run();
    check(&sim, 2);
    sim.service.tasks[1].from.saturating_sub(before)
}

#[test]
fn batch_that_is_told_sends_at_once_what_somebody_else_added() {
    let delay = sent_after(true);
    assert!(delay < millis(1_200), "{delay:?}");
    let delay = sent_after(false);
    assert!((secs(2)..secs(7)).contains(&delay), "{delay:?}");
}

/// How often the task of an item is polled from the moment on at which the batch is to leave it.
fn polls_after_leaving(is_ended: bool) -> (usize, ItemState) {
    let mut sim = Sim::new(1);
    sim.service.duration = Box::new(|_| secs(60));
    let worker = sim.worker(Pacing::default());
    sim.start(worker, BatchPolicy::default(), items(1));
    sim.run_until(secs(21));
    if is_ended {
        let mut ledger = sim.ledger.open(&account()).expect("a ledger");
        let end = LedgerOp::End {
            item: ItemId(1),
            task: TaskId::new(1).expect("an id"),
            ending: Ending::Failed("removed".to_owned()),
        };
        let transaction = Transaction::new(at(sim.now).wall, vec![end]);
        ledger.run(transaction).expect("it answers");
    }
    let before = sim.service.polls;
    let running = sim.workers[worker].running.as_ref().expect("it runs");
    running.batch.handle().leave(key(0));
    sim.run();
    (sim.service.polls - before, books(&sim).items[0].state)
}

#[test]
fn item_that_somebody_else_ended_is_followed_no_longer() {
    assert_eq!(polls_after_leaving(true), (0, ItemState::Failed));
    let (polls, state) = polls_after_leaving(false);
    assert_eq!(state, ItemState::Succeeded, "it is followed again");
    assert!(polls > 0);
}
