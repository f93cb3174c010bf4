//! `POST /api/v1/file/delete`: deletes files and folders for good, out of the trash.
//!
//! <https://123yunpan.yuque.com/org-wiki-123yunpan-muaork/cr6ced/sg2gvfk5i3dwoxtg>. The service's newer index of pages has
//! none for it any more.

use std::time::Duration;

use http::Method;
use serde::Serialize;

use super::done::Done;
use super::several::{MOST, several};
use crate::endpoint::{Body, Endpoint, Idempotency, RateClass};
use crate::error::BuildError;
use crate::ids::EntryId;

/// Deletes files and folders for good. They must be in the trash: [`TrashFiles`](super::TrashFiles) first. Nothing brings
/// them back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DeleteFiles {
    #[serde(rename = "fileIDs")]
    entries: Vec<EntryId>,
}

impl DeleteFiles {
    /// These ones, 1 to 100.
    ///
    /// # Errors
    ///
    /// [`BuildError::Count`] for none or more than 100.
    pub fn new(
        entries: impl IntoIterator<Item = impl Into<EntryId>>,
    ) -> Result<DeleteFiles, BuildError> {
        let entries = several(entries, MOST)?;
        Ok(DeleteFiles { entries })
    }
}

impl Endpoint for DeleteFiles {
    const METHOD: Method = Method::POST;
    const PATH: &'static str = "/api/v1/file/delete";
    const RATE: RateClass = RateClass::new("file/delete", Duration::from_secs(1));
    // An id is given out once only, so that the second request finds nothing else to delete.
    const IDEMPOTENCY: Idempotency = Idempotency::Idempotent;
    type Response = Done;

    fn body(&self) -> Result<Body, BuildError> {
        Body::json(self)
    }
}
