//! What a monitoring system reads, in the text format of Prometheus.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use pan123_async::proto::batch::ItemChange;
use pan123_async::proto::ledger::{Counts, ItemState};

use crate::requests::Requests;

#[derive(Debug, Default)]
pub(super) struct Metrics {
    requests: Requests,
    /// What happened to downloads since the start.
    changes: Mutex<BTreeMap<&'static str, u64>>,
}

impl Metrics {
    pub(super) fn new(requests: Requests) -> Metrics {
        Metrics {
            requests,
            changes: Mutex::default(),
        }
    }

    pub(super) fn count(&self, change: &ItemChange) {
        let name = match change {
            ItemChange::Created(_) => "created",
            ItemChange::Succeeded(_) => "succeeded",
            ItemChange::WillRetry { .. } => "will_retry",
            ItemChange::Failed { .. } => "failed",
            ItemChange::Unconfirmed { .. } => "unconfirmed",
            ItemChange::Confirmed(_) => "confirmed",
            ItemChange::Unrecorded(_) => "unrecorded",
            ItemChange::Stray(_) => "stray",
            _ => return,
        };
        let mut changes = self.changes.lock().unwrap_or_else(PoisonError::into_inner);
        *changes.entry(name).or_default() += 1;
    }

    /// Returns all of them, with the totals of the ledger and the number of open sockets.
    pub(super) fn text(&self, counts: &Counts, sockets: usize, now: Instant) -> String {
        let mut text = Text::default();
        text.family(
            "pan123_downloads",
            "gauge",
            "Downloads of the ledger by state; unconfirmed ones wait for somebody.",
        );
        for state in ItemState::ALL {
            text.value(&format!("state=\"{state}\""), counts.of(state));
        }
        text.family(
            "pan123_download_changes_total",
            "counter",
            "What happened to downloads since the start.",
        );
        let changes = self.changes.lock().unwrap_or_else(PoisonError::into_inner);
        for (change, count) in &*changes {
            text.value(&format!("change=\"{change}\""), *count);
        }
        text.family(
            "pan123_requests_total",
            "counter",
            "Requests to 123pan since the start, by purpose and answer; 401 is a rejected token, 429 too many requests.",
        );
        for ((purpose, answer), count) in self.requests.by_answer() {
            let labels = format!(
                "purpose=\"{}\",answer=\"{}\"",
                purpose.name(),
                answer.name()
            );
            text.value(&labels, count);
        }
        text.family(
            "pan123_poll_interval_seconds",
            "gauge",
            "The mean time between two polls of a running task over the last minute: how late its end is known at most, about.",
        );
        if let Some(interval) = self.poll_interval(counts.of(ItemState::Running), now) {
            text.value("", format!("{interval:.1}"));
        }
        text.family("pan123_sockets", "gauge", "Open WebSockets.");
        text.value("", sockets);
        text.text
    }

    /// Returns none if there were no polls.
    #[allow(
        clippy::cast_precision_loss,
        reason = "nobody has so many tasks that it matters"
    )]
    fn poll_interval(&self, running: u64, now: Instant) -> Option<f64> {
        let polls = self.requests.recent_polls(now);
        (polls > 0 && running > 0).then(|| running as f64 * 60.0 / polls as f64)
    }
}

/// Metrics as text.
#[derive(Debug, Default)]
struct Text {
    text: String,
    name: &'static str,
}

impl Text {
    fn family(&mut self, name: &'static str, kind: &str, help: &str) {
        self.name = name;
        // Writing to a string does not fail.
        let _ = writeln!(self.text, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn value(&mut self, labels: &str, value: impl std::fmt::Display) {
        let name = self.name;
        let _ = if labels.is_empty() {
            writeln!(self.text, "{name} {value}")
        } else {
            writeln!(self.text, "{name}{{{labels}}} {value}")
        };
    }
}

#[cfg(test)]
mod tests {
    use pan123_async::TaskId;
    use pan123_async::proto::ledger::Window;

    use super::*;

    #[test]
    fn each_family_is_described_before_its_values() {
        let metrics = Metrics::default();
        let task = TaskId::new(1).unwrap();
        metrics.count(&ItemChange::Created(task));
        metrics.count(&ItemChange::Resumed(task));
        metrics.count(&ItemChange::Succeeded(None));
        metrics.count(&ItemChange::Succeeded(None));
        let count = |state| u64::from(state == ItemState::Unconfirmed) * 3;
        let counts = Counts::new(count, Window::default());
        let text = metrics.text(&counts, 2, Instant::now());
        for line in [
            "pan123_downloads{state=\"unconfirmed\"} 3",
            "pan123_downloads{state=\"queued\"} 0",
            "pan123_download_changes_total{change=\"created\"} 1",
            "pan123_download_changes_total{change=\"succeeded\"} 2",
            "pan123_sockets 2",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
        let mut described = "";
        for line in text.lines() {
            if let Some(kind) = line.strip_prefix("# TYPE ") {
                described = kind.split(' ').next().unwrap();
            } else if !line.starts_with('#') {
                let name = line.split(['{', ' ']).next().unwrap();
                assert_eq!(name, described);
            }
        }
    }
}
