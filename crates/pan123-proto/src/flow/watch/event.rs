//! What a watch returns, on the way and at the end.

use crate::error::Error;
use crate::flow::find_file::FileLookup;
use crate::ids::TaskId;
use crate::task::Progress;

/// What a watch has to tell.
#[derive(Debug)]
#[non_exhaustive]
pub enum WatchEvent {
    /// How far the task is. With [`TaskStatus::Succeeded`](crate::offline::TaskStatus::Succeeded) it is the last event.
    Progress(Progress),
    /// A poll failed after its retries; the watch goes on.
    PollFailed(Error),
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
