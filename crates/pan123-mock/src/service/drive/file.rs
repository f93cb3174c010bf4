//! A file or folder.

use std::time::SystemTime;

use super::names;
use crate::service::response::mix;

/// A file or folder of the drive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    pub(crate) id: u64,
    pub(crate) parent: u64,
    pub(crate) name: String,
    pub(crate) size: u64,
    pub(crate) is_folder: bool,
    pub(crate) trashed: bool,
    pub(crate) created: SystemTime,
    pub(crate) updated: SystemTime,
    /// The id of the file with the original content: its own, or that of the copied file.
    pub(super) content: Option<u64>,
}

impl File {
    /// Returns its id. Ids are assigned in ascending order.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// Returns the id of its folder; 0 is the root.
    pub fn parent(&self) -> u64 {
        self.parent
    }

    /// Returns its name, with the extension.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns its size in bytes, 0 for a folder.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Returns whether it is a folder.
    pub fn is_folder(&self) -> bool {
        self.is_folder
    }

    /// Returns whether it is in the trash itself. The contents of a trashed folder are not marked.
    pub fn is_trashed(&self) -> bool {
        self.trashed
    }

    /// Returns when it was created.
    pub fn created(&self) -> SystemTime {
        self.created
    }

    /// Returns when it was last changed.
    pub fn updated(&self) -> SystemTime {
        self.updated
    }

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
