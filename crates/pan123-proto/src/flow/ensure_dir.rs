//! Creates the missing folders of a path.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::find_in_dir::{FindInDir, Kinds};
use super::path::{check_new_dirs, split_path};
use crate::api::file::{CreateDir, CreatedDir, Entry};
use crate::call::Call;
use crate::error::{ApiError, BuildError, Error};
use crate::ids::{DirId, Parent};
use crate::machine::control::{CallHandle, Control};
use crate::machine::{Input, Machine, Now, Step, settled};
use crate::session::Session;

/// The backoffs before searching again for a folder that somebody else has just created: a list may show it late.
const BACKOFFS: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(3)];

/// Creates the missing folders of a path, and returns the id of the last one. Nothing is cached.
///
/// A folder that exists is used whatever its name is. The names of missing ones are checked together before the first is created:
/// with a name that the service would reject, none is, and it ends with [`BuildError::Path`]. After any other error, those that
/// were already created stay.
///
/// If somebody else creates the same folder at the same time, that one is used. If a row that cannot be read may be the folder, and
/// no other fits, it ends with [`Error::UnreadableRow`] and creates nothing beside it.
#[must_use = "nothing is created until a driver resumes this"]
#[derive(Debug)]
#[doc(alias = "mkdir")]
#[doc(alias = "目录")]
pub struct EnsureDir {
    session: Session,
    control: Arc<Control>,
    parent: Parent,
    path: String,
    /// The current name, and those below it.
    names: VecDeque<String>,
    /// The rejection of a taken name, and the number of searches since.
    name_taken: Option<(Error, usize)>,
    state: State,
}

#[derive(Debug)]
enum State {
    Finding(Box<FindInDir>),
    Creating(Box<Call<CreatedDir>>),
    Backoff(Instant),
    Ended,
}

type Output = Result<DirId, Error>;

impl Session {
    /// Creates the missing folders of a path such as `/videos/2026`.
    ///
    /// # Errors
    ///
    /// [`BuildError::Path`] if the path is the root, or contains `.` or `..`.
    pub fn ensure_dir(&self, path: &str) -> Result<EnsureDir, BuildError> {
        let mut ensure = EnsureDir {
            session: self.clone(),
            control: Arc::default(),
            parent: Parent::Root,
            names: split_path(path)?.into(),
            path: path.to_owned(),
            name_taken: None,
            state: State::Ended,
        };
        ensure.find();
        Ok(ensure)
    }
}

impl EnsureDir {
    /// Returns a handle that stops it from elsewhere. It then ends with [`Error::Stopped`]; folders that were created stay.
    pub fn handle(&self) -> CallHandle {
        CallHandle::new(&self.control)
    }

    fn find(&mut self) {
        if let Some(name) = self.names.front() {
            let kinds = Kinds::DirsOnly;
            let search = FindInDir::new(&self.session, &self.control, self.parent, name, kinds);
            self.state = State::Finding(Box::new(search));
        }
    }

    fn create(&mut self) -> Result<(), Error> {
        if let Some(name) = self.names.front() {
            let call = self.session.call(&CreateDir::new(self.parent, name)?)?;
            self.state = State::Creating(Box::new(call.controlled_by(&self.control)));
        }
        Ok(())
    }

    /// Creates the current folder and then those below it, which cannot exist either.
    fn create_all(&mut self) -> Result<(), Error> {
        check_new_dirs(&self.path, self.parent, &self.names)?;
        self.create()
    }

    /// Goes on below this folder, or returns it as the last one.
    fn descend(&mut self, dir: DirId) -> Option<DirId> {
        self.names.pop_front();
        self.parent = dir.into();
        self.name_taken = None;
        self.names.is_empty().then_some(dir)
    }

    fn find_ended(&mut self, now: Instant, found: Option<Entry>) -> Result<Option<DirId>, Error> {
        if let Some(entry) = found {
            let last = self.descend(entry.id.as_dir());
            self.find();
            return Ok(last);
        }
        match self.name_taken.take() {
            None => self.create_all()?,
            Some((rejection, searches)) => match BACKOFFS.get(searches) {
                None => return Err(rejection),
                Some(backoff) => {
                    self.name_taken = Some((rejection, searches + 1));
                    self.state = State::Backoff(now + *backoff);
                }
            },
        }
        Ok(None)
    }

    fn create_ended(&mut self, created: Result<CreatedDir, Error>) -> Result<Option<DirId>, Error> {
        match created {
            // A new folder is empty, so the next one is created without a search.
            Ok(CreatedDir { dir }) => match self.descend(dir) {
                Some(last) => Ok(Some(last)),
                None => self.create().map(|()| None),
            },
            Err(rejection) if rejection.api().is_some_and(ApiError::is_name_taken) => {
                self.name_taken = Some((rejection, 0));
                self.find();
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    fn advance(&mut self, now: Now, input: Input) -> Result<Step<Output>, Error> {
        let mut input = input;
        loop {
            let last = match &mut self.state {
                State::Ended => return Err(Error::Finished),
                State::Finding(search) => match search.resume(now, input).ready() {
                    Ok(found) => self.find_ended(now.mono, found?)?,
                    Err(step) => return Ok(step),
                },
                State::Creating(call) => match call.resume(now, input).ready() {
                    Ok(created) => self.create_ended(created)?,
                    Err(step) => return Ok(step),
                },
                State::Backoff(until) if now.mono < *until => {
                    return Ok(Step::Wait(self.control.backoff(now.mono, *until)?));
                }
                State::Backoff(_) => {
                    self.find();
                    None
                }
            };
            if let Some(dir) = last {
                return Ok(Step::Ready(Ok(dir)));
            }
            input = Input::Wake;
        }
    }
}

impl Machine for EnsureDir {
    type Output = Output;

    fn resume(&mut self, now: Now, input: Input) -> Step<Output> {
        let step = self.advance(now, input);
        settled(step, &mut self.state, State::Ended)
    }
}
