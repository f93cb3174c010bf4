//! A watch as an iterator.

use std::fmt;
use std::iter::FusedIterator;

use pan123_proto::offline::{
    Downloaded, ExpectedFile, Progress, WatchError, WatchEvent, WatchHandle,
};
use pan123_proto::{FileId, TaskId, offline};

use crate::drive::Context;

/// Follows one task: see [`offline::Watch`]. Each item blocks until there is something to tell.
#[must_use = "a watch does nothing until it is iterated over"]
pub struct Watch {
    watch: offline::Watch,
    context: Context,
}

impl Watch {
    pub(crate) fn new(watch: offline::Watch, context: Context) -> Watch {
        Watch { watch, context }
    }

    /// Goes on to the end, without the events on the way.
    ///
    /// # Errors
    ///
    /// [`WatchError`] if the task failed or the watch gave up.
    pub fn to_end(self) -> Result<Downloaded, WatchError> {
        self.context.drive(self.watch.to_end())
    }

    /// Goes on to the end, and looks for the file then.
    ///
    /// # Errors
    ///
    /// [`WatchError`] if the task failed or the watch gave up.
    pub fn to_file(self, target: ExpectedFile) -> Result<Downloaded, WatchError> {
        self.context.drive(self.watch.to_file(target))
    }

    /// The task that is followed.
    pub fn task(&self) -> TaskId {
        self.watch.task()
    }

    /// The last progress seen.
    pub fn last(&self) -> Option<Progress> {
        self.watch.last()
    }

    /// The file that a callback named: see [`WatchHandle::notify`].
    pub fn file_hint(&self) -> Option<FileId> {
        self.watch.file_hint()
    }

    /// A handle to stop or nudge the watch from elsewhere.
    pub fn handle(&self) -> WatchHandle {
        self.watch.handle()
    }
}

impl Iterator for Watch {
    type Item = Result<WatchEvent, WatchError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.context.drive(&mut self.watch)
    }
}

/// After the last item there is only `None`.
impl FusedIterator for Watch {}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.watch.fmt(f)
    }
}
