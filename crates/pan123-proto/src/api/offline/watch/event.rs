//! What a watch has to tell, on the way and at the end.

use std::fmt;

use crate::api::offline::landing::FileLookup;
use crate::api::offline::progress::Progress;
use crate::error::Error;
use crate::ids::TaskId;

/// What a watch has to tell.
#[derive(Debug)]
#[non_exhaustive]
pub enum WatchEvent {
    /// How far the task is. With [`TaskStatus::Succeeded`](crate::offline::TaskStatus::Succeeded) it is the last event.
    Progress(Progress),
    /// A poll failed after its retries; the watch goes on.
    PollFailed(Error),
}

/// Why a watch ended before the task succeeded. The task itself may go on: the service cannot cancel it.
#[derive(Debug)]
#[non_exhaustive]
pub enum WatchError {
    /// The service says that the task failed; only a callback may tell why.
    #[non_exhaustive]
    DownloadFailed {
        /// The task.
        task: TaskId,
        /// The progress that said so.
        last: Progress,
    },
    /// The watch's own deadline passed.
    #[non_exhaustive]
    Deadline {
        /// The task.
        task: TaskId,
        /// The last progress seen.
        last: Option<Progress>,
    },
    /// Neither percentage nor status changed for too long.
    #[non_exhaustive]
    Stalled {
        /// The task.
        task: TaskId,
        /// The last progress seen.
        last: Option<Progress>,
    },
    /// Too many polls failed in a row, or one in a way that none can mend.
    #[non_exhaustive]
    Polls {
        /// The task.
        task: TaskId,
        /// The last progress seen.
        last: Option<Progress>,
        /// How the last poll failed.
        error: Box<Error>,
    },
    /// The watch was stopped by its handle.
    #[non_exhaustive]
    Stopped {
        /// The task.
        task: TaskId,
        /// The last progress seen.
        last: Option<Progress>,
    },
}

impl WatchError {
    /// The task that was followed.
    pub fn task(&self) -> TaskId {
        match self {
            WatchError::DownloadFailed { task, .. }
            | WatchError::Deadline { task, .. }
            | WatchError::Stalled { task, .. }
            | WatchError::Polls { task, .. }
            | WatchError::Stopped { task, .. } => *task,
        }
    }

    /// How the last poll failed, if that is why the watch ended.
    pub fn polls(&self) -> Option<&Error> {
        match self {
            WatchError::Polls { error, .. } => Some(error),
            _ => None,
        }
    }

    /// The last progress seen, if any was.
    pub fn last(&self) -> Option<Progress> {
        match self {
            WatchError::DownloadFailed { last, .. } => Some(*last),
            WatchError::Deadline { last, .. }
            | WatchError::Stalled { last, .. }
            | WatchError::Polls { last, .. }
            | WatchError::Stopped { last, .. } => *last,
        }
    }
}

impl fmt::Display for WatchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let task = self.task();
        match self {
            WatchError::DownloadFailed { .. } => {
                return write!(
                    f,
                    "offline download {task} failed: the service says no more"
                );
            }
            WatchError::Deadline { .. } => {
                write!(f, "offline download {task} did not end in time")?;
            }
            WatchError::Stalled { .. } => write!(f, "offline download {task} makes no progress")?,
            WatchError::Polls { error, .. } => {
                write!(f, "offline download {task} could not be followed: {error}")?;
            }
            WatchError::Stopped { .. } => {
                write!(f, "offline download {task} is not followed any more")?;
            }
        }
        match self.last() {
            Some(last) => write!(f, " (last seen at {}%, {})", last.percent, last.status),
            None => f.write_str(" (no progress was seen)"),
        }
    }
}

impl std::error::Error for WatchError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.polls().and_then(std::error::Error::source)
    }
}

/// A task that succeeded. That is not to say that its file is there: what is known of that is in `file`.
#[derive(Debug)]
#[non_exhaustive]
pub struct Downloaded {
    /// The task.
    pub task: TaskId,
    /// The progress that said so.
    pub progress: Progress,
    /// What is known of its file.
    pub file: FileLookup,
}

impl Downloaded {
    /// Made up, for tests of yours.
    pub fn new(task: TaskId, progress: Progress, file: FileLookup) -> Downloaded {
        Downloaded {
            task,
            progress,
            file,
        }
    }
}
