//! The ledger in an SQLite file.

#[cfg(unix)]
mod contained;
mod files;
mod lines;
mod model;
mod processes;
mod worker;

use std::path::Path;
use std::time::Duration;

use pan123_ledger::SqliteLedger;
use pan123_proto::ledger::{
    Claimed, Counts, Ending, Fence, ItemId, ItemState, Ledger, LedgerAnswer, LedgerFault, LedgerOp,
    OpenLedger, Refusal, SpilledTask, Transaction, Verdict,
};

use crate::common::workers::end;
use crate::common::{account, at, item, task};

fn run(ledger: &mut dyn OpenLedger, seconds: u64, ops: Vec<LedgerOp>) -> Vec<LedgerAnswer> {
    ledger
        .run(Transaction::new(at(seconds), ops))
        .expect("it answers")
}

fn claim(ledger: &mut dyn OpenLedger, seconds: u64) -> Claimed {
    let op = LedgerOp::Claim {
        create: 10,
        follow: 10,
    };
    match run(ledger, seconds, vec![op]).remove(0) {
        LedgerAnswer::Claimed(claimed) => claimed,
        other => panic!("{other:?}"),
    }
}

/// Claims items, and takes the right to send the first one.
fn intend_one(ledger: &mut dyn OpenLedger, seconds: u64) -> (ItemId, Fence) {
    let claimed = claim(ledger, seconds);
    let (item, fence) = (claimed.to_create[0].0, claimed.to_create[0].1.fence);
    let answers = run(ledger, seconds, vec![LedgerOp::Intend { item, fence }]);
    assert_eq!(answers, [LedgerAnswer::Done]);
    (item, fence)
}

fn counts(ledger: &mut dyn OpenLedger) -> Counts {
    match run(ledger, 0, vec![LedgerOp::Counts]).remove(0) {
        LedgerAnswer::Counts(counts) => counts,
        other => panic!("{other:?}"),
    }
}

fn open(path: &Path) -> Box<dyn OpenLedger> {
    SqliteLedger::new(path).open(&account()).expect("a ledger")
}

fn refusal(path: &Path) -> String {
    match SqliteLedger::new(path).open(&account()) {
        Ok(_) => panic!("it opens"),
        Err(fault) => fault.to_string(),
    }
}

#[test]
fn item_goes_its_whole_way_and_stays_after_a_restart() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("new/downloads.db");
    let mut ledger = open(&path);
    let added = run(
        &mut *ledger,
        0,
        vec![LedgerOp::Add(vec![item(1), item(2), item(1)])],
    );
    assert_eq!(added, [LedgerAnswer::Added(2)]);
    let (id, fence) = intend_one(&mut *ledger, 1);
    let created = LedgerOp::Created {
        item: id,
        fence,
        task: task(7),
    };
    assert_eq!(run(&mut *ledger, 2, vec![created]), [LedgerAnswer::Done]);
    end(ledger);
    let mut ledger = open(&path);
    let claimed = claim(&mut *ledger, 3);
    assert_eq!(claimed.to_follow.len(), 1, "{claimed:?}");
    assert_eq!(claimed.to_follow[0].1.task, Some(task(7)));
    let ending = Ending::Succeeded(None);
    let end = LedgerOp::End {
        item: id,
        task: task(7),
        ending,
    };
    assert_eq!(run(&mut *ledger, 4, vec![end]), [LedgerAnswer::Done]);
    let counts = counts(&mut *ledger);
    assert_eq!(counts.of(ItemState::Succeeded), 1, "{counts:?}");
    assert_eq!(counts.total(), 2);
}

#[test]
fn dead_worker_is_seen_at_once_and_a_living_one_is_left_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("downloads.db");
    let mut first = open(&path);
    let mut second = open(&path);
    run(
        &mut *first,
        0,
        vec![LedgerOp::Beat, LedgerOp::Add(vec![item(1), item(2)])],
    );
    intend_one(&mut *first, 1);
    let none = claim(&mut *second, 2);
    assert!(
        none.to_create.is_empty() && none.unconfirmed.is_empty(),
        "{none:?}"
    );
    end(first);
    let taken = claim(&mut *second, 3);
    assert_eq!(
        (taken.to_create.len(), taken.unconfirmed.len()),
        (1, 1),
        "{taken:?}"
    );
    assert!(!folder.path().join("downloads.db-worker-1").exists());
}

#[test]
fn frozen_worker_is_taken_over_and_told_so() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("downloads.db");
    let mut first = open(&path);
    let mut second = open(&path);
    run(
        &mut *first,
        0,
        vec![LedgerOp::Beat, LedgerOp::Add(vec![item(1)])],
    );
    let claimed = claim(&mut *first, 1);
    let (id, fence) = (claimed.to_create[0].0, claimed.to_create[0].1.fence);
    run(&mut *second, 10, vec![LedgerOp::Beat]);
    assert_eq!(claim(&mut *second, 29).to_create.len(), 0);
    assert_eq!(claim(&mut *second, 32).to_create.len(), 1);
    let intend = LedgerOp::Intend { item: id, fence };
    let answers = run(
        &mut *first,
        33,
        vec![intend, LedgerOp::Beat, LedgerOp::Beat],
    );
    assert_eq!(answers[..2], [LedgerAnswer::Lost, LedgerAnswer::Lost]);
    assert_eq!(answers[2], LedgerAnswer::Beaten(Vec::new()));
}

#[test]
fn full_disk_leaves_the_task_in_the_spill_and_the_next_worker_finds_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("downloads.db");
    let mut first = open(&path);
    run(&mut *first, 0, vec![LedgerOp::Add(vec![item(1)])]);
    let (id, fence) = intend_one(&mut *first, 1);
    let room = first.spill_room();
    first
        .spill(SpilledTask::new(id, fence, task(9)))
        .expect("there is room");
    assert_eq!(first.spill_room(), room - 1);
    end(first);
    assert!(folder.path().join("downloads.db-worker-1").exists());
    let mut second = open(&path);
    let taken = claim(&mut *second, 2);
    assert!(taken.unconfirmed.is_empty(), "{taken:?}");
    assert_eq!(taken.to_follow[0].1.task, Some(task(9)));
    assert!(!folder.path().join("downloads.db-worker-1").exists());
}

#[test]
fn spill_frees_its_slots_when_the_ledger_takes_the_tasks() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("downloads.db");
    let ledger = SqliteLedger::new(&path).spill_slots(2);
    let mut first = ledger.open(&account()).expect("a ledger");
    run(&mut *first, 0, vec![LedgerOp::Add(vec![item(1)])]);
    let (id, fence) = intend_one(&mut *first, 1);
    first
        .spill(SpilledTask::new(id, fence, task(9)))
        .expect("room");
    first
        .spill(SpilledTask::new(id, fence, task(10)))
        .expect("room");
    let full = first.spill(SpilledTask::new(id, fence, task(11)));
    assert!(matches!(full, Err(LedgerFault::Full(_))), "{full:?}");
    let created = LedgerOp::Created {
        item: id,
        fence,
        task: task(9),
    };
    assert_eq!(run(&mut *first, 2, vec![created]), [LedgerAnswer::Done]);
    assert_eq!(first.spill_room(), 1);
}

#[test]
fn task_in_a_dead_workers_spill_counts_before_its_item_is_settled() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("downloads.db");
    let mut frozen = open(&path);
    run(
        &mut *frozen,
        0,
        vec![LedgerOp::Beat, LedgerOp::Add(vec![item(1)])],
    );
    let (id, fence) = intend_one(&mut *frozen, 0);
    let mut second = open(&path);
    assert_eq!(claim(&mut *second, 100).unconfirmed.len(), 1);
    let kept = SpilledTask::new(id, fence, task(9));
    frozen.spill(kept).expect("there is room");
    end(frozen);
    let settle = LedgerOp::Settle {
        key: item(1).key,
        verdict: Verdict::SendAgain,
    };
    let answers = run(&mut *second, 200, vec![settle]);
    let refusal = Refusal::State(ItemState::Running);
    assert_eq!(answers, [LedgerAnswer::Refused(refusal)]);
    assert_eq!(claim(&mut *second, 200).to_follow.len(), 1);
}

#[test]
fn item_that_is_to_wait_for_ever_waits_for_a_day() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut ledger = open(&folder.path().join("downloads.db"));
    run(&mut *ledger, 0, vec![LedgerOp::Add(vec![item(1)])]);
    let (id, fence) = intend_one(&mut *ledger, 0);
    let withdraw = LedgerOp::Withdraw {
        item: id,
        fence,
        reason: "not now".to_owned(),
        delay: Duration::MAX,
        window_full: false,
    };
    assert_eq!(run(&mut *ledger, 0, vec![withdraw]), [LedgerAnswer::Done]);
    let claimed = claim(&mut *ledger, 400);
    assert!(claimed.to_create.is_empty(), "{claimed:?}");
    assert_eq!(claimed.next, Some(Duration::from_secs(86_000)));
    assert_eq!(claim(&mut *ledger, 86_400).to_create.len(), 1);
}

#[test]
fn another_user_of_the_same_app_is_another_account() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("downloads.db");
    end(open(&path));
    let user = SqliteLedger::new(&path).open(&account().of_user("zhang"));
    let Err(fault) = user else {
        panic!("it opens");
    };
    let text = fault.to_string();
    assert!(
        text.contains("downloads.db") && text.contains("zhang"),
        "{text}"
    );
}
