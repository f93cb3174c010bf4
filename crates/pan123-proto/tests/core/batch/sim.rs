//! Workers that run batches on one ledger and one service, in one thread and in virtual time.

use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Waker};
use std::time::Duration;

use fastrand::Rng;
use pan123_proto::batch::{Batch, BatchEvent, BatchPolicy, BatchReport, BatchStep, Job, LedgerJob};
use pan123_proto::ledger::{
    ItemKey, Ledger, LedgerAnswer, LedgerFault, LedgerOp, MemoryLedger, NewItem, OpenLedger,
    SpilledTask, Transaction,
};
use pan123_proto::offline::Download;
use pan123_proto::{Account, Detached, Input, Machine, Pacing, Session, Signal, Step};

use super::service::Service;
use crate::support::shared_pace::PaceStore;
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
    /// Its intents are answered as if they were done, and did not happen.
    Forgotten,
    /// It happened, and the last operation gets no answer.
    TooFew,
    /// It happened, and each answer is one to another operation.
    OtherKind,
    /// The worker is killed before or after it happened.
    Killed {
        happened: bool,
    },
}

/// What becomes of a task id that is given to the spill.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SpillFate {
    Kept,
    Fails,
    /// Its thread ends.
    Panics,
}

/// Decides what becomes of a transaction of a worker at a time.
type Fates = Box<dyn FnMut(usize, Duration, &[LedgerOp]) -> Fate + Send>;

/// What all ledgers of a simulation share.
struct Disturber {
    fates: Fates,
    now: Duration,
    /// The worker that is to be killed now.
    kills: Option<usize>,
    /// The fates of the next task ids that are given to the spill.
    spill_fates: Vec<SpillFate>,
    spilled: Vec<u64>,
}

/// A ledger to which things happen.
struct Disturbed {
    ledger: Box<dyn OpenLedger>,
    worker: usize,
    disturber: Arc<Mutex<Disturber>>,
}

impl OpenLedger for Disturbed {
    fn run(&mut self, transaction: Transaction) -> Result<Vec<LedgerAnswer>, LedgerFault> {
        let fate = {
            let mut disturber = self.disturber.lock().unwrap();
            let now = disturber.now;
            (disturber.fates)(self.worker, now, &transaction.ops)
        };
        let text = || "on purpose".to_owned();
        let (happens, fault) = match fate {
            Fate::Answered => (true, None),
            Fate::Busy => (false, Some(LedgerFault::Busy(text()))),
            Fate::Full => (false, Some(LedgerFault::Full(text()))),
            Fate::Down { happened } => (happened, Some(LedgerFault::Down(text()))),
            Fate::Broken { happened } => (happened, Some(LedgerFault::Broken(text()))),
            Fate::Killed { happened } => {
                self.disturber.lock().unwrap().kills = Some(self.worker);
                (happened, Some(LedgerFault::Down(text())))
            }
            Fate::Forgotten => return self.forget_intents(transaction),
            Fate::TooFew => {
                let mut answers = self.ledger.run(transaction)?;
                answers.pop();
                return Ok(answers);
            }
            Fate::OtherKind => {
                let answers = self.ledger.run(transaction)?;
                return Ok(vec![LedgerAnswer::Unsupported; answers.len()]);
            }
        };
        let answers = if happens {
            self.ledger.run(transaction)?
        } else {
            Vec::new()
        };
        fault.map_or(Ok(answers), Err)
    }

    fn spill(&mut self, task: SpilledTask) -> Result<(), LedgerFault> {
        let mut disturber = self.disturber.lock().unwrap();
        match disturber.spill_fates.pop().unwrap_or(SpillFate::Kept) {
            SpillFate::Kept => disturber.spilled.push(task.task.get()),
            SpillFate::Fails => return Err(LedgerFault::Full("on purpose".to_owned())),
            SpillFate::Panics => {
                drop(disturber);
                std::panic::resume_unwind(Box::new("on purpose"));
            }
        }
        Ok(())
    }
}

impl Disturbed {
    fn forget_intents(
        &mut self,
        transaction: Transaction,
    ) -> Result<Vec<LedgerAnswer>, LedgerFault> {
        let is_intent = |op: &LedgerOp| matches!(op, LedgerOp::Intend { .. });
        let forgotten: Vec<bool> = transaction.ops.iter().map(is_intent).collect();
        let mut rest = transaction;
        rest.ops.retain(|op| !is_intent(op));
        let mut answers = self.ledger.run(rest)?.into_iter();
        let answers = forgotten.into_iter().map(|is_forgotten| {
            if is_forgotten {
                LedgerAnswer::Done
            } else {
                answers.next().expect("an answer")
            }
        });
        Ok(answers.collect())
    }
}

pub(crate) struct Sim {
    pub(crate) now: Duration,
    pub(crate) service: Service,
    pub(crate) ledger: Box<dyn Ledger>,
    pub(crate) workers: Vec<Worker>,
    pub(crate) seed: u64,
    /// The pace that workers which are made later share.
    pub(crate) pace: Option<PaceStore>,
    disturber: Arc<Mutex<Disturber>>,
    /// Decides whether a worker is killed after a step: by worker and the number of its step.
    pub(crate) kill: Box<dyn FnMut(usize, usize) -> bool>,
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
    /// How many requests it had at once.
    pub(crate) most_at_once: usize,
}

pub(crate) struct Running {
    pub(crate) batch: Batch,
    items: std::vec::IntoIter<NewItem>,
    runs: Vec<Run>,
    recording: Option<(Duration, LedgerJob)>,
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
            pace: None,
            disturber: Arc::new(Mutex::new(Disturber {
                fates: Box::new(|_, _, _| Fate::Answered),
                now: Duration::ZERO,
                kills: None,
                spill_fates: Vec::new(),
                spilled: Vec::new(),
            })),
            kill: Box::new(|_, _| false),
            rng: Rng::with_seed(seed),
            steps: 0,
        }
    }

    /// A worker with a session of its own, which runs nothing yet.
    pub(crate) fn worker(&mut self, pacing: Pacing) -> usize {
        let session = crate::support::builder()
            .pacing(pacing)
            .share_pace(self.pace.is_some())
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
            most_at_once: 0,
        });
        self.workers.len() - 1
    }

    /// Starts a batch on the ledger.
    pub(crate) fn start(&mut self, worker: usize, policy: BatchPolicy, items: Vec<NewItem>) {
        let ledger = self.ledger.open(&account()).expect("a ledger");
        let ledger = Box::new(Disturbed {
            ledger,
            worker,
            disturber: Arc::clone(&self.disturber),
        });
        let worker = &mut self.workers[worker];
        worker.report = None;
        worker.running = Some(Running {
            batch: worker.session.batch(ledger, policy),
            items: items.into_iter(),
            runs: Vec::new(),
            recording: None,
            wait: None,
        });
    }

    /// Decides what becomes of each transaction.
    pub(crate) fn set_fates(
        &mut self,
        fates: impl FnMut(usize, Duration, &[LedgerOp]) -> Fate + Send + 'static,
    ) {
        self.disturber.lock().unwrap().fates = Box::new(fates);
    }

    /// Decides what becomes of the next task ids that are given to the spill, the last fate first.
    pub(crate) fn set_spill_fates(&mut self, fates: Vec<SpillFate>) {
        self.disturber.lock().unwrap().spill_fates = fates;
    }

    /// The tasks that were kept aside because the ledger did not take them.
    pub(crate) fn spilled(&self) -> Vec<u64> {
        self.disturber.lock().unwrap().spilled.clone()
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
            if let Some((due, _)) = running.recording {
                offer(due, What::Recorded);
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
            What::Recorded => {
                if let Some((_, job)) = running.recording.take() {
                    running.batch.recorded(at(now), job);
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
            Step::Pace(op) => {
                let pace = self.pace.as_ref();
                let answer = pace.map(|pace| pace.answer(now, &op));
                let (after, result) = answer.unwrap_or((Duration::ZERO, op.unsupported()));
                run.input = Some(Input::Paced(result));
                run.due = now + after;
                run.signal = None;
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
                BatchStep::Start(job) => {
                    running.runs.push(Run::new(Machines::Job(job), now));
                    let count = running.runs.len();
                    let worker = &mut self.workers[id];
                    worker.most_at_once = worker.most_at_once.max(count);
                }
                BatchStep::Ledger(job) => {
                    if !self.record(id, job) {
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
    fn record(&mut self, id: usize, mut job: LedgerJob) -> bool {
        self.disturber.lock().unwrap().now = self.now;
        // One whose thread ends is handed back as it is.
        drop(std::panic::catch_unwind(std::panic::AssertUnwindSafe(
            || job.run(),
        )));
        if self.disturber.lock().unwrap().kills.take().is_some() {
            self.kill(id);
            return false;
        }
        let latency = millis(self.rng.u64(0..20));
        if let Some(running) = &mut self.workers[id].running {
            running.recording = Some((self.now + latency, job));
        }
        true
    }
}

#[derive(Clone, Copy)]
enum What {
    Thaw,
    Recorded,
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
