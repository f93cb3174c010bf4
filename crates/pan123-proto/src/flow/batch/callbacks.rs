//! Callbacks that reach a batch, and what they tell of its items.

use super::job::{Job, Work};
use super::recorder::Then;
use super::slots::{Slot, Stage};
use super::{Batch, BatchHandle, ItemChange};
use crate::api::file::{Entry, GetDetail};
use crate::callback::{CallbackNotice, CallbackOutcome};
use crate::error::Error;
use crate::flow::fit::{Clocks, Fit};
use crate::ids::FileId;
use crate::ledger::{Item, ItemId, ItemKey, ItemState, LedgerOp, Notice, Verdict};

/// What a callback tells of a task.
#[derive(Clone, Debug, Default)]
pub(super) struct Told {
    pub(super) file: Option<FileId>,
    /// Why it failed.
    pub(super) reason: Option<String>,
}

impl Told {
    /// What earlier callbacks told of the task of a running item.
    pub(super) fn of(item: &Item) -> Told {
        Told {
            file: item.file,
            reason: item.reason.as_deref().map(str::to_owned),
        }
    }
}

impl BatchHandle {
    /// Passes a callback for an item to the batch, which looks at its task at once. Verify its signature before: an unverified notice
    /// may name anyone's file.
    ///
    /// It may reach any process that works on the ledger: the one that follows the task hears of it within seconds.
    pub fn notify(&self, key: ItemKey, notice: &CallbackNotice) {
        let told = match &notice.outcome {
            CallbackOutcome::Succeeded { file } => Told {
                file: *file,
                reason: None,
            },
            CallbackOutcome::Failed { reason } => Told {
                file: None,
                reason: reason.clone(),
            },
            CallbackOutcome::Other { .. } => Told::default(),
        };
        self.tell(key, told);
    }

    /// Looks at the task of an item at once, such as for a callback on a signed URL whose body could not be read
    /// (`CallbackRefusal::id`, feature `callback-signing`).
    pub fn nudge(&self, key: ItemKey) {
        self.tell(key, Told::default());
    }

    fn tell(&self, key: ItemKey, told: Told) {
        self.send(|inbox| inbox.notices.push((key, told)));
    }
}

impl Batch {
    pub(super) fn told(&mut self, key: ItemKey, told: Told) {
        let item = self.slots.find(&key);
        if item.is_some_and(|item| self.notified(item, told.clone())) {
            return;
        }
        let op = LedgerOp::Notice {
            key,
            file: told.file,
            reason: told.reason.clone(),
        };
        self.recorder.push(op, Then::Noticed(told));
    }

    /// Takes what other processes were told of items in hand.
    pub(super) fn heard(&mut self, mut notices: Vec<Notice>) {
        notices.retain(|notice| self.slots.get(notice.item).is_some());
        for notice in &notices {
            let told = Told {
                file: notice.file,
                reason: notice.reason.as_deref().map(str::to_owned),
            };
            self.notified(notice.item, told);
        }
        if !notices.is_empty() {
            self.recorder.push(LedgerOp::Heard(notices), Then::Nothing);
        }
    }

    /// A callback came for an item in hand: its task is polled now. Returns whether it is followed.
    pub(super) fn notified(&mut self, item: ItemId, told: Told) -> bool {
        let Some(slot) = self.slots.get_mut(item) else {
            return false;
        };
        let before = std::mem::take(&mut slot.told);
        slot.told = Told {
            file: told.file.or(before.file),
            reason: told.reason.or(before.reason),
        };
        let is_followed = slot.following().is_some();
        if is_followed {
            self.polls.urge(item);
        }
        is_followed
    }

    /// A callback came for an item that this batch did not have in hand.
    pub(super) fn noticed(&mut self, id: ItemId, item: &Item, told: Told) {
        if self.slots.get(id).is_some() {
            self.notified(id, told);
            return;
        }
        let may_confirm = item.state == ItemState::Unconfirmed
            && self.policy.confirm_by_callback
            && self.may_follow();
        let Some(file) = told.file.filter(|_| may_confirm) else {
            return;
        };
        let expected = Box::new(item.expected_file());
        self.slots
            .insert(id, item, Stage::Confirming(file, expected));
        self.to_confirm.push_back(id);
    }

    /// Looks at the next file.
    pub(super) fn next_confirm(&mut self) -> Option<Job> {
        while let Some(item) = self.to_confirm.pop_front() {
            // It may have been left meanwhile.
            let slot = self.slots.get(item).filter(|slot| slot.job.is_none());
            let Some(&Stage::Confirming(file, _)) = slot.map(Slot::stage) else {
                continue;
            };
            match self.session.call(&GetDetail::new(file)) {
                Ok(call) => {
                    let call = call.controlled_by(&self.polls_control);
                    self.polls_in_flight += 1;
                    return Some(self.job(item, Work::Confirm(Box::new(call))));
                }
                Err(_) => self.release_unconfirmed(item),
            }
        }
        None
    }

    /// Settles an unconfirmed item if the file that a callback named exists and may be its.
    pub(super) fn confirm_ended(&mut self, job: &Job, result: Result<Box<Entry>, Error>) {
        let item = job.item;
        // The file of an earlier job may be another one.
        let slot = self.slots.get(item);
        let Some(slot) = slot.filter(|slot| slot.job == Some(job.id)) else {
            return;
        };
        let Stage::Confirming(file, expected) = slot.stage() else {
            return;
        };
        let file = *file;
        let fits = result.is_ok_and(|entry| {
            expected.is_in_place(&entry) && Fit::of(&entry, expected, Clocks::default()).is_some()
        });
        if !fits {
            self.release_unconfirmed(item);
            return;
        }
        let op = LedgerOp::Settle {
            key: slot.key.clone(),
            verdict: Verdict::Found(file),
        };
        self.leave(item, op, ItemChange::Confirmed(file));
    }
}
