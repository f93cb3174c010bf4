//! `GET /api/v1/offline/download/process`: the progress of an offline download.
//!
//! <https://123yunpan.yuque.com/org-wiki-123yunpan-muaork/cr6ced/sclficr3t655pii5>.

use std::time::Duration;

use http::Method;
use serde::{Deserialize, Deserializer};

use crate::endpoint::{Endpoint, Idempotency, Query, RateClass};
use crate::ids::TaskId;
use crate::task::{Progress, TaskStatus};
use crate::wire::lenient::{Float, Whole};

/// Requests the progress of a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[doc(alias = "download_process")]
#[doc(alias = "进度")]
pub struct GetDownloadProgress {
    task: TaskId,
}

impl GetDownloadProgress {
    /// Creates the request for a task.
    pub fn new(task: TaskId) -> GetDownloadProgress {
        GetDownloadProgress { task }
    }
}

impl Endpoint for GetDownloadProgress {
    const METHOD: Method = Method::GET;
    const PATH: &'static str = "/api/v1/offline/download/process";
    const RATE: RateClass = RateClass::new("offline/download/process", Duration::from_millis(200));
    const IDEMPOTENCY: Idempotency = Idempotency::Idempotent;
    type Response = Progress;

    fn query(&self, query: &mut Query) {
        query.push("taskID", self.task);
    }
}

impl<'de> Deserialize<'de> for Progress {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Wire {
            process: Float,
            status: TaskStatus,
        }
        let wire = Wire::deserialize(deserializer)?;
        Ok(Progress {
            percent: wire.process.0,
            status: wire.status,
        })
    }
}

impl<'de> Deserialize<'de> for TaskStatus {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Whole(number) = Whole::deserialize(deserializer)?;
        Ok(TaskStatus::from_number(number))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_may_be_strings_but_must_be_present() {
        let progress: Progress =
            serde_json::from_str(r#"{"process":"37.5","status":"3"}"#).unwrap();
        assert_eq!(
            (progress.percent, progress.status),
            (37.5, TaskStatus::Retrying)
        );
        let json = serde_json::to_string(&progress).unwrap();
        assert_eq!(serde_json::from_str::<Progress>(&json).unwrap(), progress);
        for json in [
            "{}",
            "null",
            r#"{"process":1}"#,
            r#"{"status":0}"#,
            r#"{"process":null,"status":0}"#,
        ] {
            serde_json::from_str::<Progress>(json).unwrap_err();
        }
    }
}
