//! `POST /api/v1/file/delete`: permanently deletes files and folders that are in the trash.
//!
//! <https://123yunpan.yuque.com/org-wiki-123yunpan-muaork/cr6ced/sg2gvfk5i3dwoxtg>. The current index of the
//! documentation no longer lists this page.

use std::time::Duration;

use http::Method;
use serde::Serialize;

use super::batch::{MAX_ENTRIES, collect_ids};
use super::done::Done;
use crate::endpoint::{Body, Endpoint, Idempotency, RateClass};
use crate::error::BuildError;
use crate::ids::EntryId;

/// Permanently deletes files and folders. They must be in the trash: send [`TrashFiles`](super::TrashFiles) first. They cannot be
/// recovered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DeleteFiles {
    #[serde(rename = "fileIDs")]
    entries: Vec<EntryId>,
}

impl DeleteFiles {
    /// Creates the request for 1 to 100 files and folders.
    ///
    /// # Errors
    ///
    /// [`BuildError::Count`] for none or more than 100.
    pub fn new(
        entries: impl IntoIterator<Item = impl Into<EntryId>>,
    ) -> Result<DeleteFiles, BuildError> {
        let entries = collect_ids(entries, MAX_ENTRIES)?;
        Ok(DeleteFiles { entries })
    }
}

impl Endpoint for DeleteFiles {
    const METHOD: Method = Method::POST;
    const PATH: &'static str = "/api/v1/file/delete";
    const RATE: RateClass = RateClass::new("file/delete", Duration::from_secs(1));
    // Ids are never reused, so a second request finds nothing else to delete.
    const IDEMPOTENCY: Idempotency = Idempotency::Idempotent;
    type Response = Done;

    fn body(&self) -> Result<Body, BuildError> {
        Body::json(self)
    }
}
