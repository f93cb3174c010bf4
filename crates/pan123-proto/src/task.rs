//! What the service says of a task, as errors and endpoints alike name it.

use std::fmt;

use serde::{Serialize, Serializer};

/// The progress of an offline download.
///
/// Serialized with the service's own keys, and read back from them.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[non_exhaustive]
#[doc(alias = "进度")]
pub struct Progress {
    /// Percent from 0 to 100; `None` if the service gives none, or none that can be read. Back at 0 when the task failed. Only the
    /// status tells whether the task has ended.
    #[serde(rename = "process")]
    pub percent: Option<f64>,
    /// The status of the task.
    pub status: TaskStatus,
}

impl Progress {
    /// Creates a value for tests. A percentage below 0 or above 100 becomes 0 or 100, and one that is not a number `None`.
    pub fn new(percent: impl Into<Option<f64>>, status: TaskStatus) -> Progress {
        let percent: Option<f64> = percent.into();
        let percent = percent.filter(|percent| !percent.is_nan());
        Progress {
            // Adding 0 makes 0 of -0.
            percent: percent.map(|percent| percent.clamp(0.0, 100.0) + 0.0),
            status,
        }
    }
}

impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.percent {
            Some(percent) => write!(f, "{percent:.1}%, {}", self.status),
            None => write!(f, "unknown percentage, {}", self.status),
        }
    }
}

/// The status of a task as its progress reports it. Callbacks use other numbers:
/// [`CallbackOutcome`](crate::offline::CallbackOutcome).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TaskStatus {
    /// 0: running.
    Running,
    /// 1: failed permanently.
    Failed,
    /// 2: succeeded.
    Succeeded,
    /// 3: failed, and the service is retrying it.
    Retrying,
    /// Any other number, such as 13, which has been seen. The task has not ended.
    Other(i64),
}

impl TaskStatus {
    /// Returns whether the task has ended: failed or succeeded.
    pub fn is_final(self) -> bool {
        matches!(self, TaskStatus::Failed | TaskStatus::Succeeded)
    }

    /// Returns the number as the service sends it.
    pub fn number(self) -> i64 {
        match self {
            TaskStatus::Running => 0,
            TaskStatus::Failed => 1,
            TaskStatus::Succeeded => 2,
            TaskStatus::Retrying => 3,
            TaskStatus::Other(number) => number,
        }
    }

    pub(crate) fn from_number(number: i64) -> TaskStatus {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_keeps_its_value_and_only_1_and_2_are_final() {
        for number in [-1, 0, 1, 2, 3, 4, 13, i64::MAX] {
            let status = TaskStatus::from_number(number);
            assert_eq!(status.number(), number);
            assert_eq!(status.is_final(), number == 1 || number == 2, "{number}");
        }
    }
}
