//! A row of a list that cannot be read.

use std::fmt;

use super::Error;
use crate::ids::EntryId;
use crate::text::Escaped;

/// The most characters of a name in the text of an error.
const MAX_NAME: usize = 100;

/// A row of a list that cannot be read. It loses only itself: the other rows are there.
///
/// A row is readable if it has an id, a name and a kind (file or folder); anything else in it that cannot be read is unknown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnreadableRow {
    pub(crate) index: usize,
    pub(crate) id: Option<EntryId>,
    pub(crate) name: Option<String>,
    pub(crate) is_dir: Option<bool>,
    pub(crate) trashed: bool,
    pub(crate) reason: String,
    pub(crate) excerpt: String,
    /// Whether it may be the entry that was looked for, and no other fits.
    pub(crate) maybe_sought: bool,
}

impl UnreadableRow {
    /// Returns its position among all rows of its page, from 0.
    pub fn index(&self) -> usize {
        self.index
    }

    /// Returns the id, if it can be read.
    pub fn id(&self) -> Option<EntryId> {
        self.id
    }

    /// Returns the name as the service sent it, if it can be read: with `U+FFFD` in place of what is no character.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// The end of a search that may have been for this row.
    pub(crate) fn maybe_sought(mut self: Box<Self>) -> Error {
        self.maybe_sought = true;
        Error::UnreadableRow(self)
    }

    /// Returns the start of the row, at most 200 characters; empty for a list that may hold signed URLs.
    pub fn excerpt(&self) -> &str {
        &self.excerpt
    }
}

impl fmt::Display for UnreadableRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a row of the list cannot be read: {}", self.reason)?;
        if let Some(id) = self.id {
            write!(f, "; its id is {id}")?;
        }
        if let Some(name) = &self.name {
            let start: String = name.chars().take(MAX_NAME).collect();
            write!(f, "; its name is \"{}\"", Escaped(&start))?;
        }
        if !self.excerpt.is_empty() {
            write!(f, "; it starts with {:?}", self.excerpt)?;
        }
        f.write_str(if self.maybe_sought {
            "; it may be what was looked for, and nothing else fits: look at the folder"
        } else {
            "; the other rows can be read"
        })
    }
}
