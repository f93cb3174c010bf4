//! A watch that gives its end only, and may look for the file after it.

use std::sync::Arc;

use super::{Downloaded, Watch};
use crate::error::WatchError;
use crate::flow::find_file::{ExpectedFile, FileLookup, FindFile};
use crate::machine::{Input, Machine, Now, Step};
use crate::task::{Progress, TaskStatus};

/// A [`Watch`] that gives its end only.
#[must_use = "a watch does nothing until a driver resumes it"]
#[derive(Debug)]
pub struct WatchToEnd {
    watch: Watch,
    target: Option<ExpectedFile>,
    finding: Option<(Progress, Box<FindFile>)>,
}

type Output = Result<Downloaded, WatchError>;

impl WatchToEnd {
    pub(super) fn new(watch: Watch, target: Option<ExpectedFile>) -> WatchToEnd {
        WatchToEnd {
            watch,
            target,
            finding: None,
        }
    }

    /// What comes after the last item of the watch.
    fn after_end(&mut self) -> Option<Output> {
        let task = self.watch.task;
        match self.watch.last() {
            Some(progress) if progress.status == TaskStatus::Succeeded => self.succeeded(progress),
            Some(last) if last.status == TaskStatus::Failed => {
                Some(Err(WatchError::DownloadFailed { task, last }))
            }
            last => Some(Err(WatchError::Stopped { task, last })),
        }
    }

    fn succeeded(&mut self, progress: Progress) -> Option<Output> {
        let Some(target) = self.target.take() else {
            let hint = self.watch.file_hint();
            let file = hint.map_or(FileLookup::NotAttempted, FileLookup::Hint);
            return Some(Ok(self.downloaded(progress, file)));
        };
        let control = Arc::clone(&self.watch.control);
        let find = FindFile::new(&self.watch.session, control, target);
        self.finding = Some((progress, Box::new(find)));
        None
    }

    fn downloaded(&self, progress: Progress, file: FileLookup) -> Downloaded {
        Downloaded {
            task: self.watch.task,
            progress,
            file,
        }
    }
}

impl Machine for WatchToEnd {
    type Output = Output;

    fn resume(&mut self, now: Now, input: Input) -> Step<Output> {
        let mut input = input;
        loop {
            if let Some((progress, find)) = &mut self.finding {
                let landed = match find.resume(now, input).ready() {
                    Ok(found) => found.unwrap_or_else(|error| FileLookup::Failed(Box::new(error))),
                    Err(step) => return step,
                };
                let progress = *progress;
                self.finding = None;
                return Step::Ready(Ok(self.downloaded(progress, landed)));
            }
            match self.watch.resume(now, input).ready() {
                Ok(Some(Ok(_))) => {}
                Ok(Some(Err(error))) => return Step::Ready(Err(error)),
                Ok(None) => {
                    if let Some(end) = self.after_end() {
                        return Step::Ready(end);
                    }
                }
                Err(step) => return step,
            }
            input = Input::Wake;
        }
    }
}
