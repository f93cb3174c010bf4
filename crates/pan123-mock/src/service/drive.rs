//! Files and folders.

mod copy;
mod file;
mod names;
mod trash;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::iter::successors;
use std::ops::Bound::{Excluded, Included, Unbounded};
use std::time::SystemTime;

use super::Service;
use super::tasks::{Destination, Task};

pub(super) use copy::CopyError;
pub use file::File;
pub(super) use names::{from_url as name_from_url, is_allowed, is_image};
pub(crate) use names::{numbered as numbered_name, shortened as shortened_name};

/// The id of the root folder.
const ROOT: u64 = 0;

const FIRST_ID: u64 = 14_710_240;

/// The target of downloads without a folder.
const DEFAULT_FOLDER: &str = "来自:离线下载";

/// The drive. Names are unique within a folder, except in the trash.
#[derive(Debug, Default)]
pub(super) struct Drive {
    files: BTreeMap<u64, File>,
    /// The entries of each folder, as (folder, entry).
    entries: BTreeSet<(u64, u64)>,
    /// The ids by folder and name, except in the trash.
    names: HashMap<(u64, String), u64>,
    /// The last number appended to a taken name. Numbers only increase, so a free name is found quickly.
    numbers: HashMap<(u64, String), u64>,
    ids_issued: u64,
}

/// The target folder and name of each id.
pub(super) type Moves = BTreeMap<u64, (u64, String)>;

/// Another entry of the folder has this name.
#[derive(Debug)]
pub(super) struct NameTaken;

impl Service {
    /// Returns the contents of the drive in ascending order of id, including the trash.
    pub fn files(&self) -> impl Iterator<Item = &File> {
        self.drive.after(0)
    }

    /// Adds an empty folder and returns its id. Parent 0 is the root; a taken name gets a number, as in `name(1)`.
    pub fn add_folder(&mut self, now: SystemTime, parent: u64, name: impl Into<String>) -> u64 {
        self.drive.add_folder(now, parent, &name.into())
    }

    /// Adds a file of this size and returns its id. Parent 0 is the root; a taken name gets a number, as in `name(1).ext`.
    pub fn add_file(
        &mut self,
        now: SystemTime,
        parent: u64,
        name: impl Into<String>,
        size: u64,
    ) -> u64 {
        self.drive.add_file(now, parent, &name.into(), size)
    }
}

impl Drive {
    /// Stores the file of a finished download and returns its id. Files of the image bed only get an id.
    pub(super) fn store_download(&mut self, now: SystemTime, task: &Task, size: u64) -> u64 {
        let folder = match task.destination() {
            Destination::ImageBed(_) => return self.next_id(),
            // A negative folder id could not be listed.
            Destination::Drive(folder) => folder.and_then(|id| u64::try_from(id).ok()),
        };
        let parent = folder.unwrap_or_else(|| self.default_folder(now));
        self.add_file(now, parent, &task.name(), size)
    }

    pub(super) fn add_folder(&mut self, now: SystemTime, parent: u64, name: &str) -> u64 {
        let folder = File::new_folder(now, parent, name.to_owned());
        self.add(folder)
    }

    pub(super) fn get(&self, id: u64) -> Option<&File> {
        self.files.get(&id)
    }

    /// Returns whether this is the root or a folder that is not in the trash.
    pub(super) fn is_folder(&self, id: u64) -> bool {
        id == ROOT
            || self
                .get(id)
                .is_some_and(|file| file.is_folder && !file.trashed)
    }

    /// Returns the entry of this name in a folder, unless it is in the trash.
    pub(super) fn find_by_name(&self, parent: u64, name: &str) -> Option<&File> {
        let id = self.names.get(&(parent, name.to_owned()))?;
        self.get(*id)
    }

    /// Returns all entries with a greater id, in ascending order.
    pub(super) fn after(&self, id: u64) -> impl Iterator<Item = &File> {
        let later = self.files.range((Excluded(id), Unbounded));
        later.map(|(_, file)| file)
    }

    /// Returns the entries of a folder with a greater id, in ascending order.
    pub(super) fn entries_after(&self, parent: u64, id: u64) -> impl Iterator<Item = &File> {
        let later = (Excluded((parent, id)), Included((parent, u64::MAX)));
        let entries = self.entries.range(later);
        entries.filter_map(|(_, id)| self.get(*id))
    }

    /// Moves and renames all of these, or none if a name is taken. Names may be swapped.
    pub(super) fn relocate(&mut self, now: SystemTime, moves: Moves) -> Result<(), NameTaken> {
        self.check_names(&moves)?;
        for id in moves.keys() {
            if let Some(file) = self.files.get(id).filter(|file| !file.trashed) {
                self.names.remove(&(file.parent, file.name.clone()));
            }
        }
        for (id, (parent, name)) in moves {
            let Some(file) = self.files.get_mut(&id) else {
                continue;
            };
            self.entries.remove(&(file.parent, id));
            self.entries.insert((parent, id));
            if !file.trashed {
                self.names.insert((parent, name.clone()), id);
            }
            (file.parent, file.name, file.updated) = (parent, name, now);
        }
        Ok(())
    }

    /// Returns whether `id` is `folder` or below it.
    pub(super) fn is_within(&self, id: u64, folder: u64) -> bool {
        self.ancestors(id).any(|id| id == folder)
    }

    /// Returns the id and its ancestors, up to the root.
    fn ancestors(&self, id: u64) -> impl Iterator<Item = u64> {
        let above = |id: &u64| self.get(*id).map(|file| file.parent);
        // The limit ends a cycle that a test may have built.
        successors(Some(id), above).take(self.files.len() + 1)
    }

    /// Returns these ids and all their descendants without duplicates, each after its folder.
    fn with_descendants(&self, tops: &[u64]) -> Vec<u64> {
        let mut seen: HashSet<u64> = HashSet::new();
        let mut found = tops.to_vec();
        found.retain(|id| seen.insert(*id));
        let mut next = 0;
        while let Some(folder) = found.get(next) {
            let entries = self.entries_after(*folder, 0).map(|entry| entry.id);
            let new: Vec<u64> = entries.filter(|id| seen.insert(*id)).collect();
            found.extend(new);
            next += 1;
        }
        found
    }

    /// Entries in the trash do not occupy their names.
    fn check_names(&self, moves: &Moves) -> Result<(), NameTaken> {
        let mut new_names = HashSet::new();
        for (id, place) in moves {
            if self.get(*id).is_none_or(|file| file.trashed) {
                continue;
            }
            let other = self.names.get(place);
            if other.is_some_and(|other| !moves.contains_key(other)) || !new_names.insert(place) {
                return Err(NameTaken);
            }
        }
        Ok(())
    }

    fn add_file(&mut self, now: SystemTime, parent: u64, name: &str, size: u64) -> u64 {
        let file = File::new(now, parent, name.to_owned(), size);
        self.add(file)
    }

    fn add(&mut self, mut file: File) -> u64 {
        let id = self.next_id();
        file.id = id;
        file.content.get_or_insert(id);
        file.name = self.free_name(&file);
        self.names.insert((file.parent, file.name.clone()), id);
        self.entries.insert((file.parent, id));
        self.files.insert(id, file);
        id
    }

    fn next_id(&mut self) -> u64 {
        self.ids_issued += 1;
        FIRST_ID + self.ids_issued - 1
    }

    fn default_folder(&mut self, now: SystemTime) -> u64 {
        match self.find_by_name(ROOT, DEFAULT_FOLDER) {
            Some(folder) if folder.is_folder => folder.id,
            _ => self.add_folder(now, ROOT, DEFAULT_FOLDER),
        }
    }

    /// Returns the name, with a number if it is taken.
    fn free_name(&mut self, file: &File) -> String {
        let wanted = (file.parent, file.name.clone());
        if !self.names.contains_key(&wanted) {
            return wanted.1;
        }
        let number = self.numbers.entry(wanted).or_default();
        loop {
            *number += 1;
            let name = names::numbered(&file.name, *number, file.is_folder);
            if !self.names.contains_key(&(file.parent, name.clone())) {
                return name;
            }
        }
    }
}

/// Removes repeated ids.
pub(super) fn without_duplicates(mut ids: Vec<u64>) -> Vec<u64> {
    let mut seen = HashSet::new();
    ids.retain(|id| seen.insert(*id));
    ids
}
