//! Real processes on one file.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

use pan123_proto::ledger::{Item, ItemState, LedgerAnswer, LedgerOp, ListItems, OpenLedger};

use crate::worker::{command, said, service_log};
use crate::{claim, counts, item, open, run};

const WORKERS: usize = 4;
const ITEMS: usize = 200;
/// Longer than any test takes on a busy machine.
const LONG: Duration = Duration::from_secs(300);

/// The workers of one ledger.
struct Workers {
    path: PathBuf,
    lease: Duration,
    random: fastrand::Rng,
    running: HashMap<u64, Child>,
    started: u64,
    said: Receiver<(u64, Option<String>)>,
    tell: Sender<(u64, Option<String>)>,
}

impl Workers {
    fn new(path: &Path, lease: Duration) -> Workers {
        fs::write(service_log(path), "").unwrap();
        let (tell, said) = channel();
        let seed = fastrand::u64(..);
        // Shown if the test fails.
        println_seed(seed);
        Workers {
            path: path.to_owned(),
            lease,
            random: fastrand::Rng::with_seed(seed),
            running: HashMap::new(),
            started: 0,
            said,
            tell,
        }
    }

    fn start(&mut self) {
        self.started += 1;
        let worker = self.started;
        let seed = self.random.u64(..);
        let mut process = command("work", &self.path, seed, self.lease)
            .spawn()
            .unwrap();
        let output = BufReader::new(process.stdout.take().unwrap());
        let tell = self.tell.clone();
        thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                if let Some(said) = said(&line) {
                    drop(tell.send((worker, Some(said.to_owned()))));
                }
            }
            drop(tell.send((worker, None)));
        });
        self.running.insert(worker, process);
    }

    /// Waits for the next step of a worker; the end of one that was not killed is one, too.
    fn next_step(&mut self) -> (u64, Option<String>) {
        self.said.recv_timeout(LONG).expect("they go on")
    }

    fn any(&mut self) -> u64 {
        let mut running: Vec<_> = self.running.keys().copied().collect();
        running.sort_unstable();
        running[self.random.usize(..running.len())]
    }

    /// Lets the workers work until all items are done. After a random number of steps, something happens to one of them.
    fn work(&mut self, mut happens: impl FnMut(&mut Workers, u64)) {
        for _ in 0..WORKERS {
            self.start();
        }
        let mut steps = self.random.u32(1..20);
        while !self.running.is_empty() {
            let (worker, said) = self.next_step();
            match said.as_deref() {
                Some("done") => {
                    let process = self.running.remove(&worker);
                    assert!(process.unwrap().wait().unwrap().success());
                }
                Some("claimed" | "intended" | "spilled" | "created") => steps -= 1,
                None if !self.running.contains_key(&worker) => {}
                other => panic!("worker {worker}: {other:?}"),
            }
            if steps == 0 && !self.running.is_empty() {
                steps = self.random.u32(1..20);
                let victim = self.any();
                happens(self, victim);
            }
        }
    }

    fn kill(&mut self, worker: u64) {
        let mut process = self.running.remove(&worker).unwrap();
        process.kill().unwrap();
        process.wait().unwrap();
    }
}

#[allow(clippy::print_stdout, reason = "shown if the test fails")]
fn println_seed(seed: u64) {
    println!("seed {seed}");
}

fn new_ledger(folder: &Path) -> PathBuf {
    let path = folder.join("downloads.db");
    let mut ledger = open(&path);
    let items = (0..ITEMS).map(item).collect();
    run(&mut *ledger, 0, vec![LedgerOp::Add(items)]);
    path
}

fn all(ledger: &mut dyn OpenLedger) -> Vec<Item> {
    let list = LedgerOp::List(ListItems::first(usize::MAX).with_hidden());
    match run(ledger, 0, vec![list]).remove(0) {
        LedgerAnswer::Page(page) => page.into_iter().map(|(_, item)| item).collect(),
        other => panic!("{other:?}"),
    }
}

/// Nothing was sent twice, no task id is lost outside of unconfirmed items, and nothing is left beside the ledger. Returns how many
/// items are unconfirmed, and how many of those were sent.
fn assert_each_once(path: &Path) -> (usize, usize) {
    let log = fs::read_to_string(service_log(path)).unwrap();
    let mut ledger = open(path);
    let items = all(&mut *ledger);
    assert_eq!(items.len(), ITEMS);
    let counts = counts(&mut *ledger);
    let unconfirmed = items
        .iter()
        .filter(|item| item.state == ItemState::Unconfirmed)
        .count();
    let total = counts.of(ItemState::Succeeded) + unconfirmed as u64;
    assert_eq!(total, ITEMS as u64, "{counts:?}");
    let items: HashMap<_, _> = items.iter().map(|item| (item.key.as_str(), item)).collect();
    let mut sent = HashSet::new();
    let mut sent_unconfirmed = 0;
    for line in log.lines() {
        let (what, rest) = line.split_once(' ').unwrap();
        let (key, task) = rest.split_once(' ').unwrap();
        let item = items[key];
        let is_known = item.state == ItemState::Succeeded
            && item.task.is_some_and(|known| known.to_string() == task);
        match what {
            "sent" => {
                assert!(sent.insert(key), "{key} was sent twice");
                let is_unconfirmed = item.state == ItemState::Unconfirmed;
                assert!(is_known || is_unconfirmed, "{line}: {item:?}");
                sent_unconfirmed += usize::from(is_unconfirmed);
            }
            _ => assert!(is_known, "{line}: {item:?}"),
        }
    }
    claim(&mut *ledger, 0);
    drop(ledger);
    let names = path.parent().unwrap().read_dir().unwrap();
    let mut names: Vec<_> = names.map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["downloads.db", "downloads.log"]);
    (unconfirmed, sent_unconfirmed)
}

fn report(what: &str, (unconfirmed, sent): (usize, usize)) {
    // Not captured, as the output of a test would be.
    let line = format!(
        "{what}: {ITEMS} items, none sent twice; {unconfirmed} unconfirmed, {sent} of them sent\n"
    );
    std::io::stderr().write_all(line.as_bytes()).unwrap();
}

#[test]
fn killed_processes_send_each_item_once_and_lose_no_task() {
    let folder = tempfile::tempdir().unwrap();
    let path = new_ledger(folder.path());
    let mut kills = 0;
    Workers::new(&path, LONG).work(|workers, victim| {
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
        assert!(kill.status().unwrap().success());
    };
    let mut freezes = 0;
    Workers::new(&path, lease).work(|workers, victim| {
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
    let start = |seed| command("open", &path, seed, LONG).spawn().unwrap();
    let processes: Vec<_> = (0..10).map(start).collect();
    for process in processes {
        let output = process.wait_with_output().unwrap();
        let output = String::from_utf8(output.stdout).unwrap();
        assert_eq!(output.lines().find_map(said), Some("open"), "{output}");
    }
    let names = folder.path().join("new").read_dir().unwrap();
    assert_eq!(names.count(), 1, "nothing is left beside it");
}
