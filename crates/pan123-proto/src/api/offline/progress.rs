//! `GET /api/v1/offline/download/process`: the progress of an offline download.
//!
//! <https://123yunpan.yuque.com/org-wiki-123yunpan-muaork/cr6ced/sclficr3t655pii5>.

use std::time::Duration;

use http::Method;
use serde::{Deserialize, Deserializer};

use crate::endpoint::{Endpoint, Idempotency, Query, RateClass};
use crate::ids::TaskId;
use crate::task::{Progress, TaskStatus};
use crate::wire::json::{self, Json, Unreadable};
use crate::wire::lenient::{number, whole};

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

/// Only the status is required.
impl<'de> Deserialize<'de> for Progress {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        json::deserialize(deserializer, |json| {
            let [process, status] = json.fields([&["process"], &["status"]])?;
            let status = status.essential(TaskStatus::read)?;
            Ok::<_, Unreadable>(Progress::new(process.optional(number), status))
        })
    }
}

impl TaskStatus {
    fn read(json: Json<'_>) -> Option<TaskStatus> {
        whole(json).map(TaskStatus::from_number)
    }
}

impl<'de> Deserialize<'de> for TaskStatus {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        json::deserialize(deserializer, |json| {
            TaskStatus::read(json).ok_or("a status is a whole number, or a string of one")
        })
    }
}

#[cfg(test)]
mod tests {
    use serde::Serialize;

    use super::*;

    #[test]
    fn only_the_status_is_required() {
        let read = |process: &str| {
            let json = format!(r#"{{{process}"status":"2"}}"#);
            let progress: Progress = serde_json::from_str(&json).expect(&json);
            assert_eq!(progress.status, TaskStatus::Succeeded, "{json}");
            let stored = serde_json::to_string(&progress).unwrap();
            assert_eq!(serde_json::from_str::<Progress>(&stored).unwrap(), progress);
            progress.percent
        };
        for (process, percent) in [
            ("37.5", 37.5),
            (r#""37.5""#, 37.5),
            ("-2147483648", 0.0),
            ("-0.0", 0.0),
            ("250", 100.0),
            ("1e999", 100.0),
        ] {
            assert_eq!(read(&format!(r#""process":{process},"#)), Some(percent));
        }
        for process in [
            "null",
            r#""""#,
            r#""100%""#,
            r#""NaN""#,
            r#""inf""#,
            r#""half""#,
            r#""\ud800""#,
            "true",
            "{}",
            "[100]",
        ] {
            assert_eq!(read(&format!(r#""process":{process},"#)), None, "{process}");
        }
        assert_eq!(read(""), None);
        assert_eq!(read(r#""process":7,"process":7.0,"#), Some(7.0));
        assert_eq!(read(r#""process":7,"process":8,"#), None);
    }

    #[test]
    fn progress_without_one_readable_status_is_an_error() {
        for (json, fault) in [
            ("{}", "`status` is missing"),
            (r#"{"process":1}"#, "`status` is missing"),
            (r#"{"process":1,"status":null}"#, "`status` cannot be read"),
            (
                r#"{"status":2,"status":0}"#,
                "`status` has different values: 2, 0",
            ),
            ("[100,2]", "an object is expected"),
            ("null", "an object is expected"),
        ] {
            let error = serde_json::from_str::<Progress>(json).unwrap_err();
            assert!(error.to_string().contains(fault), "{json}: {error}");
        }
        let twice = r#"{"status":2,"status":"2"}"#;
        let progress: Progress = serde_json::from_str(twice).unwrap();
        assert_eq!(progress.status, TaskStatus::Succeeded);
    }

    #[test]
    fn stored_progress_is_read_in_any_form() {
        #[derive(Debug, PartialEq, Serialize, Deserialize)]
        struct Row {
            job: u64,
            #[serde(flatten)]
            progress: Progress,
        }
        let row = Row {
            job: 7,
            progress: Progress::new(37.5, TaskStatus::Other(13)),
        };
        let stored = r#"{"job":7,"process":37.5,"status":13}"#;
        assert_eq!(serde_json::to_string(&row).unwrap(), stored);
        assert_eq!(serde_json::from_str::<Row>(stored).unwrap(), row);
        let value: serde_json::Value = serde_json::from_str(stored).unwrap();
        assert_eq!(
            serde_json::from_value::<Progress>(value).unwrap(),
            row.progress
        );
        assert_eq!(
            serde_json::from_reader::<_, Progress>(stored.as_bytes()).unwrap(),
            row.progress
        );
    }
}
