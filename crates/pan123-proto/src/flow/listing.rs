//! A whole list, entry by entry.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;
use std::vec::IntoIter;

use crate::api::file::{Entry, FilePage, ListFiles};
use crate::call::Call;
use crate::error::Error;
use crate::ids::EntryId;
use crate::machine::control::{CallHandle, Control};
use crate::machine::{Input, Machine, Now, Step};
use crate::session::Session;

/// Reads a list to its end: each item is an entry, in the service's order; `None` comes after the last.
///
/// It holds one page, and asks for the next when that is used up. Trashed entries are left out unless they are asked for.
/// An `Err` is followed by `None`, too, but nothing is lost: [`retry`](Listing::retry) goes on at the page that failed, and
/// [`cursor`](Listing::cursor) tells where another listing would.
#[must_use = "a listing does nothing until a driver resumes it"]
pub struct Listing {
    session: Session,
    control: Arc<Control>,
    /// The page that is next.
    request: ListFiles,
    /// The cursor of the page that is being handed out.
    handed: Option<EntryId>,
    with_trashed: bool,
    page: IntoIter<Entry>,
    cursors: HashSet<EntryId>,
    state: State,
}

#[derive(Debug)]
enum State {
    Due,
    Asking(Box<Call<FilePage>>),
    Failed,
    Ended,
}

type Item = Option<Result<Entry, Error>>;

impl Session {
    /// Reads a list to its end, page by page.
    pub fn list(&self, files: ListFiles) -> Listing {
        Listing {
            session: self.clone(),
            control: Arc::default(),
            handed: files.cursor(),
            cursors: files.cursor().into_iter().collect(),
            request: files,
            with_trashed: false,
            page: IntoIter::default(),
            state: State::Due,
        }
    }
}

impl Listing {
    /// Whether trashed entries come along, which the service lists beside the others.
    pub fn with_trashed(mut self, with_trashed: bool) -> Listing {
        self.with_trashed = with_trashed;
        self
    }

    /// The cursor before the page that is being handed out, or that failed: with [`ListFiles::after`] another listing goes on
    /// there, and hands that page out from its beginning. None for the first page.
    pub fn cursor(&self) -> Option<EntryId> {
        self.handed
    }

    /// Goes on at the page that failed. Without a failure nothing happens.
    pub fn retry(&mut self) {
        if matches!(self.state, State::Failed) {
            self.state = State::Due;
        }
    }

    /// A handle to stop the listing from elsewhere: it ends with [`Error::Stopped`], and for good. Another one goes on at its
    /// [`cursor`](Listing::cursor).
    pub fn handle(&self) -> CallHandle {
        CallHandle::new(&self.control)
    }

    /// For a machine around this one.
    pub(crate) fn controlled_by(mut self, control: &Arc<Control>) -> Listing {
        self.control = Arc::clone(control);
        self
    }

    fn advance(&mut self, now: Now, input: Input) -> Step<Item> {
        let mut input = input;
        loop {
            // A list that was cut short must not look like a whole one.
            if self.control.is_stopped() && self.has_more() {
                self.page = IntoIter::default();
                return self.fail(Error::Stopped);
            }
            if let Some(entry) = self.next_of_page() {
                return Step::Ready(Some(Ok(entry)));
            }
            match &mut self.state {
                State::Failed | State::Ended => return Step::Ready(None),
                State::Asking(call) => match call.resume(now, input).ready() {
                    Ok(Ok(page)) => {
                        if let Err(error) = self.take(page) {
                            return self.fail(error);
                        }
                    }
                    Ok(Err(error)) => return self.fail(error),
                    Err(step) => return step,
                },
                State::Due => match self.session.call(&self.request) {
                    Ok(call) => {
                        self.handed = self.request.cursor();
                        self.state = State::Asking(Box::new(call.controlled_by(&self.control)));
                    }
                    Err(error) => return self.fail(error.into()),
                },
            }
            input = Input::Wake;
        }
    }

    fn has_more(&self) -> bool {
        match self.state {
            State::Due => true,
            State::Ended => self.page.len() > 0,
            State::Asking(_) | State::Failed => false,
        }
    }

    fn next_of_page(&mut self) -> Option<Entry> {
        let with_trashed = self.with_trashed;
        self.page.find(|entry| with_trashed || !entry.trashed)
    }

    /// A cursor that was there before would lead round in a circle; nothing of its page is handed out.
    fn take(&mut self, page: FilePage) -> Result<(), Error> {
        if let Some(cursor) = page.next
            && !self.cursors.insert(cursor)
        {
            return Err(Error::PaginationLoop { cursor });
        }
        self.state = match page.next {
            Some(cursor) => {
                self.request = self.request.clone().after(cursor);
                State::Due
            }
            None => State::Ended,
        };
        self.page = page.entries.into_iter();
        Ok(())
    }

    fn fail(&mut self, error: Error) -> Step<Item> {
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
            .field("held", &self.page.len())
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}
