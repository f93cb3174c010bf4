//! The files and folders.

use std::time::SystemTime;

use super::tasks::Task;

const FIRST_FILE: u64 = 14_710_240;

/// The drive.
#[derive(Debug, Default)]
pub(super) struct Drive {
    files: u64,
}

impl Drive {
    /// Takes the file of a finished download, and gives its id.
    pub(super) fn take(&mut self, _now: SystemTime, _task: &Task, _size: u64) -> u64 {
        self.files += 1;
        FIRST_FILE + self.files - 1
    }
}
