//! A watch as a stream.

use std::pin::Pin;
use std::task::{self, Poll};

use futures_core::Stream;
use pan123_proto::offline::{
    Downloaded, ExpectedFile, Progress, WatchError, WatchEvent, WatchHandle,
};
use pan123_proto::{FileId, TaskId, offline};

use crate::drive::{Context, Drive};

/// Follows one task: see [`offline::Watch`]. A [`Stream`], too.
///
/// Dropping the future of [`next`](Watch::next), as `select!` does, loses nothing and repeats nothing: the poll that is out
/// goes on with the next call of it.
#[derive(Debug)]
#[must_use = "a watch does nothing until `next` or `to_end` is awaited"]
pub struct Watch {
    drive: Drive<offline::Watch>,
}

impl Watch {
    pub(crate) fn new(watch: offline::Watch, context: Context) -> Watch {
        Watch {
            drive: Drive::new(watch, context),
        }
    }

    /// The next thing seen. An `Err` is always the last item, `None` comes after the last.
    pub async fn next(&mut self) -> Option<Result<WatchEvent, WatchError>> {
        self.drive.next().await
    }

    /// Goes on to the end, without the events on the way.
    ///
    /// # Errors
    ///
    /// [`WatchError`] if the task failed or the watch gave up.
    pub async fn to_end(self) -> Result<Downloaded, WatchError> {
        self.drive.wrap(offline::Watch::to_end).next().await
    }

    /// Goes on to the end, and looks for the file then.
    ///
    /// # Errors
    ///
    /// [`WatchError`] if the task failed or the watch gave up.
    pub async fn to_file(self, target: ExpectedFile) -> Result<Downloaded, WatchError> {
        let to_file = |watch| offline::Watch::to_file(watch, target);
        self.drive.wrap(to_file).next().await
    }

    /// The task that is followed.
    pub fn task(&self) -> TaskId {
        self.drive.machine().task()
    }

    /// The last progress seen.
    pub fn last(&self) -> Option<Progress> {
        self.drive.machine().last()
    }

    /// The file that a callback named: see [`WatchHandle::notify`].
    pub fn file_hint(&self) -> Option<FileId> {
        self.drive.machine().file_hint()
    }

    /// A handle to stop or nudge the watch from elsewhere.
    pub fn handle(&self) -> WatchHandle {
        self.drive.machine().handle()
    }
}

impl Stream for Watch {
    type Item = Result<WatchEvent, WatchError>;

    fn poll_next(
        mut self: Pin<&mut Self>,
        waker: &mut task::Context<'_>,
    ) -> Poll<Option<Self::Item>> {
        self.drive.poll_next(waker)
    }
}
