//! Finds the files of several downloads in one folder, by the names that they requested.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use super::expected_file::ExpectedFile;
use super::find_file::{Candidates, may_be_default_dir};
use super::fit::{self, Clocks, Fit};
use super::listing::Listing;
use super::names::{is_default_dir, normalized};
use crate::api::file::{Entry, ListFiles};
use crate::error::{Error, UnreadableRow};
use crate::ids::{DirId, Parent};
use crate::machine::control::Control;
use crate::machine::{Input, Machine, Now, Step, settled};
use crate::session::Session;

/// Reads one folder once. Of each download it finds the only file that has its requested name and was created since; none if there
/// are several, or a row that may be another cannot be read.
#[derive(Debug)]
pub(super) struct FindNamed {
    session: Session,
    control: Arc<Control>,
    downloads: Vec<(ExpectedFile, Candidates)>,
    /// The downloads by their normalized names.
    by_name: HashMap<String, Vec<usize>>,
    /// The folders that have yet to be read.
    dirs: VecDeque<DirId>,
    clocks: Clocks,
    state: State,
}

#[derive(Debug)]
enum State {
    FindingDefaultDirs(Box<Listing>),
    Searching(Box<Listing>),
    Ended,
}

impl FindNamed {
    /// Creates a search for files that all are in this folder.
    pub(super) fn new(
        session: &Session,
        control: &Arc<Control>,
        dir: Option<DirId>,
        expected: impl Iterator<Item = ExpectedFile>,
    ) -> FindNamed {
        let downloads: Vec<_> = expected
            .map(|expected| (expected, Candidates::default()))
            .collect();
        let mut by_name: HashMap<_, Vec<_>> = HashMap::new();
        for (index, (expected, _)) in downloads.iter().enumerate() {
            if let Some(name) = expected.requested_name() {
                by_name
                    .entry(normalized(name).into_owned())
                    .or_default()
                    .push(index);
            }
        }
        let mut find = FindNamed {
            session: session.clone(),
            control: Arc::clone(control),
            downloads,
            by_name,
            dirs: VecDeque::new(),
            clocks: Clocks::default(),
            state: State::Ended,
        };
        find.state = match dir {
            Some(dir) => State::Searching(find.list(dir.into())),
            None => State::FindingDefaultDirs(find.list(Parent::Root)),
        };
        find
    }

    fn list(&self, parent: Parent) -> Box<Listing> {
        let listing = self.session.list(ListFiles::of(parent));
        Box::new(listing.controlled_by(&self.control))
    }

    fn add(&mut self, entry: &Entry) {
        for name in fit::unnumbered(&normalized(&entry.name)) {
            for &index in self.by_name.get(&*name).into_iter().flatten() {
                let (expected, candidates) = &mut self.downloads[index];
                if let Some(fit) = Fit::of(entry, expected, self.clocks) {
                    candidates.add(entry.clone(), fit);
                }
            }
        }
    }

    fn add_unreadable(&mut self, row: &UnreadableRow) {
        for (expected, candidates) in &mut self.downloads {
            let may_be = match self.state {
                State::FindingDefaultDirs(_) => may_be_default_dir(row),
                _ => fit::may_be(row, expected),
            };
            if may_be {
                candidates.spoil(row);
            }
        }
    }

    /// Goes on in the next folder. Returns what was found after the last one.
    fn dir_ended(&mut self) -> Option<Vec<Option<Entry>>> {
        if let Some(dir) = self.dirs.pop_front() {
            self.state = State::Searching(self.list(dir.into()));
            return None;
        }
        let downloads = std::mem::take(&mut self.downloads).into_iter();
        Some(downloads.map(|(_, found)| found.into_new()).collect())
    }

    fn advance(&mut self, now: Now, input: Input) -> Result<Step<Output>, Error> {
        self.clocks.hear(now, &input);
        let mut input = input;
        loop {
            let listing = match &mut self.state {
                State::FindingDefaultDirs(listing) | State::Searching(listing) => listing,
                State::Ended => return Err(Error::Finished),
            };
            match listing.resume(now, input).ready() {
                Err(step) => return Ok(step),
                Ok(Some(Err(Error::UnreadableRow(row)))) => self.add_unreadable(&row),
                Ok(Some(Err(error))) => return Err(error),
                Ok(Some(Ok(entry))) if matches!(self.state, State::Searching(_)) => {
                    self.add(&entry);
                }
                Ok(Some(Ok(entry))) => {
                    let dir = entry.dir().filter(|_| is_default_dir(&entry.name));
                    self.dirs.extend(dir);
                }
                Ok(None) => {
                    if let Some(found) = self.dir_ended() {
                        return Ok(Step::Ready(Ok(found)));
                    }
                }
            }
            input = Input::Wake;
        }
    }
}

type Output = Result<Vec<Option<Entry>>, Error>;

impl Machine for FindNamed {
    type Output = Output;

    fn resume(&mut self, now: Now, input: Input) -> Step<Output> {
        let step = self.advance(now, input);
        settled(step, &mut self.state, State::Ended)
    }
}
