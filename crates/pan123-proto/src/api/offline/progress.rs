//! `GET /api/v1/offline/download/process`: how far an offline download is.
//!
//! <https://123yunpan.yuque.com/org-wiki-123yunpan-muaork/cr6ced/sclficr3t655pii5>.

use std::fmt;
use std::time::Duration;

use http::Method;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::endpoint::{Endpoint, Idempotency, Query, RateClass};
use crate::ids::TaskId;
use crate::lenient::{Float, Whole};

/// Asks how far a task is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[doc(alias = "download_process")]
pub struct GetDownloadProgress {
    task: TaskId,
}

impl GetDownloadProgress {
    /// Of this task.
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

/// How far a task is. Nothing else is told: no name, no file id, no reason of a failure.
///
/// Kept with serde, it needs a format that describes itself, such as JSON.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Progress {
    /// Percent from 0 to 100; back at 0 when the task failed. Not to be judged by: the status tells the end.
    #[serde(rename = "process")]
    pub percent: f64,
    /// What the task does.
    pub status: TaskStatus,
}

impl Progress {
    /// Made up, for tests of yours.
    pub fn new(percent: f64, status: TaskStatus) -> Progress {
        Progress { percent, status }
    }
}

impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.1}%, {}", self.percent, self.status)
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

/// What a task does, as its progress numbers it. A callback numbers otherwise:
/// [`CallbackOutcome`](super::CallbackOutcome).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TaskStatus {
    /// 0: it runs.
    Running,
    /// 1: it failed, for good.
    Failed,
    /// 2: it succeeded.
    Succeeded,
    /// 3: it failed and is being tried again.
    Retrying,
    /// Any other number; 13 has been seen. Not the end.
    Other(i64),
}

impl TaskStatus {
    /// Whether nothing more will happen: failed or succeeded.
    pub fn is_final(self) -> bool {
        matches!(self, TaskStatus::Failed | TaskStatus::Succeeded)
    }

    /// The number as the service sends it.
    pub fn number(self) -> i64 {
        match self {
            TaskStatus::Running => 0,
            TaskStatus::Failed => 1,
            TaskStatus::Succeeded => 2,
            TaskStatus::Retrying => 3,
            TaskStatus::Other(number) => number,
        }
    }

    fn from_number(number: i64) -> TaskStatus {
        match number {
            0 => TaskStatus::Running,
            1 => TaskStatus::Failed,
            2 => TaskStatus::Succeeded,
            3 => TaskStatus::Retrying,
            other => TaskStatus::Other(other),
        }
    }
}

impl fmt::Display for TaskStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TaskStatus::Running => f.write_str("running"),
            TaskStatus::Failed => f.write_str("failed"),
            TaskStatus::Succeeded => f.write_str("succeeded"),
            TaskStatus::Retrying => f.write_str("retrying"),
            TaskStatus::Other(number) => write!(f, "status {number}"),
        }
    }
}

impl Serialize for TaskStatus {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_i64(self.number())
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
    fn every_number_keeps_its_value_and_only_two_are_the_end() {
        for number in [-1, 0, 1, 2, 3, 4, 13, i64::MAX] {
            let status = TaskStatus::from_number(number);
            assert_eq!(status.number(), number);
            assert_eq!(status.is_final(), number == 1 || number == 2, "{number}");
        }
    }

    #[test]
    fn numbers_may_be_text_but_not_missing() {
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
