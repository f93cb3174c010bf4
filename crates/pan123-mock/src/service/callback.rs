//! The notice that is posted to `callBackUrl` when a task has ended.

use bytes::Bytes;
use serde_json::json;

use super::tasks::{Ending, Task};

/// Which key carries the reason: the documentation uses both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum ReasonKey {
    /// `failReason`, as in the documentation's sample.
    #[default]
    FailReason,
    /// `fileReason`, as in the documentation's prose.
    FileReason,
}

/// A callback that was due.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Callback {
    /// The task that ended.
    pub task: u64,
    /// Where it goes.
    pub url: String,
    /// The JSON body.
    pub body: Bytes,
    /// What became of it; `None` until somebody has said so with [`Service::callback_ended`](super::Service::callback_ended).
    pub delivery: Option<Delivery>,
}

/// What became of a callback.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Delivery {
    /// The receiver answered with this HTTP status.
    Answered(u16),
    /// It could not be posted.
    Failed(String),
    /// It was not posted: a mock speaks to loopback addresses only.
    NotLoopback,
}

impl ReasonKey {
    fn as_str(self) -> &'static str {
        match self {
            Self::FailReason => "failReason",
            Self::FileReason => "fileReason",
        }
    }
}

/// The callback that is due for this task now, if it has ended and asked for one.
pub(super) fn due(task: &Task, key: ReasonKey) -> Option<Callback> {
    // The numbers are those of the callback (0 is success), not those of the progress.
    let (status, reason, file_id) = match task.ending()? {
        Ending::Succeeded { file_id } => (0, "", *file_id),
        Ending::Failed { reason } => (1, reason.as_str(), 0),
    };
    let body = json!({
        "url": task.url(),
        "status": status,
        (key.as_str()): reason,
        "fileID": file_id,
    });
    Some(Callback {
        task: task.id(),
        url: task.callback_url()?.to_owned(),
        body: body.to_string().into(),
        delivery: None,
    })
}
