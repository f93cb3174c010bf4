//! Ready-made scenes: what tests of a client need most often, in a word.

use std::time::SystemTime;

use super::{Fault, ListEnd, Service, TaskScript};

impl Service {
    /// Tasks succeed from now on: the poll number `polls`, counted from 1, is told of it.
    pub fn tasks_succeed_after(&mut self, polls: u32) {
        self.set_default_script(TaskScript::succeeds_after(polls));
    }

    /// Tasks fail from now on, as their first poll is told; the reason is in the callback alone.
    pub fn tasks_fail_with(&mut self, reason: impl Into<String>) {
        self.set_default_script(TaskScript::fails_after(1, reason));
    }

    /// All tokens that live now are pushed out, as by another process with the same client id: the next request with one of them is
    /// answered with code 401 and `tokens number has exceeded the limit`.
    pub fn revoke_tokens(&mut self, now: SystemTime) {
        self.tokens.revoke_all(now);
    }

    /// The next so many requests are answered with code 429, whatever they ask for.
    pub fn rate_limit_next(&mut self, requests: usize) {
        self.fault(Fault::rate_limited().times(requests));
    }

    /// How lists end from now on: also with 0, or not at all.
    pub fn set_list_end(&mut self, end: ListEnd) {
        self.options.list_end = end;
    }

    /// Puts so many files into a folder, and gives their ids, which rise. 0 is the root. They are called `1.bin`, `2.bin` and so on, and
    /// have as many bytes as their name says.
    pub fn add_files(&mut self, now: SystemTime, parent: u64, files: usize) -> Vec<u64> {
        let numbers = 1..=files as u64;
        numbers
            .map(|number| self.add_file(now, parent, format!("{number}.bin"), number))
            .collect()
    }

    /// Puts these files and folders into the trash; what is not there is left out.
    pub fn trash_files(&mut self, now: SystemTime, ids: &[u64]) {
        self.drive.trash(now, ids);
    }
}
