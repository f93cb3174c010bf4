//! One run of a batch, as data, and what is observed of it.

use std::time::SystemTime;

use pan123_proto::FileId;
use pan123_proto::batch::{BatchEvent, BatchHandle, BatchPolicy, BatchReport, ItemChange};
use pan123_proto::ledger::{
    Item, ItemKey, LedgerAnswer, LedgerFault, LedgerOp, ListItems, NewItem, OpenLedger, Transaction,
};
use pan123_proto::offline::{CallbackNotice, Download};
use serde_json::json;

use crate::observed::{Observed, Outcome};

/// A batch: its items, and what happens while it runs.
#[derive(Clone, Debug)]
pub struct BatchRun {
    /// The items.
    pub items: Vec<NewItem>,
    /// The limits.
    pub policy: BatchPolicy,
    /// What is done after an event, once each.
    pub cues: Vec<Cue>,
    /// After how many pauses it is stopped.
    pub max_pauses: usize,
}

/// What is done after the first event of this kind.
#[derive(Clone, Debug)]
pub struct Cue {
    /// The key of an item, or nothing for an event of the batch.
    key: &'static str,
    /// The kind of the event.
    kind: &'static str,
    /// What is done.
    deed: Deed,
}

/// What is done with the handle of a batch.
#[derive(Clone, Copy, Debug)]
pub enum Deed {
    /// It is stopped.
    Stop,
    /// A callback comes for this item. It tells of success, and names this file.
    Notify(&'static str, u64),
    /// It is asked to look at the task of this item.
    Nudge(&'static str),
}

/// A key of an item.
///
/// # Panics
///
/// If it is empty or too long.
#[must_use]
pub fn key(key: &str) -> ItemKey {
    ItemKey::new(key).expect("a good key")
}

/// The URL of the item of this key.
#[must_use]
pub fn url(key: &str) -> String {
    format!("https://example.com/{key}")
}

/// An item whose file has the name of its key.
///
/// # Panics
///
/// If the key is no name of a file.
#[must_use]
pub fn item(name: &str) -> NewItem {
    let download = Download::new(url(name)).and_then(|download| download.file_name(name));
    NewItem::new(key(name), download.expect("a good name"))
}

impl BatchRun {
    /// A batch of these items.
    #[must_use]
    pub fn of(keys: &[&str]) -> BatchRun {
        BatchRun {
            items: keys.iter().map(|key| item(key)).collect(),
            policy: BatchPolicy::default(),
            cues: Vec::new(),
            max_pauses: usize::MAX,
        }
    }

    /// Stops it after this many pauses, if there are so many.
    #[must_use]
    pub fn max_pauses(self, max_pauses: usize) -> BatchRun {
        BatchRun { max_pauses, ..self }
    }

    /// Sets other limits.
    #[must_use]
    pub fn policy(self, policy: BatchPolicy) -> BatchRun {
        BatchRun { policy, ..self }
    }

    /// Does this after the first event of this kind of this item; of the batch, if the key is empty.
    #[must_use]
    pub fn after(mut self, key: &'static str, kind: &'static str, deed: Deed) -> BatchRun {
        self.cues.push(Cue { key, kind, deed });
        self
    }

    /// Starts to observe.
    #[must_use]
    pub fn observe(&self) -> BatchObserver {
        BatchObserver {
            cues: self.cues.clone(),
            pauses_left: self.max_pauses,
            outcomes: Vec::new(),
        }
    }
}

/// Notes the events of a batch, and does what belongs to them.
#[derive(Debug)]
pub struct BatchObserver {
    cues: Vec<Cue>,
    pauses_left: usize,
    outcomes: Vec<Outcome>,
}

impl BatchObserver {
    /// Something happened.
    pub fn on_event(&mut self, event: &BatchEvent, handle: &BatchHandle) {
        let outcome = outcome(event);
        let is_due = |cue: &Cue| outcome.kind == cue.kind && key_of(&outcome) == cue.key;
        if let Some(position) = self.cues.iter().position(is_due) {
            self.cues.remove(position).deed.act(handle);
        }
        if outcome.kind == "Paused" {
            self.pauses_left -= 1;
            if self.pauses_left == 0 {
                handle.stop();
            }
        }
        self.outcomes.push(outcome);
    }

    /// Returns the events, the report, and what the ledger has of each item.
    ///
    /// # Panics
    ///
    /// If something that belongs to an event was not done, or if the ledger fails.
    #[must_use]
    pub fn ended(
        mut self,
        report: Result<BatchReport, LedgerFault>,
        ledger: &mut dyn OpenLedger,
    ) -> Vec<Outcome> {
        let missed = (&self.cues, &self.outcomes);
        assert!(
            self.cues.is_empty(),
            "these events did not come: {missed:#?}"
        );
        let report = report.expect("the ledger works");
        self.outcomes.push(report_outcome(&report));
        let items = list(ledger).into_iter();
        self.outcomes.extend(items.map(|item| item_outcome(&item)));
        self.outcomes
    }
}

impl Deed {
    fn act(self, handle: &BatchHandle) {
        match self {
            Deed::Stop => handle.stop(),
            Deed::Notify(to, file) => handle.notify(key(to), &succeeded(file)),
            Deed::Nudge(to) => handle.nudge(key(to)),
        }
    }
}

/// A callback that tells of success.
fn succeeded(file: u64) -> CallbackNotice {
    let body = json!({ "url": "https://example.com/a", "status": 0, "fileID": file });
    CallbackNotice::parse(body.to_string().as_bytes()).expect("a notice")
}

/// Returns the items of a ledger.
///
/// # Panics
///
/// If the ledger fails.
#[must_use]
pub fn list(ledger: &mut dyn OpenLedger) -> Vec<Item> {
    let list = LedgerOp::List(ListItems::first(usize::MAX));
    let answers = ledger.run(Transaction::new(SystemTime::UNIX_EPOCH, vec![list]));
    match answers.expect("the ledger works").pop() {
        Some(LedgerAnswer::Page(items)) => items.into_iter().map(|(_, item)| item).collect(),
        other => panic!("not a page: {other:?}"),
    }
}

/// Neither the id of a task nor a time: which item is first depends on threads.
fn outcome(event: &BatchEvent) -> Outcome {
    match event {
        BatchEvent::Item { key, change, .. } => {
            let (kind, value, error) = match change {
                ItemChange::Created(_) => ("Created", String::new(), None),
                ItemChange::Resumed(_) => ("Resumed", String::new(), None),
                ItemChange::Progress(progress) => ("Progress", format!("{progress:?}"), None),
                ItemChange::PollFailed(error) => ("PollFailed", String::new(), Some(error)),
                ItemChange::Succeeded(file) => ("Succeeded", shown(file.as_ref()), None),
                ItemChange::WillRetry { reason, delay, .. } => (
                    "WillRetry",
                    format!("in {delay:?}: {}", anonymous(reason)),
                    None,
                ),
                ItemChange::Failed {
                    reason, attempts, ..
                } => {
                    let value = format!("after {attempts}: {}", anonymous(reason));
                    ("Failed", value, None)
                }
                ItemChange::Unconfirmed {
                    reason, candidates, ..
                } => {
                    let value = format!("{} candidates: {}", candidates.len(), cause(reason));
                    ("Unconfirmed", value, None)
                }
                ItemChange::Confirmed(file) => ("Confirmed", shown(Some(file)), None),
                ItemChange::Unrecorded(_) => ("Unrecorded", String::new(), None),
                ItemChange::Stray(_) => ("Stray", String::new(), None),
                other => ("another change", format!("{other:?}"), None),
            };
            let base = error.map_or_else(|| Outcome::ok(()), |error| failed(error));
            with(base, kind, format!("{}: {value}", key.as_str()))
        }
        BatchEvent::Paused { error, pause, .. } => {
            with(failed(error), "Paused", format!("{pause:?}"))
        }
        BatchEvent::WindowFull { running, .. } => {
            with(Outcome::ok(()), "WindowFull", format!("{running}"))
        }
        other => with(Outcome::ok(()), "another event", format!("{other:?}")),
    }
}

fn failed(error: &pan123_proto::Error) -> Outcome {
    Outcome::of::<()>(&Err(error.clone()))
}

fn with(outcome: Outcome, kind: &str, value: String) -> Outcome {
    Outcome {
        kind: kind.to_owned(),
        value,
        ..outcome
    }
}

fn shown(file: Option<&FileId>) -> String {
    file.map_or_else(|| "no file".to_owned(), |file| format!("file {file}"))
}

/// A reason without the number of its task.
fn anonymous(reason: &str) -> String {
    let words = reason.split(' ').map(|word| {
        let is_number = word.bytes().all(|byte| byte.is_ascii_digit());
        if is_number { "#" } else { word }
    });
    words.collect::<Vec<_>>().join(" ")
}

/// The part of a reason that no transport words.
fn cause(reason: &str) -> &str {
    reason.split(':').next().unwrap_or(reason)
}

fn report_outcome(report: &BatchReport) -> Outcome {
    let counts = [
        ("succeeded", report.succeeded()),
        ("failed", report.failed()),
        ("unconfirmed", report.unconfirmed()),
        ("running", report.running()),
        ("not submitted", report.not_submitted()),
    ];
    let counts = counts.iter().filter(|(_, count)| *count > 0);
    let counts: Vec<_> = counts
        .map(|(what, count)| format!("{count} {what}"))
        .collect();
    let limit = report.counts.window.limit;
    let limit = limit
        .map(|limit| format!("; limit {limit}"))
        .unwrap_or_default();
    let value = format!("{}{limit}", counts.join(", "));
    with(Outcome::ok(()), "Report", value)
}

fn item_outcome(item: &Item) -> Outcome {
    let mut value = format!("{}: {}", item.key.as_str(), item.state);
    for (what, count) in [
        ("attempts", item.attempts as usize),
        ("failures", item.failures as usize),
        ("other tasks", item.other_tasks.len()),
    ] {
        if count > 0 {
            value = format!("{value}, {count} {what}");
        }
    }
    if let Some(file) = item.file {
        value = format!("{value}, file {file}");
    }
    with(Outcome::ok(()), "Item", value)
}

fn key_of(outcome: &Outcome) -> &str {
    outcome.value.split_once(": ").map_or("", |(key, _)| key)
}

impl Observed {
    /// The kinds of the events of an item of batches, in order; of the batches themselves, if the key is empty.
    #[must_use]
    pub fn changes(&self, key: &str) -> Vec<&str> {
        let results = self.results.iter();
        let events = results.filter(|it| it.kind != "Item" && it.kind != "Report");
        let of_key = events.filter(|it| key_of(it) == key);
        of_key.map(|it| it.kind.as_str()).collect()
    }

    /// The reports of batches, in order.
    #[must_use]
    pub fn reports(&self) -> Vec<&str> {
        self.values_of("Report")
    }

    /// The items that the ledger has after each batch, in order.
    #[must_use]
    pub fn items(&self) -> Vec<&str> {
        self.values_of("Item")
    }

    fn values_of(&self, kind: &str) -> Vec<&str> {
        let results = self.results.iter().filter(|it| it.kind == kind);
        results.map(|it| it.value.as_str()).collect()
    }
}
