//! What happened to one download, for people and for programs.

use std::borrow::Cow;

use pan123_async::proto::batch::ItemChange;
use pan123_async::proto::ledger::{Item, ItemKey};
use pan123_async::{FileId, Progress, TaskId, TaskStatus};
use serde::Serialize;

use crate::keys::{name_in, short_key};
use crate::words::{Lang, shown};

/// What happened to a download, as `--json` prints it.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct ItemLine<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    pub(crate) change: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) task: Option<TaskId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) percent: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<String>,
    #[serde(skip)]
    pub(crate) word: Option<TaskStatus>,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<FileId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    attempts: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    delay_seconds: Option<u64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    candidates: Vec<TaskId>,
}

impl<'a> ItemLine<'a> {
    fn new(key: &'a ItemKey, change: &'static str) -> ItemLine<'a> {
        ItemLine {
            key: Some(key.as_str()),
            name: Some(name_in(key.as_str())),
            ..ItemLine::empty("item", change)
        }
    }

    fn empty(kind: &'static str, change: &'static str) -> ItemLine<'a> {
        ItemLine {
            kind,
            key: None,
            name: None,
            change,
            task: None,
            percent: None,
            status: None,
            word: None,
            file: None,
            reason: None,
            attempts: None,
            delay_seconds: None,
            candidates: Vec::new(),
        }
    }

    pub(crate) fn of_change(key: &'a ItemKey, change: &ItemChange) -> ItemLine<'a> {
        let mut line = ItemLine::new(key, name_of_change(change));
        match change {
            ItemChange::Created(task)
            | ItemChange::Resumed(task)
            | ItemChange::Unrecorded(task)
            | ItemChange::Stray(task) => line.task = Some(*task),
            ItemChange::Progress(progress) => line.set_progress(*progress),
            ItemChange::PollFailed(error) => line.reason = Some(error.to_string()),
            ItemChange::Succeeded(file) => line.file = *file,
            ItemChange::Confirmed(file) => line.file = Some(*file),
            ItemChange::WillRetry { reason, delay, .. } => {
                line.reason = Some(reason.clone());
                line.delay_seconds = Some(delay.as_secs());
            }
            ItemChange::Failed {
                reason, attempts, ..
            } => {
                line.reason = Some(reason.clone());
                line.attempts = Some(*attempts);
            }
            ItemChange::Unconfirmed {
                reason, candidates, ..
            } => {
                line.reason = Some(reason.clone());
                line.candidates.clone_from(candidates);
            }
            _ => {}
        }
        line
    }

    /// The state of an item as the ledger has it.
    pub(crate) fn of_item(item: &'a Item) -> ItemLine<'a> {
        let change = if item.is_given_up() {
            "timed_out"
        } else {
            item.state.name()
        };
        let mut line = ItemLine::new(&item.key, change);
        line.task = item.task;
        line.file = item.file;
        line.reason = item.reason.as_deref().map(str::to_owned);
        line.attempts = Some(item.attempts);
        line.candidates.clone_from(&item.other_tasks);
        line
    }

    /// What happened to a task that is no item.
    pub(crate) fn of_task(task: TaskId, change: &'static str) -> ItemLine<'a> {
        ItemLine {
            task: Some(task),
            ..ItemLine::empty("task", change)
        }
    }

    pub(crate) fn progress(mut self, progress: Progress) -> ItemLine<'a> {
        self.set_progress(progress);
        self
    }

    pub(crate) fn reason(mut self, reason: String) -> ItemLine<'a> {
        self.reason = Some(reason);
        self
    }

    /// Returns what tells this download from others.
    pub(crate) fn id(&self) -> Cow<'a, str> {
        match (self.key, self.task) {
            (Some(key), _) => Cow::Borrowed(key),
            (None, task) => Cow::Owned(task.map(|task| task.to_string()).unwrap_or_default()),
        }
    }

    /// Returns what people call this download.
    pub(crate) fn shown_name(&self) -> String {
        shown(self.name.unwrap_or(&self.id()))
    }

    /// An item whose task people do not know yet.
    pub(crate) fn of_created(item: &'a Item) -> ItemLine<'a> {
        ItemLine {
            change: "created",
            ..ItemLine::of_item(item)
        }
    }

    fn set_progress(&mut self, progress: Progress) {
        self.percent = progress.percent;
        self.status = Some(progress.status.to_string());
        self.word = Some(progress.status);
    }

    /// Whether it ends with this, or is created: what goes to standard output.
    pub(crate) fn is_result(&self) -> bool {
        !matches!(self.change, "progress" | "poll_failed" | "will_retry")
    }

    /// Whether a bar shows it well enough.
    pub(crate) fn is_on_the_way(&self) -> bool {
        matches!(self.change, "progress" | "created" | "resumed")
    }

    /// Whether its task has ended, or nobody follows it.
    pub(crate) fn is_end(&self) -> bool {
        !matches!(
            self.change,
            "progress" | "created" | "resumed" | "poll_failed"
        )
    }

    /// Returns the line that people read: what happened, the task, the name, and details.
    pub(crate) fn text(&self, lang: Lang) -> String {
        let task = self.task.map(|task| task.to_string());
        let parts = [
            Some(word(self.change, lang).to_owned()),
            task,
            self.name.map(shown),
            self.progress_text(lang),
        ];
        let what = parts.into_iter().flatten().collect::<Vec<_>>().join(" ");
        let reason = self
            .reason
            .as_ref()
            .map(|reason| format!(": {}", shown(reason)));
        let delay = self.delay_seconds.map(|seconds| {
            lang.pick(
                format!("; sent again in {seconds} s"),
                format!("；{seconds} 秒后重新发送"),
            )
        });
        let digits = self.key.filter(|_| self.change == "unconfirmed");
        let digits = digits.map(|key| format!(" [{}]", short_key(key)));
        let details = [reason, delay, digits].into_iter().flatten();
        what + &details.collect::<String>()
    }

    pub(crate) fn progress_text(&self, lang: Lang) -> Option<String> {
        let status = self.word?;
        let word = status_word(status, lang);
        Some(match self.percent {
            Some(percent) => format!("{percent:.1}% {word}"),
            None => word,
        })
    }
}

/// Returns the name of a change, as `--json` has it.
fn name_of_change(change: &ItemChange) -> &'static str {
    match change {
        ItemChange::Created(_) => "created",
        ItemChange::Resumed(_) => "resumed",
        ItemChange::Progress(_) => "progress",
        ItemChange::PollFailed(_) => "poll_failed",
        ItemChange::Succeeded(_) => "succeeded",
        ItemChange::WillRetry { .. } => "will_retry",
        ItemChange::Failed {
            is_given_up: true, ..
        } => "timed_out",
        ItemChange::Failed { .. } => "failed",
        ItemChange::Unconfirmed { .. } => "unconfirmed",
        ItemChange::Confirmed(_) => "confirmed",
        ItemChange::Unrecorded(_) => "unrecorded",
        ItemChange::Stray(_) => "stray",
        _ => "other",
    }
}

/// Returns the word of a change or a state.
pub(crate) fn word(change: &str, lang: Lang) -> &str {
    let (english, chinese) = match change {
        "created" => ("created", "已创建"),
        "resumed" => ("resumed", "继续跟踪"),
        "progress" => ("progress", "进度"),
        "poll_failed" => ("poll failed", "查询失败"),
        "succeeded" => ("succeeded", "成功"),
        "will_retry" => ("failed, will be sent again", "失败，将重新发送"),
        "failed" => ("failed", "失败"),
        "unconfirmed" => ("unconfirmed", "未确认"),
        "confirmed" => ("confirmed", "已确认"),
        "unrecorded" => (
            "created, but not recorded yet (note the id)",
            "已创建，但尚未记入台账（请记下 ID）",
        ),
        "stray" => (
            "created, but settled otherwise before",
            "已创建，但此前已另行处理",
        ),
        "running" => ("running", "下载中"),
        "queued" => ("queued", "排队中"),
        "paused" => ("paused", "已暂停"),
        "claimed" => ("about to be sent", "即将发送"),
        "intended" => ("being sent", "发送中"),
        "dropped" => ("given up", "已放弃"),
        "timed_out" => ("timed out", "超时"),
        "unavailable" => ("unavailable", "服务不可用"),
        "rejected" => ("rejected", "被拒绝"),
        other => return other,
    };
    lang.pick(english, chinese)
}

/// Returns the word of a task's status.
pub(crate) fn status_word(status: TaskStatus, lang: Lang) -> String {
    match (lang, status) {
        (Lang::English, status) => status.to_string(),
        (Lang::Chinese, TaskStatus::Running) => "下载中".to_owned(),
        (Lang::Chinese, TaskStatus::Failed) => "失败".to_owned(),
        (Lang::Chinese, TaskStatus::Succeeded) => "成功".to_owned(),
        (Lang::Chinese, TaskStatus::Retrying) => "重试中".to_owned(),
        (Lang::Chinese, status) => format!("状态 {}", status.number()),
    }
}
