//! Real processes on one file.

use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::thread;
use std::time::Duration;

use pan123_proto::ledger::{Item, LedgerAnswer, LedgerOp, ListItems, OpenLedger};

use super::worker::{command, service_log};
use super::{claim, item, open, run};
use crate::common::workers::{self, ITEMS, LONG, Workers, end, report, said, spawn};

fn new_ledger(folder: &Path) -> PathBuf {
    let path = folder.join("downloads.db");
    let mut ledger = open(&path);
    let items = (0..ITEMS).map(item).collect();
    run(&mut *ledger, 0, vec![LedgerOp::Add(items)]);
    path
}

fn start(path: &Path, lease: Duration) -> Workers {
    let of = path.to_owned();
    let command = move |seed| command("work", &of, seed, lease);
    Workers::new(&service_log(path), Box::new(command))
}

fn all(ledger: &mut dyn OpenLedger) -> Vec<Item> {
    let list = LedgerOp::List(ListItems::first(usize::MAX).with_hidden());
    match run(ledger, 0, vec![list]).remove(0) {
        LedgerAnswer::Page(page) => page.into_iter().map(|(_, item)| item).collect(),
        other => panic!("{other:?}"),
    }
}

/// Each item was sent once, and nothing is left beside the ledger.
fn assert_each_once(path: &Path) -> (usize, usize) {
    let mut ledger = open(path);
    let items = all(&mut *ledger);
    let unconfirmed = workers::assert_each_once(&service_log(path), &items);
    claim(&mut *ledger, 0);
    end(ledger);
    let names = path.parent().unwrap().read_dir().unwrap();
    let mut names: Vec<_> = names.map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["downloads.db", "downloads.log"]);
    unconfirmed
}

#[test]
fn killed_processes_send_each_item_once_and_lose_no_task() {
    let folder = tempfile::tempdir().unwrap();
    let path = new_ledger(folder.path());
    let mut kills = 0;
    start(&path, LONG).work(|workers, victim| {
        kills += 1;
        workers.kill(victim);
        workers.start();
    });
    assert!(kills > 20, "{kills} kills");
    report(&format!("{kills} kills"), assert_each_once(&path));
}

#[cfg(unix)]
#[test]
fn processes_that_freeze_for_longer_than_their_lease_send_each_item_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = new_ledger(folder.path());
    let lease = Duration::from_millis(50);
    let signal = |signal: &str, process: &Child| {
        let mut kill = Command::new("kill");
        let kill = kill.args([signal, &process.id().to_string()]);
        assert!(spawn(kill).unwrap().wait().unwrap().success());
    };
    let mut freezes = 0;
    start(&path, lease).work(|workers, victim| {
        freezes += 1;
        signal("-STOP", &workers.running[&victim]);
        thread::sleep(3 * lease);
        signal("-CONT", &workers.running[&victim]);
    });
    assert!(freezes > 5, "{freezes} freezes");
    report(&format!("{freezes} freezes"), assert_each_once(&path));
}

#[test]
fn processes_that_create_the_file_at_the_same_time_share_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("new/downloads.db");
    let start = |seed| spawn(&mut command("open", &path, seed, LONG)).unwrap();
    let processes: Vec<_> = (0..10).map(start).collect();
    for process in processes {
        let output = process.wait_with_output().unwrap();
        let output = String::from_utf8(output.stdout).unwrap();
        assert_eq!(output.lines().find_map(said), Some("open"), "{output}");
    }
    let names = folder.path().join("new").read_dir().unwrap();
    assert_eq!(names.count(), 1, "nothing is left beside it");
}
