//! `POST /api/v1/file/recover/by_path`: brings files and folders back from the trash into a folder.
//!
//! <https://123yunpan.yuque.com/org-wiki-123yunpan-muaork/cr6ced/cl24atug2sviq12z>. What is no longer in the trash cannot
//! leave it again, so that asking twice does no more than asking once.

use std::time::Duration;

use http::Method;
use serde::Serialize;

use super::done::Done;
use super::several::{MOST, several};
use crate::endpoint::{Body, Endpoint, Idempotency, RateClass};
use crate::error::BuildError;
use crate::ids::{EntryId, Parent};

/// Brings files and folders back from the trash into a folder, be theirs gone or not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RecoverFilesTo {
    #[serde(rename = "fileIDs")]
    entries: Vec<EntryId>,
    #[serde(rename = "parentFileID")]
    parent: Parent,
}

impl RecoverFilesTo {
    /// These ones, 1 to 100, into this folder.
    ///
    /// # Errors
    ///
    /// [`BuildError::Count`] for none or more than 100.
    pub fn new(
        entries: impl IntoIterator<Item = impl Into<EntryId>>,
        parent: impl Into<Parent>,
    ) -> Result<RecoverFilesTo, BuildError> {
        Ok(RecoverFilesTo {
            entries: several(entries, MOST)?,
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
