//! A list as an iterator.

use std::fmt;

use pan123_proto::file::{self, Entry};
use pan123_proto::{CallHandle, EntryId, Error};

use crate::drive::Context;

/// Reads a list to its end, entry by entry: see [`file::Listing`].
///
/// It is an [`Iterator`], whose `next` blocks while a page is fetched. It returns `None` after the last entry and after an `Err`,
/// until [`retry`](Listing::retry) is called.
#[must_use = "a listing does nothing until it is iterated over"]
pub struct Listing {
    listing: file::Listing,
    context: Context,
}

impl Listing {
    pub(crate) fn new(listing: file::Listing, context: Context) -> Listing {
        Listing { listing, context }
    }

    /// Includes trashed entries, which the service lists among the others; by default they are left out.
    #[doc(alias = "回收站")]
    pub fn with_trashed(self, with_trashed: bool) -> Listing {
        Listing {
            listing: self.listing.with_trashed(with_trashed),
            context: self.context,
        }
    }

    /// Returns the cursor before the current page, or before the page that failed.
    pub fn cursor(&self) -> Option<EntryId> {
        self.listing.cursor()
    }

    /// Continues with the page that failed. Does nothing if none has failed.
    pub fn retry(&mut self) {
        self.listing.retry();
    }

    /// Returns a handle that stops the listing from elsewhere.
    pub fn handle(&self) -> CallHandle {
        self.listing.handle()
    }
}

impl Iterator for Listing {
    type Item = Result<Entry, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        self.context.drive(&mut self.listing)
    }
}

impl fmt::Debug for Listing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.listing.fmt(f)
    }
}
