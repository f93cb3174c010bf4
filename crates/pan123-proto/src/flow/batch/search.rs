//! The search for the files of unconfirmed items by the names that they requested, once nothing else is left to do.
//!
//! It takes some unconfirmed items after the others, reads their folders, compares what it found with every item of the ledger, and
//! settles those whose file can be no other's.

use std::collections::{HashMap, HashSet};

use super::job::{Job, Work};
use super::recorder::Then;
use super::{Batch, ItemChange, Stop, event};
use crate::api::file::Entry;
use crate::error::Error;
use crate::flow::expected_file::ExpectedFile;
use crate::flow::find_named::FindNamed;
use crate::flow::fit;
use crate::flow::names::normalized;
use crate::ids::{DirId, FileId};
use crate::ledger::{Item, ItemId, ItemKey, ItemState, LedgerAnswer, LedgerOp, ListItems, Verdict};

/// How many unconfirmed items are looked for at once.
const AT_ONCE: usize = 500;
/// How many items of the ledger they are compared with at once.
const PAGE: usize = 1000;

#[derive(Debug, Default)]
pub(super) struct Search {
    stage: Stage,
    /// The last unconfirmed item that was looked for.
    last: ItemId,
}

#[derive(Debug, Default)]
enum Stage {
    /// Others have something to do.
    #[default]
    Waiting,
    /// The next unconfirmed items are asked for.
    Choosing,
    /// Their folders are read.
    Reading(Folders),
    /// Items of the ledger are asked for.
    Comparing(Finds),
    /// So many answers are awaited.
    Settling(usize),
    Ended,
}

/// The folders to read.
#[derive(Debug, Default)]
struct Folders {
    to_read: Vec<(Option<DirId>, Vec<Wanted>)>,
    /// By the job that reads them.
    reading: HashMap<u64, Vec<Wanted>>,
    found: Vec<Found>,
}

/// An unconfirmed item that requested a name.
#[derive(Debug)]
struct Wanted {
    id: ItemId,
    key: ItemKey,
    file: ExpectedFile,
}

/// A file that may be that of an unconfirmed item.
#[derive(Debug)]
struct Found {
    id: ItemId,
    key: ItemKey,
    dir: Option<DirId>,
    file: FileId,
    name: String,
    /// Whether it may be that of another item, too.
    is_doubtful: bool,
}

impl Search {
    pub(super) fn is_active(&self) -> bool {
        !matches!(self.stage, Stage::Waiting | Stage::Ended)
    }

    pub(super) fn end(&mut self) {
        self.stage = Stage::Ended;
    }

    /// What to ask of the ledger.
    pub(super) fn op(&self) -> Option<(LedgerOp, Then)> {
        let list = match &self.stage {
            Stage::Choosing => ListItems::first(AT_ONCE)
                .after(self.last)
                .state(ItemState::Unconfirmed),
            Stage::Comparing(finds) => ListItems::first(PAGE).after(finds.after),
            _ => return None,
        };
        Some((LedgerOp::List(list.with_hidden()), Then::Listed))
    }
}

impl Batch {
    /// Whether there is something to look for now that all else is done.
    pub(super) fn begin_search(&mut self) -> bool {
        let begins = self.policy.confirm_by_name
            && self.stop == Stop::No
            && self.recorder.broken().is_none()
            && matches!(self.search.stage, Stage::Waiting)
            && self.counts.of(ItemState::Unconfirmed) > 0;
        if begins {
            self.search.stage = Stage::Choosing;
        }
        begins
    }

    pub(super) fn listed(&mut self, page: Vec<(ItemId, Item)>) {
        match &mut self.search.stage {
            Stage::Choosing => match page.last() {
                None => self.search.end(),
                Some(&(last, _)) => {
                    self.search.last = last;
                    self.search.stage = Stage::Reading(Folders::of(page));
                    self.read_folders();
                }
            },
            Stage::Comparing(finds) => match page.last() {
                None => self.settle_found(),
                Some(&(last, _)) => {
                    finds.after = last;
                    for (id, item) in &page {
                        finds.compare(*id, item);
                    }
                }
            },
            _ => {}
        }
    }

    fn read_folders(&mut self) {
        let Stage::Reading(folders) = &mut self.search.stage else {
            return;
        };
        while folders.reading.len() < self.policy.max_polls
            && let Some((dir, wanted)) = folders.to_read.pop()
        {
            let files = wanted.iter().map(|wanted| wanted.file.clone());
            let find = FindNamed::new(&self.session, &self.polls_control, dir, files);
            self.last_job += 1;
            folders.reading.insert(self.last_job, wanted);
            self.starts.push_back(Job::new(
                self.last_job,
                ItemId::default(),
                Work::Find(Box::new(find)),
            ));
        }
        if folders.reading.is_empty() {
            let finds = Finds::new(std::mem::take(&mut folders.found));
            self.search.stage = Stage::Comparing(finds);
        }
    }

    /// A folder was read. One that cannot be read has nothing.
    pub(super) fn folder_read(&mut self, job: u64, result: Result<Vec<Option<Entry>>, Error>) {
        if let Stage::Reading(folders) = &mut self.search.stage {
            let wanted = folders.reading.remove(&job).unwrap_or_default();
            let found = wanted.into_iter().zip(result.unwrap_or_default());
            let found = found.filter_map(|(wanted, entry)| Found::new(wanted, entry?));
            folders.found.extend(found);
            self.read_folders();
        }
    }

    fn settle_found(&mut self) {
        let Stage::Comparing(finds) = std::mem::take(&mut self.search.stage) else {
            return;
        };
        let certain = finds.found.into_iter().filter(|found| !found.is_doubtful);
        let mut count = 0;
        for Found { key, file, .. } in certain {
            let op = LedgerOp::Settle {
                key: key.clone(),
                verdict: Verdict::Found(file),
            };
            self.recorder.push(op, Then::Settled(key, file));
            count += 1;
        }
        self.search.stage = Stage::Settling(count);
        self.look_on();
    }

    pub(super) fn settled(&mut self, key: &ItemKey, file: FileId, answer: &LedgerAnswer) {
        self.claim_at = None;
        if *answer == LedgerAnswer::Done {
            let change = ItemChange::Confirmed(file);
            self.events.push_back(event(key, change));
        }
        if let Stage::Settling(left) = &mut self.search.stage {
            *left = left.saturating_sub(1);
            self.look_on();
        }
    }

    fn look_on(&mut self) {
        if matches!(self.search.stage, Stage::Settling(0)) {
            self.search.stage = Stage::Choosing;
        }
    }
}

impl Folders {
    fn of(page: Vec<(ItemId, Item)>) -> Folders {
        let mut by_dir: HashMap<_, Vec<_>> = HashMap::new();
        for (id, item) in page {
            if item.download.name().is_some() {
                let file = item.expected_file();
                let key = item.key;
                let wanted = Wanted { id, key, file };
                by_dir.entry(wanted.file.dir()).or_default().push(wanted);
            }
        }
        Folders {
            to_read: by_dir.into_iter().collect(),
            ..Folders::default()
        }
    }
}

impl Found {
    fn new(wanted: Wanted, entry: Entry) -> Option<Found> {
        Some(Found {
            id: wanted.id,
            key: wanted.key,
            dir: wanted.file.dir(),
            file: entry.file()?,
            name: entry.name,
            is_doubtful: false,
        })
    }

    /// Whether an item that is saved to this folder may be saved where this file is: the default folder has an id, too.
    fn may_be_in(&self, dir: Option<DirId>) -> bool {
        self.dir == dir || self.dir.is_none() || dir.is_none()
    }
}

/// Found files, to be compared with every item of the ledger.
#[derive(Debug)]
struct Finds {
    found: Vec<Found>,
    by_file: HashMap<FileId, Vec<usize>>,
    /// By each name that may have become that of the file.
    by_name: HashMap<String, Vec<usize>>,
    /// The folders of items that requested no name and were compared.
    of_any_name: HashSet<Option<DirId>>,
    /// The last item that was compared.
    after: ItemId,
}

impl Finds {
    fn new(found: Vec<Found>) -> Finds {
        let mut by_file: HashMap<_, Vec<_>> = HashMap::new();
        let mut by_name: HashMap<_, Vec<_>> = HashMap::new();
        for (index, found) in found.iter().enumerate() {
            by_file.entry(found.file).or_default().push(index);
            for name in fit::unnumbered(&normalized(&found.name)) {
                by_name.entry(name.into_owned()).or_default().push(index);
            }
        }
        Finds {
            found,
            by_file,
            by_name,
            of_any_name: HashSet::new(),
            after: ItemId::default(),
        }
    }

    /// Marks the files that may be this item's: it has one, or it was sent and its file is not known.
    fn compare(&mut self, id: ItemId, item: &Item) {
        let dir = item.download.dir();
        let is_never_sent = item.attempts == 0 && item.task.is_none() && !item.state.is_ended();
        let rivals: Vec<usize> = match (item.file, item.download.name()) {
            (Some(file), _) => self.by_file.get(&file).cloned().unwrap_or_default(),
            _ if is_never_sent => return,
            (None, Some(name)) => {
                let named = self.by_name.get(&*normalized(name));
                let named = named.into_iter().flatten().copied();
                named
                    .filter(|&index| self.found[index].may_be_in(dir))
                    .collect()
            }
            (None, None) if self.of_any_name.insert(dir) => {
                let all = 0..self.found.len();
                all.filter(|&index| self.found[index].may_be_in(dir))
                    .collect()
            }
            (None, None) => return,
        };
        for index in rivals {
            let found = &mut self.found[index];
            found.is_doubtful |= found.id != id;
        }
    }
}
