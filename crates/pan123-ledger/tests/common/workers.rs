//! Processes that work on one ledger while they are killed.

use std::collections::{HashMap, HashSet};
use std::fs::{self, OpenOptions};
use std::io::{self, BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{PoisonError, RwLock};
use std::thread;
use std::time::{Duration, SystemTime};

use pan123_proto::ledger::{
    Ending, Item, ItemId, ItemState, LedgerAnswer, LedgerFault, LedgerOp, OpenLedger, SpilledTask,
    Transaction,
};

use super::task;

const WORKERS: usize = 4;
pub(crate) const ITEMS: usize = 200;
/// Longer than any test takes on a busy machine.
pub(crate) const LONG: Duration = Duration::from_secs(300);

/// Held while processes start: until one runs its own program it has the files of this process open, and so holds its locks.
static STARTING: RwLock<()> = RwLock::new(());

/// Starts a process, while no worker of this one ends.
pub(crate) fn spawn(command: &mut Command) -> io::Result<Child> {
    let _guard = STARTING.read().unwrap_or_else(PoisonError::into_inner);
    command.spawn()
}

/// Ends a worker of this process, whose lock is free afterwards.
pub(crate) fn end<T>(worker: T) {
    let _guard = STARTING.write().unwrap_or_else(PoisonError::into_inner);
    drop(worker);
}

/// What the process says.
pub(crate) fn said(line: &str) -> Option<&str> {
    line.split_once("> ").map(|(_, said)| said)
}

/// The workers of one ledger.
pub(crate) struct Workers {
    command: Box<dyn Fn(u64) -> Command>,
    pub(crate) random: fastrand::Rng,
    pub(crate) running: HashMap<u64, Child>,
    started: u64,
    said: Receiver<(u64, Option<String>)>,
    tell: Sender<(u64, Option<String>)>,
}

impl Workers {
    /// The command starts a worker with a seed, whose service writes this log.
    pub(crate) fn new(log: &Path, command: Box<dyn Fn(u64) -> Command>) -> Workers {
        fs::write(log, "").unwrap();
        let (tell, said) = channel();
        let seed = fastrand::u64(..);
        // Shown if the test fails.
        println_seed(seed);
        Workers {
            command,
            random: fastrand::Rng::with_seed(seed),
            running: HashMap::new(),
            started: 0,
            said,
            tell,
        }
    }

    pub(crate) fn start(&mut self) {
        self.started += 1;
        let worker = self.started;
        let seed = self.random.u64(..);
        let mut process = spawn(&mut (self.command)(seed)).unwrap();
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

    pub(crate) fn any(&mut self) -> u64 {
        let mut running: Vec<_> = self.running.keys().copied().collect();
        running.sort_unstable();
        running[self.random.usize(..running.len())]
    }

    /// Lets the workers work until all items are done. After a random number of steps, something happens to one of them.
    pub(crate) fn work(&mut self, mut happens: impl FnMut(&mut Workers, u64)) {
        for _ in 0..WORKERS {
            self.start();
        }
        let mut steps = self.random.u32(1..20);
        while !self.running.is_empty() {
            let (worker, said) = self.next_step();
            match said.as_deref() {
                Some("done") => {
                    // It may have been killed after that.
                    if let Some(mut process) = self.running.remove(&worker) {
                        assert!(process.wait().unwrap().success());
                    }
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

    pub(crate) fn kill(&mut self, worker: u64) {
        let mut process = self.running.remove(&worker).unwrap();
        process.kill().unwrap();
        process.wait().unwrap();
    }
}

#[allow(clippy::print_stdout, reason = "shown if the test fails")]
fn println_seed(seed: u64) {
    println!("seed {seed}");
}

/// Nothing was sent twice, and no task id is lost outside of unconfirmed items. Returns how many items are unconfirmed, and how many of
/// those were sent.
pub(crate) fn assert_each_once(log: &Path, items: &[Item]) -> (usize, usize) {
    let log = fs::read_to_string(log).unwrap();
    assert_eq!(items.len(), ITEMS);
    let unconfirmed = items
        .iter()
        .filter(|item| item.state == ItemState::Unconfirmed)
        .count();
    let succeeded = items
        .iter()
        .filter(|item| item.state == ItemState::Succeeded)
        .count();
    assert_eq!(succeeded + unconfirmed, ITEMS);
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
    (unconfirmed, sent_unconfirmed)
}

pub(crate) fn report(what: &str, (unconfirmed, sent): (usize, usize)) {
    // Not captured, as the output of a test would be.
    let line = format!(
        "{what}: {ITEMS} items, none sent twice; {unconfirmed} unconfirmed, {sent} of them sent\n"
    );
    std::io::stderr().write_all(line.as_bytes()).unwrap();
}

/// Leaves the processor to the others.
pub(crate) fn pause() {
    thread::sleep(Duration::from_millis(20));
}

/// Asks until the ledger answers.
fn run(ledger: &mut dyn OpenLedger, ops: &[LedgerOp]) -> Vec<LedgerAnswer> {
    loop {
        match ledger.run(Transaction::new(SystemTime::now(), ops.to_vec())) {
            Err(LedgerFault::Busy(_) | LedgerFault::Down(_)) => pause(),
            answers => return answers.expect("the ledger answers"),
        }
    }
}

/// Sends every item once, as a batch does.
#[allow(clippy::print_stdout, reason = "the test that started it reads it")]
pub(crate) fn work(mut ledger: Box<dyn OpenLedger>, service: &Path, seed: u64) {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut log = OpenOptions::new().append(true).open(service).expect("it");
    let mut log = |line: String| log.write_all(line.as_bytes()).expect("it is written");
    let mut tasks = u64::from(std::process::id()) << 20;
    loop {
        let claim = LedgerOp::Claim {
            create: 3,
            follow: 50,
        };
        // An intent whose answer was lost is nobody's, and was not sent.
        let nothing = LedgerOp::Hold(Vec::new());
        let ops = [nothing, LedgerOp::Beat, claim, LedgerOp::Counts];
        let answers = run(&mut *ledger, &ops);
        let [
            _,
            _,
            LedgerAnswer::Claimed(claimed),
            LedgerAnswer::Counts(counts),
        ] = &answers[..]
        else {
            panic!("{answers:?}");
        };
        if counts.open() == 0 {
            return println!("> done");
        }
        println!("> claimed");
        let mut ended: Vec<_> = claimed.to_follow.iter().map(|(id, _)| *id).collect();
        let mut running: Vec<(ItemId, _)> = Vec::new();
        running.extend(
            claimed
                .to_follow
                .iter()
                .filter_map(|(id, item)| Some((*id, item.task?))),
        );
        for (id, claimed) in &claimed.to_create {
            let (id, fence) = (*id, claimed.fence);
            let intend = LedgerOp::Intend { item: id, fence };
            if run(&mut *ledger, &[intend]) != [LedgerAnswer::Done] {
                continue;
            }
            println!("> intended");
            tasks += 1;
            let (key, created) = (claimed.key.as_str(), task(tasks));
            log(format!("sent {key} {created}\n"));
            if random.u8(0..3) == 0 {
                ledger
                    .spill(SpilledTask::new(id, fence, created))
                    .expect("there is room");
                log(format!("kept {key} {created}\n"));
                println!("> spilled");
            }
            let answers = run(
                &mut *ledger,
                &[LedgerOp::Created {
                    item: id,
                    fence,
                    task: created,
                }],
            );
            assert_eq!(answers, [LedgerAnswer::Done], "{key}");
            log(format!("kept {key} {created}\n"));
            println!("> created");
            running.push((id, created));
            ended.push(id);
        }
        let ends = running.into_iter().map(|(item, task)| LedgerOp::End {
            item,
            task,
            ending: Ending::Succeeded(None),
        });
        run(&mut *ledger, &ends.collect::<Vec<_>>());
        if ended.is_empty() {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}
