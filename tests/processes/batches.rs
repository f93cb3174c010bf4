//! Real processes that work on one batch, killed and stopped at any moment.
//!
//! `PAN123_BATCH_ITEMS` sets the number of items.

#![allow(clippy::print_stdout, reason = "the figures are what one looks for")]

use std::collections::HashMap;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use fastrand::Rng;
use pan123_ledger::SqliteLedger;
use pan123_mock::{CLIENT_ID, MockPan123, RateLimits, Service};
use pan123_proto::TaskId;
use pan123_proto::ledger::{
    Item, ItemId, ItemState, Ledger, LedgerAnswer, LedgerOp, ListItems, Transaction,
};
use pan123_store::Account;

use super::{LONG_TIMEOUT, WORKER};

const WORKERS: usize = 8;
const ITEMS: usize = 120;
/// Shorter than a worker stays stopped.
const LEASE_MILLIS: u64 = 700;
/// A worker is killed, stopped or woken each time that so many tasks were created.
const CREATES_BETWEEN: usize = 4;

/// After so long without a create, all are woken.
const HELD_UP: Duration = Duration::from_secs(5);

struct Worker {
    process: Child,
    is_stopped: bool,
}

/// A test that fails leaves no process behind.
impl Drop for Worker {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn start(url: &str, folder: &Path, items: usize) -> Worker {
    let process = Command::new(WORKER)
        .args(["batch", url])
        .arg(folder)
        .args([items as u64, LEASE_MILLIS].map(|number| number.to_string()))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    Worker {
        process,
        is_stopped: false,
    }
}

fn signal(worker: &Worker, signal: &str) {
    let pid = worker.process.id().to_string();
    let status = Command::new("kill").args([signal, &pid]).status().unwrap();
    assert!(status.success());
}

fn wake(worker: &mut Worker) {
    if std::mem::take(&mut worker.is_stopped) {
        signal(worker, "-CONT");
    }
}

/// The items of the ledger.
fn read(folder: &Path, mock: &MockPan123) -> Vec<Item> {
    let account = Account::new(mock.base_url(), CLIENT_ID);
    let ledger = SqliteLedger::new(folder.join("batch.db"));
    let mut ledger = ledger.open(&account).unwrap();
    let mut items = Vec::new();
    let mut after = ItemId(0);
    loop {
        let ask = LedgerOp::List(ListItems::first(500).after(after));
        let answers = ledger.run(Transaction::new(mock.now(), vec![ask])).unwrap();
        let [LedgerAnswer::Page(page)] = &answers[..] else {
            panic!("{answers:?}");
        };
        let Some((last, _)) = page.last() else {
            return items;
        };
        after = *last;
        items.extend(page.iter().map(|(_, item)| item.clone()));
    }
}

#[test]
fn workers_that_are_killed_and_stopped_lose_nothing_and_send_nothing_twice() {
    let items = std::env::var("PAN123_BATCH_ITEMS").map_or(ITEMS, |items| items.parse().unwrap());
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut rng = Rng::with_seed(seed);
    let builder = MockPan123::builder().rate_limits(RateLimits::none());
    let mock = builder.start_blocking();
    let folder = tempfile::tempdir().unwrap();
    let url = mock.base_url();
    let mut workers: Vec<_> = (0..WORKERS)
        .map(|_| start(&url, folder.path(), items))
        .collect();
    let (mut kills, mut stops) = (0, 0);
    let mut target = CREATES_BETWEEN;
    // The last ones are left alone: an item whose worker was killed before it sent it is never created.
    while target < items * 8 / 10 {
        let are_created = |timeout| {
            let count = |service: &Service| service.tasks().len();
            let created =
                mock.wait_for(timeout, |service| (count(service) >= target).then_some(()));
            created.is_some()
        };
        if !are_created(HELD_UP) {
            // One was stopped in the middle of a transaction, and holds the others up.
            workers.iter_mut().for_each(wake);
            assert!(are_created(LONG_TIMEOUT), "creates go on");
        }
        target += CREATES_BETWEEN;
        let chosen = rng.usize(0..WORKERS);
        let worker = &mut workers[chosen];
        if worker.is_stopped {
            wake(worker);
        } else if rng.u8(0..3) == 0 && stops < items / 20 {
            signal(worker, "-STOP");
            worker.is_stopped = true;
            stops += 1;
        } else {
            workers[chosen] = start(&url, folder.path(), items);
            kills += 1;
        }
    }
    for worker in &mut workers {
        wake(worker);
        let status = worker.process.wait().unwrap();
        assert!(status.success());
    }

    let created: Vec<(u64, String)> = mock.service(|service| {
        let tasks = service.tasks().iter();
        tasks
            .map(|task| (task.id(), task.url().to_owned()))
            .collect()
    });
    let ledger = read(folder.path(), &mock);
    assert_eq!(ledger.len(), items);
    let mut of_url: HashMap<&str, u64> = HashMap::new();
    for (id, url) in &created {
        let twice = of_url.insert(url, *id);
        assert_eq!(twice, None, "{url} was sent twice");
    }
    let unconfirmed: Vec<_> = ledger
        .iter()
        .filter(|item| item.state == ItemState::Unconfirmed)
        .collect();
    let mut succeeded = 0;
    for item in &ledger {
        let task = of_url.get(item.download.url()).copied();
        match item.state {
            ItemState::Succeeded => {
                assert_eq!(item.task.map(TaskId::get), task, "{item:?}");
                succeeded += 1;
            }
            ItemState::Unconfirmed => {}
            other => panic!("{other}: {item:?}"),
        }
    }
    assert_eq!(succeeded + unconfirmed.len(), items);
    let sent = unconfirmed
        .iter()
        .filter(|item| of_url.contains_key(item.download.url()))
        .count();
    println!(
        "{items} items, {kills} kills, {stops} stops: {succeeded} succeeded, 0 sent twice, 0 lost; {} unconfirmed, {sent} of those really sent; {} tokens",
        unconfirmed.len(),
        mock.service(|service| service.tokens_issued()),
    );
}
