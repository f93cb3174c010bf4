//! What a batch has to record: asked of the ledger in groups, one after the other, and again if the ledger fails.

use std::fmt;
use std::time::{Duration, Instant};

use super::callbacks::Told;
use super::event::ItemChange;
use super::ledger_job::{LedgerJob, Reply, Request};
use crate::ids::{FileId, TaskId};
use crate::ledger::{
    ItemId, ItemKey, LedgerAnswer, LedgerFault, LedgerOp, OpenLedger, SpilledTask, Transaction,
    unexpected,
};
use crate::machine::{Now, later};
use crate::policy::retry::doubled;

/// The pauses before a ledger that failed is asked again.
const MIN_PAUSE: Duration = Duration::from_millis(100);
const MAX_PAUSE: Duration = Duration::from_secs(5);
/// How many times the spill of a broken ledger is asked at most.
const MAX_SPILLS: u32 = 5;
/// How many operations a group has at most, apart from those that belong to every group.
const MAX_OPS: usize = 1000;

/// What to do with the answer to an operation.
#[derive(Clone, Debug)]
pub(super) enum Then {
    Nothing,
    Added,
    Claimed,
    Counted,
    Beaten,
    Intended(ItemId),
    Created {
        item: ItemId,
        task: TaskId,
        spill: Spill,
    },
    /// The item leaves the batch, with this change if the ledger agrees.
    Left(ItemId, Option<Box<ItemChange>>),
    Noticed(Told),
    /// Items for the search.
    Listed,
    /// An unconfirmed item has become this file.
    Settled(ItemKey, FileId),
}

/// Where a task id is that the ledger has not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spill {
    /// Only in the batch.
    No,
    /// It was told, and is to be given to the spill.
    Wanted,
    /// The spill has it.
    Kept,
}

pub(super) type Asked = Vec<(LedgerOp, Then)>;

/// What a reply brought.
pub(super) enum Heard {
    Answers(Vec<(Then, LedgerAnswer)>),
    Failed {
        fault: LedgerFault,
        asked: Asked,
    },
    /// The spill failed.
    SpillFailed(LedgerFault),
    Nothing,
}

pub(super) struct Recorder {
    /// None while the driver has it.
    ledger: Option<Box<dyn OpenLedger>>,
    pending: Asked,
    asked: Asked,
    /// When the spill may be asked.
    spill_at: Option<Instant>,
    /// How many times in a row the spill did not keep what it was given.
    spill_failures: u32,
    /// Whether an answer was lost, so that the ledger may take more for this worker's than it knows of.
    is_unsure: bool,
    failures: u32,
    /// Whether the failures since the last success were worth telling.
    is_failure_told: bool,
    retry_at: Option<Instant>,
    broken: Option<LedgerFault>,
    spill_room: usize,
}

impl Recorder {
    pub(super) fn new(ledger: Box<dyn OpenLedger>) -> Recorder {
        Recorder {
            spill_room: ledger.spill_room(),
            ledger: Some(ledger),
            pending: Vec::new(),
            asked: Vec::new(),
            spill_at: None,
            spill_failures: 0,
            is_unsure: false,
            failures: 0,
            is_failure_told: false,
            retry_at: None,
            broken: None,
        }
    }

    pub(super) fn push(&mut self, op: LedgerOp, then: Then) {
        self.pending.push((op, then));
    }

    /// Whether the ledger can be asked now.
    pub(super) fn is_free(&self, now: Instant) -> bool {
        self.ledger.is_some() && self.broken.is_none() && self.retry_at.is_none_or(|at| now >= at)
    }

    /// Whether the last transaction succeeded, if there was one.
    pub(super) fn works(&self) -> bool {
        self.failures == 0 && self.broken.is_none()
    }

    pub(super) fn broken(&self) -> Option<&LedgerFault> {
        self.broken.as_ref()
    }

    /// Whether nothing is asked, and nothing has to be asked but of a broken ledger.
    pub(super) fn is_idle(&self) -> bool {
        let is_done = self.pending.is_empty() || self.broken.is_some();
        self.ledger.is_some() && is_done && self.to_spill().next().is_none()
    }

    pub(super) fn spill_room(&self) -> usize {
        self.spill_room
    }

    /// Whether the ledger may take more for this worker's than it has.
    pub(super) fn take_unsure(&mut self) -> bool {
        std::mem::take(&mut self.is_unsure)
    }

    /// When the ledger or its spill is asked again after a failure.
    pub(super) fn retry_at(&self) -> Option<Instant> {
        let retry_at = self.retry_at.filter(|_| self.broken.is_none());
        let times = retry_at.into_iter().chain(self.spill_at);
        times.min().filter(|_| self.ledger.is_some())
    }

    pub(super) fn spill_job(&mut self, now: Instant) -> Option<LedgerJob> {
        // What is pending grows while the driver has the ledger: it is not looked through meanwhile.
        if self.ledger.is_none() || self.spill_at.is_some_and(|at| now < at) {
            return None;
        }
        self.spill_at = None;
        let tasks: Vec<_> = self.to_spill().collect();
        if tasks.is_empty() {
            return None;
        }
        let ledger = self.ledger.take()?;
        Some(LedgerJob {
            ledger,
            request: Request::Spill(tasks),
            reply: None,
        })
    }

    /// What the spill is to keep, unless it has failed too often.
    fn to_spill(&self) -> impl Iterator<Item = SpilledTask> {
        let pending = self
            .pending
            .iter()
            .filter(|_| self.spill_failures < MAX_SPILLS);
        pending.filter_map(|asked| match *asked {
            (
                LedgerOp::Created { item, fence, task },
                Then::Created {
                    spill: Spill::Wanted,
                    ..
                },
            ) => Some(SpilledTask::new(item, fence, task)),
            _ => None,
        })
    }

    /// The spill has these tasks now.
    fn kept(&mut self, kept: &[SpilledTask]) {
        for (op, then) in &mut self.pending {
            if let (LedgerOp::Created { item, fence, task }, Then::Created { spill, .. }) =
                (op, then)
                && kept.contains(&SpilledTask::new(*item, *fence, *task))
            {
                *spill = Spill::Kept;
            }
        }
    }

    fn spill_failed(&mut self, now: Instant, fault: LedgerFault) -> Heard {
        let pause = doubled(MIN_PAUSE, self.spill_failures, MAX_PAUSE);
        self.spill_at = Some(later(now, pause));
        self.spill_failures += 1;
        if self.spill_failures == 1 {
            Heard::SpillFailed(fault)
        } else {
            Heard::Nothing
        }
    }

    /// Asks the ledger for what is pending, between what comes first and last in the group.
    pub(super) fn job(&mut self, now: Now, mut first: Asked, last: Asked) -> Option<LedgerJob> {
        let count = self.pending.len().min(MAX_OPS);
        first.extend(self.pending.drain(..count));
        first.extend(last);
        if first.is_empty() {
            return None;
        }
        let ledger = self.ledger.take()?;
        let ops = first.iter().map(|(op, _)| op.clone()).collect();
        self.asked = first;
        Some(LedgerJob {
            ledger,
            request: Request::Run(Transaction::new(now.wall, ops)),
            reply: None,
        })
    }

    /// Takes the ledger back. One that was not asked may have been asked nevertheless.
    pub(super) fn hear(&mut self, now: Instant, job: LedgerJob) -> Heard {
        self.spill_room = job.ledger.spill_room();
        self.ledger = Some(job.ledger);
        let given_up = || LedgerFault::Down("the driver gave it up".to_owned());
        let result = match (job.request, job.reply) {
            (Request::Spill(_), Some(Reply::Spilled { kept, fault })) => {
                self.kept(&kept);
                let Some(fault) = fault else {
                    self.spill_failures = 0;
                    return Heard::Nothing;
                };
                return self.spill_failed(now, fault);
            }
            (Request::Spill(_), _) => return self.spill_failed(now, given_up()),
            (Request::Run(_), Some(Reply::Ran(result))) => result,
            (Request::Run(_), _) => Err(given_up()),
        };
        let asked = std::mem::take(&mut self.asked);
        match result.and_then(|answers| checked(&asked, answers)) {
            Ok(answers) => {
                let thens = asked.into_iter().map(|(_, then)| then);
                Heard::Answers(thens.zip(answers).collect())
            }
            Err(fault) => {
                self.failed(now, &fault);
                Heard::Failed { fault, asked }
            }
        }
    }

    fn failed(&mut self, now: Instant, fault: &LedgerFault) {
        let pause = doubled(MIN_PAUSE, self.failures, MAX_PAUSE);
        self.retry_at = Some(later(now, pause));
        self.is_unsure |= matches!(fault, LedgerFault::Down(_));
        if fault.is_final() {
            self.broken = Some(fault.clone());
        }
    }

    /// Asks again for what a failed transaction had, before anything else.
    pub(super) fn again(&mut self, mut again: Asked) {
        again.append(&mut self.pending);
        self.pending = again;
    }

    /// Gives every task id that is to be recorded to the spill. Returns those that were not given to it before.
    pub(super) fn spill_created(&mut self) -> Vec<(ItemId, TaskId)> {
        let mut new = Vec::new();
        for (_, then) in &mut self.pending {
            if let Then::Created { item, task, spill } = then
                && *spill == Spill::No
            {
                *spill = Spill::Wanted;
                new.push((*item, *task));
            }
        }
        if !new.is_empty() {
            self.spill_failures = 0;
        }
        new
    }

    /// Counts a failure; returns whether it is the first one to tell. A busy ledger is none.
    pub(super) fn count_failure(&mut self, fault: &LedgerFault) -> bool {
        self.failures = self.failures.saturating_add(1);
        let is_busy = matches!(fault, LedgerFault::Busy(_));
        !is_busy && !std::mem::replace(&mut self.is_failure_told, true)
    }

    /// Forgets the failures; returns whether one was told.
    pub(super) fn recover(&mut self) -> bool {
        self.retry_at = None;
        self.failures = 0;
        self.spill_at = None;
        self.spill_failures = 0;
        std::mem::take(&mut self.is_failure_told)
    }

    pub(super) fn set_unsure(&mut self) {
        self.is_unsure = true;
    }
}

/// Returns the answers if there is one for each operation, of its kind.
fn checked(asked: &Asked, answers: Vec<LedgerAnswer>) -> Result<Vec<LedgerAnswer>, LedgerFault> {
    if answers.len() != asked.len() {
        return Err(LedgerFault::Broken(format!(
            "it gave {} answers to {} questions",
            answers.len(),
            asked.len()
        )));
    }
    let mut pairs = asked.iter().zip(&answers);
    match pairs.find(|((_, then), answer)| !then.takes(answer)) {
        Some((_, answer)) => Err(unexpected(answer)),
        None => Ok(answers),
    }
}

impl Then {
    /// Whether the answer is one to its operation.
    fn takes(&self, answer: &LedgerAnswer) -> bool {
        use LedgerAnswer::{
            Added, Beaten, Claimed, Counts, Done, Lost, Noticed, Page, Refused, Stray,
        };
        match self {
            Then::Nothing => matches!(answer, Done | Lost),
            Then::Added => matches!(answer, Added(_)),
            Then::Claimed => matches!(answer, Claimed(_)),
            Then::Counted => matches!(answer, Counts(_)),
            Then::Beaten => matches!(answer, Beaten(_) | Lost),
            Then::Intended(_) => matches!(answer, Done | Lost),
            Then::Created { .. } => matches!(answer, Done | Lost | Stray),
            Then::Left(..) | Then::Settled(..) => matches!(answer, Done | Lost | Refused(_)),
            Then::Noticed(_) => matches!(answer, Noticed(_)),
            Then::Listed => matches!(answer, Page(_)),
        }
    }
}

impl fmt::Debug for Recorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recorder")
            .field("pending", &self.pending)
            .field("asked", &self.asked)
            .field("failures", &self.failures)
            .field("broken", &self.broken)
            .finish_non_exhaustive()
    }
}
