//! Finds the entry at a path.

use std::collections::VecDeque;
use std::sync::Arc;

use super::find_in_dir::{FindInDir, Kinds};
use super::path::split_path;
use crate::api::file::Entry;
use crate::error::{BuildError, Error};
use crate::ids::Parent;
use crate::machine::control::{CallHandle, Control};
use crate::machine::{Input, Machine, Now, Step};
use crate::session::Session;

/// Finds the entry at a path, folder by folder; `None` if there is none. Nothing is cached.
///
/// Of several entries with the same name the first one listed counts; on the way down only folders count. Names that differ in
/// their Unicode normalization only (NFC, NFD) are the same, unless another entry has exactly the given one. The service's own
/// folder `来自:离线下载` may be given with an ASCII or a full-width colon, whichever it has.
///
/// A row that cannot be read is skipped if another entry fits. If none does, and the row may be the one that is looked for, the
/// result is [`Error::UnreadableRow`].
#[must_use = "nothing is searched until a driver resumes this"]
#[derive(Debug)]
pub struct FindPath {
    session: Session,
    control: Arc<Control>,
    /// The names below the one that is being searched for.
    remaining: VecDeque<String>,
    /// `None` after the end.
    search: Option<FindInDir>,
}

impl Session {
    /// Finds the entry at a path such as `/videos/2026/film.mp4`. Each folder is listed page by page until the name appears.
    ///
    /// # Errors
    ///
    /// [`BuildError::Path`] if the path is the root, or contains `.` or `..`.
    pub fn find(&self, path: &str) -> Result<FindPath, BuildError> {
        let mut find = FindPath {
            session: self.clone(),
            control: Arc::default(),
            remaining: split_path(path)?.into(),
            search: None,
        };
        find.search_in(Parent::Root);
        Ok(find)
    }
}

impl FindPath {
    /// Returns a handle that stops the search from elsewhere. It then ends with [`Error::Stopped`].
    pub fn handle(&self) -> CallHandle {
        CallHandle::new(&self.control)
    }

    fn search_in(&mut self, parent: Parent) {
        let Some(name) = self.remaining.pop_front() else {
            return;
        };
        let kinds = if self.remaining.is_empty() {
            Kinds::All
        } else {
            Kinds::DirsOnly
        };
        let search = FindInDir::new(&self.session, &self.control, parent, &name, kinds);
        self.search = Some(search);
    }
}

impl Machine for FindPath {
    type Output = Result<Option<Entry>, Error>;

    fn resume(&mut self, now: Now, input: Input) -> Step<Self::Output> {
        let mut input = input;
        loop {
            let Some(search) = &mut self.search else {
                return Step::Ready(Err(Error::Finished));
            };
            let found = match search.resume(now, input).ready() {
                Ok(found) => found,
                Err(step) => return step,
            };
            self.search = None;
            match found {
                Ok(Some(Entry { id, .. })) if !self.remaining.is_empty() => {
                    self.search_in(id.as_dir().into());
                }
                result => return Step::Ready(result),
            }
            input = Input::Wake;
        }
    }
}
