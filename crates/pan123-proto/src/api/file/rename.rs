//! `PUT /api/v1/file/name`: renames a file or folder.
//!
//! <https://123yunpan.yuque.com/org-wiki-123yunpan-muaork/cr6ced/ha6mfe9tteht5skc>.

use std::time::Duration;

use http::Method;
use serde::Serialize;

use super::done::Done;
use crate::endpoint::{Body, Endpoint, Idempotency, RateClass};
use crate::error::BuildError;
use crate::ids::EntryId;
use crate::wire::file_name::check_file_name;

/// Renames a file or folder. [`RenameFiles`](super::RenameFiles) renames several.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[doc(alias = "重命名")]
pub struct RenameFile {
    #[serde(rename = "fileId")]
    entry: EntryId,
    #[serde(rename = "fileName")]
    name: String,
}

impl RenameFile {
    /// Creates the request for a file or folder and its new name.
    ///
    /// # Errors
    ///
    /// [`BuildError::FileName`] for a name that the service would reject.
    pub fn new(
        entry: impl Into<EntryId>,
        name: impl Into<String>,
    ) -> Result<RenameFile, BuildError> {
        let name = name.into();
        check_file_name(&name).map_err(BuildError::FileName)?;
        Ok(RenameFile {
            entry: entry.into(),
            name,
        })
    }
}

impl Endpoint for RenameFile {
    const METHOD: Method = Method::PUT;
    const PATH: &'static str = "/api/v1/file/name";
    // No figure is documented.
    const RATE: RateClass = RateClass::new("file/name", Duration::from_secs(1));
    const IDEMPOTENCY: Idempotency = Idempotency::Idempotent;
    type Response = Done;

    fn body(&self) -> Result<Body, BuildError> {
        Body::json(self)
    }
}
