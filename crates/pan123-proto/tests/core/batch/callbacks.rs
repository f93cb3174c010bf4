//! Callbacks that reach a batch.

use std::time::Duration;

use pan123_proto::batch::{BatchEvent, BatchPolicy, ItemChange};
use pan123_proto::ledger::{ItemState, LedgerOp, MemoryLedger, Transaction, Verdict, read_line};
use pan123_proto::offline::{CallbackNotice, CallbackOutcome};
use pan123_proto::{FileId, Pacing, TaskId};
use serde_json::json;

use super::oracle::books;
use super::service::Faults;
use super::sim::{Fate, Sim, account, items, key};
use crate::support::{at, millis, secs};

fn succeeded(file: u64) -> CallbackNotice {
    let body = json!({ "url": "https://example.com/0", "status": 0, "fileID": file });
    let notice = CallbackNotice::parse(body.to_string().as_bytes()).expect("a notice");
    assert!(matches!(notice.outcome, CallbackOutcome::Succeeded { .. }));
    notice
}

/// When the first item was told to have ended.
fn heard_at(sim: &Sim, worker: usize) -> Duration {
    let events = &sim.workers[worker].events;
    let ended = |event: &BatchEvent| {
        matches!(
            event,
            BatchEvent::Item {
                change: ItemChange::Succeeded(_),
                ..
            }
        )
    };
    let ended = events.iter().find(|(_, event)| ended(event));
    ended.expect("it ended").0
}

#[test]
fn callback_tells_of_the_end_at_once() {
    let mut sim = Sim::new(1);
    // Found by polls only late: its percentage does not tell when it ends.
    sim.service.duration = Box::new(|_| millis(200_300));
    let worker = sim.worker(Pacing::default());
    sim.start(worker, BatchPolicy::default(), items(1));
    sim.run_until(secs(100));
    let end = sim.service.tasks[0].to;
    sim.run_until(end);
    let running = sim.workers[worker].running.as_ref().expect("it runs");
    running.batch.handle().notify(key(0), &succeeded(77));
    sim.run();
    let delay = heard_at(&sim, worker).saturating_sub(end);
    assert!(delay < secs(1), "{delay:?}");
    let item = &books(&sim).items[0];
    assert_eq!(
        (item.state, item.file.map(FileId::get)),
        (ItemState::Succeeded, Some(77))
    );
}

#[test]
fn callback_that_another_process_receives_is_heard_within_seconds() {
    let mut sim = Sim::new(1);
    sim.service.duration = Box::new(|_| millis(200_300));
    let worker = sim.worker(Pacing::default());
    let other = sim.worker(Pacing::default());
    sim.start(worker, BatchPolicy::default(), items(1));
    sim.run_until(secs(5));
    sim.start(other, BatchPolicy::default(), Vec::new());
    let end = sim.service.tasks[0].to;
    sim.run_until(end);
    let running = sim.workers[other].running.as_ref().expect("it runs");
    running.batch.handle().notify(key(0), &succeeded(77));
    sim.run();
    let delay = heard_at(&sim, worker).saturating_sub(end);
    assert!(delay < secs(3), "{delay:?}");
    assert_eq!(books(&sim).items[0].file.map(FileId::get), Some(77));
}

#[test]
fn callback_is_heard_even_if_the_answer_that_tells_it_is_lost() {
    let mut sim = Sim::new(1);
    sim.service.duration = Box::new(|_| millis(200_300));
    let worker = sim.worker(Pacing::default());
    let other = sim.worker(Pacing::default());
    sim.start(worker, BatchPolicy::default(), items(1));
    sim.run_until(secs(5));
    sim.start(other, BatchPolicy::default(), Vec::new());
    // Polls tell nothing for some seconds more.
    let early = sim.service.tasks[0].to.saturating_sub(secs(10));
    sim.run_until(early);
    let running = sim.workers[other].running.as_ref().expect("it runs");
    running.batch.handle().notify(key(0), &succeeded(77));
    // The other one records it at once.
    sim.run_until(early + millis(100));
    let mut is_lost = false;
    sim.set_fates(move |of, _, ops| {
        let beats = ops.iter().any(|op| matches!(op, LedgerOp::Beat));
        if of == worker && beats && !is_lost {
            is_lost = true;
            return Fate::Down { happened: true };
        }
        Fate::Answered
    });
    sim.run();
    let mut events = sim.workers[worker].events.iter();
    let told = |event: &BatchEvent| match event {
        BatchEvent::Item {
            change: ItemChange::Succeeded(file),
            ..
        } => file.map(FileId::get) == Some(77),
        _ => false,
    };
    assert!(events.any(|(_, event)| told(event)));
}

/// An item whose create got no response.
fn unconfirmed(policy: BatchPolicy) -> (Sim, usize) {
    unconfirmed_on(policy, MemoryLedger::new())
}

fn unconfirmed_on(policy: BatchPolicy, ledger: MemoryLedger) -> (Sim, usize) {
    let mut sim = Sim::on(1, Box::new(ledger));
    sim.service.faults = Faults {
        response_lost: 1000,
        ..Faults::default()
    };
    sim.service.loses_tokens = false;
    let worker = sim.worker(Pacing::default());
    sim.start(worker, policy, items(1));
    sim.run_until(secs(60));
    sim.service.faults = Faults::default();
    assert_eq!(books(&sim).items[0].state, ItemState::Unconfirmed);
    assert!(!sim.is_running(), "nothing is left to do");
    // It is told of callbacks while another item is followed.
    sim.service.duration = Box::new(|_| secs(100));
    let policy = BatchPolicy::default();
    sim.start(worker, policy, items(2));
    sim.run_until(secs(90));
    (sim, worker)
}

#[test]
fn unconfirmed_item_is_settled_by_a_callback_whose_file_exists() {
    let (mut sim, worker) = unconfirmed(BatchPolicy::default());
    let file = json!({
        "fileID": 77, "filename": "item-0", "type": 0, "size": 1, "parentFileID": 0, "trashed": 0,
        "createAt": "2030-01-01 00:00:00",
    });
    sim.service.files.insert(77, file);
    let handle = |sim: &Sim| {
        let running = sim.workers[worker].running.as_ref().expect("it runs");
        running.batch.handle()
    };
    // A file that does not exist proves nothing, nor does one of another name.
    handle(&sim).notify(key(0), &succeeded(78));
    sim.run_until(secs(95));
    assert_eq!(books(&sim).items[0].state, ItemState::Unconfirmed);
    handle(&sim).notify(key(0), &succeeded(77));
    sim.run();
    let item = &books(&sim).items[0];
    assert_eq!(
        (item.state, item.file.map(FileId::get)),
        (ItemState::Succeeded, Some(77))
    );
    assert_eq!(sim.service.creates, 2);
}

#[test]
fn unconfirmed_item_is_not_settled_by_a_file_of_another_name() {
    let (mut sim, worker) = unconfirmed(BatchPolicy::default());
    let file = json!({
        "fileID": 77, "filename": "other", "type": 0, "size": 1, "parentFileID": 0, "trashed": 0,
        "createAt": "2030-01-01 00:00:00",
    });
    sim.service.files.insert(77, file);
    let running = sim.workers[worker].running.as_ref().expect("it runs");
    running.batch.handle().notify(key(0), &succeeded(77));
    sim.run();
    assert_eq!(books(&sim).items[0].state, ItemState::Unconfirmed);
}

#[test]
fn many_callbacks_for_unconfirmed_items_are_few_requests_at_once() {
    let mut sim = Sim::new(1);
    let unconfirmed = (1..=20).map(|number| {
        let download = json!({ "url": "https://example.com/", "fileName": format!("item-{number}") });
        let line = json!({
            "key": format!("item-{number}"), "download": download, "state": "unconfirmed", "attempts": 1,
        });
        read_line(&line.to_string()).expect("an item")
    });
    let import = LedgerOp::Import(unconfirmed.collect());
    let mut ledger = sim.ledger.open(&account()).expect("a ledger");
    let imported = ledger.run(Transaction::new(at(sim.now).wall, vec![import]));
    imported.expect("it answers");
    drop(ledger);
    sim.service.duration = Box::new(|_| secs(200));
    let worker = sim.worker(Pacing::default());
    let policy = BatchPolicy::default().max_polls(2);
    sim.start(worker, policy, items(1));
    sim.run_until(secs(20));
    for number in 1..=20 {
        let file = json!({
            "fileID": 100 + number, "filename": format!("item-{number}"), "type": 0, "size": 1,
            "parentFileID": 0, "trashed": 0, "createAt": "2030-01-01 00:00:00",
        });
        sim.service.files.insert(100 + number, file);
        let running = sim.workers[worker].running.as_ref().expect("it runs");
        let handle = running.batch.handle();
        let number = usize::try_from(number).expect("a number");
        handle.notify(key(number), &succeeded(100 + number as u64));
    }
    sim.run();
    let report = sim.workers[worker].report.clone().expect("a report");
    let most = sim.workers[worker].most_at_once;
    assert_eq!((report.succeeded(), most), (21, 2), "{report:?}");
}

/// Why the first item failed, as the batch told it.
fn failed_because(sim: &Sim, worker: usize) -> String {
    let events = &sim.workers[worker].events;
    let failed = events.iter().find_map(|(_, event)| match event {
        BatchEvent::Item {
            change: ItemChange::Failed { reason, .. },
            ..
        } => Some(reason.clone()),
        _ => None,
    });
    failed.expect("it failed")
}

#[test]
fn reason_of_a_failure_is_that_of_the_callback_whichever_process_receives_it() {
    let body = br#"{"url":"https://example.com/0","status":1,"failReason":"404 Not Found"}"#;
    let failed = CallbackNotice::parse(body).expect("a notice");
    for receiver in [0, 1] {
        let mut sim = Sim::new(1);
        sim.service.duration = Box::new(|_| millis(200_300));
        sim.service.faults.task_fails = 1000;
        let worker = sim.worker(Pacing::default());
        let other = sim.worker(Pacing::default());
        let policy = BatchPolicy::default().max_attempts(1);
        sim.start(worker, policy, items(1));
        sim.run_until(secs(5));
        sim.start(other, BatchPolicy::default(), Vec::new());
        // The worker may poll at the end, too: it must hear of the callback before.
        sim.run_until(sim.service.tasks[0].to.saturating_sub(secs(4)));
        let running = sim.workers[[worker, other][receiver]].running.as_ref();
        let handle = running.expect("it runs").batch.handle();
        handle.notify(key(0), &failed);
        sim.run();
        let reason = failed_because(&sim, worker);
        assert_eq!(reason, "offline download 1 failed: 404 Not Found");
        let item = &books(&sim).items[0];
        assert_eq!(
            (item.state, item.reason.as_deref()),
            (ItemState::Failed, Some(&*reason))
        );
    }
}

#[test]
fn callback_after_the_end_completes_the_item() {
    let body = br#"{"url":"https://example.com/0","status":1,"failReason":"404 Not Found"}"#;
    let failed = CallbackNotice::parse(body).expect("a notice");
    let told = "offline download 1 failed: 404 Not Found";
    let cases = [
        (0, succeeded(77), Some(77), None),
        (1000, failed, None, Some(told)),
    ];
    for (task_fails, notice, file, reason) in cases {
        let mut sim = Sim::new(1);
        sim.service.faults.task_fails = task_fails;
        let mut seconds = [30, 600].into_iter();
        sim.service.duration = Box::new(move |_| secs(seconds.next().unwrap_or(600)));
        let worker = sim.worker(Pacing::default());
        let policy = BatchPolicy::default().max_attempts(1);
        sim.start(worker, policy, items(2));
        sim.run_until(secs(100));
        assert!(books(&sim).items[0].state.is_ended());
        let running = sim.workers[worker].running.as_ref().expect("it runs");
        running.batch.handle().notify(key(0), &notice);
        sim.run_until(secs(101));
        let item = &books(&sim).items[0];
        let found = (item.file.map(FileId::get), item.reason.as_deref());
        assert_eq!(found, (file, reason));
    }
}

#[test]
fn worker_that_takes_a_task_over_knows_what_callbacks_told() {
    let body = br#"{"url":"https://example.com/0","status":1,"failReason":"404 Not Found"}"#;
    let failed = CallbackNotice::parse(body).expect("a notice");
    let mut sim = Sim::new(1);
    sim.service.duration = Box::new(|_| secs(200));
    sim.service.faults.task_fails = 1000;
    let worker = sim.worker(Pacing::default());
    let other = sim.worker(Pacing::default());
    sim.start(worker, BatchPolicy::default(), items(1));
    sim.run_until(secs(5));
    let policy = BatchPolicy::default().max_attempts(1);
    sim.start(other, policy, Vec::new());
    sim.run_until(secs(10));
    let running = sim.workers[other].running.as_ref().expect("it runs");
    running.batch.handle().notify(key(0), &failed);
    // The worker hears of it.
    sim.run_until(secs(20));
    sim.kill(worker);
    sim.run();
    let reason = failed_because(&sim, other);
    assert_eq!(reason, "offline download 1 failed: 404 Not Found");
}

#[test]
fn item_that_somebody_settles_while_its_callback_is_looked_at_goes_on() {
    let task = TaskId::new(1).expect("an id");
    for verdict in [Verdict::SendAgain, Verdict::Was(task)] {
        // The batch asks for items every 5 s, and looks at the file for a part of a second.
        for moment in (0..50).map(|tenth| millis(90_000 + tenth * 100)) {
            let (mut sim, worker) = unconfirmed(BatchPolicy::default());
            sim.run_until(moment);
            let running = sim.workers[worker].running.as_ref().expect("it runs");
            running.batch.handle().notify(key(0), &succeeded(78));
            sim.run_until(moment + millis(50));
            let mut ledger = sim.ledger.open(&account()).expect("a ledger");
            let settled = ledger.settle(at(sim.now).wall, key(0), verdict);
            settled.expect("it is unconfirmed");
            drop(ledger);
            sim.run_until(secs(600));
            let counts = books(&sim).counts;
            assert_eq!(counts.open(), 0, "{verdict:?} at {moment:?}: {counts:?}");
        }
    }
}

#[test]
fn callback_that_comes_before_the_create_is_answered_counts() {
    for is_lost in [false, true] {
        let mut sim = Sim::new(1);
        sim.service.faults.response_lost = if is_lost { 1000 } else { 0 };
        sim.service.loses_tokens = false;
        let file = json!({
            "fileID": 77, "filename": "item-0", "type": 0, "size": 1, "parentFileID": 0, "trashed": 0,
            "createAt": "2030-01-01 00:00:00",
        });
        sim.service.files.insert(77, file);
        let worker = sim.worker(Pacing::default());
        sim.start(worker, BatchPolicy::default(), items(1));
        while sim.service.creates == 0 {
            sim.run_until(sim.now + millis(1));
        }
        sim.service.faults = Faults::default();
        let running = sim.workers[worker].running.as_ref().expect("it runs");
        running.batch.handle().notify(key(0), &succeeded(77));
        sim.run();
        let item = &books(&sim).items[0];
        assert_eq!(
            (item.state, item.file.map(FileId::get)),
            (ItemState::Succeeded, Some(77)),
            "lost: {is_lost}"
        );
        let told = |event: &BatchEvent| match event {
            BatchEvent::Item {
                change: ItemChange::Succeeded(Some(file)) | ItemChange::Confirmed(file),
                ..
            } => file.get() == 77,
            _ => false,
        };
        let mut events = sim.workers[worker].events.iter();
        assert!(events.any(|(_, event)| told(event)), "lost: {is_lost}");
    }
}

#[test]
fn item_is_settled_only_by_the_file_that_was_looked_at() {
    // Files are looked at for a part of a second. The worker is taken over now and then, and forgets what it looks at.
    for moment in (0..50).map(|part| millis(90_000 + part * 50)) {
        let ledger = MemoryLedger::new().lease(millis(1));
        let (mut sim, worker) = unconfirmed_on(BatchPolicy::default(), ledger);
        let file = json!({
            "fileID": 77, "filename": "item-0", "type": 0, "size": 1, "parentFileID": 0, "trashed": 0,
            "createAt": "2030-01-01 00:00:00",
        });
        sim.service.files.insert(77, file);
        let other = sim.worker(Pacing::default());
        sim.start(other, BatchPolicy::default(), Vec::new());
        sim.run_until(moment);
        let running = sim.workers[worker].running.as_ref().expect("it runs");
        let handle = running.batch.handle();
        handle.notify(key(0), &succeeded(77));
        for part in 1..10 {
            sim.run_until(moment + millis(20 * part));
            handle.notify(key(0), &succeeded(78));
        }
        sim.run_until(moment + secs(20));
        let item = &books(&sim).items[0];
        assert!(
            item.state == ItemState::Unconfirmed || item.file.map(FileId::get) == Some(77),
            "{moment:?}: {item:?}"
        );
    }
}
