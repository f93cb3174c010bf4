//! What each operation does to an item: pure, and the same in every ledger.
//!
//! A claim gives the item a fence, which is good for one [`intend`](Item::intend). Whatever comes after names the fence: an operation
//! of a claim that is over changes nothing, and says so. Each one may be repeated, for a worker that did not hear the answer.

use std::fmt;
use std::time::Duration;

use super::item::{Fence, Item, ItemState, Millis, WorkerId};
use super::op::{Ending, Notice, millis};
use crate::ids::{FileId, TaskId};

/// What an operation did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    /// It holds now, or held already.
    Done,
    /// The claim is over: the worker must leave the item alone.
    Lost,
    /// A task that nobody follows: it was created for a claim that somebody settled otherwise. It is kept in
    /// [`Item::other_tasks`].
    Stray,
}

/// What somebody settles about an unconfirmed item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verdict {
    /// It was created as this task, which is followed from now on.
    Was(TaskId),
    /// It has become this file.
    Found(FileId),
    /// It was not created: send it again. Refused until it can no longer be on its way.
    SendAgain,
    /// It is given up.
    Drop,
}

/// Why an item does not take what somebody wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// There is no item with this key.
    Unknown,
    /// The item's state does not allow it.
    State(ItemState),
    /// The request may still be on its way; ask again in so many milliseconds.
    TooEarly(Millis),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::Unknown => f.write_str("no item has this key"),
            Refusal::State(state) => write!(f, "it is {state}, which does not allow this"),
            Refusal::TooEarly(millis) => write!(
                f,
                "its request may still be on its way; try again in {} s",
                millis.div_ceil(1000)
            ),
        }
    }
}

/// How long an item waits in the queue at most, in milliseconds: a day.
const LONGEST_DELAY: Millis = 24 * 3_600_000;

/// The latest time for which an item waits in the queue.
pub(super) fn longest_delay(now: Millis) -> Millis {
    now.saturating_add(LONGEST_DELAY)
}

pub(super) fn delayed(now: Millis, delay: Duration) -> Millis {
    now.saturating_add(millis(delay)).min(longest_delay(now))
}

/// How the reason of a failed task begins.
fn failure_of(task: TaskId) -> String {
    format!("offline download {task} failed")
}

/// Why a task failed, by its callback.
pub(crate) fn failure_as_told(task: TaskId, told: &str) -> String {
    format!("{}: {told}", failure_of(task))
}

impl Item {
    pub(super) fn claim(&mut self, worker: WorkerId, fence: Fence) {
        self.state = ItemState::Claimed;
        self.owner = worker;
        self.fence = fence;
    }

    /// Follows the task of a running item that nobody follows.
    pub(super) fn follow(&mut self, worker: WorkerId) {
        self.owner = worker;
    }

    /// Takes the item from a worker that is gone. One that it was about to send may have been sent. The fence stays, for a worker
    /// that was only frozen and still knows what came of its request.
    pub(super) fn abandon(&mut self) {
        match self.state {
            ItemState::Claimed => self.requeue(0),
            ItemState::Intended => {
                self.state = ItemState::Unconfirmed;
                self.reason = Some("the worker that was to send it is gone".into());
            }
            _ => {}
        }
        self.owner = WorkerId::default();
    }

    /// What an item of another ledger is in this one: no worker holds it, and no claim of it counts.
    pub(super) fn adopt(&mut self, now: Millis) {
        self.abandon();
        self.fence = Fence::default();
        self.noticed = false;
        self.hidden &= self.state.is_ended();
        self.intended_at = self.intended_at.min(now);
        self.not_before = self.not_before.min(longest_delay(now));
        if let Some(reason) = self.reason.take() {
            self.set_reason(&reason);
        }
        if matches!(self.state, ItemState::Queued | ItemState::Paused) {
            // It would be taken for that of its next task.
            self.file = None;
        }
        if self.state == ItemState::Running && self.task.is_none() {
            self.state = ItemState::Unconfirmed;
            self.reason = Some("it ran as a task whose id is not known".into());
        }
        if self.state != ItemState::Running
            && !self.state.is_ended()
            && let Some(task) = self.task.take()
        {
            self.keep_aside(task);
        }
    }

    /// Whether this is the claim that may act on it.
    fn is_claimed_as(&self, fence: Fence) -> bool {
        fence != Fence::default() && self.fence == fence
    }

    /// The right to send, once.
    pub(super) fn intend(&mut self, fence: Fence, now: Millis) -> Effect {
        if !self.is_claimed_as(fence) {
            return Effect::Lost;
        }
        match self.state {
            ItemState::Claimed => {
                self.state = ItemState::Intended;
                self.intended_at = now;
                // Why it had waited.
                self.reason = None;
                self.attempts = self.attempts.saturating_add(1);
                Effect::Done
            }
            ItemState::Intended => Effect::Done,
            _ => Effect::Lost,
        }
    }

    /// Certainly not carried out.
    pub(super) fn withdraw(&mut self, fence: Fence, reason: &str, not_before: Millis) -> Effect {
        if !self.is_claimed_as(fence) {
            return Effect::Lost;
        }
        match self.state {
            ItemState::Claimed | ItemState::Intended | ItemState::Unconfirmed => {
                self.set_reason(reason);
                self.requeue(not_before);
                Effect::Done
            }
            ItemState::Queued => Effect::Done,
            _ => Effect::Lost,
        }
    }

    /// Certainly not carried out, and never will be.
    pub(super) fn reject(&mut self, fence: Fence, reason: &str) -> Effect {
        if !self.is_claimed_as(fence) {
            return Effect::Lost;
        }
        match self.state {
            ItemState::Claimed | ItemState::Intended | ItemState::Unconfirmed => {
                self.set_reason(reason);
                self.state = ItemState::Failed;
                Effect::Done
            }
            ItemState::Failed => Effect::Done,
            _ => Effect::Lost,
        }
    }

    /// Carried out, as this task. It counts after a takeover, too.
    pub(super) fn created(&mut self, fence: Fence, task: TaskId, worker: WorkerId) -> Effect {
        if self.task == Some(task) {
            return Effect::Done;
        }
        // An item that is sent again may become the same task again.
        let is_sent = matches!(self.state, ItemState::Intended | ItemState::Unconfirmed);
        let is_over = self.other_tasks.contains(&task) && !is_sent;
        match self.state {
            _ if is_over => Effect::Stray,
            // A task that exists counts, even if the worker said before that there is none.
            ItemState::Queued
            | ItemState::Claimed
            | ItemState::Intended
            | ItemState::Unconfirmed
                if self.is_claimed_as(fence) =>
            {
                self.run(task, worker);
                Effect::Done
            }
            _ => {
                self.keep_aside(task);
                Effect::Stray
            }
        }
    }

    /// It may have been carried out, perhaps as one of these tasks.
    pub(super) fn doubt(&mut self, fence: Fence, candidates: &[TaskId], reason: &str) -> Effect {
        for &task in candidates {
            self.keep_aside(task);
        }
        if !self.is_claimed_as(fence) {
            return Effect::Lost;
        }
        match self.state {
            ItemState::Claimed | ItemState::Intended | ItemState::Unconfirmed => {
                self.state = ItemState::Unconfirmed;
                self.owner = WorkerId::default();
                self.set_reason(reason);
                Effect::Done
            }
            _ => Effect::Lost,
        }
    }

    /// A callback told of the end of its task.
    pub(super) fn notice(&mut self, file: Option<FileId>, reason: Option<&str>) {
        if self.state.is_ended() {
            self.notice_late(file, reason);
        }
        if !self.state.may_have_task() {
            return;
        }
        self.noticed = true;
        self.file = file.or(self.file);
        // An unconfirmed item keeps the reason why it is.
        if let Some(reason) = reason
            && self.state != ItemState::Unconfirmed
        {
            self.set_reason(reason);
        }
    }

    /// A callback came after the end, with what the progress does not tell.
    fn notice_late(&mut self, file: Option<FileId>, reason: Option<&str>) {
        let Some(task) = self.task else {
            return;
        };
        let without = format!("{};", failure_of(task));
        match (self.state, reason) {
            // If it had other tasks, the file may be that of one of them.
            (ItemState::Succeeded, _) if self.other_tasks.is_empty() => {
                self.file = self.file.or(file);
            }
            (ItemState::Failed, Some(told))
                if self
                    .reason
                    .as_ref()
                    .is_some_and(|it| it.starts_with(&without)) =>
            {
                self.set_reason(&failure_as_told(task, told));
            }
            _ => {}
        }
    }

    /// Its worker has heard of a callback, unless a later one told more.
    pub(super) fn heard(&mut self, notice: &Notice, worker: WorkerId) {
        let is_all = self.file == notice.file && self.reason == notice.reason;
        if self.owner == worker && is_all {
            self.noticed = false;
        }
    }

    /// Its task has ended. Two workers may see that after a takeover: only the first one hears `Done`.
    pub(super) fn end(
        &mut self,
        task: TaskId,
        ending: &Ending,
        worker: WorkerId,
        now: Millis,
    ) -> Effect {
        if self.state != ItemState::Running || self.task != Some(task) {
            let is_over = self.task == Some(task) || self.other_tasks.contains(&task);
            return if is_over && self.owner == worker {
                Effect::Done
            } else {
                Effect::Lost
            };
        }
        self.owner = worker;
        self.noticed = false;
        match ending {
            Ending::Succeeded(file) => {
                self.state = ItemState::Succeeded;
                self.file = file.or(self.file);
                self.reason = None;
            }
            Ending::Failed(reason) => {
                self.state = ItemState::Failed;
                self.file = None;
                self.set_reason(reason);
                let failed = u32::from(!self.is_given_up());
                self.failures = self.failures.saturating_add(failed);
            }
            Ending::Again(reason, delay) => {
                self.failures = self.failures.saturating_add(1);
                self.set_reason(reason);
                self.task = None;
                self.keep_aside(task);
                self.requeue(delayed(now, *delay));
                self.owner = worker;
            }
        }
        Effect::Done
    }

    /// What somebody says of an unconfirmed item. It ends the claim for good: what its worker still says of it counts no more.
    pub(super) fn settle(
        &mut self,
        verdict: Verdict,
        now: Millis,
        max_send_delay: Millis,
    ) -> Result<(), Refusal> {
        if self.state != ItemState::Unconfirmed {
            return if self.is_settled(verdict) {
                Ok(())
            } else {
                Err(Refusal::State(self.state))
            };
        }
        match verdict {
            Verdict::Was(task) => self.run(task, WorkerId::default()),
            Verdict::Found(file) => {
                self.state = ItemState::Succeeded;
                self.file = Some(file);
                self.reason = None;
            }
            Verdict::SendAgain => {
                let left = self.intended_at.saturating_add(max_send_delay);
                let left = left.saturating_sub(now);
                if left > 0 {
                    return Err(Refusal::TooEarly(left));
                }
                self.requeue(0);
            }
            Verdict::Drop => self.state = ItemState::Dropped,
        }
        self.fence = Fence::default();
        Ok(())
    }

    /// Whether this was settled already.
    fn is_settled(&self, verdict: Verdict) -> bool {
        match verdict {
            Verdict::Was(task) => self.task == Some(task),
            Verdict::Found(file) => self.state == ItemState::Succeeded && self.file == Some(file),
            Verdict::SendAgain => self.state == ItemState::Queued && self.attempts > 0,
            Verdict::Drop => self.state == ItemState::Dropped,
        }
    }

    /// Whether its user may still change it: it was not sent. That ends the claim, so that its worker does not send it.
    pub(super) fn take_back(&mut self) -> Result<(), Refusal> {
        match self.state {
            ItemState::Queued | ItemState::Paused => {}
            ItemState::Claimed => self.requeue(self.not_before),
            state => return Err(Refusal::State(state)),
        }
        self.fence = Fence::default();
        Ok(())
    }

    fn run(&mut self, task: TaskId, worker: WorkerId) {
        // A callback may have come before the response.
        let is_told = self.noticed && self.state == ItemState::Intended;
        if !is_told {
            self.reason = None;
        }
        self.state = ItemState::Running;
        self.other_tasks.retain(|&other| other != task);
        self.task = Some(task);
        self.owner = worker;
    }

    fn requeue(&mut self, not_before: Millis) {
        self.state = ItemState::Queued;
        self.owner = WorkerId::default();
        // What a callback said was of an earlier task.
        self.noticed = false;
        self.file = None;
        self.not_before = not_before;
    }

    fn keep_aside(&mut self, task: TaskId) {
        if self.task != Some(task) && !self.other_tasks.contains(&task) {
            self.other_tasks.push(task);
        }
    }

    fn set_reason(&mut self, reason: &str) {
        let reason: String = reason.chars().take(Item::MAX_REASON).collect();
        self.reason = (!reason.is_empty()).then(|| reason.into_boxed_str());
    }
}
