//! `POST /api/v1/file/trash`: moves files and folders into the trash.
//!
//! <https://123yunpan.yuque.com/org-wiki-123yunpan-muaork/cr6ced/en07662k2kki4bo6>. What lies in the trash stays there, so
//! that asking twice does no more than asking once.

use std::time::Duration;

use http::Method;
use serde::Serialize;

use super::done::Done;
use super::several::{MOST, several};
use crate::endpoint::{Body, Endpoint, Idempotency, RateClass};
use crate::error::BuildError;
use crate::ids::EntryId;

/// Moves files and folders into the trash, from where [`RecoverFiles`](super::RecoverFiles) brings them back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TrashFiles {
    #[serde(rename = "fileIDs")]
    entries: Vec<EntryId>,
}

impl TrashFiles {
    /// These ones, 1 to 100.
    ///
    /// # Errors
    ///
    /// [`BuildError::Count`] for none or more than 100.
    pub fn new(
        entries: impl IntoIterator<Item = impl Into<EntryId>>,
    ) -> Result<TrashFiles, BuildError> {
        let entries = several(entries, MOST)?;
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
