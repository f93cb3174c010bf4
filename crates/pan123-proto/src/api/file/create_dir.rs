//! `POST /upload/v1/file/mkdir`: creates a folder.
//!
//! <https://123yunpan.yuque.com/org-wiki-123yunpan-muaork/cr6ced/> (创建目录). The service rejects a name that is taken, so a
//! repeated request creates one folder only. [`Session::ensure_dir`](crate::Session::ensure_dir) accepts an existing folder.

use std::time::Duration;

use http::Method;
use serde::{Deserialize, Deserializer, Serialize};

use crate::endpoint::{Body, Endpoint, Idempotency, RateClass};
use crate::error::BuildError;
use crate::ids::{DirId, Parent};
use crate::wire::file_name::check_file_name;
use crate::wire::json::{self, Unreadable};

/// Creates a folder. If the response is lost the request is sent again, which may end with a rejection because the name is taken:
/// see [`ApiError::follows_lost_response`](crate::ApiError::follows_lost_response).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[doc(alias = "mkdir")]
#[doc(alias = "目录")]
pub struct CreateDir {
    name: String,
    #[serde(rename = "parentID")]
    parent: Parent,
}

impl CreateDir {
    /// Creates the request for a name in a folder.
    ///
    /// # Errors
    ///
    /// [`BuildError::FileName`] for a name that the service would reject.
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

/// The response to a [`CreateDir`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CreatedDir {
    /// The new folder.
    pub dir: DirId,
}

impl<'de> Deserialize<'de> for CreatedDir {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        json::deserialize(deserializer, |json| {
            let [dir] = json.fields([&["dirID", "dirId"]])?;
            Ok::<_, Unreadable>(CreatedDir {
                dir: dir.essential(DirId::read)?,
            })
        })
    }
}
