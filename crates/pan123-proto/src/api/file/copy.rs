//! `POST /api/v1/file/copy`: copies one file.
//!
//! <https://123yunpan.yuque.com/org-wiki-123yunpan-muaork/cr6ced/thpz0w9er500pob9>. Not idempotent: a second request makes a
//! second copy.

use std::time::Duration;

use http::Method;
use serde::{Deserialize, Deserializer, Serialize};

use crate::endpoint::{Body, Endpoint, Idempotency, RateClass};
use crate::error::BuildError;
use crate::ids::{FileId, Parent};
use crate::wire::json::{self, Names, Unreadable};

/// The key of the id of the copy.
const COPY: Names = &["targetFileId", "targetFileID"];

/// Copies one file. [`CopyFiles`](super::CopyFiles) copies many.
///
/// If the response is lost, the call ends with [`Error::Ambiguous`](crate::Error::Ambiguous): check the folder before copying
/// again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct CopyFile {
    #[serde(rename = "fileId")]
    file: FileId,
    #[serde(rename = "targetDirId")]
    target: Parent,
}

impl CopyFile {
    /// Creates the request for a file and the folder to copy it to.
    pub fn new(file: FileId, target: impl Into<Parent>) -> CopyFile {
        CopyFile {
            file,
            target: target.into(),
        }
    }
}

impl Endpoint for CopyFile {
    const METHOD: Method = Method::POST;
    const PATH: &'static str = "/api/v1/file/copy";
    // No figure is documented.
    const RATE: RateClass = RateClass::new("file/copy", Duration::from_secs(1));
    const IDEMPOTENCY: Idempotency = Idempotency::NonIdempotent;
    const CREATED_ID: Names = COPY;
    type Response = CopiedFile;

    fn created_id(response: &CopiedFile) -> Option<String> {
        Some(response.target.to_string())
    }

    fn body(&self) -> Result<Body, BuildError> {
        Body::json(self)
    }
}

/// The response to a [`CopyFile`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CopiedFile {
    /// The original, if the service names it.
    pub source: Option<FileId>,
    /// The copy.
    pub target: FileId,
}

impl<'de> Deserialize<'de> for CopiedFile {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        json::deserialize(deserializer, |json| {
            let [source, target] = json.fields([&["sourceFileId", "sourceFileID"], COPY])?;
            Ok::<_, Unreadable>(CopiedFile {
                source: source.optional(FileId::read),
                target: target.essential(FileId::read)?,
            })
        })
    }
}
