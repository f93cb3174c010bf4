//! `POST /upload/v1/file/mkdir`: makes a folder.
//!
//! <https://123yunpan.yuque.com/org-wiki-123yunpan-muaork/cr6ced/> (创建目录). A name that is taken is refused, so that asking
//! twice makes one folder; [`Session::ensure_dir`](crate::Session::ensure_dir) takes a folder that is there for an answer.

use std::time::Duration;

use http::Method;
use serde::{Deserialize, Serialize};

use crate::endpoint::{Body, Endpoint, Idempotency, RateClass};
use crate::error::BuildError;
use crate::ids::{DirId, Parent};
use crate::wire::file_name::check_file_name;

/// Makes a folder. If its answer is lost it is asked for again, and may be told then that the name is taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CreateDir {
    name: String,
    #[serde(rename = "parentID")]
    parent: Parent,
}

impl CreateDir {
    /// Of this name in this folder.
    ///
    /// # Errors
    ///
    /// [`BuildError::FileName`] for a name that the service refuses.
    pub fn new(
        parent: impl Into<Parent>,
        name: impl Into<String>,
    ) -> Result<CreateDir, BuildError> {
        let name = name.into();
        check_file_name(&name).map_err(BuildError::FileName)?;
        Ok(CreateDir {
            name,
            parent: parent.into(),
        })
    }
}

impl Endpoint for CreateDir {
    const METHOD: Method = Method::POST;
    const PATH: &'static str = "/upload/v1/file/mkdir";
    const RATE: RateClass = RateClass::new("file/mkdir", Duration::from_millis(200));
    const IDEMPOTENCY: Idempotency = Idempotency::Idempotent;
    type Response = CreatedDir;

    fn body(&self) -> Result<Body, BuildError> {
        Body::json(self)
    }
}

/// The answer to a [`CreateDir`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct CreatedDir {
    /// The new folder.
    #[serde(rename = "dirID", alias = "dirId")]
    pub dir: DirId,
}
