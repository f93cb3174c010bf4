//! Finds the file of a download: a task that has succeeded does not name its file.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::expected_file::ExpectedFile;
use super::fit::{self, Clocks, Fit, FoundBy};
use super::listing::Listing;
use super::names::{DEFAULT_DIR, is_default_dir, may_be_sought};
use crate::api::file::{Entry, GetDetail, ListFiles};
use crate::call::Call;
use crate::error::{Error, UnreadableRow};
use crate::ids::{DirId, EntryId, FileId, Parent};
use crate::machine::control::{CallHandle, Control};
use crate::machine::{Input, Machine, Now, Step, settled};
use crate::session::Session;

/// The backoffs before searching again: a list may show the file late.
const BACKOFFS: [Duration; 2] = [Duration::from_secs(2), Duration::from_secs(5)];

/// What is known of the file of a download that succeeded.
///
/// ```
/// use pan123_proto::{FileId, offline::{FileLookup, FoundBy}};
///
/// fn describe(lookup: &FileLookup) -> String {
///     match lookup {
///         FileLookup::Found { entry, by: FoundBy::Time } => format!("probably `{}`", entry.name),
///         FileLookup::Found { entry, .. } => format!("`{}`, file id {}", entry.name, entry.id),
///         FileLookup::Hint(id) => format!("file id {id}, according to a callback"),
///         FileLookup::Several(entries) => format!("one of {} files", entries.len()),
///         FileLookup::NotFound => "not in the folder, or under another name".to_owned(),
///         FileLookup::Failed(error) => format!("unknown: {error}"),
///         _ => "unknown".to_owned(),
///     }
/// }
/// let hint = FileLookup::Hint(FileId::new(100)?);
/// assert_eq!(describe(&hint), "file id 100, according to a callback");
/// # Ok::<(), pan123_proto::BuildError>(())
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum FileLookup {
    /// A callback named this file, and nothing confirms it: there was no search, or the file does not match the download by name
    /// and time, and no other file does.
    Hint(FileId),
    /// The file: the one that a callback named, or one in the expected folder.
    Found {
        /// The file.
        entry: Box<Entry>,
        /// How it was found, and so how certain it is.
        by: FoundBy,
    },
    /// Several files in the expected folder match equally well: each fits the download as a `Found` one would.
    Several(Vec<Entry>),
    /// No file in the expected folder matches, or the folder does not exist. A file of another name than the requested one never
    /// matches, whatever its time.
    NotFound,
    /// The search failed. The download succeeded nevertheless.
    Failed(Box<Error>),
    /// There was no search, and no callback named a file.
    NotAttempted,
}

impl FileLookup {
    /// Returns the file id, if exactly one is known.
    pub fn file(&self) -> Option<FileId> {
        match self {
            FileLookup::Hint(file) => Some(*file),
            FileLookup::Found { entry, .. } => entry.file(),
            _ => None,
        }
    }
}

/// Finds the file of a download: checks the one that a callback named, then searches the expected folder, at most three times
/// while no file matches fully.
///
/// A file matches if it has the requested name and is not older than the download. The rules, for what may be missing or wrong:
///
/// - A file that a callback named is taken if it is in the folder, has the expected name and is not too old; with another name than
///   a guessed one, if a search brings no file that matches fully.
/// - If no name was requested, the name guessed from the URL counts in its place; after the last search, any file of that time.
/// - The service may have added a number to a name, as in `film(1).mp4`. Names that differ in their Unicode normalization only
///   are the same, unless another file has exactly the expected one.
/// - A file is not older if it was created since, or else changed: a download may have overwritten it. One without a readable date is
///   not too old, but counts only after the last search, and only if no other matches.
/// - A file that the service lists twice is one file.
/// - A row that cannot be read is skipped. If nothing matches, and the row may be the file, the result is [`Error::UnreadableRow`].
#[must_use = "nothing is searched until a driver resumes this"]
#[derive(Debug)]
pub struct FindFile {
    session: Session,
    control: Arc<Control>,
    expected: ExpectedFile,
    /// The files of the current search that match.
    candidates: Candidates,
    /// The folders that the current search has yet to read.
    dirs: VecDeque<DirId>,
    /// The number of backoffs so far.
    backoffs: usize,
    /// A hinted file that matches except for the guessed name.
    misnamed_hint: Option<Box<Entry>>,
    /// A hinted file that is in place but does not match.
    existing_hint: Option<FileId>,
    /// The last hint that was checked.
    checked_hint: Option<FileId>,
    clocks: Clocks,
    state: State,
}

/// The files that match best so far.
#[derive(Debug, Default)]
pub(super) struct Candidates {
    fit: Option<Fit>,
    entries: Vec<Entry>,
    ids: HashSet<EntryId>,
    /// A row that cannot be read, and may be the file or its folder.
    unreadable: Option<Box<UnreadableRow>>,
}

#[derive(Debug)]
enum State {
    CheckingHint(Box<Call<Entry>>),
    FindingDefaultDirs(Box<Listing>),
    Searching(Box<Listing>),
    Backoff(Instant),
    Ended,
}

impl Session {
    /// Finds the file of a download.
    pub fn find_file(&self, expected: ExpectedFile) -> FindFile {
        FindFile::new(self, Arc::default(), expected)
    }
}

impl FindFile {
    pub(super) fn new(
        session: &Session,
        control: Arc<Control>,
        expected: ExpectedFile,
    ) -> FindFile {
        let mut find = FindFile {
            session: session.clone(),
            control,
            expected,
            candidates: Candidates::default(),
            dirs: VecDeque::new(),
            backoffs: 0,
            misnamed_hint: None,
            existing_hint: None,
            checked_hint: None,
            clocks: Clocks::default(),
            state: State::Ended,
        };
        if !find.check_new_hint() {
            find.search();
        }
        find
    }

    /// Returns a handle that stops the search from elsewhere. It then ends with [`Error::Stopped`].
    pub fn handle(&self) -> CallHandle {
        CallHandle::new(&self.control)
    }

    /// Starts checking the file that a callback named, if it is a new one: a callback may arrive at any time.
    fn check_new_hint(&mut self) -> bool {
        let hint = self.control.file_hint().or(self.expected.hint());
        let Some(file) = hint.filter(|hint| self.checked_hint != Some(*hint)) else {
            return false;
        };
        self.checked_hint = Some(file);
        let Ok(call) = self.session.call(&GetDetail::new(file)) else {
            return false;
        };
        self.state = State::CheckingHint(Box::new(call.controlled_by(&self.control)));
        true
    }

    /// Accepts the hinted file if it matches, or else searches the folder: a hint proves nothing, and its file may be gone.
    fn hint_checked(&mut self, hinted: Result<Entry, Error>) -> Option<FileLookup> {
        if let Ok(entry) = hinted
            && self.expected.is_in_place(&entry)
        {
            match Fit::of(&entry, &self.expected, self.clocks) {
                Some(fit) if fit.has_name(&self.expected) => {
                    return Some(found(entry, FoundBy::Id));
                }
                Some(_) => self.misnamed_hint = Some(Box::new(entry)),
                None => self.existing_hint = entry.file(),
            }
        }
        self.search();
        None
    }

    fn search(&mut self) {
        self.dirs = self.expected.dir().into_iter().collect();
        self.state = match self.dirs.pop_front() {
            Some(dir) => State::Searching(self.list(dir.into())),
            None => State::FindingDefaultDirs(self.list(Parent::Root)),
        };
    }

    fn list(&self, parent: Parent) -> Box<Listing> {
        let listing = self.session.list(ListFiles::of(parent));
        Box::new(listing.controlled_by(&self.control))
    }

    fn root_entry_listed(
        &mut self,
        now: Instant,
        entry: &Entry,
    ) -> Result<Option<FileLookup>, Error> {
        let Some(dir) = entry.dir().filter(|_| is_default_dir(&entry.name)) else {
            return Ok(None);
        };
        self.dirs.push_back(dir);
        // The first search is content with the documented spelling. If the file is not there, the next one looks for both.
        let is_enough = entry.name == DEFAULT_DIR && self.backoffs == 0;
        if is_enough {
            self.dir_ended(now)
        } else {
            Ok(None)
        }
    }

    /// Goes on in the next folder. Returns the result after the last one, or `None` if another search follows.
    fn dir_ended(&mut self, now: Instant) -> Result<Option<FileLookup>, Error> {
        let Some(dir) = self.dirs.pop_front() else {
            return self.search_ended(now);
        };
        if matches!(self.state, State::FindingDefaultDirs(_)) {
            self.candidates.unreadable = None;
        }
        self.state = State::Searching(self.list(dir.into()));
        Ok(None)
    }

    fn add_unreadable(&mut self, row: &UnreadableRow) {
        let may_be = match self.state {
            State::FindingDefaultDirs(_) => may_be_default_dir(row),
            _ => fit::may_be(row, &self.expected),
        };
        if may_be {
            self.candidates.spoil(row);
        }
    }

    fn add_candidate(&mut self, entry: Entry) {
        if let Some(fit) = Fit::of(&entry, &self.expected, self.clocks) {
            self.candidates.add(entry, fit);
        }
    }

    /// Returns the result, or `None` if another search follows.
    ///
    /// An error if nothing matches, and a row that cannot be read may be the file.
    fn search_ended(&mut self, now: Instant) -> Result<Option<FileLookup>, Error> {
        let mut candidates = std::mem::take(&mut self.candidates);
        let unreadable = candidates.unreadable.take();
        let is_full = candidates
            .fit
            .is_some_and(|fit| fit.is_full(&self.expected));
        if !(is_full && candidates.entries.len() == 1) && self.check_new_hint() {
            return Ok(None);
        }
        if !is_full {
            if let Some(entry) = self.misnamed_hint.take() {
                return Ok(Some(found(*entry, FoundBy::Id)));
            }
            if let Some(backoff) = BACKOFFS.get(self.backoffs) {
                self.backoffs += 1;
                self.state = State::Backoff(now + *backoff);
                return Ok(None);
            }
        }
        let hint = self.existing_hint.map(FileLookup::Hint);
        match (candidates.into_lookup().or(hint), unreadable) {
            (None, Some(row)) => Err(row.maybe_sought()),
            (lookup, _) => Ok(Some(lookup.unwrap_or(FileLookup::NotFound))),
        }
    }

    fn advance(&mut self, now: Now, input: Input) -> Result<Step<Output>, Error> {
        self.clocks.hear(now, &input);
        let mut input = input;
        loop {
            let result = match &mut self.state {
                State::Ended => return Err(Error::Finished),
                State::CheckingHint(call) => match call.resume(now, input).ready() {
                    Ok(hinted) => self.hint_checked(hinted),
                    Err(step) => return Ok(step),
                },
                State::FindingDefaultDirs(listing) => match listing.resume(now, input).ready() {
                    Ok(Some(Err(Error::UnreadableRow(row)))) => {
                        self.add_unreadable(&row);
                        None
                    }
                    Ok(Some(entry)) => self.root_entry_listed(now.mono, &entry?)?,
                    Ok(None) => self.dir_ended(now.mono)?,
                    Err(step) => return Ok(step),
                },
                State::Searching(listing) => match listing.resume(now, input).ready() {
                    Ok(Some(Err(Error::UnreadableRow(row)))) => {
                        self.add_unreadable(&row);
                        None
                    }
                    Ok(Some(entry)) => {
                        self.add_candidate(entry?);
                        None
                    }
                    Ok(None) => self.dir_ended(now.mono)?,
                    Err(step) => return Ok(step),
                },
                State::Backoff(until) => {
                    let until = *until;
                    // Created before the hint is read: a later hint wakes it.
                    let wait = self.control.backoff(now.mono, until)?;
                    if !self.check_new_hint() {
                        if now.mono < until {
                            return Ok(Step::Wait(wait));
                        }
                        self.search();
                    }
                    None
                }
            };
            if let Some(result) = result {
                return Ok(Step::Ready(Ok(result)));
            }
            input = Input::Wake;
        }
    }
}

pub(super) fn may_be_default_dir(row: &UnreadableRow) -> bool {
    let may_be = |name: &str| may_be_sought(name, DEFAULT_DIR);
    row.is_dir != Some(false) && row.name().is_none_or(may_be)
}

fn found(entry: Entry, by: FoundBy) -> FileLookup {
    let entry = Box::new(entry);
    FileLookup::Found { entry, by }
}

impl Candidates {
    /// Adds a file that matches as well as the others. One that matches better takes their place.
    pub(super) fn add(&mut self, entry: Entry, fit: Fit) {
        if self.fit < Some(fit) {
            *self = Candidates {
                fit: Some(fit),
                unreadable: self.unreadable.take(),
                ..Candidates::default()
            };
        }
        if self.fit == Some(fit) && self.ids.insert(entry.id) {
            self.entries.push(entry);
        }
    }

    /// Adds a row that cannot be read, and may be the file or its folder.
    pub(super) fn spoil(&mut self, row: &UnreadableRow) {
        self.unreadable.get_or_insert_with(|| Box::new(row.clone()));
    }

    /// Returns the only file, if it was created since the download and nothing else may be the file.
    pub(super) fn into_new(self) -> Option<Entry> {
        self.fit
            .filter(|fit| fit.is_new() && self.unreadable.is_none())?;
        let [entry] = <[Entry; 1]>::try_from(self.entries).ok()?;
        Some(entry)
    }

    fn into_lookup(self) -> Option<FileLookup> {
        let fit = self.fit?;
        match <[Entry; 1]>::try_from(self.entries) {
            Ok([entry]) => Some(found(entry, fit.by)),
            Err(entries) => Some(FileLookup::Several(entries)),
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
