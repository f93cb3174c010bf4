//! An entry of a folder, by its name.

use std::sync::Arc;

use super::listing::Listing;
use crate::api::file::{Entry, EntryKind, ListFiles};
use crate::error::Error;
use crate::ids::Parent;
use crate::machine::control::Control;
use crate::machine::{Input, Machine, Now, Step};
use crate::session::Session;

/// Reads a folder until an entry of this name comes. Names are compared as they are: that the drive tells
/// upper from lower case is documented nowhere.
#[derive(Debug)]
pub(crate) struct Lookup {
    listing: Listing,
    name: String,
    wanted: Wanted,
}

/// What an entry has to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    Dir,
    Anything,
}

impl Lookup {
    pub(crate) fn new(
        session: &Session,
        control: &Arc<Control>,
        parent: Parent,
        name: &str,
        wanted: Wanted,
    ) -> Lookup {
        Lookup {
            listing: session.list(ListFiles::of(parent)).controlled_by(control),
            name: name.to_owned(),
            wanted,
        }
    }

    fn is_it(&self, entry: &Entry) -> bool {
        entry.name == self.name && (self.wanted == Wanted::Anything || entry.kind == EntryKind::Dir)
    }
}

impl Machine for Lookup {
    type Output = Result<Option<Entry>, Error>;

    fn resume(&mut self, now: Now, input: Input) -> Step<Self::Output> {
        let mut input = input;
        loop {
            match self.listing.resume(now, input).ready() {
                Ok(Some(Ok(entry))) if self.is_it(&entry) => return Step::Ready(Ok(Some(entry))),
                Ok(Some(Ok(_))) => input = Input::Wake,
                Ok(Some(Err(error))) => return Step::Ready(Err(error)),
                Ok(None) => return Step::Ready(Ok(None)),
                Err(step) => return step,
            }
        }
    }
}
