//! A folder at a path, made as far as it is missing.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::lookup::{Lookup, Wanted};
use super::path::dir_names_of;
use crate::api::file::{CreateDir, CreatedDir, Entry};
use crate::call::Call;
use crate::error::{ApiError, BuildError, Error};
use crate::ids::{DirId, Parent};
use crate::machine::control::{CallHandle, Control};
use crate::machine::{Input, Machine, Now, Step, settled};
use crate::session::Session;

/// The pauses before further looks for a folder that somebody else has just made, should a list be late to show it.
const PAUSES: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(3)];

/// Makes the folder at a path as far as it is missing, and gives its id; nothing is remembered for the next time.
///
/// A folder that somebody else makes at the same time is taken for what was wanted.
#[must_use = "nothing is made until a driver resumes this"]
#[derive(Debug)]
pub struct EnsureDir {
    session: Session,
    control: Arc<Control>,
    parent: Parent,
    /// The name that is looked for or made, and those below it.
    names: VecDeque<String>,
    /// That the name was taken, and how often it has been looked for since.
    taken: Option<(Error, usize)>,
    state: State,
}

#[derive(Debug)]
enum State {
    Looking(Box<Lookup>),
    Making(Box<Call<CreatedDir>>),
    Pausing(Instant),
    Ended,
}

type Output = Result<DirId, Error>;

impl Session {
    /// Makes the folder at a path such as `/videos/2026` as far as it is missing.
    ///
    /// # Errors
    ///
    /// [`BuildError::Path`] if it is the root, contains `.` or `..`, or a name that the service refuses.
    pub fn ensure_dir(&self, path: &str) -> Result<EnsureDir, BuildError> {
        let mut ensure = EnsureDir {
            session: self.clone(),
            control: Arc::default(),
            parent: Parent::Root,
            names: dir_names_of(path)?.into(),
            taken: None,
            state: State::Ended,
        };
        ensure.look();
        Ok(ensure)
    }
}

impl EnsureDir {
    /// A handle to stop from elsewhere: it ends with [`Error::Stopped`]. Folders that were made stay.
    pub fn handle(&self) -> CallHandle {
        CallHandle::new(&self.control)
    }

    fn look(&mut self) {
        if let Some(name) = self.names.front() {
            let lookup = Lookup::new(&self.session, &self.control, self.parent, name, Wanted::Dir);
            self.state = State::Looking(Box::new(lookup));
        }
    }

    fn make(&mut self) -> Result<(), Error> {
        if let Some(name) = self.names.front() {
            let call = self.session.call(&CreateDir::new(self.parent, name)?)?;
            self.state = State::Making(Box::new(call.controlled_by(&self.control)));
        }
        Ok(())
    }

    /// The way goes on below this folder, or ends there.
    fn enter(&mut self, dir: DirId) -> Option<DirId> {
        self.names.pop_front();
        self.parent = dir.into();
        self.taken = None;
        self.names.is_empty().then_some(dir)
    }

    fn looked(&mut self, now: Instant, found: Option<Entry>) -> Result<Option<DirId>, Error> {
        if let Some(entry) = found {
            let end = self.enter(entry.id.as_dir());
            self.look();
            return Ok(end);
        }
        match self.taken.take() {
            None => self.make()?,
            Some((refusal, looks)) => match PAUSES.get(looks) {
                None => return Err(refusal),
                Some(pause) => {
                    self.taken = Some((refusal, looks + 1));
                    self.state = State::Pausing(now + *pause);
                }
            },
        }
        Ok(None)
    }

    fn made(&mut self, made: Result<CreatedDir, Error>) -> Result<Option<DirId>, Error> {
        match made {
            // Nothing can be in a new folder yet, so that what is below it is made without a look.
            Ok(CreatedDir { dir }) => match self.enter(dir) {
                Some(end) => Ok(Some(end)),
                None => self.make().map(|()| None),
            },
            Err(refusal) if refusal.api().is_some_and(ApiError::is_name_taken) => {
                self.taken = Some((refusal, 0));
                self.look();
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    fn advance(&mut self, now: Now, input: Input) -> Result<Step<Output>, Error> {
        let mut input = input;
        loop {
            let end = match &mut self.state {
                State::Ended => return Err(Error::Finished),
                State::Looking(lookup) => match lookup.resume(now, input).ready() {
                    Ok(found) => self.looked(now.mono, found?)?,
                    Err(step) => return Ok(step),
                },
                State::Making(call) => match call.resume(now, input).ready() {
                    Ok(made) => self.made(made)?,
                    Err(step) => return Ok(step),
                },
                State::Pausing(until) if now.mono < *until => {
                    return Ok(Step::Wait(self.control.backoff(now.mono, *until)?));
                }
                State::Pausing(_) => {
                    self.look();
                    None
                }
            };
            if let Some(dir) = end {
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
