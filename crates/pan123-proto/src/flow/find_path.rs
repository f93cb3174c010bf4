//! The entry at a path.

use std::collections::VecDeque;
use std::sync::Arc;

use super::lookup::{Lookup, Wanted};
use super::path::names_of;
use crate::api::file::Entry;
use crate::error::{BuildError, Error};
use crate::ids::Parent;
use crate::machine::control::{CallHandle, Control};
use crate::machine::{Input, Machine, Now, Step};
use crate::session::Session;

/// Looks for the entry at a path, folder by folder. `None` if there is none; nothing is remembered for the next time.
///
/// Of several entries with one name the first listed counts; on the way down only folders do.
#[must_use = "nothing is looked for until a driver resumes this"]
#[derive(Debug)]
pub struct FindPath {
    session: Session,
    control: Arc<Control>,
    /// The names below the one that is looked for.
    rest: VecDeque<String>,
    /// None after the end.
    lookup: Option<Lookup>,
}

impl Session {
    /// Looks for the entry at a path such as `/videos/2026/film.mp4`. A folder is read page by page until the name comes.
    ///
    /// # Errors
    ///
    /// [`BuildError::Path`] if it is the root, or contains `.` or `..`.
    pub fn find(&self, path: &str) -> Result<FindPath, BuildError> {
        let mut find = FindPath {
            session: self.clone(),
            control: Arc::default(),
            rest: names_of(path)?.into(),
            lookup: None,
        };
        find.look_in(Parent::Root);
        Ok(find)
    }
}

impl FindPath {
    /// A handle to stop the search from elsewhere: it ends with [`Error::Stopped`].
    pub fn handle(&self) -> CallHandle {
        CallHandle::new(&self.control)
    }

    fn look_in(&mut self, parent: Parent) {
        let Some(name) = self.rest.pop_front() else {
            return;
        };
        let wanted = if self.rest.is_empty() {
            Wanted::Anything
        } else {
            Wanted::Dir
        };
        let lookup = Lookup::new(&self.session, &self.control, parent, &name, wanted);
        self.lookup = Some(lookup);
    }
}

impl Machine for FindPath {
    type Output = Result<Option<Entry>, Error>;

    fn resume(&mut self, now: Now, input: Input) -> Step<Self::Output> {
        let mut input = input;
        loop {
            let Some(lookup) = &mut self.lookup else {
                return Step::Ready(Err(Error::Finished));
            };
            let found = match lookup.resume(now, input).ready() {
                Ok(found) => found,
                Err(step) => return step,
            };
            self.lookup = None;
            match found {
                Ok(Some(Entry { id, .. })) if !self.rest.is_empty() => {
                    self.look_in(id.as_dir().into());
                }
                end => return Step::Ready(end),
            }
            input = Input::Wake;
        }
    }
}
