//! Workers that run batches on one ledger and one service, in one thread and in virtual time.

use std::pin::Pin;
use std::task::{Context, Waker};
use std::time::Duration;

use fastrand::Rng;
use pan123_proto::batch::{Batch, BatchEvent, BatchPolicy, BatchReport, BatchStep, Job};
use pan123_proto::ledger::{
    ItemKey, Ledger, LedgerAnswer, LedgerFault, LedgerReply, LedgerRequest, MemoryLedger, NewItem,
    OpenLedger,
};
use pan123_proto::offline::Download;
use pan123_proto::{Account, Detached, Input, Machine, Pacing, Session, Signal, Step};

use super::service::Service;
use crate::support::{at, elapsed, millis};

/// More steps than this never end.
const MAX_STEPS: usize = 20_000_000;

/// What becomes of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Answered,
    /// It did not happen.
    Busy,
    /// It did not happen.
    Full,
    /// It happened or not, and the answer was lost.
    Down {
        happened: bool,
    },
    Broken {
        happened: bool,
    },
    /// It is answered as if all of it were done, and did not happen.
    Forgotten,
    /// The worker is killed before or after it happened.
    Killed {
        happened: bool,
    },
}

/// Decides what becomes of a transaction of a worker at a time.
type Fates = Box<dyn FnMut(usize, Duration, &LedgerRequest) -> Fate>;

pub(crate) struct Sim {
    pub(crate) now: Duration,
    pub(crate) service: Service,
    pub(crate) ledger: Box<dyn Ledger>,
    pub(crate) workers: Vec<Worker>,
    pub(crate) seed: u64,
    /// Decides what becomes of each transaction, by worker.
    pub(crate) fate: Fates,
    /// Decides whether a worker is killed after a step: by worker and the number of its step.
    pub(crate) kill: Box<dyn FnMut(usize, usize) -> bool>,
    pub(crate) spilled: Vec<u64>,
    rng: Rng,
    steps: usize,
}

pub(crate) struct Worker {
    pub(crate) session: Session,
    pub(crate) running: Option<Running>,
    pub(crate) events: Vec<(Duration, BatchEvent)>,
    pub(crate) report: Option<BatchReport>,
    /// Not run until then, as after a SIGSTOP.
    pub(crate) frozen_until: Duration,
    pub(crate) steps: usize,
}

pub(crate) struct Running {
    pub(crate) batch: Batch,
    ledger: Box<dyn OpenLedger>,
    items: std::vec::IntoIter<NewItem>,
    runs: Vec<Run>,
    reply: Option<(Duration, LedgerReply)>,
    wait: Option<(Duration, Option<Signal>)>,
}

/// A machine with a driver of its own.
struct Run {
    machine: Machines,
    due: Duration,
    input: Option<Input>,
    signal: Option<Signal>,
}

enum Machines {
    Job(Job),
    Detached(Detached),
}

pub(crate) fn account() -> Account {
    Account::new("https://open-api.123pan.com", "client-id")
}

pub(crate) fn key(number: usize) -> ItemKey {
    ItemKey::new(format!("item-{number}")).expect("a key")
}

pub(crate) fn items(count: usize) -> Vec<NewItem> {
    (0..count)
        .map(|number| {
            let key = key(number);
            let download = Download::new(format!("https://example.com/{number}"))
                .and_then(|download| download.file_name(key.as_str()))
                .expect("a download");
            NewItem::new(key, download)
        })
        .collect()
}

impl Sim {
    pub(crate) fn new(seed: u64) -> Sim {
        Sim::on(seed, Box::new(MemoryLedger::new()))
    }

    pub(crate) fn on(seed: u64, ledger: Box<dyn Ledger>) -> Sim {
        Sim {
            now: Duration::ZERO,
            service: Service::new(seed),
            ledger,
            workers: Vec::new(),
            seed,
            fate: Box::new(|_, _, _| Fate::Answered),
            kill: Box::new(|_, _| false),
            spilled: Vec::new(),
            rng: Rng::with_seed(seed),
            steps: 0,
        }
    }

    /// A worker with a session of its own, which runs nothing yet.
    pub(crate) fn worker(&mut self, pacing: Pacing) -> usize {
        let session = crate::support::builder()
            .pacing(pacing)
            .seed(self.seed + self.workers.len() as u64)
            .build()
            .expect("good settings");
        self.workers.push(Worker {
            session,
            running: None,
            events: Vec::new(),
            report: None,
            frozen_until: Duration::ZERO,
            steps: 0,
        });
        self.workers.len() - 1
    }

    /// Starts a batch on the ledger.
    pub(crate) fn start(&mut self, worker: usize, policy: BatchPolicy, items: Vec<NewItem>) {
        let ledger = self.ledger.open(&account()).expect("a ledger");
        let worker = &mut self.workers[worker];
        worker.report = None;
        worker.running = Some(Running {
            batch: worker.session.batch(policy),
            ledger,
            items: items.into_iter(),
            runs: Vec::new(),
            reply: None,
            wait: None,
        });
    }

    /// Drops everything that a worker has, as the end of its process does.
    pub(crate) fn kill(&mut self, worker: usize) {
        self.workers[worker].running = None;
    }

    /// Runs until every batch has ended, or this time is reached.
    pub(crate) fn run_until(&mut self, until: Duration) {
        while self.step(until) {}
        if self.is_running() {
            self.now = self.now.max(until);
        }
    }

    pub(crate) fn run(&mut self) {
        self.run_until(Duration::from_secs(3600 * 24 * 365));
        let stuck = self
            .workers
            .iter()
            .filter_map(|worker| worker.running.as_ref());
        let stuck: Vec<_> = stuck.map(|running| &running.batch).collect();
        assert!(
            stuck.is_empty(),
            "seed {}: never ends: {stuck:#?}",
            self.seed
        );
    }

    pub(crate) fn is_running(&self) -> bool {
        self.workers.iter().any(|worker| worker.running.is_some())
    }

    fn step(&mut self, until: Duration) -> bool {
        self.steps += 1;
        assert!(self.steps < MAX_STEPS, "seed {}: too many steps", self.seed);
        for id in 0..self.workers.len() {
            if self.workers[id].frozen_until <= self.now {
                self.pump(id);
            }
        }
        let Some((due, id, what)) = self.next_due() else {
            return false;
        };
        if due > until {
            return false;
        }
        self.now = self.now.max(due);
        self.happen(id, what);
        true
    }

    fn next_due(&mut self) -> Option<(Duration, usize, What)> {
        let mut next: Option<(Duration, usize, What)> = None;
        for (id, worker) in self.workers.iter_mut().enumerate() {
            let frozen_until = worker.frozen_until;
            let Some(running) = &mut worker.running else {
                continue;
            };
            let mut offer = |due: Duration, what: What| {
                let due = due.max(frozen_until);
                if next.as_ref().is_none_or(|(first, _, _)| due < *first) {
                    next = Some((due, id, what));
                }
            };
            if frozen_until > self.now {
                offer(frozen_until, What::Thaw);
            }
            if let Some((due, _)) = running.reply {
                offer(due, What::Reply);
            }
            if let Some((due, signal)) = &mut running.wait {
                if is_fired(signal) {
                    *due = self.now;
                }
                offer(*due, What::Wait);
            }
            for (index, run) in running.runs.iter_mut().enumerate() {
                if is_fired(&mut run.signal) {
                    run.input = Some(Input::Wake);
                    run.due = self.now;
                }
                offer(run.due, What::Run(index));
            }
        }
        next
    }

    fn happen(&mut self, id: usize, what: What) {
        let now = self.now;
        let Some(running) = &mut self.workers[id].running else {
            return;
        };
        match what {
            What::Reply => {
                if let Some((_, reply)) = running.reply.take() {
                    running.batch.recorded(at(now), reply);
                    running.wait = None;
                }
            }
            What::Wait => running.wait = None,
            What::Thaw => {}
            What::Run(index) => self.resume(id, index),
        }
        self.stepped(id);
    }

    /// Whatever was done, the worker may die right after.
    fn stepped(&mut self, id: usize) {
        let worker = &mut self.workers[id];
        worker.steps += 1;
        if worker.running.is_some() && (self.kill)(id, worker.steps) {
            self.kill(id);
        }
    }

    fn resume(&mut self, id: usize, index: usize) {
        let now = self.now;
        let Some(running) = &mut self.workers[id].running else {
            return;
        };
        let run = &mut running.runs[index];
        let input = run.input.take().unwrap_or(Input::Wake);
        run.signal = None;
        let step = match &mut run.machine {
            Machines::Job(job) => job.resume(at(now), input),
            Machines::Detached(detached) => detached.resume(at(now), input),
        };
        match step {
            Step::Ready(()) => {
                let run = running.runs.swap_remove(index);
                if let Machines::Job(job) = run.machine {
                    running.batch.finish(at(now), job);
                    running.wait = None;
                }
            }
            Step::Transmit(transmit) => {
                let (after, result) = self.service.answer(now, &transmit.request);
                run.input = Some(match result {
                    Ok(response) => Input::Response(response),
                    Err(error) => Input::Failed(error),
                });
                run.due = now + after;
                run.signal = None;
            }
            Step::Wait(wait) => {
                run.due = elapsed(wait.until).max(now);
                run.signal = Some(wait.signal);
            }
            Step::Detach(detached) => {
                running
                    .runs
                    .push(Run::new(Machines::Detached(detached), now));
                running.runs[index].due = now;
            }
            Step::Store(op) => {
                run.input = Some(Input::Stored(op.unsupported()));
                run.due = now;
            }
        }
    }

    /// Takes all steps that a batch has now.
    fn pump(&mut self, id: usize) {
        let now = self.now;
        while let Some(running) = &mut self.workers[id].running {
            if running.wait.is_some() {
                return;
            }
            for item in running.items.by_ref().take(running.batch.room()) {
                running.batch.add(item);
            }
            if running.items.len() == 0 {
                running.batch.items_ended();
            }
            match running.batch.next(at(now)) {
                BatchStep::Start(job) => running.runs.push(Run::new(Machines::Job(job), now)),
                BatchStep::Ledger(request) => {
                    if !self.record(id, request) {
                        return;
                    }
                }
                BatchStep::Event(event) => self.workers[id].events.push((now, event)),
                BatchStep::Wait(wait) => {
                    running.wait = Some((elapsed(wait.until), Some(wait.signal)));
                    return;
                }
                BatchStep::Done(report) => {
                    self.workers[id].report = Some(report);
                    self.workers[id].running = None;
                    return;
                }
            }
            self.stepped(id);
        }
    }

    /// Returns false if the worker was killed meanwhile.
    fn record(&mut self, id: usize, request: LedgerRequest) -> bool {
        let fate = (self.fate)(id, self.now, &request);
        let latency = millis(self.rng.u64(0..20));
        let Some(running) = &mut self.workers[id].running else {
            return false;
        };
        if let LedgerRequest::Spill(tasks) = &request {
            self.spilled
                .extend(tasks.iter().map(|task| task.task.get()));
            let results = tasks.iter().map(|_| Ok(())).collect();
            let reply = LedgerReply::Spilled {
                results,
                spill_room: usize::MAX,
            };
            running.reply = Some((self.now + latency, reply));
            return true;
        }
        let (happens, fault) = match fate {
            Fate::Answered => (true, None),
            Fate::Busy => (false, Some(LedgerFault::Busy("busy".to_owned()))),
            Fate::Full => (false, Some(LedgerFault::Full("full".to_owned()))),
            Fate::Down { happened } => (happened, Some(LedgerFault::Down("down".to_owned()))),
            Fate::Broken { happened } => (happened, Some(LedgerFault::Broken("broken".to_owned()))),
            Fate::Killed { happened } => (happened, None),
            Fate::Forgotten => {
                let LedgerRequest::Run(transaction) = &request else {
                    return true;
                };
                let done = transaction.ops.iter().map(|_| LedgerAnswer::Done);
                let reply = LedgerReply::Ran {
                    result: Ok(done.collect()),
                    spill_room: usize::MAX,
                };
                running.reply = Some((self.now + latency, reply));
                return true;
            }
        };
        let reply = happens.then(|| running.ledger.perform(request));
        if let Fate::Killed { .. } = fate {
            self.kill(id);
            return false;
        }
        let reply = match fault {
            Some(fault) => LedgerReply::Ran {
                result: Err(fault),
                spill_room: usize::MAX,
            },
            None => reply.expect("it happened"),
        };
        running.reply = Some((self.now + latency, reply));
        true
    }
}

#[derive(Clone, Copy)]
enum What {
    Thaw,
    Reply,
    Wait,
    Run(usize),
}

impl Run {
    fn new(machine: Machines, due: Duration) -> Run {
        Run {
            machine,
            due,
            input: Some(Input::Wake),
            signal: None,
        }
    }
}

/// A signal fires once.
fn is_fired(signal: &mut Option<Signal>) -> bool {
    let mut context = Context::from_waker(Waker::noop());
    let fired = |signal: &mut Signal| Pin::new(signal).poll(&mut context).is_ready();
    signal.take_if(fired).is_some()
}
