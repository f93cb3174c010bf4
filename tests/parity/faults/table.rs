//! Parses `tests/faults.md`. How to add a row: see "Add a parity row" in CONTRIBUTING.md.

use std::time::Duration;

use crate::faults::cell::Cell;
use crate::faults::row::Op;

/// A row: a fault and its consequences.
#[derive(Debug)]
pub(crate) struct Expected {
    pub(crate) fault: String,
    /// None where the fault cannot happen.
    progress: Option<Cell>,
    create: Option<Cell>,
    /// The minimum and maximum time, at the default settings.
    pub(crate) bound: (Duration, Duration),
}

impl Expected {
    pub(crate) fn cell(&self, op: Op) -> Option<&Cell> {
        match op {
            Op::Progress => self.progress.as_ref(),
            Op::Create => self.create.as_ref(),
        }
    }
}

/// All rows of all tables of a text, without headings.
pub(crate) fn rows(text: &str) -> impl Iterator<Item = Expected> {
    let lines = text.lines().filter(|line| line.starts_with('|'));
    let rows = lines.map(|line| line.trim_matches('|').split('|').map(str::trim));
    rows.map(Iterator::collect::<Vec<_>>)
        .filter(|row| row[0] != "fault" && !row[0].starts_with("---"))
        .map(|row| match row[..] {
            [fault, progress, create, bound] => Expected {
                fault: fault.to_owned(),
                progress: Cell::read(progress),
                create: Cell::read(create),
                bound: read_bound(bound),
            },
            _ => panic!("a row has four cells: {row:?}"),
        })
}

/// `≤ 12 s`, or `3 s to 12 s`, or `at once`.
fn read_bound(text: &str) -> (Duration, Duration) {
    if text == "at once" {
        return (Duration::ZERO, Duration::ZERO);
    }
    let (min, max) = match text.strip_prefix("≤ ") {
        Some(max) => ("0 s", max),
        None => text.split_once(" to ").expect("a bound"),
    };
    (seconds(min), seconds(max))
}

fn seconds(text: &str) -> Duration {
    let number = text.strip_suffix(" s").and_then(|text| text.parse().ok());
    Duration::from_secs(number.unwrap_or_else(|| panic!("`{text}` are no seconds")))
}

#[test]
fn table_is_parsed() {
    let text = "## Heading\n\n| fault | `progress` | `create` | time |\n|---|---|---|---|\n\
                | late, and cut | the data, 2 requests | – | 3 s to 12 s |\n\
                | gone | `Http` (HTTP 404), 1 request | `Ambiguous`, 1 request, 1 task | at once |\n";
    let [late, gone] = rows(text).collect::<Vec<_>>().try_into().unwrap();
    assert_eq!(late.fault, "late, and cut");
    assert!(late.cell(Op::Progress).is_some() && late.cell(Op::Create).is_none());
    let seconds = Duration::from_secs;
    assert_eq!(late.bound, (seconds(3), seconds(12)));
    assert_eq!(gone.bound, (seconds(0), seconds(0)));
    assert!(gone.cell(Op::Create).is_some());
}
