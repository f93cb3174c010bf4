//! `GET /api/v1/oss/offline/download/process`: how far an offline download into the image bed is.
//!
//! <https://123yunpan.yuque.com/org-wiki-123yunpan-muaork/cr6ced/svo92desugbyhrgq>. It is told in the words and numbers of an
//! offline download into the drive.

use std::time::Duration;

use http::Method;

use crate::api::offline::Progress;
use crate::endpoint::{Endpoint, Query, RateClass, Replay};
use crate::ids::ImageBedTaskId;

/// Asks how far a task of the image bed is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImageBedProgress {
    task: ImageBedTaskId,
}

impl ImageBedProgress {
    /// Of this task.
    pub fn new(task: ImageBedTaskId) -> ImageBedProgress {
        ImageBedProgress { task }
    }
}

impl Endpoint for ImageBedProgress {
    const METHOD: Method = Method::GET;
    const PATH: &'static str = "/api/v1/oss/offline/download/process";
    // No figure is documented.
    const RATE: RateClass =
        RateClass::new("oss/offline/download/process", Duration::from_millis(200));
    const REPLAY: Replay = Replay::Safe;
    type Response = Progress;

    fn query(&self, query: &mut Query) {
        query.push("taskID", self.task);
    }
}
