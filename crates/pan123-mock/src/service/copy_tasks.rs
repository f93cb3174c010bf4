//! Asynchronous copies.

use std::time::SystemTime;

use super::Service;
use super::drive::CopyError;
use super::task_script::{self, TaskScript};

/// The id of the first copy task. Their ids are independent of those of offline downloads.
const FIRST_TASK: u64 = 2016;

const PENDING: i64 = 0;
const RUNNING: i64 = 1;
const DONE: i64 = 2;
const FAILED: i64 = 3;

/// An asynchronous copy of files and folders.
#[derive(Debug, Clone)]
pub struct CopyTask {
    id: u64,
    file_ids: Vec<u64>,
    folder: u64,
    created: SystemTime,
    script: TaskScript,
    /// Whether it fails even if its script succeeds.
    must_fail: bool,
    polls: usize,
    status: i64,
    copies: Vec<u64>,
    ended: bool,
}

impl CopyTask {
    /// Returns `taskId`.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// Returns `fileIds` without duplicates.
    pub fn file_ids(&self) -> &[u64] {
        &self.file_ids
    }

    /// Returns `targetDirId`.
    pub fn target_dir_id(&self) -> u64 {
        self.folder
    }

    /// Returns how many progress polls were made for this task.
    pub fn polls(&self) -> usize {
        self.polls
    }

    /// Returns `status`: 0 pending, 1 running, 2 done, 3 failed.
    pub fn status(&self) -> i64 {
        self.status
    }

    /// Returns the ids of the copies, in the order of `fileIds`; empty until the task is done.
    pub fn copies(&self) -> &[u64] {
        &self.copies
    }

    /// Advances by one step. Returns whether the task succeeds if it ends with this step.
    fn poll(&mut self, now: SystemTime) -> Option<bool> {
        let index = self.polls;
        self.polls += 1;
        if self.ended {
            return None;
        }
        let elapsed = now.duration_since(self.created).unwrap_or_default();
        let step = self.script.step(index, elapsed);
        let end = self.script.result_of(step);
        if end.is_none() {
            self.status = status_of(step.status);
        }
        end.map(|end| end.succeeds())
    }
}

/// Translates the status of a script, which is that of an offline download, into that of a copy.
fn status_of(download: i64) -> i64 {
    match download {
        task_script::RUNNING => RUNNING,
        task_script::RETRYING => PENDING,
        other => other,
    }
}

/// All copy tasks, in order of creation.
#[derive(Debug, Default)]
pub(super) struct CopyTasks {
    all: Vec<CopyTask>,
    /// How many of the next tasks fail.
    failing: usize,
}

impl CopyTasks {
    fn create(
        &mut self,
        now: SystemTime,
        file_ids: Vec<u64>,
        folder: u64,
        script: TaskScript,
    ) -> &CopyTask {
        let must_fail = self.failing > 0;
        self.failing = self.failing.saturating_sub(1);
        let index = self.all.len();
        self.all.push(CopyTask {
            id: FIRST_TASK + index as u64,
            file_ids,
            folder,
            created: now,
            script,
            must_fail,
            polls: 0,
            status: PENDING,
            copies: Vec::new(),
            ended: false,
        });
        &self.all[index]
    }

    fn get_mut(&mut self, id: u64) -> Option<&mut CopyTask> {
        let index = usize::try_from(id.checked_sub(FIRST_TASK)?).ok()?;
        self.all.get_mut(index)
    }
}

impl Service {
    /// Returns the tasks created with [`path::ASYNC_COPY`](super::path::ASYNC_COPY), in order.
    pub fn copy_tasks(&self) -> &[CopyTask] {
        &self.copy_tasks.all
    }

    /// Makes the next asynchronous copy fail and copy nothing.
    pub fn next_copy_fails(&mut self) {
        self.copy_tasks.failing = self.copy_tasks.failing.saturating_add(1);
    }

    /// Sets the script of future asynchronous copies: [`Builder::copy_script`](crate::Builder::copy_script).
    pub fn set_copy_script(&mut self, script: TaskScript) {
        self.options.copy_script = script;
    }

    /// Creates a task, if everything can be copied now.
    pub(super) fn create_copy(
        &mut self,
        now: SystemTime,
        file_ids: Vec<u64>,
        folder: u64,
    ) -> Result<u64, CopyError> {
        self.check_copies(&file_ids, folder)?;
        let script = self.options.copy_script.clone();
        let ends = script.ends_after().and_then(|takes| now.checked_add(takes));
        let task = self.copy_tasks.create(now, file_ids, folder, script).id;
        if let Some(ends) = ends {
            self.schedule.copy_ends(ends, task);
        }
        Ok(task)
    }

    /// Polls a task and returns its status.
    pub(super) fn poll_copy(&mut self, now: SystemTime, id: u64) -> Option<i64> {
        if let Some(succeeds) = self.copy_tasks.get_mut(id)?.poll(now) {
            self.end_copy(now, id, succeeds);
        }
        self.copy_tasks.get_mut(id).map(|task| task.status)
    }

    /// Ends a task whose script ends by the clock.
    pub(super) fn end_copy_by_clock(&mut self, now: SystemTime, id: u64) {
        let task = self.copy_tasks.get_mut(id);
        if let Some(succeeds) = task.map(|task| task.script.result().succeeds()) {
            self.end_copy(now, id, succeeds);
        }
    }

    /// Ends a task. If anything can no longer be copied, the whole task fails.
    fn end_copy(&mut self, now: SystemTime, id: u64, succeeds: bool) {
        let Some(task) = self.copy_tasks.get_mut(id) else {
            return;
        };
        let (file_ids, folder) = (task.file_ids.clone(), task.folder);
        let succeeds = succeeds && !task.must_fail && self.check_copies(&file_ids, folder).is_ok();
        let originals = file_ids.into_iter().filter(|_| succeeds);
        let copies: Vec<u64> = originals
            .filter_map(|file| self.drive.copy(now, file, folder).ok())
            .collect();
        if let Some(task) = self.copy_tasks.get_mut(id) {
            task.ended = true;
            task.status = if succeeds { DONE } else { FAILED };
            task.copies = copies;
        }
    }

    fn check_copies(&self, file_ids: &[u64], folder: u64) -> Result<(), CopyError> {
        let mut checks = file_ids.iter().map(|id| self.drive.check_copy(*id, folder));
        checks.try_for_each(|check| check)
    }
}
