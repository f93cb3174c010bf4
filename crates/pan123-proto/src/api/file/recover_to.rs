//! `POST /api/v1/file/recover/by_path`: restores files and folders from the trash to a given folder.
//!
//! <https://123yunpan.yuque.com/org-wiki-123yunpan-muaork/cr6ced/cl24atug2sviq12z>. Idempotent: what has left the trash
//! cannot leave it again.

use std::time::Duration;

use http::Method;
use serde::Serialize;

use super::batch::{MAX_ENTRIES, collect_ids};
use super::done::Done;
use crate::endpoint::{Body, Endpoint, Idempotency, RateClass};
use crate::error::BuildError;
use crate::ids::{EntryId, Parent};

/// Restores files and folders from the trash to a given folder, even if the one that they were in is gone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[doc(alias = "回收站")]
pub struct RecoverFilesTo {
    #[serde(rename = "fileIDs")]
    entries: Vec<EntryId>,
    #[serde(rename = "parentFileID")]
    parent: Parent,
}

impl RecoverFilesTo {
    /// Creates the request for 1 to 100 files and folders, and the folder to restore them to.
    ///
    /// # Errors
    ///
    /// [`BuildError::Count`] for none or more than 100.
    pub fn new(
        entries: impl IntoIterator<Item = impl Into<EntryId>>,
        parent: impl Into<Parent>,
    ) -> Result<RecoverFilesTo, BuildError> {
        Ok(RecoverFilesTo {
            entries: collect_ids(entries, MAX_ENTRIES)?,
            parent: parent.into(),
        })
    }
}

impl Endpoint for RecoverFilesTo {
    const METHOD: Method = Method::POST;
    const PATH: &'static str = "/api/v1/file/recover/by_path";
    // No figure is documented.
    const RATE: RateClass = RateClass::new("file/recover/by_path", Duration::from_secs(1));
    const IDEMPOTENCY: Idempotency = Idempotency::Idempotent;
    type Response = Done;

    fn body(&self) -> Result<Body, BuildError> {
        Body::json(self)
    }
}
