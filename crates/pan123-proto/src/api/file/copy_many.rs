//! `POST /api/v1/file/async/copy`: starts copying many files and folders.
//!
//! <https://123yunpan.yuque.com/org-wiki-123yunpan-muaork/cr6ced/pik0i4lvxw4lkkc7>. Not idempotent: a second request starts
//! a second copy.

use std::time::Duration;

use http::Method;
use serde::{Deserialize, Deserializer, Serialize};

use super::batch::collect_ids;
use crate::endpoint::{Body, Endpoint, Idempotency, RateClass};
use crate::error::BuildError;
use crate::ids::{CopyTaskId, EntryId, Parent};
use crate::wire::json::{self, Names, Unreadable};

/// The key of the id of the new task.
const TASK: Names = &["taskId", "taskID"];

/// The maximum number of files and folders in one request.
const MAX_ENTRIES: usize = 3000;

/// Starts copying many files and folders. [`GetCopyProgress`](super::GetCopyProgress) tells when it is done.
///
/// If the response is lost, the call ends with [`Error::Ambiguous`](crate::Error::Ambiguous): check the folder before copying
/// again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CopyFiles {
    #[serde(rename = "fileIds")]
    entries: Vec<EntryId>,
    #[serde(rename = "targetDirId")]
    target: Parent,
}

impl CopyFiles {
    /// Creates the request for 1 to 3000 files and folders, and the folder to copy them to.
    ///
    /// # Errors
    ///
    /// [`BuildError::Count`] for none or more than 3000.
    pub fn new(
        entries: impl IntoIterator<Item = impl Into<EntryId>>,
        target: impl Into<Parent>,
    ) -> Result<CopyFiles, BuildError> {
        Ok(CopyFiles {
            entries: collect_ids(entries, MAX_ENTRIES)?,
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
    const CREATED_ID: Names = TASK;
    type Response = StartedCopy;

    fn created_id(response: &StartedCopy) -> Option<String> {
        Some(response.task.to_string())
    }

    fn body(&self) -> Result<Body, BuildError> {
        Body::json(self)
    }
}

/// The response to a [`CopyFiles`]: the copy was accepted, and may still fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StartedCopy {
    /// The new task.
    pub task: CopyTaskId,
}

impl<'de> Deserialize<'de> for StartedCopy {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        json::deserialize(deserializer, |json| {
            let [task] = json.fields([TASK])?;
            Ok::<_, Unreadable>(StartedCopy {
                task: task.essential(CopyTaskId::read)?,
            })
        })
    }
}
