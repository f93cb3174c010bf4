//! `POST /api/v1/file/async/copy`: begins to copy many files and folders.
//!
//! <https://123yunpan.yuque.com/org-wiki-123yunpan-muaork/cr6ced/pik0i4lvxw4lkkc7>. Not to be sent twice: the service begins a
//! second copy.

use std::time::Duration;

use http::Method;
use serde::{Deserialize, Serialize};

use super::several::several;
use crate::endpoint::{Body, Endpoint, Idempotency, RateClass};
use crate::error::BuildError;
use crate::ids::{CopyTaskId, EntryId, Parent};

/// The most files and folders of a copy.
const MOST: usize = 3000;

/// Begins to copy many files and folders. [`GetCopyProgress`](super::GetCopyProgress) tells when it is done.
///
/// If its answer is lost it fails with [`Error::Ambiguous`](crate::Error::Ambiguous); look into the folder before asking again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CopyFiles {
    #[serde(rename = "fileIds")]
    entries: Vec<EntryId>,
    #[serde(rename = "targetDirId")]
    target: Parent,
}

impl CopyFiles {
    /// These ones, 1 to 3000, into this folder.
    ///
    /// # Errors
    ///
    /// [`BuildError::Count`] for none or more than 3000.
    pub fn new(
        entries: impl IntoIterator<Item = impl Into<EntryId>>,
        target: impl Into<Parent>,
    ) -> Result<CopyFiles, BuildError> {
        Ok(CopyFiles {
            entries: several(entries, MOST)?,
            target: target.into(),
        })
    }
}

impl Endpoint for CopyFiles {
    const METHOD: Method = Method::POST;
    const PATH: &'static str = "/api/v1/file/async/copy";
    // No figure is documented.
    const RATE: RateClass = RateClass::new("file/async/copy", Duration::from_secs(1));
    const IDEMPOTENCY: Idempotency = Idempotency::NonIdempotent;
    type Response = StartedCopy;

    fn body(&self) -> Result<Body, BuildError> {
        Body::json(self)
    }
}

/// The answer to a [`CopyFiles`]: it was accepted, and may still fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct StartedCopy {
    /// The new task.
    #[serde(rename = "taskId", alias = "taskID")]
    pub task: CopyTaskId,
}
