//! The rows of a list, each read on its own: one that cannot be read loses only itself.

use std::iter::Peekable;
use std::vec::IntoIter;

use super::entry::{EntryKind, ID, KIND, NAME};
use crate::error::UnreadableRow;
use crate::ids::EntryId;
use crate::text;
use crate::wire::json::{Field, Json, Unreadable};
use crate::wire::lenient::{flag, lossy_text};

/// The most characters of a row that an error keeps.
const MAX_EXCERPT: usize = 200;

/// The rows of one list.
#[derive(Debug)]
pub(super) struct Rows<T> {
    pub(super) readable: Vec<T>,
    pub(super) unreadable: Vec<UnreadableRow>,
}

impl<T> Rows<T> {
    /// Reads a list; `null` is an empty one, and `None` means that the object has none.
    ///
    /// An error if it is not an array, or if two differ.
    pub(super) fn read(
        list: &Field<'_>,
        read: impl Fn(Json<'_>) -> Result<T, Unreadable>,
    ) -> Result<Option<Rows<T>>, Unreadable> {
        let Some(elements) = list.rows(Ok)? else {
            return Ok(None);
        };
        let mut rows = Rows {
            readable: Vec::with_capacity(elements.len()),
            unreadable: Vec::new(),
        };
        for (index, row) in elements.into_iter().enumerate() {
            match read(row) {
                Ok(value) => rows.readable.push(value),
                Err(problem) => rows.unreadable.push(unreadable(index, row, &problem)),
            }
        }
        Ok(Some(rows))
    }

    /// For a list that may hold secrets.
    pub(super) fn without_excerpts(mut self) -> Rows<T> {
        for row in &mut self.unreadable {
            row.excerpt.clear();
        }
        self
    }

    pub(super) fn len(&self) -> usize {
        self.readable.len() + self.unreadable.len()
    }
}

impl<T> Default for Rows<T> {
    fn default() -> Rows<T> {
        Rows {
            readable: Vec::new(),
            unreadable: Vec::new(),
        }
    }
}

fn unreadable(index: usize, row: Json<'_>, problem: &Unreadable) -> UnreadableRow {
    let mut unreadable = UnreadableRow {
        index,
        id: None,
        name: None,
        is_dir: None,
        trashed: false,
        reason: problem.to_string(),
        excerpt: excerpt(row),
        maybe_sought: false,
    };
    if let Ok([id, name, kind, trashed]) = row.fields([ID, NAME, KIND, &["trashed"]]) {
        unreadable.id = id.optional(EntryId::read);
        unreadable.name = name.optional(lossy_text).map(Into::into);
        unreadable.is_dir = kind
            .optional(EntryKind::read)
            .map(|kind| kind == EntryKind::Dir);
        unreadable.trashed = trashed.optional(flag).unwrap_or_default();
    }
    unreadable
}

fn excerpt(row: Json<'_>) -> String {
    text::shown(
        row.spelling().chars().take(MAX_EXCERPT).collect(),
        MAX_EXCERPT,
    )
}

/// The rows of a list in its order.
#[derive(Debug)]
pub(crate) struct OrderedRows<T> {
    readable: IntoIter<T>,
    unreadable: Peekable<IntoIter<UnreadableRow>>,
    /// The position of the next row.
    index: usize,
}

impl<T> OrderedRows<T> {
    pub(crate) fn new(readable: Vec<T>, unreadable: Vec<UnreadableRow>) -> OrderedRows<T> {
        OrderedRows {
            readable: readable.into_iter(),
            unreadable: unreadable.into_iter().peekable(),
            index: 0,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.readable.len() + self.unreadable.len()
    }
}

impl<T> Default for OrderedRows<T> {
    fn default() -> OrderedRows<T> {
        OrderedRows::new(Vec::new(), Vec::new())
    }
}

impl<T> Iterator for OrderedRows<T> {
    type Item = Result<T, UnreadableRow>;

    fn next(&mut self) -> Option<Self::Item> {
        let index = self.index;
        self.index += 1;
        match self.unreadable.next_if(|row| row.index == index) {
            Some(row) => Some(Err(row)),
            None => self.readable.next().map(Ok),
        }
    }
}
