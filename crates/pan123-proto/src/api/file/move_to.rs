//! `POST /api/v1/file/move`: moves files and folders into a folder.
//!
//! <https://123yunpan.yuque.com/org-wiki-123yunpan-muaork/cr6ced/rsyfsn1gnpgo4m4f>. Asked again, it may be told that they
//! are there already.

use std::time::Duration;

use http::Method;
use serde::Serialize;

use super::done::Done;
use super::several::{MOST, several};
use crate::endpoint::{Body, Endpoint, Idempotency, RateClass};
use crate::error::BuildError;
use crate::ids::{EntryId, Parent};

/// Moves files and folders into a folder. The service may refuse what is in that folder already.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MoveFiles {
    #[serde(rename = "fileIDs")]
    entries: Vec<EntryId>,
    #[serde(rename = "toParentFileID")]
    target: Parent,
}

impl MoveFiles {
    /// These ones, 1 to 100, into this folder.
    ///
    /// # Errors
    ///
    /// [`BuildError::Count`] for none or more than 100.
    pub fn new(
        entries: impl IntoIterator<Item = impl Into<EntryId>>,
        target: impl Into<Parent>,
    ) -> Result<MoveFiles, BuildError> {
        Ok(MoveFiles {
            entries: several(entries, MOST)?,
            target: target.into(),
        })
    }
}

impl Endpoint for MoveFiles {
    const METHOD: Method = Method::POST;
    const PATH: &'static str = "/api/v1/file/move";
    // Three a second.
    const RATE: RateClass = RateClass::new("file/move", Duration::from_millis(334));
    const IDEMPOTENCY: Idempotency = Idempotency::Idempotent;
    type Response = Done;

    fn body(&self) -> Result<Body, BuildError> {
        Body::json(self)
    }
}
