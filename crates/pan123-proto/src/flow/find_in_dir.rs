//! Finds an entry of a folder by its name.

use std::sync::Arc;

use super::listing::Listing;
use super::names::{Likeness, is_default_dir, likeness};
use crate::api::file::{Entry, EntryKind, ListFiles};
use crate::error::Error;
use crate::ids::Parent;
use crate::machine::control::Control;
use crate::machine::{Input, Machine, Now, Step};
use crate::session::Session;

/// Lists a folder until an entry has exactly this name, or to its end: then an entry counts whose name differs in its Unicode
/// normalization only, or in the spelling of the service's own folder. Of several the first one listed counts.
///
/// Upper and lower case differ: whether they do for the drive is not documented.
#[derive(Debug)]
pub(crate) struct FindInDir {
    listing: Listing,
    parent: Parent,
    name: String,
    kinds: Kinds,
    /// The best entry so far.
    found: Option<(Likeness, Entry)>,
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
            parent,
            name: name.to_owned(),
            kinds,
            found: None,
        }
    }

    fn likeness(&self, entry: &Entry) -> Option<Likeness> {
        let is_dir = entry.kind == EntryKind::Dir;
        if self.kinds == Kinds::DirsOnly && !is_dir {
            return None;
        }
        let is_same = |found: &str, wanted: &str| found == wanted;
        likeness(&entry.name, &self.name, is_same).or_else(|| {
            let both = is_default_dir(&entry.name) && is_default_dir(&self.name);
            (both && is_dir && self.parent == Parent::Root).then_some(Likeness::DefaultDir)
        })
    }

    /// Keeps the entry if its name is more alike than that of any before. Returns whether no other can be better.
    fn is_final(&mut self, entry: Entry) -> bool {
        let like = self.likeness(&entry);
        if like > self.found.as_ref().map(|(like, _)| *like) {
            self.found = like.map(|like| (like, entry));
        }
        like == Some(Likeness::Exact)
    }

    fn take_found(&mut self) -> Option<Entry> {
        self.found.take().map(|(_, entry)| entry)
    }
}

impl Machine for FindInDir {
    type Output = Result<Option<Entry>, Error>;

    fn resume(&mut self, now: Now, input: Input) -> Step<Self::Output> {
        let mut input = input;
        loop {
            match self.listing.resume(now, input).ready() {
                Ok(Some(Ok(entry))) => {
                    if self.is_final(entry) {
                        return Step::Ready(Ok(self.take_found()));
                    }
                    input = Input::Wake;
                }
                Ok(Some(Err(error))) => return Step::Ready(Err(error)),
                Ok(None) => return Step::Ready(Ok(self.take_found())),
                Err(step) => return step,
            }
        }
    }
}
