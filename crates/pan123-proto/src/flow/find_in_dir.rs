//! Finds an entry of a folder by its name.

use std::sync::Arc;

use super::listing::Listing;
use super::names::{Likeness, is_default_dir, likeness, may_be_sought};
use crate::api::file::{Entry, EntryKind, ListFiles};
use crate::error::{Error, UnreadableRow};
use crate::ids::Parent;
use crate::machine::control::Control;
use crate::machine::{Input, Machine, Now, Step};
use crate::session::Session;

/// Lists a folder until an entry has exactly this name, or to its end: then an entry counts whose name differs in its Unicode
/// normalization only, or in the spelling of the service's own folder. Of several the first one listed counts.
///
/// Upper and lower case differ: whether they do for the drive is not documented. A row that cannot be read is skipped, unless no
/// other fits and it may be the one.
#[derive(Debug)]
pub(crate) struct FindInDir {
    listing: Listing,
    parent: Parent,
    name: String,
    kinds: Kinds,
    /// The best entry so far.
    found: Option<(Likeness, Entry)>,
    /// A row that cannot be read, and may be the one.
    unreadable: Option<Box<UnreadableRow>>,
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
            unreadable: None,
        }
    }

    fn likeness(&self, entry: &Entry) -> Option<Likeness> {
        let is_dir = entry.kind == EntryKind::Dir;
        if self.kinds == Kinds::DirsOnly && !is_dir {
            return None;
        }
        likeness(&entry.name, &self.name, str::eq).or_else(|| {
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

    /// Returns the best entry. An error if there is none, and a row that cannot be read may be the one: it is not known to be
    /// missing.
    fn result(&mut self) -> Result<Option<Entry>, Error> {
        match (self.found.take(), self.unreadable.take()) {
            (None, Some(row)) => Err(row.maybe_sought()),
            (found, _) => Ok(found.map(|(_, entry)| entry)),
        }
    }

    fn add_unreadable(&mut self, row: Box<UnreadableRow>) {
        let is_other_kind = self.kinds == Kinds::DirsOnly && row.is_dir == Some(false);
        let may_be = |name: &str| may_be_sought(name, &self.name);
        if !is_other_kind && row.name().is_none_or(may_be) {
            self.unreadable.get_or_insert(row);
        }
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
                        return Step::Ready(self.result());
                    }
                    input = Input::Wake;
                }
                Ok(Some(Err(Error::UnreadableRow(row)))) => {
                    self.add_unreadable(row);
                    input = Input::Wake;
                }
                Ok(Some(Err(error))) => return Step::Ready(Err(error)),
                Ok(None) => return Step::Ready(self.result()),
                Err(step) => return step,
            }
        }
    }
}
