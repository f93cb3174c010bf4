//! The trash.

use std::time::SystemTime;

use super::{Drive, File, ROOT, without_duplicates};

impl Drive {
    /// Moves these to the trash. Those already there do not change.
    pub(in crate::service) fn trash(&mut self, now: SystemTime, ids: &[u64]) {
        for id in ids {
            let Some(file) = self.files.get_mut(id) else {
                continue;
            };
            if !file.trashed {
                file.trashed = true;
                file.updated = now;
                self.names.remove(&(file.parent, file.name.clone()));
            }
        }
    }

    /// Removes these permanently, with all their descendants.
    pub(in crate::service) fn purge(&mut self, ids: &[u64]) {
        for id in self.with_descendants(ids) {
            let Some(file) = self.files.remove(&id) else {
                continue;
            };
            self.entries.remove(&(file.parent, id));
            if !file.trashed {
                self.names.remove(&(file.parent, file.name));
            }
        }
    }

    /// Restores these to their folders and returns those that could not be restored.
    pub(in crate::service) fn recover(&mut self, now: SystemTime, ids: &[u64]) -> Vec<u64> {
        let mut left = without_duplicates(ids.to_vec());
        // A folder may come after its contents.
        loop {
            let before = left.len();
            left.retain(|id| !self.restore(now, *id));
            if left.len() == before {
                return left;
            }
        }
    }

    /// Restores a file or folder to this folder. A taken name gets a number.
    pub(in crate::service) fn recover_to(&mut self, now: SystemTime, id: u64, folder: u64) {
        let Some(file) = self.get(id).filter(|file| file.trashed) else {
            return;
        };
        let was_in = file.parent;
        let mut file = File {
            parent: folder,
            trashed: false,
            updated: now,
            ..file.clone()
        };
        file.name = self.free_name(&file);
        self.entries.remove(&(was_in, id));
        self.entries.insert((folder, id));
        self.names.insert((folder, file.name.clone()), id);
        self.files.insert(id, file);
    }

    /// Restores an entry of the trash, unless its folder is missing or trashed. Returns whether it did.
    fn restore(&mut self, now: SystemTime, id: u64) -> bool {
        let trashed = self.get(id).filter(|file| file.trashed);
        let Some(parent) = trashed.map(|file| file.parent) else {
            return false;
        };
        let is_there = self.is_reachable(parent);
        if is_there {
            self.recover_to(now, id, parent);
        }
        is_there
    }

    /// Returns whether this folder and all its ancestors exist and are not in the trash.
    fn is_reachable(&self, folder: u64) -> bool {
        self.ancestors(folder)
            .all(|id| id == ROOT || self.is_folder(id))
    }
}
