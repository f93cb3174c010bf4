//! `POST /api/v1/file/trash`: moves files and folders into the trash.
//!
//! <https://123yunpan.yuque.com/org-wiki-123yunpan-muaork/cr6ced/en07662k2kki4bo6>. Idempotent: what is in the trash
//! stays there.

use std::time::Duration;

use http::Method;
use serde::Serialize;

use super::batch::{MAX_ENTRIES, collect_ids};
use super::done::Done;
use crate::endpoint::{Body, Endpoint, Idempotency, RateClass};
use crate::error::BuildError;
use crate::ids::EntryId;

/// Moves files and folders into the trash. [`RecoverFiles`](super::RecoverFiles) restores them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[doc(alias = "回收站")]
pub struct TrashFiles {
    #[serde(rename = "fileIDs")]
    entries: Vec<EntryId>,
}

impl TrashFiles {
    /// Creates the request for 1 to 100 files and folders.
    ///
    /// # Errors
    ///
    /// [`BuildError::Count`] for none or more than 100.
    pub fn new(
        entries: impl IntoIterator<Item = impl Into<EntryId>>,
    ) -> Result<TrashFiles, BuildError> {
        let entries = collect_ids(entries, MAX_ENTRIES)?;
        Ok(TrashFiles { entries })
    }
}

impl Endpoint for TrashFiles {
    const METHOD: Method = Method::POST;
    const PATH: &'static str = "/api/v1/file/trash";
    const RATE: RateClass = RateClass::new("file/trash", Duration::from_millis(200));
    const IDEMPOTENCY: Idempotency = Idempotency::Idempotent;
    type Response = Done;

    fn body(&self) -> Result<Body, BuildError> {
        Body::json(self)
    }
}
