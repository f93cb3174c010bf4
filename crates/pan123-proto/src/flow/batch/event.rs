//! What a batch tells of its items, and of itself.

use std::fmt;
use std::time::Duration;

use crate::error::Error;
use crate::ids::{FileId, TaskId};
use crate::ledger::{Counts, ItemKey, ItemState, LedgerFault};
use crate::task::Progress;

/// Something that happened in a batch.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum BatchEvent {
    /// An item changed.
    #[non_exhaustive]
    Item {
        /// The caller's key of the item.
        key: ItemKey,
        /// What happened to it.
        change: ItemChange,
    },
    /// Nothing is sent for a while, for a reason that is no item's: wrong credentials, a rate limit, a network that is down. The
    /// batch tries again by itself.
    #[non_exhaustive]
    Paused {
        /// Why.
        error: Box<Error>,
        /// For how long.
        pause: Duration,
    },
    /// The service refused one task more than these, which the account has. The batch goes on when one has ended.
    #[non_exhaustive]
    WindowFull {
        /// The tasks of this batch's ledger.
        running: u64,
    },
    /// The ledger does not record anything: nothing new is sent until it does; tasks are followed.
    LedgerFailed(LedgerFault),
    /// The ledger records again.
    LedgerRecovered,
}

/// What happened to an item.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum ItemChange {
    /// The service created the task.
    Created(TaskId),
    /// An earlier run, or another worker that is gone, created the task; it is followed from now on.
    Resumed(TaskId),
    /// The task goes on.
    Progress(Progress),
    /// A poll failed; the batch goes on.
    PollFailed(Box<Error>),
    /// The download succeeded; the file if a callback named it. The file of a callback that comes later is only in the ledger.
    Succeeded(Option<FileId>),
    /// It failed, and is sent again after this time.
    #[non_exhaustive]
    WillRetry {
        /// Why.
        reason: String,
        /// How long it waits at least.
        delay: Duration,
    },
    /// It failed for good, is rejected by the service, or is given up.
    #[non_exhaustive]
    Failed {
        /// Why.
        reason: String,
        /// How many times it was sent.
        attempts: u32,
        /// Whether its task only reached a limit of the [watch](super::BatchPolicy::watch): it may still succeed, so that who adds the
        /// download again under another key may get it twice.
        is_given_up: bool,
    },
    /// It may have been created, and nothing tells whether it was. It is not sent again unless somebody settles that.
    ///
    /// If the worker that was to send it is gone, the batch that takes it over tells this, or none if the answer of the ledger is lost
    /// just then: [`BatchReport::unconfirmed`] counts it, and `list` of an open ledger has it in any case.
    #[non_exhaustive]
    Unconfirmed {
        /// Why.
        reason: String,
        /// Task ids that the response may have meant.
        candidates: Vec<TaskId>,
    },
    /// It was unconfirmed, and has become this file.
    Confirmed(FileId),
    /// The task was created, and its id could not be recorded in the ledger yet: note it.
    Unrecorded(TaskId),
    /// The task was created for an item that somebody had settled otherwise meanwhile. Nobody follows it.
    Stray(TaskId),
}

/// How a batch ended.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct BatchReport {
    /// The items of the ledger by state, those of earlier runs included.
    pub counts: Counts,
    /// Why the ledger was of no more use, if it was. Its counts are then the last ones known.
    pub fault: Option<LedgerFault>,
}

impl BatchReport {
    /// Returns how many downloads succeeded.
    pub fn succeeded(&self) -> u64 {
        self.counts.of(ItemState::Succeeded)
    }

    /// Returns how many failed for good, were rejected, or are given up; `list` of an open ledger has the reasons, and
    /// [`Item::is_given_up`](crate::ledger::Item::is_given_up) tells whether a task may still succeed.
    pub fn failed(&self) -> u64 {
        self.counts.of(ItemState::Failed)
    }

    /// Returns how many may have been created: somebody has to settle them.
    pub fn unconfirmed(&self) -> u64 {
        self.counts.of(ItemState::Unconfirmed)
    }

    /// Returns how many tasks run that nobody follows now, after a stop.
    pub fn running(&self) -> u64 {
        self.counts.of(ItemState::Running)
    }

    /// Returns how many unconfirmed ones somebody gave up.
    pub fn dropped(&self) -> u64 {
        self.counts.of(ItemState::Dropped)
    }

    /// Returns how many were not submitted: they are queued or paused, or another worker is about to send
    /// them.
    pub fn not_submitted(&self) -> u64 {
        let ended = self.succeeded() + self.failed() + self.dropped();
        self.counts.total() - ended - self.unconfirmed() - self.running()
    }
}

/// Such as `198 succeeded, 1 failed, 1 unconfirmed, 0 running, 0 not submitted`.
impl fmt::Display for BatchReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} succeeded, {} failed, {} unconfirmed, {} running, {} not submitted",
            self.succeeded(),
            self.failed(),
            self.unconfirmed(),
            self.running(),
            self.not_submitted()
        )?;
        if self.dropped() > 0 {
            write!(f, ", {} given up", self.dropped())?;
        }
        match &self.fault {
            Some(fault) => write!(f, "; {fault}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::Window;

    #[test]
    fn a_report_counts_each_item_once() {
        // One item in the first state, two in the second, and so on.
        let count = |state| {
            1 + ItemState::ALL
                .iter()
                .position(|&other| other == state)
                .unwrap() as u64
        };
        let mut report = BatchReport {
            counts: Counts::new(count, Window::default()),
            fault: None,
        };
        let text = "7 succeeded, 8 failed, 6 unconfirmed, 5 running, 10 not submitted, 9 given up";
        assert_eq!(report.to_string(), text);
        report.fault = Some(LedgerFault::Down("no such host".to_owned()));
        let text = format!("{text}; the ledger does not answer: no such host");
        assert_eq!(report.to_string(), text);
    }
}
