//! Processes that work on one batch and are killed and stopped at any moment, and what must be true afterwards.

use std::collections::HashMap;
use std::fmt;
use std::process::{Child, Command};
use std::time::{Duration, SystemTime};

use fastrand::Rng;
use pan123_mock::{MockPan123, Service};
use pan123_proto::TaskId;
use pan123_proto::ledger::{
    Item, ItemId, ItemState, LedgerAnswer, LedgerOp, ListItems, OpenLedger, Transaction,
};

use super::LONG_TIMEOUT;

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

/// Workers, each of which is started anew when it was killed.
pub(super) struct Fleet<'a> {
    mock: &'a MockPan123,
    items: usize,
    start: Box<dyn Fn(usize) -> Command>,
    workers: Vec<Worker>,
    rng: Rng,
    pub(super) kills: usize,
    pub(super) stops: usize,
    /// The ids of those that were killed or stopped, and when.
    pub(super) interrupted: Vec<(u32, SystemTime)>,
}

impl<'a> Fleet<'a> {
    /// Starts workers; the command is that of the worker with this number.
    pub(super) fn start(
        mock: &'a MockPan123,
        workers: usize,
        items: usize,
        start: impl Fn(usize) -> Command + 'static,
    ) -> Fleet<'a> {
        let seed = fastrand::u64(..);
        println!("seed {seed}");
        let mut fleet = Fleet {
            mock,
            items,
            start: Box::new(start),
            workers: Vec::new(),
            rng: Rng::with_seed(seed),
            kills: 0,
            stops: 0,
            interrupted: Vec::new(),
        };
        fleet.workers = (0..workers).map(|number| fleet.worker(number)).collect();
        fleet
    }

    fn worker(&self, number: usize) -> Worker {
        Worker {
            process: (self.start)(number).spawn().unwrap(),
            is_stopped: false,
        }
    }

    /// Waits until so many tasks were created.
    pub(super) fn await_created(&mut self, target: usize) {
        let are_created = |timeout| {
            let count = |service: &Service| service.tasks().len();
            let created = self
                .mock
                .wait_for(timeout, |service| (count(service) >= target).then_some(()));
            created.is_some()
        };
        if !are_created(HELD_UP) {
            // One was stopped in the middle of a transaction, and holds the others up.
            self.workers.iter_mut().for_each(wake);
            assert!(are_created(LONG_TIMEOUT), "creates go on");
        }
    }

    /// Kills, stops or wakes one of them.
    pub(super) fn disturb(&mut self) {
        let chosen = self.rng.usize(0..self.workers.len());
        let worker = &mut self.workers[chosen];
        if worker.is_stopped {
            wake(worker);
            return;
        }
        let interrupted = (worker.process.id(), SystemTime::now());
        self.interrupted.push(interrupted);
        if self.rng.u8(0..3) == 0 && self.stops < self.items / 20 {
            signal(worker, "-STOP");
            worker.is_stopped = true;
            self.stops += 1;
        } else {
            // The one before is killed.
            self.workers[chosen] = self.worker(chosen);
            self.kills += 1;
        }
    }

    /// Lets all of them come to their end.
    pub(super) fn end(&mut self) {
        for worker in &mut self.workers {
            wake(worker);
            let status = worker.process.wait().unwrap();
            assert!(status.success());
        }
    }
}

/// The items of a ledger.
pub(super) fn read(ledger: &mut dyn OpenLedger, mock: &MockPan123) -> Vec<Item> {
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

/// What became of the items.
#[derive(Debug, Default)]
pub(super) struct Audit {
    items: usize,
    pub(super) succeeded: usize,
    pub(super) unconfirmed: usize,
    /// Of the unconfirmed ones.
    really_sent: usize,
    /// The URLs that were sent twice.
    pub(super) twice: Vec<String>,
    /// Items whose task id is not that of their task, or that did not end.
    pub(super) wrong: Vec<Item>,
}

pub(super) fn audit(items: &[Item], mock: &MockPan123) -> Audit {
    let created: Vec<(u64, String)> = mock.service(|service| {
        let tasks = service.tasks().iter();
        tasks
            .map(|task| (task.id(), task.url().to_owned()))
            .collect()
    });
    let mut audit = Audit {
        items: items.len(),
        ..Audit::default()
    };
    let mut of_url: HashMap<&str, u64> = HashMap::new();
    for (id, url) in &created {
        if of_url.insert(url, *id).is_some() {
            audit.twice.push(url.clone());
        }
    }
    for item in items {
        let task = of_url.get(item.download.url()).copied();
        match item.state {
            ItemState::Succeeded if item.task.map(TaskId::get) == task => audit.succeeded += 1,
            ItemState::Unconfirmed => {
                audit.unconfirmed += 1;
                audit.really_sent += usize::from(task.is_some());
            }
            _ => audit.wrong.push(item.clone()),
        }
    }
    audit
}

impl Audit {
    /// Nothing was lost and nothing was sent twice.
    pub(super) fn check(&self, items: usize) {
        assert_eq!(self.twice, Vec::<String>::new(), "sent twice");
        assert!(self.wrong.is_empty(), "{:?}", self.wrong);
        assert_eq!(self.items, items);
        assert_eq!(self.succeeded + self.unconfirmed, items);
    }
}

impl fmt::Display for Audit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} items: {} succeeded, {} sent twice, {} wrong; {} unconfirmed, {} of those really sent",
            self.items,
            self.succeeded,
            self.twice.len(),
            self.wrong.len(),
            self.unconfirmed,
            self.really_sent
        )
    }
}
