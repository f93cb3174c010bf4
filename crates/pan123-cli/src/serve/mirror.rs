//! The items of the ledger as clients ask for them: by GID, by place in the queue, and the latest that ended.

mod rows;

use std::collections::{BTreeMap, BTreeSet};

use pan123_async::proto::ledger::{Counts, Item, ItemId, ItemState};
use pan123_async::{Download, ItemKey, Progress};

use super::names::{FoundFile, Note, Notes};
use super::rpc::{Gid, GidPrefix, RpcError, Status};
use rows::file_name;

/// How many ended downloads clients see; unconfirmed ones are never left out.
const MAX_STOPPED: usize = 1000;

/// The reason of a download that a client removed after it was sent.
pub(super) const REMOVED: &str =
    "given up: removed by a client, and 123pan cannot cancel; the file may still arrive";

/// The folder in which the service saves a download without a folder.
pub(super) const DEFAULT_DIR: &str = "/来自:离线下载";

/// An item.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) id: ItemId,
    pub(super) gid: Gid,
    pub(super) item: Item,
    percent: Option<f64>,
    /// Its place among those that stopped.
    stop: u64,
}

/// Which of the lists an item is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum List {
    Active,
    Waiting,
    Stopped,
}

#[derive(Debug, Default)]
pub(super) struct Mirror {
    entries: BTreeMap<Gid, Entry>,
    notes: Notes,
    /// Other names of items, and all of them by item, the latest last.
    aliases: BTreeMap<Gid, Gid>,
    other_names: BTreeMap<Gid, Vec<Gid>>,
    active: BTreeMap<ItemId, Gid>,
    waiting: BTreeMap<(i64, ItemId), Gid>,
    stopped: BTreeMap<u64, Gid>,
    unconfirmed: BTreeSet<Gid>,
    last_stop: u64,
    last_id: ItemId,
    /// How many ended ones were left out.
    left_out: u64,
}

impl Entry {
    pub(super) fn key(&self) -> &ItemKey {
        &self.item.key
    }

    pub(super) fn state(&self) -> ItemState {
        self.item.state
    }

    fn list(&self) -> List {
        match self.item.state {
            ItemState::Running => List::Active,
            ItemState::Queued | ItemState::Paused | ItemState::Claimed | ItemState::Intended => {
                List::Waiting
            }
            _ => List::Stopped,
        }
    }

    pub(super) fn status(&self) -> Status {
        match self.item.state {
            ItemState::Running => Status::Active,
            ItemState::Paused => Status::Paused,
            ItemState::Succeeded => Status::Complete,
            ItemState::Dropped => Status::Removed,
            ItemState::Failed if self.item.reason.as_deref() == Some(REMOVED) => Status::Removed,
            ItemState::Failed | ItemState::Unconfirmed => Status::Error,
            _ => Status::Waiting,
        }
    }
}

impl Mirror {
    pub(super) fn new(notes: Notes) -> Mirror {
        let mut mirror = Mirror::default();
        let mut notes: Vec<_> = notes.into_iter().collect();
        notes.sort_by_key(|(_, note)| note.number);
        for (gid, note) in notes {
            mirror.set_note(gid, note);
        }
        mirror
    }

    /// Leaves out the notes of items that are gone, and returns the others.
    pub(super) fn tidy_notes(&mut self) -> &Notes {
        let entries = &self.entries;
        let is_known =
            |gid: &Gid, note: &Note| entries.contains_key(&note.alias_of.unwrap_or(*gid));
        self.notes.retain(|gid, note| is_known(gid, note));
        self.aliases.retain(|_, item| entries.contains_key(item));
        self.other_names
            .retain(|item, _| entries.contains_key(item));
        &self.notes
    }

    pub(super) fn set_note(&mut self, gid: Gid, note: Note) {
        if let Some(item) = note.alias_of
            && self.aliases.insert(gid, item).is_none()
        {
            self.other_names.entry(item).or_default().push(gid);
        }
        self.notes.insert(gid, note);
        // It may be hidden now.
        if let Some(entry) = self.take(gid) {
            self.place(entry);
        }
    }

    /// Returns what clients said of an item.
    pub(super) fn note(&self, gid: Gid) -> Note {
        self.notes.get(&gid).cloned().unwrap_or_default()
    }

    /// Takes an item as the ledger has it now.
    pub(super) fn put(&mut self, id: ItemId, item: Item) {
        self.last_id = self.last_id.max(id);
        let gid = Gid::of_key(&item.key);
        let before = self.take(gid);
        if item.hidden {
            self.forget(gid);
            return;
        }
        let before = before.as_ref();
        let percent = before
            .filter(|before| before.item.task == item.task)
            .and_then(|before| before.percent);
        let stop = before.map_or(0, |before| before.stop);
        let entry = Entry {
            id,
            gid,
            item,
            percent,
            stop,
        };
        self.place(entry);
        self.leave_out_oldest();
    }

    pub(super) fn remove(&mut self, gid: Gid) {
        self.take(gid);
        self.forget(gid);
    }

    fn forget(&mut self, gid: Gid) {
        self.notes.remove(&gid);
        for name in self.other_names.remove(&gid).into_iter().flatten() {
            self.notes.remove(&name);
            self.aliases.remove(&name);
        }
    }

    /// Takes an item out of all lists.
    fn take(&mut self, gid: Gid) -> Option<Entry> {
        let entry = self.entries.remove(&gid)?;
        self.unconfirmed.remove(&gid);
        match entry.list() {
            List::Active => drop(self.active.remove(&entry.id)),
            List::Waiting => drop(self.waiting.remove(&(entry.item.position, entry.id))),
            List::Stopped => drop(self.stopped.remove(&entry.stop)),
        }
        Some(entry)
    }

    fn place(&mut self, mut entry: Entry) {
        let gid = entry.gid;
        let is_unconfirmed = entry.state() == ItemState::Unconfirmed;
        if is_unconfirmed {
            self.unconfirmed.insert(gid);
        }
        match entry.list() {
            List::Active => drop(self.active.insert(entry.id, gid)),
            List::Waiting => drop(self.waiting.insert((entry.item.position, entry.id), gid)),
            List::Stopped => {
                if entry.stop == 0 {
                    self.last_stop += 1;
                    entry.stop = self.last_stop;
                }
                let is_hidden = self.notes.get(&gid).is_some_and(|note| note.hidden);
                if !(is_unconfirmed && is_hidden) {
                    self.stopped.insert(entry.stop, gid);
                }
            }
        }
        if entry.list() != List::Stopped {
            entry.stop = 0;
        }
        self.entries.insert(gid, entry);
    }

    fn leave_out_oldest(&mut self) {
        while self.stopped.len() > MAX_STOPPED {
            let mut ended = self
                .stopped
                .values()
                .filter(|gid| !self.unconfirmed.contains(gid));
            let Some(&gid) = ended.next() else {
                return;
            };
            self.remove(gid);
            self.left_out += 1;
        }
    }

    /// No ended item is left in the ledger's lists.
    pub(super) fn purge(&mut self) {
        let stopped = self.stopped.values();
        let ended: Vec<Gid> = stopped
            .filter(|gid| !self.unconfirmed.contains(gid))
            .copied()
            .collect();
        for gid in ended {
            self.remove(gid);
        }
        self.left_out = 0;
    }

    pub(super) fn set_progress(&mut self, gid: Gid, progress: &Progress) {
        if let Some(entry) = self.entries.get_mut(&gid) {
            entry.percent = progress.percent;
        }
    }

    pub(super) fn set_file(&mut self, gid: Gid, file: FoundFile) -> Note {
        let mut note = self.note(gid);
        note.file = Some(file);
        if self.entries.contains_key(&gid) {
            self.notes.insert(gid, note.clone());
        }
        note
    }

    // Looking up.

    /// Returns the last item that was added.
    pub(super) fn last_id(&self) -> ItemId {
        self.last_id
    }

    pub(super) fn get(&self, gid: Gid) -> Option<&Entry> {
        self.entries.get(&gid)
    }

    /// Whether a GID names something.
    pub(super) fn knows(&self, gid: Gid) -> bool {
        self.entries.contains_key(&gid) || self.notes.contains_key(&gid)
    }

    /// Returns the item of a GID or of its first digits, and the GID in full.
    ///
    /// # Errors
    ///
    /// [`RpcError`] if there is none, or more than one.
    pub(super) fn find(&self, prefix: &GidPrefix) -> Result<(Gid, &Entry), RpcError> {
        let items = self.entries.range(prefix.range.clone());
        let items = items.map(|(gid, entry)| (*gid, entry));
        let aliases = self.aliases.range(prefix.range.clone());
        let aliases = aliases.filter_map(|(gid, item)| Some((*gid, self.entries.get(item)?)));
        let mut found = items.take(2).chain(aliases.take(2));
        match (found.next(), found.next()) {
            (Some(found), None) => Ok(found),
            (None, _) => Err(RpcError::new(format!("GID {prefix} is not found"))),
            (Some(_), Some(_)) => Err(RpcError::new(format!("GID {prefix} is not unique"))),
        }
    }

    /// Returns the unconfirmed item of the same URL, folder and name: it must not be sent again.
    pub(super) fn unconfirmed_like(&self, download: &Download) -> Option<Gid> {
        let is_like = |gid: &&Gid| {
            self.entries.get(gid).is_some_and(|entry| {
                let other = &entry.item.download;
                (other.url(), other.name(), other.dir())
                    == (download.url(), download.name(), download.dir())
            })
        };
        self.unconfirmed.iter().find(is_like).copied()
    }

    /// Whether a file of this name may be that of another download in the folder of this one.
    pub(super) fn may_be_anothers(&self, gid: Gid, name: &str) -> bool {
        let Some(dir) = self.get(gid).map(|entry| entry.item.download.dir()) else {
            return false;
        };
        self.entries.values().any(|other| {
            let download = &other.item.download;
            let note = self.notes.get(&other.gid);
            let file = note.and_then(|note| note.file.as_ref());
            let has_name = match file {
                Some(file) => file.name == name,
                None => file_name(download) == name,
            };
            other.gid != gid && other.item.attempts > 0 && download.dir() == dir && has_name
        })
    }

    /// Returns the GIDs of an item, the one in the lists first.
    pub(super) fn names(&self, gid: Gid) -> Vec<Gid> {
        let others = self.other_names.get(&gid).into_iter().flatten();
        others.rev().copied().chain([gid]).collect()
    }

    fn listed_name(&self, gid: Gid) -> Gid {
        let others = self.other_names.get(&gid).and_then(|names| names.last());
        others.copied().unwrap_or(gid)
    }

    /// Returns the items of the queue in their order.
    pub(super) fn queue(&self) -> impl Iterator<Item = &Entry> {
        self.waiting
            .values()
            .filter_map(|gid| self.entries.get(gid))
    }

    /// Returns how many items have not ended.
    pub(super) fn open(&self) -> usize {
        self.active.len() + self.waiting.len()
    }

    /// Returns how many are active, waiting and stopped, and how many have stopped in all.
    pub(super) fn lengths(&self) -> [u64; 4] {
        let [active, waiting, stopped] =
            [self.active.len(), self.waiting.len(), self.stopped.len()].map(|length| length as u64);
        [active, waiting, stopped, stopped + self.left_out]
    }

    /// Returns the items that are not in their final state.
    pub(super) fn unsettled(&self) -> Vec<(Gid, ItemId)> {
        let gids = self
            .active
            .values()
            .chain(self.waiting.values())
            .chain(&self.unconfirmed);
        let entries = gids.filter_map(|gid| self.entries.get(gid));
        entries.map(|entry| (entry.gid, entry.id)).collect()
    }

    /// Whether the ledger's totals are those of these items.
    pub(super) fn agrees_with(&self, counts: &Counts) -> bool {
        let paused = self
            .queue()
            .filter(|entry| entry.state() == ItemState::Paused)
            .count() as u64;
        let queued = [ItemState::Queued, ItemState::Claimed, ItemState::Intended];
        let queued: u64 = queued.into_iter().map(|state| counts.of(state)).sum();
        [
            self.active.len() as u64,
            self.waiting.len() as u64 - paused,
            paused,
            self.unconfirmed.len() as u64,
        ] == [
            counts.of(ItemState::Running),
            queued,
            counts.of(ItemState::Paused),
            counts.of(ItemState::Unconfirmed),
        ]
    }
}
