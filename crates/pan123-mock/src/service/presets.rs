//! Presets: what tests of a client need most.

use std::time::SystemTime;

use super::{Fault, ListEnd, Service, TaskScript};

impl Service {
    /// Makes new tasks succeed at poll number `polls`, counted from 1.
    pub fn tasks_succeed_after(&mut self, polls: u32) {
        self.set_default_script(TaskScript::succeeds_after(polls));
    }

    /// Makes new tasks fail at their first poll. Only the callback contains the reason.
    pub fn tasks_fail_with(&mut self, reason: impl Into<String>) {
        self.set_default_script(TaskScript::fails_after(1, reason));
    }

    /// Revokes all live tokens, as another process with the same client id would. The next request with one of them gets code 401 and
    /// `tokens number has exceeded the limit`.
    pub fn revoke_tokens(&mut self, now: SystemTime) {
        self.tokens.revoke_all(now);
    }

    /// Rejects this many of the next requests with code 429, whatever their path.
    pub fn rate_limit_next(&mut self, requests: usize) {
        self.fault(Fault::rate_limited().times(requests));
    }

    /// Sets how lists mark their last page from now on, if at all.
    pub fn set_list_end(&mut self, end: ListEnd) {
        self.options.list_end = end;
    }

    /// Adds this many files to a folder (0 is the root) and returns their ids in ascending order. They are named `1.bin`, `2.bin` and so
    /// on, and have as many bytes as the number in their name.
    pub fn add_files(&mut self, now: SystemTime, parent: u64, files: usize) -> Vec<u64> {
        let numbers = 1..=files as u64;
        numbers
            .map(|number| self.add_file(now, parent, format!("{number}.bin"), number))
            .collect()
    }

    /// Moves these files and folders to the trash. Unknown ids are ignored.
    pub fn trash_files(&mut self, now: SystemTime, ids: &[u64]) {
        self.drive.trash(now, ids);
    }
}
