//! What a batch has to record: asked of the ledger in groups, one after the other, and again if the ledger fails.

use std::time::{Duration, Instant};

use super::event::ItemChange;
use crate::ids::{FileId, TaskId};
use crate::ledger::{
    ItemId, LedgerAnswer, LedgerFault, LedgerOp, LedgerReply, LedgerRequest, SpilledTask,
    Transaction,
};
use crate::machine::{Now, later};
use crate::policy::retry::doubled;

/// The pauses before a ledger that failed is asked again.
const MIN_PAUSE: Duration = Duration::from_millis(100);
const MAX_PAUSE: Duration = Duration::from_secs(5);
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
        /// Whether the spill has it.
        is_spilled: bool,
    },
    /// The item leaves the batch, with this change if the ledger agrees.
    Left(ItemId, Option<Box<ItemChange>>),
    Noticed(Option<FileId>),
}

pub(super) type Asked = Vec<(LedgerOp, Then)>;

/// What a reply brought.
pub(super) enum Heard {
    Answers(Vec<(Then, LedgerAnswer)>),
    Failed { fault: LedgerFault, asked: Asked },
    Nothing,
}

#[derive(Debug, Default)]
pub(super) struct Recorder {
    pending: Asked,
    asked: Asked,
    is_waiting: bool,
    to_spill: Vec<SpilledTask>,
    /// Whether an answer was lost, so that the ledger may take more for this worker's than it knows of.
    is_unsure: bool,
    failures: u32,
    retry_at: Option<Instant>,
    broken: Option<LedgerFault>,
    spill_room: Option<usize>,
}

impl Recorder {
    pub(super) fn push(&mut self, op: LedgerOp, then: Then) {
        self.pending.push((op, then));
    }

    pub(super) fn spill(&mut self, task: SpilledTask) {
        self.to_spill.push(task);
    }

    /// Whether the ledger can be asked now.
    pub(super) fn is_free(&self, now: Instant) -> bool {
        !self.is_waiting && self.broken.is_none() && self.retry_at.is_none_or(|at| now >= at)
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
        !self.is_waiting && self.to_spill.is_empty() && is_done
    }

    pub(super) fn spill_room(&self) -> usize {
        self.spill_room.unwrap_or(usize::MAX)
    }

    /// Whether the ledger may take more for this worker's than it has.
    pub(super) fn take_unsure(&mut self) -> bool {
        std::mem::take(&mut self.is_unsure)
    }

    /// When the ledger is asked again after a failure.
    pub(super) fn retry_at(&self) -> Option<Instant> {
        self.retry_at
            .filter(|_| !self.is_waiting && self.broken.is_none())
    }

    pub(super) fn spill_request(&mut self) -> Option<LedgerRequest> {
        if self.is_waiting || self.to_spill.is_empty() {
            return None;
        }
        self.is_waiting = true;
        Some(LedgerRequest::Spill(std::mem::take(&mut self.to_spill)))
    }

    /// Asks the ledger for what is pending, between what comes first and last in the group.
    pub(super) fn request(
        &mut self,
        now: Now,
        mut first: Asked,
        last: Asked,
    ) -> Option<LedgerRequest> {
        let count = self.pending.len().min(MAX_OPS);
        first.extend(self.pending.drain(..count));
        first.extend(last);
        if first.is_empty() {
            return None;
        }
        self.is_waiting = true;
        self.asked = first;
        let ops = self.asked.iter().map(|(op, _)| op.clone()).collect();
        Some(LedgerRequest::Run(Transaction::new(now.wall, ops)))
    }

    /// Takes a reply.
    pub(super) fn hear(&mut self, now: Instant, reply: LedgerReply) -> Heard {
        self.is_waiting = false;
        match reply {
            LedgerReply::Ran { result, spill_room } => {
                self.spill_room = Some(spill_room);
                let asked = std::mem::take(&mut self.asked);
                match result {
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
            LedgerReply::Spilled { spill_room, .. } => {
                // A task that cannot be kept there either was told as an event, and stays to be recorded.
                self.spill_room = Some(spill_room);
                Heard::Nothing
            }
        }
    }

    fn failed(&mut self, now: Instant, fault: &LedgerFault) {
        let pause = doubled(MIN_PAUSE, self.failures, MAX_PAUSE);
        self.retry_at = Some(later(now, pause));
        self.is_unsure |= matches!(fault, LedgerFault::Down(_));
        if matches!(fault, LedgerFault::Broken(_)) {
            self.broken = Some(fault.clone());
        }
    }

    /// Asks again for what a failed transaction had, before anything else.
    pub(super) fn again(&mut self, mut again: Asked) {
        again.append(&mut self.pending);
        self.pending = again;
    }

    /// Gives every task id that is to be recorded to the spill, once. Returns those that are new there.
    pub(super) fn spill_created(&mut self) -> Vec<SpilledTask> {
        let before = self.to_spill.len();
        for (op, then) in &mut self.pending {
            if let (LedgerOp::Created { item, fence, task }, Then::Created { is_spilled, .. }) =
                (op, then)
                && !std::mem::replace(is_spilled, true)
            {
                self.to_spill.push(SpilledTask::new(*item, *fence, *task));
            }
        }
        self.to_spill[before..].to_vec()
    }

    /// Counts a failure; returns whether it is the first one.
    pub(super) fn count_failure(&mut self) -> bool {
        self.failures = self.failures.saturating_add(1);
        self.failures == 1
    }

    /// Forgets the failures; returns whether there was one.
    pub(super) fn recover(&mut self) -> bool {
        self.retry_at = None;
        std::mem::take(&mut self.failures) > 0
    }

    pub(super) fn set_unsure(&mut self) {
        self.is_unsure = true;
    }
}
