//! Reads a whole list, entry by entry.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use crate::api::file::{Entry, FilePage, ListFiles, OrderedRows};
use crate::call::Call;
use crate::error::Error;
use crate::ids::EntryId;
use crate::machine::control::{CallHandle, Control};
use crate::machine::{Input, Machine, Now, Step};
use crate::session::Session;
use crate::trace;

/// Reads a list to its end: each item is an entry, in the service's order, and `None` comes after the last.
///
/// A row that cannot be read is an `Err` with [`Error::UnreadableRow`] in its place, and the next item is the next row. After any
/// other `Err` comes `None`, too, but nothing is lost: [`retry`](Listing::retry) resumes at the page that failed, and
/// [`cursor`](Listing::cursor) tells where another listing would have to start.
///
/// It holds one page at a time. Trashed entries are left out by default.
#[must_use = "a listing does nothing until a driver resumes it"]
pub struct Listing {
    session: Session,
    control: Arc<Control>,
    /// The request for the next page.
    request: ListFiles,
    /// The cursor before the current page.
    page_cursor: Option<EntryId>,
    with_trashed: bool,
    page: OrderedRows<Entry>,
    seen_cursors: HashSet<EntryId>,
    state: State,
}

#[derive(Debug)]
enum State {
    /// The next page is to be fetched.
    NextPage,
    Fetching(Box<Call<FilePage>>),
    Failed,
    Ended,
}

type Item = Option<Result<Entry, Error>>;

impl Session {
    /// Returns a listing, which reads a list to its end, page by page.
    pub fn list(&self, files: ListFiles) -> Listing {
        Listing {
            session: self.clone(),
            control: Arc::default(),
            page_cursor: files.cursor(),
            seen_cursors: files.cursor().into_iter().collect(),
            request: files,
            with_trashed: false,
            page: OrderedRows::default(),
            state: State::NextPage,
        }
    }
}

impl Listing {
    /// Sets whether to include trashed entries, which the service lists among the others. The default is `false`.
    pub fn with_trashed(mut self, with_trashed: bool) -> Listing {
        self.with_trashed = with_trashed;
        self
    }

    /// Returns the cursor before the current page, or before the page that failed; `None` for the first page. Passed to
    /// [`ListFiles::after`], it makes another listing start with that page.
    pub fn cursor(&self) -> Option<EntryId> {
        self.page_cursor
    }

    /// Resumes at the page that failed. Without effect if none failed.
    pub fn retry(&mut self) {
        if matches!(self.state, State::Failed) {
            self.state = State::NextPage;
        }
    }

    /// Returns a handle that stops the listing from elsewhere. It then ends with [`Error::Stopped`], permanently; another listing
    /// can start at its [`cursor`](Listing::cursor).
    pub fn handle(&self) -> CallHandle {
        CallHandle::new(&self.control)
    }

    /// For an enclosing machine: its handles stop this listing, too.
    pub(crate) fn controlled_by(mut self, control: &Arc<Control>) -> Listing {
        self.control = Arc::clone(control);
        self
    }

    fn advance(&mut self, now: Now, input: Input) -> Step<Item> {
        let mut input = input;
        loop {
            // A list that was cut short must not look complete.
            if self.control.is_stopped() && self.has_more() {
                self.page = OrderedRows::default();
                return self.fail_with(Error::Stopped);
            }
            if let Some(row) = self.next_row() {
                return Step::Ready(Some(row));
            }
            match &mut self.state {
                State::Failed | State::Ended => return Step::Ready(None),
                State::Fetching(call) => match call.resume(now, input).ready() {
                    Ok(Ok(page)) => {
                        if let Err(error) = self.accept_page(page) {
                            return self.fail_with(error);
                        }
                    }
                    Ok(Err(error)) => return self.fail_with(error),
                    Err(step) => return step,
                },
                State::NextPage => match self.session.call(&self.request) {
                    Ok(call) => {
                        self.page_cursor = self.request.cursor();
                        self.state = State::Fetching(Box::new(call.controlled_by(&self.control)));
                    }
                    Err(error) => return self.fail_with(error.into()),
                },
            }
            input = Input::Wake;
        }
    }

    fn has_more(&self) -> bool {
        match self.state {
            State::NextPage => true,
            State::Ended => self.page.len() > 0,
            State::Fetching(_) | State::Failed => false,
        }
    }

    fn next_row(&mut self) -> Option<Result<Entry, Error>> {
        let with_trashed = self.with_trashed;
        let row = self.page.find(|row| {
            let trashed = row
                .as_ref()
                .map_or_else(|row| row.trashed, |entry| entry.trashed);
            with_trashed || !trashed
        });
        row.map(|row| {
            row.map_err(|row| {
                trace::unreadable_row(&row);
                Error::UnreadableRow(Box::new(row))
            })
        })
    }

    /// Rejects a page whose cursor has been seen before: the listing would never end.
    fn accept_page(&mut self, page: FilePage) -> Result<(), Error> {
        if let Some(cursor) = page.next
            && !self.seen_cursors.insert(cursor)
        {
            return Err(Error::PaginationLoop { cursor });
        }
        self.state = match page.next {
            Some(cursor) => {
                self.request = self.request.clone().after(cursor);
                State::NextPage
            }
            None => State::Ended,
        };
        self.page = OrderedRows::new(page.entries, page.unreadable);
        Ok(())
    }

    fn fail_with(&mut self, error: Error) -> Step<Item> {
        self.state = State::Failed;
        Step::Ready(Some(Err(error)))
    }
}

impl Machine for Listing {
    type Output = Item;

    fn resume(&mut self, now: Now, input: Input) -> Step<Item> {
        self.advance(now, input)
    }
}

impl fmt::Debug for Listing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listing")
            .field("request", &self.request)
            .field("rows_left", &self.page.len())
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}
