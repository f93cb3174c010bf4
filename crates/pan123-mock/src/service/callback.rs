//! The notice posted to `callBackUrl` when a task has ended.

use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::serde_millis;
use super::tasks::{Task, TaskOutcome};

/// The key that holds the reason. The documentation uses both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum ReasonKey {
    /// `failReason`, as in the documentation's sample.
    #[default]
    FailReason,
    /// `fileReason`, as in the documentation's prose.
    FileReason,
}

/// How the service posts callbacks. The real service documents neither delays nor repetition nor loss, so a client must cope with all of
/// them.
///
/// ```
/// use std::time::Duration;
/// use pan123_mock::{CallbackPolicy, ReasonKey};
///
/// let late = CallbackPolicy::new().delay(Duration::from_secs(60));
/// let twice = CallbackPolicy::new().times(2).reason_key(ReasonKey::FileReason);
/// let never = CallbackPolicy::lost();
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CallbackPolicy {
    reason_key: ReasonKey,
    #[serde(rename = "delay_ms", with = "serde_millis")]
    delay: Duration,
    times: usize,
    lost: bool,
}

/// See [`CallbackPolicy::times`].
const MAX_TIMES: usize = 100;

impl Default for CallbackPolicy {
    fn default() -> Self {
        Self {
            reason_key: ReasonKey::default(),
            delay: Duration::ZERO,
            times: 1,
            lost: false,
        }
    }
}

impl CallbackPolicy {
    /// Posts each callback once and immediately.
    pub fn new() -> Self {
        Self::default()
    }

    /// Posts no callback: each is recorded as lost.
    pub fn lost() -> Self {
        Self {
            lost: true,
            ..Self::default()
        }
    }

    /// Posts each callback this long after the end of its task.
    pub fn delay(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// Posts each callback this many times, at most 100, all at the same time.
    pub fn times(mut self, times: usize) -> Self {
        self.times = times.min(MAX_TIMES);
        self
    }

    /// Sets the key that holds the reason. The default is `failReason`.
    pub fn reason_key(mut self, key: ReasonKey) -> Self {
        self.reason_key = key;
        self
    }

    pub(super) fn post_delay(&self) -> Duration {
        self.delay
    }

    /// Returns the callbacks of an ended task that has a `callBackUrl`.
    pub(super) fn for_task(&self, task: &Task) -> Vec<Callback> {
        let Some(callback) = callback_for(task, self.reason_key) else {
            return Vec::new();
        };
        let delivery = self.lost.then_some(Delivery::Lost);
        vec![
            Callback {
                delivery,
                ..callback
            };
            self.times.min(MAX_TIMES)
        ]
    }
}

/// A callback of an ended task.
#[derive(Debug, Clone)]
pub struct Callback {
    pub(crate) task: u64,
    pub(crate) url: String,
    pub(crate) body: Bytes,
    pub(crate) delivery: Option<Delivery>,
}

impl Callback {
    /// Returns the task.
    pub fn task(&self) -> u64 {
        self.task
    }

    /// Returns the `callBackUrl`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Returns the JSON body.
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// Returns the delivery; `None` until it is reported with
    /// [`Service::callback_delivered`](super::Service::callback_delivered).
    pub fn delivery(&self) -> Option<&Delivery> {
        self.delivery.as_ref()
    }
}

/// The delivery of a callback.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Delivery {
    /// The receiver responded with this HTTP status.
    Responded(u16),
    /// Posting failed.
    Failed(String),
    /// Not posted, because the receiver is on another machine and that is not allowed.
    NotLoopback,
    /// Lost, as requested with [`CallbackPolicy::lost`].
    Lost,
}

/// The body, with its fields in documented order.
#[derive(Serialize)]
struct Notice<'a> {
    url: &'a str,
    status: u8,
    #[serde(rename = "failReason", skip_serializing_if = "Option::is_none")]
    fail_reason: Option<&'a str>,
    #[serde(rename = "fileReason", skip_serializing_if = "Option::is_none")]
    file_reason: Option<&'a str>,
    #[serde(rename = "fileID")]
    file_id: u64,
}

fn callback_for(task: &Task, key: ReasonKey) -> Option<Callback> {
    // These statuses are the callback's (0 is success), not those of the progress.
    let (status, reason, file_id) = match task.outcome()? {
        TaskOutcome::Succeeded { file_id } => (0, "", *file_id),
        TaskOutcome::Failed { reason } => (1, reason.as_str(), 0),
    };
    let body = Notice {
        url: task.url(),
        status,
        fail_reason: (key == ReasonKey::FailReason).then_some(reason),
        file_reason: (key == ReasonKey::FileReason).then_some(reason),
        file_id,
    };
    Some(Callback {
        task: task.id(),
        url: task.callback_url()?.to_owned(),
        body: serde_json::to_vec(&body).unwrap_or_default().into(),
        delivery: None,
    })
}
