//! A file or folder.

use std::time::SystemTime;

use super::names;
use crate::service::response::mix;

/// A file or folder of the drive.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct File {
    /// Its id. Ids are assigned in ascending order.
    pub id: u64,
    /// The id of its folder; 0 is the root.
    pub parent: u64,
    /// Its name, with the extension.
    pub name: String,
    /// Its size in bytes, 0 for a folder.
    pub size: u64,
    /// Whether it is a folder.
    pub is_folder: bool,
    /// Whether it is in the trash itself. The contents of a trashed folder are not marked.
    pub trashed: bool,
    /// When it was created.
    pub created: SystemTime,
    /// When it was last changed.
    pub updated: SystemTime,
    /// The id of the file with the original content: its own, or that of the copied file.
    pub(super) content: Option<u64>,
}

impl File {
    pub(super) fn new_folder(now: SystemTime, parent: u64, name: String) -> Self {
        let is_folder = true;
        Self {
            is_folder,
            ..Self::new(now, parent, name, 0)
        }
    }

    pub(super) fn new(now: SystemTime, parent: u64, name: String, size: u64) -> Self {
        Self {
            id: 0,
            parent,
            name,
            size,
            is_folder: false,
            trashed: false,
            created: now,
            updated: now,
            content: None,
        }
    }

    /// Returns a hex string in the format of an MD5 digest.
    pub(in crate::service) fn etag(&self, seed: u64) -> String {
        if self.is_folder {
            return String::new();
        }
        let content = self.content.unwrap_or(self.id);
        let high = mix(seed, 2 * content);
        let low = mix(seed, 2 * content + 1);
        format!("{high:016x}{low:016x}")
    }

    /// Returns 0 for unknown, 1 for audio, 2 for video, 3 for an image.
    pub(in crate::service) fn category(&self) -> u8 {
        if self.is_folder {
            0
        } else {
            names::category(&self.name)
        }
    }
}
