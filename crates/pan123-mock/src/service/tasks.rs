//! Offline downloads.

use std::time::SystemTime;

use super::drive::name_from_url;
use super::task_script::{FAILED, RUNNING, SUCCEEDED, ScriptStep, TaskScript};

/// The default id of the first task.
pub(super) const FIRST_TASK: u64 = 394_756;

/// The parameters of an offline download, in the types of the wire.
#[derive(Debug, Clone)]
pub(super) struct Download {
    pub(super) url: String,
    pub(super) file_name: Option<String>,
    pub(super) destination: Destination,
    pub(super) callback_url: Option<String>,
}

/// Where the file goes: a folder, or the default one.
#[derive(Debug, Clone)]
pub(super) enum Destination {
    Drive(Option<i64>),
    ImageBed(Option<String>),
}

/// The two storages that accept downloads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Storage {
    Drive,
    ImageBed,
}

/// An offline download.
#[derive(Debug, Clone)]
pub struct Task {
    id: u64,
    download: Download,
    created: SystemTime,
    script: TaskScript,
    /// Whether a fetch or the test sets its progress, instead of the script.
    off_script: bool,
    step: ScriptStep,
    polls: usize,
    fetched: u64,
    outcome: Option<TaskOutcome>,
}

/// The outcome of a task.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum TaskOutcome {
    /// The file was stored.
    #[non_exhaustive]
    Succeeded {
        /// The id of the file, which only the callback contains.
        file_id: u64,
    },
    /// The download failed.
    #[non_exhaustive]
    Failed {
        /// The reason, which only the callback contains.
        reason: String,
    },
}

/// How to end a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TaskEnd {
    /// The source was fetched, and its file appears in the drive.
    Succeeded {
        /// The size of the file, in bytes.
        size: u64,
    },
    /// The source could not be fetched.
    Failed {
        /// The reason, which only the callback contains.
        reason: String,
    },
}

impl TaskEnd {
    /// Returns a failure with this reason.
    pub fn failed(reason: impl Into<String>) -> Self {
        let reason = reason.into();
        Self::Failed { reason }
    }

    pub(super) fn succeeds(&self) -> bool {
        matches!(self, Self::Succeeded { .. })
    }
}

impl Task {
    /// Returns `taskID`.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// Returns `url` as it was sent.
    pub fn url(&self) -> &str {
        &self.download.url
    }

    /// Returns `fileName`, if it was sent.
    pub fn file_name(&self) -> Option<&str> {
        self.download.file_name.as_deref()
    }

    /// Returns the name of the file: `fileName`, or the last segment of the URL's path.
    pub fn name(&self) -> String {
        let name = self.file_name().map(str::to_owned);
        name.unwrap_or_else(|| name_from_url(self.url()))
    }

    /// Returns `dirID`, if it was sent.
    pub fn dir_id(&self) -> Option<i64> {
        match self.download.destination {
            Destination::Drive(folder) => folder,
            Destination::ImageBed(_) => None,
        }
    }

    /// Returns `businessDirID`, a folder of the image bed, if it was sent.
    pub fn business_dir_id(&self) -> Option<&str> {
        match &self.download.destination {
            Destination::Drive(_) => None,
            Destination::ImageBed(folder) => folder.as_deref(),
        }
    }

    /// Returns whether the file goes to the image bed (图床) instead of the drive.
    pub fn is_image_bed(&self) -> bool {
        self.download.destination.storage() == Storage::ImageBed
    }

    /// Returns `callBackUrl`, if it was sent.
    pub fn callback_url(&self) -> Option<&str> {
        self.download.callback_url.as_deref()
    }

    /// Returns how many progress polls were made for this task.
    pub fn polls(&self) -> usize {
        self.polls
    }

    /// Returns what the last poll returned, or the progress of the fetch.
    pub fn progress(&self) -> ScriptStep {
        self.step
    }

    /// Returns the length of the fetched source; 0 until the fetch has succeeded.
    pub fn fetched_bytes(&self) -> u64 {
        self.fetched
    }

    /// Returns the outcome; `None` until the task has ended.
    pub fn outcome(&self) -> Option<&TaskOutcome> {
        self.outcome.as_ref()
    }

    pub(super) fn destination(&self) -> &Destination {
        &self.download.destination
    }

    /// Advances by one step. Returns the result if the task ends with this step.
    pub(super) fn poll(&mut self, now: SystemTime) -> Option<TaskEnd> {
        let index = self.polls;
        self.polls += 1;
        if self.off_script {
            return None;
        }
        let elapsed = now.duration_since(self.created).unwrap_or_default();
        self.step = self.script.step(index, elapsed);
        let ends = self.outcome.is_none();
        self.script.result_of(self.step).filter(|_| ends)
    }

    /// Ends a task whose script ends by the clock, and returns the result.
    pub(super) fn end_by_clock(&mut self) -> Option<TaskEnd> {
        if self.off_script || self.outcome.is_some() {
            return None;
        }
        let result = self.script.result();
        self.off_script = true;
        self.step = final_step(&result);
        Some(result)
    }

    /// Sets the progress, unless the task has ended. The task no longer follows its script.
    pub(super) fn set_step(&mut self, step: ScriptStep) {
        if self.outcome.is_none() {
            self.off_script = true;
            self.step = step;
        }
    }

    /// Sets the final progress. Returns false if the task had already ended.
    pub(super) fn set_final_step(&mut self, result: &TaskEnd) -> bool {
        if self.outcome.is_some() {
            return false;
        }
        self.set_step(final_step(result));
        if let TaskEnd::Succeeded { size } = result {
            self.fetched = *size;
        }
        true
    }

    pub(super) fn end(&mut self, outcome: TaskOutcome) {
        self.outcome.get_or_insert(outcome);
    }
}

impl Destination {
    pub(super) fn storage(&self) -> Storage {
        match self {
            Self::Drive(_) => Storage::Drive,
            Self::ImageBed(_) => Storage::ImageBed,
        }
    }
}

fn final_step(result: &TaskEnd) -> ScriptStep {
    match result {
        TaskEnd::Succeeded { .. } => ScriptStep::new(100.0, SUCCEEDED),
        TaskEnd::Failed { .. } => ScriptStep::new(0.0, FAILED),
    }
}

/// All tasks, in order of creation.
#[derive(Debug)]
pub(super) struct Tasks {
    /// The id of the first task.
    first: u64,
    all: Vec<Task>,
    /// How many are running, by storage.
    running: [usize; 2],
}

impl Default for Tasks {
    fn default() -> Self {
        Self::starting_at(FIRST_TASK)
    }
}

impl Tasks {
    pub(super) fn starting_at(first: u64) -> Self {
        Self {
            first,
            all: Vec::new(),
            running: [0; 2],
        }
    }

    pub(super) fn create(
        &mut self,
        now: SystemTime,
        download: Download,
        script: TaskScript,
    ) -> u64 {
        // Wraps around after the last number, so that ids stay unique.
        let id = self.first.wrapping_add(self.all.len() as u64);
        self.running[download.destination.storage() as usize] += 1;
        self.all.push(Task {
            id,
            download,
            created: now,
            script,
            off_script: false,
            step: ScriptStep::new(0.0, RUNNING),
            polls: 0,
            fetched: 0,
            outcome: None,
        });
        id
    }

    /// Creates a task without a script, whose source is fetched.
    pub(super) fn create_fetched(&mut self, now: SystemTime, download: Download) -> u64 {
        let id = self.create(now, download, TaskScript::never_ends());
        if let Some(task) = self.get_mut(id) {
            task.set_step(ScriptStep::new(0.0, RUNNING));
        }
        id
    }

    pub(super) fn get(&self, id: u64) -> Option<&Task> {
        self.all.get(self.index(id)?)
    }

    pub(super) fn get_mut(&mut self, id: u64) -> Option<&mut Task> {
        let index = self.index(id)?;
        self.all.get_mut(index)
    }

    fn index(&self, id: u64) -> Option<usize> {
        usize::try_from(id.wrapping_sub(self.first)).ok()
    }

    /// Sets the outcome of a task.
    pub(super) fn end(&mut self, id: u64, outcome: TaskOutcome) -> Option<&Task> {
        let index = self.index(id)?;
        let task = self.all.get_mut(index)?;
        task.end(outcome);
        self.running[task.destination().storage() as usize] -= 1;
        Some(task)
    }

    /// Returns how many tasks of this storage are running.
    pub(super) fn running(&self, storage: Storage) -> usize {
        self.running[storage as usize]
    }

    pub(super) fn all(&self) -> &[Task] {
        &self.all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: SystemTime = SystemTime::UNIX_EPOCH;

    fn task(script: TaskScript) -> Task {
        let mut tasks = Tasks::default();
        let download = Download {
            url: "https://example.com/a".to_owned(),
            file_name: None,
            destination: Destination::Drive(None),
            callback_url: None,
        };
        tasks.create(START, download, script);
        tasks.all.remove(0)
    }

    #[test]
    fn outcome_is_final_even_if_the_script_goes_on() {
        let mut task = task(TaskScript::steps([(100.0, 2), (40.0, 0), (0.0, 1)]).size(7));
        assert_eq!(task.poll(START), Some(TaskEnd::Succeeded { size: 7 }));
        let outcome = TaskOutcome::Succeeded { file_id: 1 };
        task.end(outcome.clone());
        assert_eq!(task.poll(START), None);
        assert_eq!(task.poll(START), None);
        assert_eq!(task.progress(), ScriptStep::new(0.0, 1));
        let reason = String::new();
        task.end(TaskOutcome::Failed { reason });
        assert_eq!(task.outcome(), Some(&outcome));
    }

    #[test]
    fn status_13_is_not_an_end() {
        let mut task = task(TaskScript::steps([(50.0, 13), (50.0, 3)]));
        assert_eq!(task.poll(START), None);
        assert_eq!(task.poll(START), None);
        assert_eq!(task.outcome(), None);
    }

    #[test]
    fn fetched_task_ignores_its_script() {
        let mut task = task(TaskScript::succeeds_after(2));
        task.set_step(ScriptStep::new(12.5, RUNNING));
        assert_eq!(task.poll(START), None);
        assert_eq!(task.poll(START), None);
        assert_eq!(task.progress(), ScriptStep::new(12.5, RUNNING));

        let reason = "gone".to_owned();
        assert!(task.set_final_step(&TaskEnd::failed(reason.clone())));
        task.end(TaskOutcome::Failed { reason });
        assert!(!task.set_final_step(&TaskEnd::Succeeded { size: 1 }));
        task.set_step(ScriptStep::new(99.0, RUNNING));
        assert_eq!(task.progress(), ScriptStep::new(0.0, FAILED));
    }

    #[test]
    fn task_ends_by_the_clock_once_unless_it_is_off_script() {
        let by_the_clock = TaskScript::succeeds_within(std::time::Duration::from_secs(1));
        let mut first = task(by_the_clock.clone());
        assert_eq!(
            first.end_by_clock(),
            Some(TaskEnd::Succeeded { size: 1 << 20 })
        );
        assert_eq!(first.progress(), ScriptStep::new(100.0, SUCCEEDED));
        assert_eq!(first.end_by_clock(), None);

        let mut second = task(by_the_clock);
        second.set_step(ScriptStep::new(1.0, RUNNING));
        assert_eq!(second.end_by_clock(), None);
    }
}
