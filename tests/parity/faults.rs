//! Checks the table of faults, `tests/faults.md`.
//!
//! Each row of the table names a fault and its consequences; [`scenarios`] has a scenario for each name. Every
//! row runs with a `progress` and with a `create`, over real sockets with both adapters and in memory; results, requests
//! and tasks must be those of the table. The driver in memory checks the time with the default settings.

mod cell;
mod row;
mod scenarios;
mod table;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use row::{Op, Row};

const TABLE: &str = include_str!("../faults.md");

/// Rows run concurrently, since most of their time is spent waiting for timeouts.
const CONCURRENT_ROWS: usize = 6;

#[test]
fn every_fault_has_the_consequences_of_the_table() {
    let timing = crate::TIMING.write();
    let _timing = timing.unwrap_or_else(PoisonError::into_inner);
    let rows = paired();
    let cells: Vec<(&Row, Op)> = rows
        .iter()
        .flat_map(|row| [Op::Progress, Op::Create].map(|op| (row, op)))
        .collect();
    let next = AtomicUsize::new(0);
    let wrong = Mutex::new(Vec::new());
    let work = || {
        while let Some((row, op)) = cells.get(next.fetch_add(1, Ordering::Relaxed)) {
            let found = row.check(*op);
            wrong.lock().unwrap().extend(found);
        }
    };
    thread::scope(|scope| {
        for _ in 0..CONCURRENT_ROWS {
            scope.spawn(work);
        }
    });
    let mut wrong = wrong.into_inner().unwrap();
    wrong.sort();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A batch sends again what was certainly not carried out, and nothing else.
#[test]
fn batch_meets_every_fault() {
    let wrong: Vec<String> = paired().iter().filter_map(Row::check_batch).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_row_has_a_scenario_and_every_scenario_a_row() {
    let mut rows: Vec<String> = table::rows(TABLE).map(|row| row.fault).collect();
    let mut faults: Vec<String> = scenarios::all()
        .map(|fault| fault.name.to_owned())
        .collect();
    rows.sort();
    faults.sort();
    assert_eq!(rows, faults);
    rows.dedup();
    assert_eq!(rows.len(), faults.len(), "no name twice");
}

/// The rows with their faults.
fn paired() -> Vec<Row> {
    let mut faults: Vec<_> = scenarios::all().collect();
    table::rows(TABLE)
        .filter_map(|expected| {
            let position = faults
                .iter()
                .position(|fault| fault.name == expected.fault)?;
            let fault = faults.swap_remove(position);
            Some(Row { fault, expected })
        })
        .collect()
}
