//! The ids of folders that people name by their paths.

use std::collections::BTreeMap;

use pan123_async::{Client, DirId};

use crate::failure::Failure;
use crate::lists::Folder;

/// Finds folders, each once, and creates those that are missing.
#[derive(Debug)]
pub(crate) struct FolderIds {
    client: Client,
    known: BTreeMap<String, DirId>,
}

impl FolderIds {
    pub(crate) fn new(client: &Client) -> FolderIds {
        FolderIds {
            client: client.clone(),
            known: BTreeMap::new(),
        }
    }

    /// Returns the id of a folder, which is created if it is missing.
    pub(crate) async fn find(&mut self, folder: &Folder) -> Result<DirId, Failure> {
        if let Some(id) = self.known(folder) {
            return Ok(id);
        }
        let path = folder.to_string();
        let id = self.client.files().ensure_dir(&path).await;
        let id = id.map_err(|error| {
            let failure = Failure::from(error);
            Failure::new(failure.exit, format!("{path}: {}", failure.message))
        })?;
        self.known.insert(path, id);
        Ok(id)
    }

    /// Returns the id of a folder that was found before, or is given by its id.
    pub(crate) fn known(&self, folder: &Folder) -> Option<DirId> {
        match folder {
            Folder::Id(id) => Some(*id),
            Folder::Path(path) => self.known.get(path).copied(),
        }
    }
}
