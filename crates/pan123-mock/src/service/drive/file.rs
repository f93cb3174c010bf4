//! What the drive knows of a file or folder.

use std::time::SystemTime;

use super::names;
use crate::service::response::mix;

/// A file or folder of the drive.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct File {
    /// Its id. Ids rise.
    pub id: u64,
    /// The id of the folder that it is in; 0 is the root.
    pub parent: u64,
    /// Its name, with the extension.
    pub name: String,
    /// How many bytes it has; a folder has none.
    pub size: u64,
    /// Whether it is a folder.
    pub is_folder: bool,
    /// Whether it is in the trash. What is in a folder in the trash is not marked.
    pub trashed: bool,
    /// When it was made.
    pub created: SystemTime,
    /// When it was last changed.
    pub updated: SystemTime,
    /// The id of the file whose bytes these are: its own, or that of the one that it is a copy of.
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

    /// What looks like the MD5 of its bytes.
    pub(in crate::service) fn etag(&self, seed: u64) -> String {
        if self.is_folder {
            return String::new();
        }
        let content = self.content.unwrap_or(self.id);
        let high = mix(seed, 2 * content);
        let low = mix(seed, 2 * content + 1);
        format!("{high:016x}{low:016x}")
    }

    /// 0 unknown, 1 audio, 2 video, 3 image.
    pub(in crate::service) fn category(&self) -> u8 {
        if self.is_folder {
            0
        } else {
            names::category(&self.name)
        }
    }
}
