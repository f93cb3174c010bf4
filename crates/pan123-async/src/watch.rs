//! A watch as a stream.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{self, Poll};

use futures_core::Stream;
use pan123_proto::offline::{
    Downloaded, ExpectedFile, Progress, WatchError, WatchEvent, WatchHandle,
};
use pan123_proto::{FileId, TaskId, offline};

use crate::drive::{Context, Drive};

/// Follows one task to its end: see [`offline::Watch`] for when it polls and when it gives up. It is also a [`Stream`].
///
/// Dropping the future of [`next`](Watch::next), as `select!` does, loses nothing and repeats nothing: the poll in flight
/// continues with the next call.
///
/// ```no_run
/// use pan123_async::{OfflineDownload, TaskId, WatchError, WatchEvent};
///
/// async fn follow(offline: &OfflineDownload, task: TaskId) -> Result<(), WatchError> {
///     let mut watch = offline.watch(task);
///     while let Some(event) = watch.next().await {
///         match event? {
///             WatchEvent::Progress(progress) => println!("{progress}"),
///             WatchEvent::PollFailed(error) => println!("the watch continues after: {error}"),
///             _ => {}
///         }
///     }
///     Ok(())
/// }
/// ```
///
/// # Panics
///
/// Like those of the [`Client`](crate::Client), its futures may panic if they are polled outside a tokio runtime.
#[derive(Debug)]
#[must_use = "a watch does nothing until `next` or `to_end` is awaited"]
pub struct Watch {
    drive: Drive<offline::Watch>,
}

impl Watch {
    pub(crate) fn new(watch: offline::Watch, context: Arc<Context>) -> Watch {
        Watch {
            drive: Drive::new(watch, context),
        }
    }

    /// Returns the next event. An `Err` is always the last item; after the last item there is only `None`.
    pub async fn next(&mut self) -> Option<Result<WatchEvent, WatchError>> {
        self.drive.next().await
    }

    /// Follows the task to its end and skips the events on the way.
    ///
    /// # Errors
    ///
    /// [`WatchError`] if the task failed or the watch gave up.
    pub async fn to_end(self) -> Result<Downloaded, WatchError> {
        self.drive.wrap(offline::Watch::to_end).next().await
    }

    /// Follows the task to its end, then looks for its file.
    ///
    /// # Errors
    ///
    /// [`WatchError`] if the task failed or the watch gave up.
    pub async fn to_file(self, target: ExpectedFile) -> Result<Downloaded, WatchError> {
        let to_file = |watch| offline::Watch::to_file(watch, target);
        self.drive.wrap(to_file).next().await
    }

    /// Returns the task that is followed.
    pub fn task(&self) -> TaskId {
        self.drive.machine().task()
    }

    /// Returns the last progress seen.
    #[doc(alias = "进度")]
    pub fn last(&self) -> Option<Progress> {
        self.drive.machine().last()
    }

    /// Returns the file that a callback named: see [`WatchHandle::notify`].
    #[doc(alias = "回调")]
    pub fn file_hint(&self) -> Option<FileId> {
        self.drive.machine().file_hint()
    }

    /// Returns a handle that stops the watch, or makes it poll at once, from elsewhere: on a callback, for example.
    #[doc(alias = "回调")]
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
