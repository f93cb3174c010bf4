//! Where the file of a download is: success of a task and a file in the drive are two things.

use std::sync::Arc;
use std::time::{Duration, Instant};

mod expected;

pub use expected::ExpectedFile;

use super::listing::Listing;
use super::lookup::{Lookup, Wanted};
use crate::api::file::{Entry, GetDetail, ListFiles};
use crate::call::Call;
use crate::error::Error;
use crate::ids::{DirId, FileId, Parent};
use crate::machine::control::{CallHandle, Control};
use crate::machine::{Input, Machine, Now, Step, settled};
use crate::session::Session;
use crate::wire::response::date;
use crate::wire::timestamp::ClockSkew;
use expected::Clocks;

/// The folder in the root where downloads go that ask for none.
const DEFAULT_DIR: &str = "来自:离线下载";
/// The pauses before further looks, should a list be late to show the file.
const PAUSES: [Duration; 2] = [Duration::from_secs(2), Duration::from_secs(5)];

/// What is known of the file of a download that succeeded.
#[derive(Debug)]
#[non_exhaustive]
pub enum FileLookup {
    /// A callback named it, and nothing else is known: nobody looked, or the file of this id does not fit the download by name and
    /// time, and no other does.
    Hint(FileId),
    /// It is there: the one that a callback named, or one of the target folder, that fits by name and time.
    Found(Box<Entry>),
    /// Several files there could be it: their names and times fit.
    Several(Vec<Entry>),
    /// There is none in the target folder that fits, or the folder itself was not there. Where the download asked for no name,
    /// the one that is looked for is a guess.
    NotFound,
    /// The look failed. That the download succeeded stays true.
    Failed(Box<Error>),
    /// Nobody looked, and no callback told.
    NotAttempted,
}

impl FileLookup {
    /// The file, if there is one answer to the question which it is.
    pub fn file(&self) -> Option<FileId> {
        match self {
            FileLookup::Hint(file) => Some(*file),
            FileLookup::Found(entry) => entry.file(),
            _ => None,
        }
    }
}

/// Looks for the file of a download: at the one that a callback named, and then in the target folder, three times at the most
/// while none shows.
#[must_use = "nothing is looked for until a driver resumes this"]
#[derive(Debug)]
pub struct FindFile {
    session: Session,
    control: Arc<Control>,
    target: ExpectedFile,
    /// What could be it, of the folder that is being read.
    fitting: Vec<Entry>,
    looks: usize,
    /// What a callback named, once it was seen to be there.
    file_hint: Option<FileId>,
    /// What a callback named and was looked at already.
    seen: Option<FileId>,
    clocks: Clocks,
    state: State,
}

#[derive(Debug)]
enum State {
    /// Looks at what a callback named.
    Checking(Box<Call<Entry>>),
    /// Looks for the default folder.
    Entering(Box<Lookup>),
    Reading(Box<Listing>),
    Pausing(Instant),
    Ended,
}

impl Session {
    /// Looks for the file of a download.
    pub fn find_file(&self, target: ExpectedFile) -> FindFile {
        FindFile::new(self, Arc::default(), target)
    }
}

impl FindFile {
    pub(super) fn new(session: &Session, control: Arc<Control>, target: ExpectedFile) -> FindFile {
        let mut find = FindFile {
            session: session.clone(),
            control,
            target,
            fitting: Vec::new(),
            looks: 0,
            file_hint: None,
            seen: None,
            clocks: Clocks::default(),
            state: State::Ended,
        };
        if !find.check_news() {
            find.look();
        }
        find
    }

    /// A handle to stop from elsewhere: it ends with [`Error::Stopped`].
    pub fn handle(&self) -> CallHandle {
        CallHandle::new(&self.control)
    }

    /// Looks at what a callback named, if that is new: callbacks come as late as they like.
    fn check_news(&mut self) -> bool {
        let hint = self.control.file_hint().or(self.target.hinted_file());
        let Some(file) = hint.filter(|hint| self.seen != Some(*hint)) else {
            return false;
        };
        self.seen = Some(file);
        let Ok(call) = self.session.call(&GetDetail::new(file)) else {
            return false;
        };
        self.state = State::Checking(Box::new(call.controlled_by(&self.control)));
        true
    }

    /// What a callback named is taken for a hint: if it cannot be seen, it is looked for like any other.
    fn checked(&mut self, named: Result<Entry, Error>) -> Option<FileLookup> {
        if let Ok(entry) = named
            && self.target.is_there(&entry)
        {
            if self.target.fits(&entry, self.clocks) {
                return Some(FileLookup::Found(Box::new(entry)));
            }
            self.file_hint = entry.file();
        }
        self.look();
        None
    }

    fn look(&mut self) {
        self.state = match self.target.dir() {
            Some(dir) => self.read(dir.into()),
            None => State::Entering(Box::new(Lookup::new(
                &self.session,
                &self.control,
                Parent::Root,
                DEFAULT_DIR,
                Wanted::Dir,
            ))),
        };
    }

    fn read(&self, dir: Parent) -> State {
        let listing = self.session.list(ListFiles::of(dir));
        State::Reading(Box::new(listing.controlled_by(&self.control)))
    }

    fn entered(&mut self, now: Instant, dir: Option<DirId>) -> Option<FileLookup> {
        let Some(dir) = dir else {
            return self.looked(now);
        };
        self.state = self.read(dir.into());
        None
    }

    fn consider(&mut self, entry: Entry) -> Option<FileLookup> {
        if self.target.fits(&entry, self.clocks) {
            self.fitting.push(entry);
        }
        None
    }

    /// What the look has brought, or none if another one follows.
    fn looked(&mut self, now: Instant) -> Option<FileLookup> {
        let mut fitting = std::mem::take(&mut self.fitting);
        if fitting.len() != 1 && self.check_news() {
            return None;
        }
        match (fitting.pop(), fitting.is_empty()) {
            (Some(entry), true) => Some(FileLookup::Found(Box::new(entry))),
            (Some(entry), false) => {
                fitting.push(entry);
                Some(FileLookup::Several(fitting))
            }
            (None, _) => {
                let Some(pause) = PAUSES.get(self.looks) else {
                    return Some(
                        self.file_hint
                            .map_or(FileLookup::NotFound, FileLookup::Hint),
                    );
                };
                self.looks += 1;
                self.state = State::Pausing(now + *pause);
                None
            }
        }
    }

    fn advance(&mut self, now: Now, input: Input) -> Result<Step<Output>, Error> {
        if let Input::Response(answer) = &input
            && let Some(date) = date(answer.headers())
        {
            self.clocks = Clocks(Some(ClockSkew::between(date, now.wall)));
        }
        let mut input = input;
        loop {
            let landed = match &mut self.state {
                State::Ended => return Err(Error::Finished),
                State::Checking(call) => match call.resume(now, input).ready() {
                    Ok(named) => self.checked(named),
                    Err(step) => return Ok(step),
                },
                State::Entering(lookup) => match lookup.resume(now, input).ready() {
                    Ok(found) => self.entered(now.mono, found?.and_then(|entry| entry.dir())),
                    Err(step) => return Ok(step),
                },
                State::Reading(listing) => match listing.resume(now, input).ready() {
                    Ok(Some(entry)) => self.consider(entry?),
                    Ok(None) => self.looked(now.mono),
                    Err(step) => return Ok(step),
                },
                State::Pausing(until) => {
                    let until = *until;
                    // What is told after this wakes the wait.
                    let wait = self.control.backoff(now.mono, until)?;
                    if !self.check_news() {
                        if now.mono < until {
                            return Ok(Step::Wait(wait));
                        }
                        self.look();
                    }
                    None
                }
            };
            if let Some(landed) = landed {
                return Ok(Step::Ready(Ok(landed)));
            }
            input = Input::Wake;
        }
    }
}

type Output = Result<FileLookup, Error>;

impl Machine for FindFile {
    type Output = Output;

    fn resume(&mut self, now: Now, input: Input) -> Step<Output> {
        let step = self.advance(now, input);
        settled(step, &mut self.state, State::Ended)
    }
}
