//! A list as a stream.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{self, Poll};

use futures_core::Stream;
use pan123_proto::file::{self, Entry};
use pan123_proto::{CallHandle, EntryId, Error};

use crate::drive::{Context, Drive};

/// Reads a list to its end, entry by entry: see [`file::Listing`]. It is also a [`Stream`].
///
/// Dropping the future of [`next`](Listing::next), as `select!` does, loses nothing and repeats nothing.
///
/// # Panics
///
/// Like those of the [`Client`](crate::Client), its futures may panic if they are polled outside a tokio runtime.
#[derive(Debug)]
#[must_use = "a listing does nothing until `next` is awaited"]
pub struct Listing {
    drive: Drive<file::Listing>,
}

impl Listing {
    pub(crate) fn new(listing: file::Listing, context: Arc<Context>) -> Listing {
        Listing {
            drive: Drive::new(listing, context),
        }
    }

    /// Includes trashed entries, which the service lists among the others; by default they are left out.
    #[doc(alias = "回收站")]
    pub fn with_trashed(self, with_trashed: bool) -> Listing {
        Listing {
            drive: self
                .drive
                .wrap(|listing| listing.with_trashed(with_trashed)),
        }
    }

    /// Returns the next entry, or `None` after the last one and after an `Err`, until [`retry`](Listing::retry) is called.
    pub async fn next(&mut self) -> Option<Result<Entry, Error>> {
        self.drive.next().await
    }

    /// Returns the cursor before the current page, or before the page that failed.
    pub fn cursor(&self) -> Option<EntryId> {
        self.drive.machine().cursor()
    }

    /// Continues with the page that failed. Does nothing if none has failed.
    pub fn retry(&mut self) {
        self.drive.machine_mut().retry();
    }

    /// Returns a handle that stops the listing from elsewhere.
    pub fn handle(&self) -> CallHandle {
        self.drive.machine().handle()
    }
}

impl Stream for Listing {
    type Item = Result<Entry, Error>;

    fn poll_next(
        mut self: Pin<&mut Self>,
        waker: &mut task::Context<'_>,
    ) -> Poll<Option<Self::Item>> {
        self.drive.poll_next(waker)
    }
}
