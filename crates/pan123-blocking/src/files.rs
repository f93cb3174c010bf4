//! The files and folders of the drive.

use pan123_proto::file::{Entry, ListFiles};
use pan123_proto::{DirId, Error, Parent};

use crate::client::{Client, define_calls};
use crate::listing::Listing;

/// The files and folders of the drive.
#[derive(Clone, Debug)]
pub struct Files {
    client: Client,
}

impl Files {
    pub(crate) fn new(client: Client) -> Files {
        Files { client }
    }

    /// What is in a folder, entry by entry.
    pub fn list(&self, parent: impl Into<Parent>) -> Listing {
        self.list_with(ListFiles::of(parent))
    }

    /// The same with settings of yours, or what a search finds.
    pub fn list_with(&self, files: ListFiles) -> Listing {
        Listing::new(self.client.session().list(files), self.client.context())
    }

    /// The entry at a path such as `/videos/2026/film.mp4`, if there is one. Nothing is remembered for the next time.
    ///
    /// # Errors
    ///
    /// [`Error`] if the path names the root, or a call fails.
    pub fn find(&self, path: &str) -> Result<Option<Entry>, Error> {
        self.client.drive(self.client.session().find(path)?)
    }

    /// Makes the folder at a path such as `/videos/2026` as far as it is missing, and gives its id. That somebody else makes
    /// it at the same time does no harm.
    ///
    /// # Errors
    ///
    /// [`Error`] if the path names the root or has a name that the service refuses, or if a call fails.
    pub fn ensure_dir(&self, path: &str) -> Result<DirId, Error> {
        self.client.drive(self.client.session().ensure_dir(path)?)
    }
}

pan123_proto::for_each_call_on_files!(define_calls, Files);
