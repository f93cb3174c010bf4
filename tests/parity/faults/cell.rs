//! A cell of the table: what a call gives, and what arrived to the server for it.

use std::fmt;
use std::ops::RangeInclusive;

use pan123_mock::path;
use pan123_proto::TransportErrorKind;
use pan123_tests::observed::{Observed, Outcome};

use crate::faults::row::Op;

/// The task of [`TASK_ON_ITS_WAY`](pan123_tests::service_access::TASK_ON_ITS_WAY), as it goes on.
const PROGRESS: &str = "Progress { percent: Some(37.5), status: Retrying }";

/// In words, `the response, 2 requests, 1 task`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cell {
    pub(crate) result: String,
    pub(crate) requests: RangeInclusive<usize>,
    /// How many downloads exist because of it; only of a create.
    pub(crate) tasks: Option<usize>,
    /// Only where it matters.
    pub(crate) token_requests: Option<RangeInclusive<usize>>,
}

impl Cell {
    /// None if the cell is empty.
    pub(crate) fn read(text: &str) -> Option<Cell> {
        if text == "–" {
            return None;
        }
        let mut cell = Cell {
            result: String::new(),
            requests: 0..=0,
            tasks: None,
            token_requests: None,
        };
        let mut result = Vec::new();
        for part in text.split(", ") {
            match read_count(part) {
                Some((range, "request" | "requests")) => cell.requests = range,
                Some((range, "task" | "tasks")) => cell.tasks = Some(*range.end()),
                Some((range, "token request" | "token requests")) => {
                    cell.token_requests = Some(range);
                }
                _ => result.push(part),
            }
        }
        cell.result = result.join(", ");
        Some(cell)
    }

    /// What the last `calls` calls did.
    pub(crate) fn of(observed: &Observed, op: Op, calls: usize) -> Cell {
        let arrived = observed.arrived(op.path());
        let of_tokens = observed.arrived(path::ACCESS_TOKEN);
        let results = &observed.results[observed.results.len() - calls..];
        Cell {
            result: written_results(results, observed, op),
            requests: arrived..=arrived,
            tasks: (op == Op::Create).then_some(observed.tasks),
            token_requests: Some(of_tokens..=of_tokens),
        }
    }

    /// Whether this is what the table says.
    pub(crate) fn is(&self, expected: &Cell) -> bool {
        let as_said = |expected: &RangeInclusive<usize>, arrived: &RangeInclusive<usize>| {
            expected.contains(arrived.start()) && expected.contains(arrived.end())
        };
        let tokens = match (&expected.token_requests, &self.token_requests) {
            (Some(expected), Some(arrived)) => as_said(expected, arrived),
            (expected, _) => expected.is_none(),
        };
        self.result == expected.result
            && as_said(&expected.requests, &self.requests)
            && self.tasks == expected.tasks
            && tokens
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {}", self.result, count(&self.requests, "request"))?;
        if let Some(tasks) = self.tasks {
            write!(f, ", {}", count(&(tasks..=tasks), "task"))?;
        }
        if let Some(requests) = &self.token_requests {
            write!(f, ", {}", count(requests, "token request"))?;
        }
        Ok(())
    }
}

/// `3 requests` or `≤ 3 requests`, with what is counted.
fn read_count(text: &str) -> Option<(RangeInclusive<usize>, &str)> {
    let (at_most, text) = match text.strip_prefix("≤ ") {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (number, unit) = text.split_once(' ')?;
    let max = number.parse().ok()?;
    let min = if at_most { 1 } else { max };
    Some((min..=max, unit))
}

fn count(range: &RangeInclusive<usize>, unit: &str) -> String {
    let max = *range.end();
    let at_most = if *range.start() < max { "≤ " } else { "" };
    let plural = if max == 1 { "" } else { "s" };
    format!("{at_most}{max} {unit}{plural}")
}

/// Each different result, with its count.
fn written_results(results: &[Outcome], observed: &Observed, op: Op) -> String {
    let mut expected: Vec<(String, usize)> = Vec::new();
    for outcome in results {
        let text = in_words(outcome, observed, op);
        match expected.iter_mut().find(|(known, _)| *known == text) {
            Some((_, times)) => *times += 1,
            None => expected.push((text, 1)),
        }
    }
    let expected = expected.into_iter().map(|(text, times)| match times {
        1 => text,
        times => format!("{times} × {text}"),
    });
    expected.collect::<Vec<_>>().join("; ")
}

fn in_words(outcome: &Outcome, observed: &Observed, op: Op) -> String {
    if outcome.kind == "ok" {
        let is_true = match op {
            Op::Progress => outcome.value == PROGRESS,
            Op::Create => {
                let id = |id: &u64| outcome.value == format!("TaskId({id})");
                observed.task_ids.iter().any(id)
            }
        };
        return if is_true {
            "the data".to_owned()
        } else {
            format!("`{}`", outcome.value)
        };
    }
    let trace = outcome.trace.as_ref().map(|_| "trace id".to_owned());
    let details = [
        outcome.code.map(|code| format!("code `{code:?}`")),
        outcome.status.and_then(|status| of_status(status, outcome)),
        outcome.reached.map(|reached| of_reach(reached).to_owned()),
        outcome.code.and(trace),
        outcome
            .retry_after
            .filter(|wait| wait.as_secs() > 60)
            .map(|wait| format!("again in {} s", wait.as_secs())),
        (outcome.kind == "TokenStore" && outcome.retryable).then(|| "may pass".to_owned()),
    ];
    let details: Vec<String> = details.into_iter().flatten().collect();
    if details.is_empty() {
        format!("`{}`", outcome.kind)
    } else {
        format!("`{}` ({})", outcome.kind, details.join("; "))
    }
}

/// The service rejects with HTTP 200 and a code: then the status says nothing.
fn of_status(status: u16, outcome: &Outcome) -> Option<String> {
    match (status, outcome.code) {
        (200, Some(_)) => None,
        (200..300, None) => Some(format!("HTTP {status}, unreadable")),
        _ => Some(format!("HTTP {status}")),
    }
}

fn of_reach(reached: TransportErrorKind) -> &'static str {
    match reached {
        TransportErrorKind::NeverLeft => "never left",
        TransportErrorKind::TimedOut => "timed out",
        TransportErrorKind::Interrupted => "cut off",
        TransportErrorKind::BodyTooLarge => "too large",
        _ => "otherwise",
    }
}

#[test]
fn cell_is_written_as_it_is_read() {
    for text in [
        "the data, 2 requests",
        "`RateLimited`, ≤ 20 requests",
        "`Ambiguous` (HTTP 200, unreadable), 1 request, 0 tasks",
        "64 × the data, 64 requests, 64 tasks, 1 token request",
    ] {
        let cell = Cell::read(text).unwrap();
        assert_eq!(cell.to_string(), text);
        assert!(cell.is(&cell));
        let more = Cell {
            requests: 99..=99,
            ..cell.clone()
        };
        assert!(!more.is(&cell));
    }
    assert_eq!(Cell::read("–"), None);
}
