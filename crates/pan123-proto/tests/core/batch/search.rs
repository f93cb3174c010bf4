//! Unconfirmed items whose files a batch looks for by name.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use pan123_proto::batch::BatchPolicy;
use pan123_proto::ledger::{Item, ItemState, LedgerOp, Transaction};
use pan123_proto::offline::Download;
use pan123_proto::{DirId, FileId, Pacing, TaskId};
use serde_json::{Value, json};

use super::oracle::books;
use super::service::Faults;
use super::sim::{Fate, Sim, account, key};
use crate::support::{at, millis};

/// The folder of the items.
const DIR: u64 = 5;

fn row(id: u64, dir: u64, name: &str) -> Value {
    json!({
        "fileId": id, "filename": name, "type": 0, "size": 1, "parentFileId": dir, "trashed": 0,
        "createAt": "2030-01-01 00:00:00",
    })
}

/// An item that was sent as `film.mp4` to the folder, and whose create may have been carried out.
fn unconfirmed(number: usize) -> Item {
    named(number, Some("film.mp4"), Some(DIR))
}

fn named(number: usize, name: Option<&str>, dir: Option<u64>) -> Item {
    let mut download = Download::new(format!("https://example.com/{number}")).expect("a URL");
    if let Some(name) = name {
        download = download.file_name(name).expect("a name");
    }
    if let Some(dir) = dir {
        download = download.save_to(DirId::new(dir).expect("a folder"));
    }
    let mut item = Item::new(key(number), download);
    item.state = ItemState::Unconfirmed;
    item.attempts = 1;
    item.intended_at = Transaction::new(at(Duration::ZERO).wall, Vec::new()).now_millis();
    item
}

fn succeeded(mut item: Item, file: Option<u64>) -> Item {
    item.state = ItemState::Succeeded;
    item.task = TaskId::new(9).ok();
    item.file = file.map(|file| FileId::new(file).expect("a file"));
    item
}

fn policy() -> BatchPolicy {
    BatchPolicy::default().confirm_by_name(true)
}

/// A batch that has these items and nothing else to do, and the files.
fn sim(items: Vec<Item>, files: &[Value]) -> (Sim, usize) {
    let mut sim = Sim::new(1);
    let import = Transaction::new(at(Duration::ZERO).wall, vec![LedgerOp::Import(items)]);
    let mut ledger = sim.ledger.open(&account()).expect("a ledger");
    ledger.run(import).expect("it answers");
    drop(ledger);
    for file in files {
        let id = file["fileId"].as_u64().expect("an id");
        sim.service.files.insert(id, file.clone());
    }
    let worker = sim.worker(Pacing::off());
    (sim, worker)
}

/// The file that the batch finds for the first item.
fn found(policy: BatchPolicy, items: Vec<Item>, files: &[Value]) -> Option<u64> {
    let (mut sim, worker) = sim(items, files);
    sim.start(worker, policy, Vec::new());
    sim.run();
    let item = books(&sim).items.swap_remove(0);
    let is_found = item.state == ItemState::Succeeded;
    assert!(is_found || item.state == ItemState::Unconfirmed, "{item:?}");
    assert_eq!(is_found, item.file.is_some());
    item.file.map(FileId::get)
}

#[test]
fn the_only_new_file_of_the_name_settles_an_item() {
    let film = row(71, DIR, "film.mp4");
    let mut older = film.clone();
    older["createAt"] = json!("2020-01-01 00:00:00");
    let mut undated = film.clone();
    undated["createAt"] = Value::Null;
    let mut trashed = film.clone();
    trashed["trashed"] = json!(1);
    let mut unreadable = row(72, DIR, "film.mp4");
    unreadable["type"] = json!("?");
    let other = row(70, DIR, "other.mp4");
    for (what, files, expected) in [
        ("it", vec![other.clone(), film.clone()], Some(71)),
        ("numbered", vec![row(73, DIR, "film(1).mp4")], Some(73)),
        (
            "a new one beside an old one",
            vec![older.clone(), row(74, DIR, "film(1).mp4")],
            Some(74),
        ),
        ("none", vec![other], None),
        ("an old one", vec![older], None),
        ("one of an unknown time", vec![undated], None),
        ("one in the trash", vec![trashed], None),
        ("one elsewhere", vec![row(71, 6, "film.mp4")], None),
        ("two", vec![film.clone(), row(72, DIR, "film(1).mp4")], None),
        (
            "one, and one that cannot be read",
            vec![film, unreadable],
            None,
        ),
    ] {
        assert_eq!(
            found(policy(), vec![unconfirmed(0)], &files),
            expected,
            "{what}"
        );
    }
}

#[test]
fn file_that_may_be_another_items_settles_nothing() {
    let queued = || {
        let mut item = unconfirmed(1);
        item.state = ItemState::Paused;
        item.attempts = 0;
        item
    };
    for (what, other, expected) in [
        ("the same name", succeeded(unconfirmed(1), None), None),
        (
            "the same name, of another file",
            succeeded(unconfirmed(1), Some(8)),
            Some(71),
        ),
        (
            "another name, and the file",
            succeeded(named(1, Some("b"), Some(9)), Some(71)),
            None,
        ),
        ("no name", succeeded(named(1, None, Some(DIR)), None), None),
        (
            "no name, of another file",
            succeeded(named(1, None, Some(DIR)), Some(8)),
            Some(71),
        ),
        (
            "no name, in another folder",
            succeeded(named(1, None, Some(9)), None),
            Some(71),
        ),
        (
            "no name, in the default folder",
            succeeded(named(1, None, None), None),
            None,
        ),
        (
            "another name",
            succeeded(named(1, Some("b"), Some(DIR)), None),
            Some(71),
        ),
        (
            "another folder",
            succeeded(named(1, Some("film.mp4"), Some(9)), None),
            Some(71),
        ),
        ("unconfirmed, too", unconfirmed(1), None),
        ("never sent", queued(), Some(71)),
    ] {
        let items = vec![unconfirmed(0), other];
        let files = [row(71, DIR, "film.mp4")];
        assert_eq!(found(policy(), items, &files), expected, "{what}");
    }
    // One that asked for the name that another became by its number.
    let items = vec![
        named(0, Some("film(1).mp4"), Some(DIR)),
        succeeded(unconfirmed(1), None),
    ];
    let files = [row(71, DIR, "film(1).mp4")];
    assert_eq!(found(policy(), items, &files), None);
}

#[test]
fn default_folder_is_searched_in_both_spellings() {
    for name in ["来自:离线下载", "来自：离线下载"] {
        let mut dir = row(DIR, 0, name);
        dir["type"] = json!(1);
        let files = [dir, row(71, DIR, "film.mp4")];
        let items = vec![named(0, Some("film.mp4"), None)];
        assert_eq!(found(policy(), items, &files), Some(71), "{name}");
    }
}

#[test]
fn nothing_is_searched_unasked_nor_for_a_name_that_was_not_requested() {
    for (policy, item) in [
        (BatchPolicy::default(), unconfirmed(0)),
        (policy(), named(0, None, Some(DIR))),
    ] {
        let (mut sim, worker) = sim(vec![item], &[row(71, DIR, "film.mp4")]);
        sim.start(worker, policy, Vec::new());
        sim.run();
        assert_eq!(books(&sim).items[0].state, ItemState::Unconfirmed);
        assert_eq!(sim.service.lists, 0);
    }
}

#[test]
fn each_of_many_items_finds_its_file() {
    let count = 1200;
    let name = |number: usize| format!("film-{number}.mp4");
    let items = (0..count).map(|number| named(number, Some(&name(number)), Some(DIR)));
    let files = (0..count).map(|number| row(1000 + number as u64, DIR, &name(number)));
    let (mut sim, worker) = sim(items.collect(), &files.collect::<Vec<_>>());
    sim.start(worker, policy(), Vec::new());
    sim.run();
    for (number, item) in books(&sim).items.iter().enumerate() {
        assert_eq!(item.file.map(FileId::get), Some(1000 + number as u64));
    }
    let report = sim.workers[worker].report.as_ref().expect("it ended");
    assert_eq!(report.succeeded(), count as u64);
    // Of 500 items each, the folder is read once.
    assert_eq!(sim.service.lists, 3 * (count / 100 + 1));
}

#[test]
fn folder_that_cannot_be_read_settles_nothing_and_ends_no_batch() {
    let (mut sim, worker) = sim(vec![unconfirmed(0)], &[row(71, DIR, "film.mp4")]);
    sim.service.faults = Faults {
        never_left: 1000,
        ..Faults::default()
    };
    sim.start(worker, policy(), Vec::new());
    sim.run();
    assert_eq!(books(&sim).items[0].state, ItemState::Unconfirmed);
    // The next batch finds it.
    sim.service.faults = Faults::default();
    sim.start(worker, policy(), Vec::new());
    sim.run();
    assert_eq!(books(&sim).items[0].state, ItemState::Succeeded);
}

#[test]
fn search_goes_on_after_each_fault_of_the_ledger() {
    let down = |happened| Fate::Down { happened };
    for fate in [Fate::Busy, Fate::Full, down(false), down(true)] {
        for failing in 0.. {
            let (mut sim, worker) = sim(vec![unconfirmed(0)], &[row(71, DIR, "film.mp4")]);
            let asked = Arc::new(AtomicUsize::new(0));
            let count = Arc::clone(&asked);
            sim.set_fates(move |_, _, _| {
                if count.fetch_add(1, Ordering::Relaxed) == failing {
                    fate
                } else {
                    Fate::Answered
                }
            });
            sim.start(worker, policy(), Vec::new());
            sim.run();
            let state = books(&sim).items[0].state;
            assert_eq!(state, ItemState::Succeeded, "{fate:?} of {failing}");
            if asked.load(Ordering::Relaxed) <= failing {
                assert!(failing > 4, "it asked {failing} times");
                break;
            }
        }
    }
}

#[test]
fn search_ends_at_a_stop() {
    let mut states = Vec::new();
    for after in (0..4000).step_by(10).map(millis) {
        let (mut sim, worker) = sim(vec![unconfirmed(0)], &[row(71, DIR, "film.mp4")]);
        sim.start(worker, policy(), Vec::new());
        sim.run_until(after);
        if let Some(running) = &sim.workers[worker].running {
            running.batch.handle().stop();
        }
        sim.run();
        assert!(sim.workers[worker].report.is_some(), "after {after:?}");
        states.push(books(&sim).items[0].state);
    }
    states.dedup();
    assert_eq!(states, [ItemState::Unconfirmed, ItemState::Succeeded]);
}
