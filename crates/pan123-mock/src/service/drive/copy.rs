//! What is copied within the drive.

use std::collections::HashMap;
use std::time::SystemTime;

use super::{Drive, File};

/// Why something cannot be copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::service) enum CopyError {
    /// It is not there, or in the trash, or there is no such folder to copy it to.
    NotFound,
    /// It is a folder that would be below itself.
    IntoItself,
}

impl Drive {
    /// Whether this can be copied into that folder.
    pub(in crate::service) fn check_copy(&self, id: u64, folder: u64) -> Result<(), CopyError> {
        let is_there = self.get(id).is_some_and(|file| !file.trashed);
        if !is_there || !self.is_folder(folder) {
            return Err(CopyError::NotFound);
        }
        if self.is_within(folder, id) {
            return Err(CopyError::IntoItself);
        }
        Ok(())
    }

    /// Copies this with everything below it, and gives the id of the copy. A name that is taken gets a number; what is in the trash stays
    /// there alone.
    pub(in crate::service) fn copy(
        &mut self,
        now: SystemTime,
        id: u64,
        folder: u64,
    ) -> Result<u64, CopyError> {
        self.check_copy(id, folder)?;
        let mut copies = HashMap::new();
        for original in self.with_descendants(&[id]) {
            let file = self.get(original).filter(|file| !file.trashed);
            let Some(file) = file.cloned() else {
                continue;
            };
            let parent = if original == id {
                Some(folder)
            } else {
                copies.get(&file.parent).copied()
            };
            // Without one it is in a folder that is in the trash.
            if let Some(parent) = parent {
                let copy = File {
                    parent,
                    created: now,
                    updated: now,
                    ..file
                };
                copies.insert(original, self.add(copy));
            }
        }
        copies.remove(&id).ok_or(CopyError::NotFound)
    }
}
