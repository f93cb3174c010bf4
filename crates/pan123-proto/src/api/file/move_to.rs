//! `POST /api/v1/file/move`: moves files and folders into a folder.
//!
//! <https://123yunpan.yuque.com/org-wiki-123yunpan-muaork/cr6ced/rsyfsn1gnpgo4m4f>. A repeated request may be
//! rejected because the entries are already there.

use std::time::Duration;

use http::Method;
use serde::Serialize;

use super::batch::{MAX_ENTRIES, collect_ids};
use super::done::Done;
use crate::endpoint::{Body, Endpoint, Idempotency, RateClass};
use crate::error::BuildError;
use crate::ids::{EntryId, Parent};

/// Moves files and folders into a folder. The service may reject entries that are already in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MoveFiles {
    #[serde(rename = "fileIDs")]
    entries: Vec<EntryId>,
    #[serde(rename = "toParentFileID")]
    target: Parent,
}

impl MoveFiles {
    /// Creates the request for 1 to 100 files and folders, and the folder to move them to.
    ///
    /// # Errors
    ///
    /// [`BuildError::Count`] for none or more than 100.
    pub fn new(
        entries: impl IntoIterator<Item = impl Into<EntryId>>,
        target: impl Into<Parent>,
    ) -> Result<MoveFiles, BuildError> {
        Ok(MoveFiles {
            entries: collect_ids(entries, MAX_ENTRIES)?,
            target: target.into(),
        })
    }
}

impl Endpoint for MoveFiles {
    const METHOD: Method = Method::POST;
    const PATH: &'static str = "/api/v1/file/move";
    // Three requests a second.
    const RATE: RateClass = RateClass::new("file/move", Duration::from_millis(334));
    const IDEMPOTENCY: Idempotency = Idempotency::Idempotent;
    type Response = Done;

    fn body(&self) -> Result<Body, BuildError> {
        Body::json(self)
    }
}
