//! `GET /api/v1/file/async/copy/process`: the progress of a copy of many files.
//!
//! <https://123yunpan.yuque.com/org-wiki-123yunpan-muaork/cr6ced/fqh9vk1esg4uomly>.

use std::fmt;
use std::time::Duration;

use http::Method;
use serde::{Deserialize, Deserializer};

use crate::endpoint::{Endpoint, Idempotency, Query, RateClass};
use crate::ids::CopyTaskId;
use crate::wire::json::{self, Json, Unreadable};
use crate::wire::lenient::whole;

/// Requests the progress of a [`CopyFiles`](super::CopyFiles) task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GetCopyProgress {
    task: CopyTaskId,
}

impl GetCopyProgress {
    /// Creates the request for a task.
    pub fn new(task: CopyTaskId) -> GetCopyProgress {
        GetCopyProgress { task }
    }
}

impl Endpoint for GetCopyProgress {
    const METHOD: Method = Method::GET;
    const PATH: &'static str = "/api/v1/file/async/copy/process";
    // No figure is documented.
    const RATE: RateClass = RateClass::new("file/async/copy/process", Duration::from_millis(200));
    const IDEMPOTENCY: Idempotency = Idempotency::Idempotent;
    type Response = CopyProgress;

    fn query(&self, query: &mut Query) {
        query.push("taskId", self.task);
    }
}

/// The response to a [`GetCopyProgress`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CopyProgress {
    /// The status of the task.
    pub status: CopyStatus,
}

impl<'de> Deserialize<'de> for CopyProgress {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        json::deserialize(deserializer, |json| {
            let [status] = json.fields([&["status"]])?;
            Ok::<_, Unreadable>(CopyProgress {
                status: status.essential(CopyStatus::read)?,
            })
        })
    }
}

/// The status of a copy task. Offline downloads use other numbers: [`TaskStatus`](crate::offline::TaskStatus).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CopyStatus {
    /// 0: not started.
    Pending,
    /// 1: running.
    Running,
    /// 2: done.
    Done,
    /// 3: failed permanently.
    Failed,
    /// Any other number. The task has not ended.
    Other(i64),
}

impl CopyStatus {
    /// Returns whether the task has ended: done or failed.
    pub fn is_final(self) -> bool {
        matches!(self, CopyStatus::Done | CopyStatus::Failed)
    }

    /// Returns the number as the service sends it.
    pub fn number(self) -> i64 {
        match self {
            CopyStatus::Pending => 0,
            CopyStatus::Running => 1,
            CopyStatus::Done => 2,
            CopyStatus::Failed => 3,
            CopyStatus::Other(number) => number,
        }
    }

    fn read(json: Json<'_>) -> Option<CopyStatus> {
        whole(json).map(CopyStatus::from_number)
    }

    fn from_number(number: i64) -> CopyStatus {
        match number {
            0 => CopyStatus::Pending,
            1 => CopyStatus::Running,
            2 => CopyStatus::Done,
            3 => CopyStatus::Failed,
            other => CopyStatus::Other(other),
        }
    }
}

impl fmt::Display for CopyStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CopyStatus::Pending => f.write_str("pending"),
            CopyStatus::Running => f.write_str("running"),
            CopyStatus::Done => f.write_str("done"),
            CopyStatus::Failed => f.write_str("failed"),
            CopyStatus::Other(number) => write!(f, "status {number}"),
        }
    }
}

impl<'de> Deserialize<'de> for CopyStatus {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        json::deserialize(deserializer, |json| {
            CopyStatus::read(json).ok_or("a status is a whole number, or a string of one")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_keeps_its_value_and_only_2_and_3_are_final() {
        for number in [-1, 0, 1, 2, 3, 4, i64::MAX] {
            let status = CopyStatus::from_number(number);
            assert_eq!(status.number(), number);
            assert_eq!(status.is_final(), number == 2 || number == 3, "{number}");
        }
    }

    #[test]
    fn status_may_be_a_string_but_must_be_present() {
        let read = |json: &str| serde_json::from_str::<CopyProgress>(json).map(|it| it.status);
        assert_eq!(read(r#"{"status":"1"}"#).unwrap(), CopyStatus::Running);
        assert_eq!(
            read(r#"{"taskId":"x","status":9}"#).unwrap(),
            CopyStatus::Other(9)
        );
        for json in ["null", "{}", r#"{"status":null}"#, r#"{"taskId":1}"#] {
            read(json).unwrap_err();
        }
    }
}
