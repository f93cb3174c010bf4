//! The offline downloads: what was asked for, how far they are, how they ended.

use super::course::{Course, FAILED, RUNNING, SUCCEEDED, Step};

const FIRST_TASK: u64 = 394_756;
const FIRST_FILE: u64 = 14_710_240;

/// What a client asked for, in the types of the wire.
#[derive(Debug, Clone)]
pub(super) struct Download {
    pub(super) url: String,
    pub(super) file_name: Option<String>,
    pub(super) dir_id: Option<i64>,
    pub(super) callback_url: Option<String>,
}

/// An offline download as the service knows it.
#[derive(Debug, Clone)]
pub struct Task {
    id: u64,
    asked: Download,
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

    /// `dirID`, if one was sent.
    pub fn dir_id(&self) -> Option<i64> {
        self.asked.dir_id
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

    /// Moves one step on. True if the task ended with it.
    pub(super) fn poll(&mut self) -> bool {
        let index = self.polls;
        self.polls += 1;
        if self.moved_by_hand {
            return false;
        }
        self.shown = self.course.step(index);
        let ending = match self.shown.status {
            SUCCEEDED => self.success(),
            FAILED => Ending::Failed {
                reason: self.course.failure().to_owned(),
            },
            _ => return false,
        };
        self.end(ending)
    }

    pub(super) fn fetch_progress(&mut self, percent: f64) {
        if self.ending.is_none() {
            self.moved_by_hand = true;
            self.shown = Step::new(percent.clamp(0.0, 100.0), RUNNING);
        }
    }

    /// True if the task ended with it: an end is an end.
    pub(super) fn fetch_ended(&mut self, result: Result<u64, String>) -> bool {
        if self.ending.is_some() {
            return false;
        }
        self.moved_by_hand = true;
        let ending = match result {
            Ok(bytes) => {
                self.fetched = bytes;
                self.shown = Step::new(100.0, SUCCEEDED);
                self.success()
            }
            Err(reason) => {
                self.shown = Step::new(0.0, FAILED);
                Ending::Failed { reason }
            }
        };
        self.end(ending)
    }

    fn success(&self) -> Ending {
        Ending::Succeeded {
            file_id: FIRST_FILE + (self.id - FIRST_TASK),
        }
    }

    fn end(&mut self, ending: Ending) -> bool {
        let first = self.ending.is_none();
        self.ending.get_or_insert(ending);
        first
    }
}

/// All tasks, in the order of their creation.
#[derive(Debug, Default)]
pub(super) struct Tasks {
    all: Vec<Task>,
}

impl Tasks {
    pub(super) fn create(&mut self, asked: Download, course: Course) -> u64 {
        let id = FIRST_TASK + self.all.len() as u64;
        self.all.push(Task {
            id,
            asked,
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
    pub(super) fn create_fetched(&mut self, asked: Download) -> u64 {
        let id = self.create(asked, Course::never_ends());
        if let Some(task) = self.get_mut(id) {
            task.fetch_progress(0.0);
        }
        id
    }

    pub(super) fn get_mut(&mut self, id: u64) -> Option<&mut Task> {
        self.all.iter_mut().find(|task| task.id == id)
    }

    pub(super) fn all(&self) -> &[Task] {
        &self.all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task(course: Course) -> Task {
        let mut tasks = Tasks::default();
        let asked = Download {
            url: "https://example.com/a".to_owned(),
            file_name: None,
            dir_id: None,
            callback_url: None,
        };
        tasks.create(asked, course);
        tasks.all.remove(0)
    }

    #[test]
    fn a_course_ends_a_task_once_whatever_it_shows_afterwards() {
        let mut task = task(Course::steps([(100.0, 2), (40.0, 0), (0.0, 1)]));
        assert!(task.poll());
        assert!(!task.poll());
        assert!(!task.poll());
        assert_eq!(task.step(), Step::new(0.0, 1));
        let file_id = FIRST_FILE;
        assert_eq!(task.ending(), Some(&Ending::Succeeded { file_id }));
    }

    #[test]
    fn status_13_is_not_an_end() {
        let mut task = task(Course::steps([(50.0, 13), (50.0, 3)]));
        assert!(!task.poll());
        assert!(!task.poll());
        assert_eq!(task.ending(), None);
    }

    #[test]
    fn a_fetch_takes_the_task_off_its_course() {
        let mut task = task(Course::succeeds_after(2));
        task.fetch_progress(12.5);
        assert!(!task.poll());
        assert!(!task.poll());
        assert_eq!(task.step(), Step::new(12.5, RUNNING));

        assert!(task.fetch_ended(Err("gone".to_owned())));
        assert!(!task.fetch_ended(Ok(1)));
        task.fetch_progress(99.0);
        assert_eq!(task.step(), Step::new(0.0, FAILED));
    }
}
