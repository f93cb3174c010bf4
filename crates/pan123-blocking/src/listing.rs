//! A list as an iterator.

use std::fmt;

use pan123_proto::file::{self, Entry};
use pan123_proto::{CallHandle, EntryId, Error};

use crate::drive::Context;

/// Reads a list to its end, entry by entry: see [`file::Listing`]. An item blocks while its page is fetched.
///
/// `None` comes after the last one, and after an `Err` until [`retry`](Listing::retry) is called.
#[must_use = "a listing does nothing until it is iterated over"]
pub struct Listing {
    listing: file::Listing,
    context: Context,
}

impl Listing {
    pub(crate) fn new(listing: file::Listing, context: Context) -> Listing {
        Listing { listing, context }
    }

    /// Whether trashed entries come along, which the service lists beside the others.
    pub fn with_trashed(self, with_trashed: bool) -> Listing {
        Listing {
            listing: self.listing.with_trashed(with_trashed),
            context: self.context,
        }
    }

    /// The cursor before the page that is being handed out, or that failed.
    pub fn cursor(&self) -> Option<EntryId> {
        self.listing.cursor()
    }

    /// Goes on at the page that failed. Without a failure nothing happens.
    pub fn retry(&mut self) {
        self.listing.retry();
    }

    /// A handle to stop the listing from elsewhere.
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
