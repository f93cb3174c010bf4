//! Copies within the drive.

use std::collections::HashMap;
use std::time::SystemTime;

use super::{Drive, File};

/// Why a file or folder cannot be copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::service) enum CopyError {
    /// The source or the target folder does not exist or is in the trash.
    NotFound,
    /// The target folder is the source or below it.
    IntoItself,
}

impl Drive {
    /// Checks whether this can be copied into that folder.
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

    /// Copies a file, or a folder with its contents except the trash, and returns the id of the copy. A taken name gets a number.
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
            // Without a parent the entry is below a trashed folder.
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
