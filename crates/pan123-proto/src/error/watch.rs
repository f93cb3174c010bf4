//! Why a watch ended without the file.

use std::fmt;

use super::Error;
use crate::ids::TaskId;
use crate::task::Progress;

/// Why a watch ended before its task succeeded. The task itself may go on: the service cannot cancel it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum WatchError {
    /// The service reports that the task failed. Only a callback may carry the reason.
    #[non_exhaustive]
    DownloadFailed {
        /// The task.
        task: TaskId,
        /// The progress that reported the failure.
        last: Progress,
    },
    /// The deadline of the watch passed.
    #[non_exhaustive]
    Deadline {
        /// The task.
        task: TaskId,
        /// The last progress seen.
        last: Option<Progress>,
        /// How the last poll failed, if it did.
        failure: Option<Box<Error>>,
    },
    /// Percentage and status were seen unchanged for the stall timeout.
    #[non_exhaustive]
    Stalled {
        /// The task.
        task: TaskId,
        /// The last progress seen.
        last: Option<Progress>,
    },
    /// Too many polls failed in a row, or none could leave for the unreachable timeout, or one failed in a way that further polls
    /// cannot mend.
    #[non_exhaustive]
    Polls {
        /// The task.
        task: TaskId,
        /// The last progress seen.
        last: Option<Progress>,
        /// How the last poll failed.
        error: Box<Error>,
    },
    /// The watch was stopped through its handle.
    #[non_exhaustive]
    Stopped {
        /// The task.
        task: TaskId,
        /// The last progress seen.
        last: Option<Progress>,
    },
}

impl WatchError {
    /// Returns the task that was watched.
    pub fn task(&self) -> TaskId {
        match self {
            WatchError::DownloadFailed { task, .. }
            | WatchError::Deadline { task, .. }
            | WatchError::Stalled { task, .. }
            | WatchError::Polls { task, .. }
            | WatchError::Stopped { task, .. } => *task,
        }
    }

    /// Returns how the last poll failed, if it did: of [`Polls`](WatchError::Polls) always, of [`Deadline`](WatchError::Deadline)
    /// perhaps.
    pub fn polls(&self) -> Option<&Error> {
        match self {
            WatchError::Polls { error, .. } => Some(error),
            WatchError::Deadline { failure, .. } => failure.as_deref(),
            _ => None,
        }
    }

    /// Returns the last progress seen, if any.
    pub fn last(&self) -> Option<Progress> {
        match self {
            WatchError::DownloadFailed { last, .. } => Some(*last),
            WatchError::Deadline { last, .. }
            | WatchError::Stalled { last, .. }
            | WatchError::Polls { last, .. }
            | WatchError::Stopped { last, .. } => *last,
        }
    }

    /// Returns whether watching the same task again may still see it succeed.
    ///
    /// A failed download stays failed: create a new one. A stopped watch can always be resumed.
    pub fn is_retryable(&self) -> bool {
        match self {
            WatchError::DownloadFailed { .. } => false,
            WatchError::Polls { error, .. } => error.is_retryable(),
            WatchError::Deadline { .. }
            | WatchError::Stalled { .. }
            | WatchError::Stopped { .. } => true,
        }
    }
}

impl fmt::Display for WatchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let task = self.task();
        match self {
            WatchError::DownloadFailed { .. } => {
                write!(
                    f,
                    "offline download {task} failed; the service gives no reason"
                )?;
                return f.write_str(" (a callback may carry one)");
            }
            WatchError::Deadline { failure, .. } => {
                write!(
                    f,
                    "offline download {task} did not end before the deadline of the watch"
                )?;
                if let Some(failure) = failure {
                    write!(f, "; its last poll failed: {failure}")?;
                }
            }
            WatchError::Stalled { .. } => write!(f, "offline download {task} has stalled")?,
            WatchError::Polls { error, .. } => {
                write!(f, "polling offline download {task} failed: {error}")?;
            }
            WatchError::Stopped { .. } => {
                write!(f, "the watch of offline download {task} was stopped")?;
            }
        }
        match self.last() {
            Some(last) => write!(f, " (last seen: {last})"),
            None => f.write_str(" (no progress was seen)"),
        }
    }
}

impl std::error::Error for WatchError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.polls().and_then(std::error::Error::source)
    }
}
