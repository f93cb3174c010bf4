//! Finds an entry of a folder by its name.

use std::sync::Arc;

use super::listing::Listing;
use crate::api::file::{Entry, EntryKind, ListFiles};
use crate::error::Error;
use crate::ids::Parent;
use crate::machine::control::Control;
use crate::machine::{Input, Machine, Now, Step};
use crate::session::Session;

/// Lists a folder until an entry has the name. Names are compared exactly: whether the drive is case-sensitive is not documented.
#[derive(Debug)]
pub(crate) struct FindInDir {
    listing: Listing,
    name: String,
    kinds: Kinds,
}

/// The kinds of entries that count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kinds {
    DirsOnly,
    All,
}

impl FindInDir {
    pub(crate) fn new(
        session: &Session,
        control: &Arc<Control>,
        parent: Parent,
        name: &str,
        kinds: Kinds,
    ) -> FindInDir {
        FindInDir {
            listing: session.list(ListFiles::of(parent)).controlled_by(control),
            name: name.to_owned(),
            kinds,
        }
    }

    fn matches(&self, entry: &Entry) -> bool {
        entry.name == self.name && (self.kinds == Kinds::All || entry.kind == EntryKind::Dir)
    }
}

impl Machine for FindInDir {
    type Output = Result<Option<Entry>, Error>;

    fn resume(&mut self, now: Now, input: Input) -> Step<Self::Output> {
        let mut input = input;
        loop {
            match self.listing.resume(now, input).ready() {
                Ok(Some(Ok(entry))) if self.matches(&entry) => return Step::Ready(Ok(Some(entry))),
                Ok(Some(Ok(_))) => input = Input::Wake,
                Ok(Some(Err(error))) => return Step::Ready(Err(error)),
                Ok(None) => return Step::Ready(Ok(None)),
                Err(step) => return step,
            }
        }
    }
}
