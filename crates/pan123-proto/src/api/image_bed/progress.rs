//! `GET /api/v1/oss/offline/download/process`: the progress of an offline download into the image bed.
//!
//! <https://123yunpan.yuque.com/org-wiki-123yunpan-muaork/cr6ced/svo92desugbyhrgq>. The response is the same as for an
//! offline download into the drive.

use std::time::Duration;

use http::Method;

use crate::endpoint::{Endpoint, Idempotency, Query, RateClass};
use crate::ids::ImageBedTaskId;
use crate::task::Progress;

/// Requests the progress of a task of the image bed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[doc(alias = "图床")]
#[doc(alias = "进度")]
pub struct GetImageBedProgress {
    task: ImageBedTaskId,
}

impl GetImageBedProgress {
    /// Creates the request for a task.
    pub fn new(task: ImageBedTaskId) -> GetImageBedProgress {
        GetImageBedProgress { task }
    }
}

impl Endpoint for GetImageBedProgress {
    const METHOD: Method = Method::GET;
    const PATH: &'static str = "/api/v1/oss/offline/download/process";
    // No figure is documented.
    const RATE: RateClass =
        RateClass::new("oss/offline/download/process", Duration::from_millis(200));
    const IDEMPOTENCY: Idempotency = Idempotency::Idempotent;
    type Response = Progress;

    fn query(&self, query: &mut Query) {
        query.push("taskID", self.task);
    }
}
