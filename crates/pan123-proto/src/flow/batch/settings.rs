//! The settings of a batch.

use std::time::Duration;

use crate::policy::retry::doubled;
use crate::policy::watch::WatchPolicy;

/// How many requests a batch has at once, how often it sends a download that failed, and how it ends.
///
/// ```
/// use std::time::Duration;
/// use pan123_proto::batch::BatchPolicy;
///
/// let policy = BatchPolicy::default()
///     .max_attempts(5)
///     .grace(Duration::from_secs(60));
/// # drop(policy);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchPolicy {
    pub(super) max_creates: usize,
    pub(super) max_polls: usize,
    pub(super) max_followed: usize,
    pub(super) max_attempts: u32,
    pub(super) initial_backoff: Duration,
    pub(super) max_backoff: Duration,
    pub(super) grace: Duration,
    pub(super) confirm_by_callback: bool,
    pub(super) confirm_by_name: bool,
    pub(super) watch: WatchPolicy,
}

impl Default for BatchPolicy {
    fn default() -> BatchPolicy {
        BatchPolicy {
            max_creates: 4,
            max_polls: 16,
            max_followed: 10_000,
            max_attempts: 3,
            initial_backoff: Duration::from_secs(30),
            max_backoff: Duration::from_secs(600),
            grace: Duration::from_secs(10),
            confirm_by_callback: true,
            confirm_by_name: false,
            watch: WatchPolicy::default(),
        }
    }
}

impl BatchPolicy {
    /// Sets how many creates may be on their way at once, 4 by default; 0 counts as 1. How fast they follow each other is the
    /// session's [`Pacing`](crate::Pacing).
    pub fn max_creates(mut self, creates: usize) -> BatchPolicy {
        self.max_creates = creates.max(1);
        self
    }

    /// Sets how many polls may be on their way at once, 16 by default; 0 counts as 1. A look at the file of an unconfirmed item counts
    /// as one.
    pub fn max_polls(mut self, polls: usize) -> BatchPolicy {
        self.max_polls = polls.max(1);
        self
    }

    /// Sets how many running tasks this worker follows at most, 10,000 by default; 0 counts as 1. It bounds the memory of the batch.
    /// Those that are on their way when it is reached come on top: [`max_creates`](Self::max_creates) at most.
    pub fn max_followed(mut self, tasks: usize) -> BatchPolicy {
        self.max_followed = tasks.max(1);
        self
    }

    /// Sets how many times a download is sent at most whose task the service reports as failed, 3 by default; 0 counts as 1. Only
    /// those count; what was refused before it became a task does not.
    pub fn max_attempts(mut self, attempts: u32) -> BatchPolicy {
        self.max_attempts = attempts.max(1);
        self
    }

    /// Sets how long a failed download waits before it is sent again, 30 s by default; it doubles up to the maximum.
    pub fn initial_backoff(mut self, backoff: Duration) -> BatchPolicy {
        self.initial_backoff = backoff;
        self
    }

    /// Sets the longest such wait, 10 min by default; more than a day counts as a day.
    pub fn max_backoff(mut self, backoff: Duration) -> BatchPolicy {
        self.max_backoff = backoff;
        self
    }

    /// Sets how long tasks are still followed after a stop, 10 s by default.
    pub fn grace(mut self, grace: Duration) -> BatchPolicy {
        self.grace = grace;
        self
    }

    /// Sets whether an unconfirmed item is settled when a callback names its file and the file exists, which is the default.
    pub fn confirm_by_callback(mut self, confirm: bool) -> BatchPolicy {
        self.confirm_by_callback = confirm;
        self
    }

    /// Sets whether the batch looks for the files of unconfirmed items before it ends, which it does not by default.
    ///
    /// An item is settled if it requested a name, and exactly one file in its folder has that name (or that name with a number, as the
    /// service adds it), was created after the request, and can be no other item's of the ledger: none that was sent requested the same
    /// name in this folder, or no name at all, unless its file is known to be another. What other programs save to the folder meanwhile
    /// looks the same, so keep it for this ledger.
    pub fn confirm_by_name(mut self, confirm: bool) -> BatchPolicy {
        self.confirm_by_name = confirm;
        self
    }

    /// Sets when a task is given up: its item counts as failed then, and is not sent again, since the task may still succeed. Its intervals are those of a batch's few tasks; with many, polls go where they tell most.
    pub fn watch(mut self, policy: WatchPolicy) -> BatchPolicy {
        self.watch = policy;
        self
    }

    pub(super) fn backoff(&self, failures: u32) -> Duration {
        doubled(self.initial_backoff, failures, self.max_backoff)
    }
}
