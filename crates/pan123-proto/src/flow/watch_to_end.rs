//! A watch that returns its result only, and may search for the file afterwards.

use std::sync::Arc;

use super::expected_file::ExpectedFile;
use super::find_file::{FileLookup, FindFile};
use super::watch::Watch;
use crate::error::WatchError;
use crate::ids::TaskId;
use crate::machine::{Input, Machine, Now, Step};
use crate::task::{Progress, TaskStatus};

/// A [`Watch`] that returns its result only.
#[must_use = "a watch does nothing until a driver resumes it"]
#[derive(Debug)]
pub struct WatchToEnd {
    watch: Watch,
    /// What to search for after success.
    expected: Option<ExpectedFile>,
    search: Option<(Progress, Box<FindFile>)>,
}

type Output = Result<Downloaded, WatchError>;

impl Watch {
    /// Turns the watch into one that returns its result only.
    pub fn to_end(self) -> WatchToEnd {
        WatchToEnd {
            watch: self,
            expected: None,
            search: None,
        }
    }

    /// Turns the watch into one that returns its result only, and searches for the file after success: first the one that a
    /// callback named.
    pub fn to_file(self, expected: ExpectedFile) -> WatchToEnd {
        WatchToEnd {
            expected: Some(expected),
            ..self.to_end()
        }
    }
}

/// A task that succeeded. Its file need not be visible yet: `file` says what is known of it.
#[derive(Debug)]
#[non_exhaustive]
pub struct Downloaded {
    /// The task.
    pub task: TaskId,
    /// The progress that reported success.
    pub progress: Progress,
    /// What is known of the file.
    pub file: FileLookup,
}

impl Downloaded {
    /// Creates a value for tests.
    pub fn new(task: TaskId, progress: Progress, file: FileLookup) -> Downloaded {
        Downloaded {
            task,
            progress,
            file,
        }
    }
}

impl WatchToEnd {
    /// Returns the result after the last item of the watch, or `None` if the search for the file comes first.
    fn watch_ended(&mut self) -> Option<Output> {
        let task = self.watch.task();
        match self.watch.last() {
            Some(progress) if progress.status == TaskStatus::Succeeded => self.succeeded(progress),
            Some(last) if last.status == TaskStatus::Failed => {
                Some(Err(WatchError::DownloadFailed { task, last }))
            }
            last => Some(Err(WatchError::Stopped { task, last })),
        }
    }

    fn succeeded(&mut self, progress: Progress) -> Option<Output> {
        let Some(expected) = self.expected.take() else {
            let hint = self.watch.file_hint();
            let file = hint.map_or(FileLookup::NotAttempted, FileLookup::Hint);
            return Some(Ok(self.downloaded(progress, file)));
        };
        let control = Arc::clone(&self.watch.control);
        let search = FindFile::new(&self.watch.session, control, expected);
        self.search = Some((progress, Box::new(search)));
        None
    }

    fn downloaded(&self, progress: Progress, file: FileLookup) -> Downloaded {
        Downloaded::new(self.watch.task(), progress, file)
    }
}

impl Machine for WatchToEnd {
    type Output = Output;

    fn resume(&mut self, now: Now, input: Input) -> Step<Output> {
        let mut input = input;
        loop {
            if let Some((progress, search)) = &mut self.search {
                let file = match search.resume(now, input).ready() {
                    Ok(found) => found.unwrap_or_else(|error| FileLookup::Failed(Box::new(error))),
                    Err(step) => return step,
                };
                let progress = *progress;
                self.search = None;
                return Step::Ready(Ok(self.downloaded(progress, file)));
            }
            match self.watch.resume(now, input).ready() {
                Ok(Some(Ok(_))) => {}
                Ok(Some(Err(error))) => return Step::Ready(Err(error)),
                Ok(None) => {
                    if let Some(result) = self.watch_ended() {
                        return Step::Ready(result);
                    }
                }
                Err(step) => return step,
            }
            input = Input::Wake;
        }
    }
}
