//! A watch as an iterator.

use std::fmt;
use std::iter::FusedIterator;

use pan123_proto::offline::{
    Downloaded, ExpectedFile, Progress, WatchError, WatchEvent, WatchHandle,
};
use pan123_proto::{FileId, TaskId, offline};

use crate::drive::Context;

/// Follows one task to its end: see [`offline::Watch`] for when it polls and when it gives up.
///
/// It is an [`Iterator`], whose `next` blocks until there is an event. An `Err` is always the last item.
///
/// ```no_run
/// use pan123_blocking::{OfflineDownload, TaskId, WatchError, WatchEvent};
///
/// fn follow(offline: &OfflineDownload, task: TaskId) -> Result<(), WatchError> {
///     for event in offline.watch(task) {
///         match event? {
///             WatchEvent::Progress(progress) => println!("{progress}"),
///             WatchEvent::PollFailed(error) => println!("the watch continues after: {error}"),
///             _ => {}
///         }
///     }
///     Ok(())
/// }
/// ```
#[must_use = "a watch does nothing until it is iterated over"]
pub struct Watch {
    watch: offline::Watch,
    context: Context,
}

impl Watch {
    pub(crate) fn new(watch: offline::Watch, context: Context) -> Watch {
        Watch { watch, context }
    }

    /// Follows the task to its end and skips the events on the way.
    ///
    /// # Errors
    ///
    /// [`WatchError`] if the task failed or the watch gave up.
    pub fn to_end(self) -> Result<Downloaded, WatchError> {
        self.context.drive(self.watch.to_end())
    }

    /// Follows the task to its end, then looks for its file.
    ///
    /// # Errors
    ///
    /// [`WatchError`] if the task failed or the watch gave up.
    pub fn to_file(self, target: ExpectedFile) -> Result<Downloaded, WatchError> {
        self.context.drive(self.watch.to_file(target))
    }

    /// Returns the task that is followed.
    pub fn task(&self) -> TaskId {
        self.watch.task()
    }

    /// Returns the last progress seen.
    #[doc(alias = "进度")]
    pub fn last(&self) -> Option<Progress> {
        self.watch.last()
    }

    /// Returns the file that a callback named: see [`WatchHandle::notify`].
    #[doc(alias = "回调")]
    pub fn file_hint(&self) -> Option<FileId> {
        self.watch.file_hint()
    }

    /// Returns a handle that stops the watch, or makes it poll at once, from elsewhere: on a callback, for example.
    #[doc(alias = "回调")]
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
