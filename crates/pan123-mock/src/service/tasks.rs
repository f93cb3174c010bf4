//! The offline downloads: what was asked for, how far they are, how they ended.

use std::time::SystemTime;

use super::course::{Course, FAILED, RUNNING, SUCCEEDED, Step};
use super::drive::name_of_source;

/// The id of the first task, unless another one was chosen.
pub(super) const FIRST_TASK: u64 = 394_756;

/// What a client asked for, in the types of the wire.
#[derive(Debug, Clone)]
pub(super) struct Download {
    pub(super) url: String,
    pub(super) file_name: Option<String>,
    pub(super) target: Target,
    pub(super) callback_url: Option<String>,
}

/// Where the file of a download goes: into a folder, or into the default one.
#[derive(Debug, Clone)]
pub(super) enum Target {
    Drive(Option<i64>),
    ImageBed(Option<String>),
}

/// One of the two places that take downloads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Drive,
    ImageBed,
}

/// An offline download as the service knows it.
#[derive(Debug, Clone)]
pub struct Task {
    id: u64,
    asked: Download,
    created: SystemTime,
    course: Course,
    /// Whether the task has left its course, for a fetch or the test moves it.
    moved_by_hand: bool,
    shown: Step,
    polls: usize,
    fetched: u64,
    ending: Option<Ending>,
}

/// How a task ended.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ending {
    /// The file is in the drive.
    #[non_exhaustive]
    Succeeded {
        /// Its id, which only the callback tells.
        file_id: u64,
    },
    /// There is no file.
    #[non_exhaustive]
    Failed {
        /// The reason, which only the callback tells.
        reason: String,
    },
}

impl Task {
    /// `taskID`.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// `url` as it was sent.
    pub fn url(&self) -> &str {
        &self.asked.url
    }

    /// `fileName`, if one was sent.
    pub fn file_name(&self) -> Option<&str> {
        self.asked.file_name.as_deref()
    }

    /// What its file is to be called: `fileName`, otherwise what the end of the URL's path says.
    pub fn name(&self) -> String {
        let given = self.file_name().map(str::to_owned);
        given.unwrap_or_else(|| name_of_source(self.url()))
    }

    /// `dirID`, if one was sent.
    pub fn dir_id(&self) -> Option<i64> {
        match self.asked.target {
            Target::Drive(folder) => folder,
            Target::ImageBed(_) => None,
        }
    }

    /// `businessDirID`, if one was sent: a folder of the image bed.
    pub fn business_dir_id(&self) -> Option<&str> {
        match &self.asked.target {
            Target::Drive(_) => None,
            Target::ImageBed(folder) => folder.as_deref(),
        }
    }

    /// Whether the file goes into the image bed (图床) and not into the drive.
    pub fn is_image_bed(&self) -> bool {
        self.asked.target.place() == Place::ImageBed
    }

    /// `callBackUrl`, if one was sent.
    pub fn callback_url(&self) -> Option<&str> {
        self.asked.callback_url.as_deref()
    }

    /// How many progress polls asked for this task.
    pub fn polls(&self) -> usize {
        self.polls
    }

    /// What the last poll was told, or how far a fetch is.
    pub fn step(&self) -> Step {
        self.shown
    }

    /// How many bytes of the source were fetched, counted when the fetch has ended well.
    pub fn fetched_bytes(&self) -> u64 {
        self.fetched
    }

    /// How the task ended; `None` while it has not.
    pub fn ending(&self) -> Option<&Ending> {
        self.ending.as_ref()
    }

    pub(super) fn target(&self) -> &Target {
        &self.asked.target
    }

    /// Moves one step on. Says how the task comes to its end with it, if it does: with the size of its file, or with a reason.
    pub(super) fn poll(&mut self, now: SystemTime) -> Option<Result<u64, String>> {
        let index = self.polls;
        self.polls += 1;
        if self.moved_by_hand {
            return None;
        }
        let elapsed = now.duration_since(self.created).unwrap_or_default();
        self.shown = self.course.step(index, elapsed);
        let ends = self.ending.is_none();
        self.course.end_of(self.shown).filter(|_| ends)
    }

    /// How the task ends that its course ends by the clock.
    pub(super) fn time_is_up(&mut self) -> Option<Result<u64, String>> {
        if self.moved_by_hand || self.ending.is_some() {
            return None;
        }
        let end = self.course.end();
        self.moved_by_hand = true;
        self.shown = end_of(&end);
        Some(end)
    }

    /// The task leaves its course, unless it has ended.
    pub(super) fn moved(&mut self, step: Step) {
        if self.ending.is_none() {
            self.moved_by_hand = true;
            self.shown = step;
        }
    }

    /// True if the task ended with it: an end is an end.
    pub(super) fn moved_to_end(&mut self, result: &Result<u64, String>) -> bool {
        if self.ending.is_some() {
            return false;
        }
        self.moved(end_of(result));
        self.fetched = *result.as_ref().unwrap_or(&0);
        true
    }

    pub(super) fn end(&mut self, ending: Ending) {
        self.ending.get_or_insert(ending);
    }
}

impl Target {
    pub(super) fn place(&self) -> Place {
        match self {
            Self::Drive(_) => Place::Drive,
            Self::ImageBed(_) => Place::ImageBed,
        }
    }
}

fn end_of(result: &Result<u64, String>) -> Step {
    match result {
        Ok(_) => Step::new(100.0, SUCCEEDED),
        Err(_) => Step::new(0.0, FAILED),
    }
}

/// All tasks, in the order of their creation.
#[derive(Debug)]
pub(super) struct Tasks {
    /// The id of the first one.
    first: u64,
    all: Vec<Task>,
    /// How many have not ended, by their places.
    running: [usize; 2],
}

impl Default for Tasks {
    fn default() -> Self {
        Self::beginning_with(FIRST_TASK)
    }
}

impl Tasks {
    pub(super) fn beginning_with(first: u64) -> Self {
        Self {
            first,
            all: Vec::new(),
            running: [0; 2],
        }
    }

    pub(super) fn create(&mut self, now: SystemTime, asked: Download, course: Course) -> u64 {
        // After the last number comes 0: none is given twice.
        let id = self.first.wrapping_add(self.all.len() as u64);
        self.running[asked.target.place() as usize] += 1;
        self.all.push(Task {
            id,
            asked,
            created: now,
            course,
            moved_by_hand: false,
            shown: Step::new(0.0, RUNNING),
            polls: 0,
            fetched: 0,
            ending: None,
        });
        id
    }

    /// A task that is really fetched is not on a course.
    pub(super) fn create_fetched(&mut self, now: SystemTime, asked: Download) -> u64 {
        let id = self.create(now, asked, Course::never_ends());
        if let Some(task) = self.get_mut(id) {
            task.moved(Step::new(0.0, RUNNING));
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

    /// Notes how a task ended; it is ended once.
    pub(super) fn end(&mut self, id: u64, ending: Ending) -> Option<&Task> {
        let index = self.index(id)?;
        let task = self.all.get_mut(index)?;
        task.end(ending);
        self.running[task.target().place() as usize] -= 1;
        Some(task)
    }

    /// How many of this place have not ended.
    pub(super) fn running(&self, place: Place) -> usize {
        self.running[place as usize]
    }

    pub(super) fn all(&self) -> &[Task] {
        &self.all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: SystemTime = SystemTime::UNIX_EPOCH;

    fn task(course: Course) -> Task {
        let mut tasks = Tasks::default();
        let asked = Download {
            url: "https://example.com/a".to_owned(),
            file_name: None,
            target: Target::Drive(None),
            callback_url: None,
        };
        tasks.create(START, asked, course);
        tasks.all.remove(0)
    }

    #[test]
    fn a_course_ends_a_task_once_whatever_it_shows_afterwards() {
        let mut task = task(Course::steps([(100.0, 2), (40.0, 0), (0.0, 1)]).size(7));
        assert_eq!(task.poll(START), Some(Ok(7)));
        let ending = Ending::Succeeded { file_id: 1 };
        task.end(ending.clone());
        assert_eq!(task.poll(START), None);
        assert_eq!(task.poll(START), None);
        assert_eq!(task.step(), Step::new(0.0, 1));
        let reason = String::new();
        task.end(Ending::Failed { reason });
        assert_eq!(task.ending(), Some(&ending));
    }

    #[test]
    fn status_13_is_not_an_end() {
        let mut task = task(Course::steps([(50.0, 13), (50.0, 3)]));
        assert_eq!(task.poll(START), None);
        assert_eq!(task.poll(START), None);
        assert_eq!(task.ending(), None);
    }

    #[test]
    fn a_fetch_takes_the_task_off_its_course() {
        let mut task = task(Course::succeeds_after(2));
        task.moved(Step::new(12.5, RUNNING));
        assert_eq!(task.poll(START), None);
        assert_eq!(task.poll(START), None);
        assert_eq!(task.step(), Step::new(12.5, RUNNING));

        let reason = "gone".to_owned();
        assert!(task.moved_to_end(&Err(reason.clone())));
        task.end(Ending::Failed { reason });
        assert!(!task.moved_to_end(&Ok(1)));
        task.moved(Step::new(99.0, RUNNING));
        assert_eq!(task.step(), Step::new(0.0, FAILED));
    }

    #[test]
    fn the_time_of_a_task_is_up_once_and_not_if_it_was_moved() {
        let by_the_clock = Course::succeeds_within(std::time::Duration::from_secs(1));
        let mut first = task(by_the_clock.clone());
        assert_eq!(first.time_is_up(), Some(Ok(1 << 20)));
        assert_eq!(first.step(), Step::new(100.0, SUCCEEDED));
        assert_eq!(first.time_is_up(), None);

        let mut second = task(by_the_clock);
        second.moved(Step::new(1.0, RUNNING));
        assert_eq!(second.time_is_up(), None);
    }
}
