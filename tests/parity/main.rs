//! One table of scenarios, three drivers: what a client sends and answers must not depend on what carries its bytes.
//!
//! Each module is a part of the table. A row says what is done, once for all drivers, and what must come of it. The requests and the
//! results of the three are compared with each other besides; the (virtual) times are not, nor are the texts of lower layers.

mod answers;
mod compared;
mod limits;
mod lost;
mod tasks;
mod together;
mod tokens;

use std::collections::HashSet;

use pan123_proto::offline::{Download, WatchPolicy};
use pan123_tests::compare::check;
use pan123_tests::drivers::DRIVERS;
use pan123_tests::scenario::{Call, Of, Scenario};

const PARTS: [fn() -> Vec<Scenario>; 6] = [
    answers::table,
    limits::table,
    lost::table,
    tasks::table,
    together::table,
    tokens::table,
];

fn hold(table: fn() -> Vec<Scenario>) {
    for scenario in table() {
        check(&DRIVERS, &scenario);
    }
}

#[test]
fn answers_mean_the_same() {
    hold(answers::table);
}

#[test]
fn limits_are_kept_the_same() {
    hold(limits::table);
}

#[test]
fn what_is_lost_is_treated_the_same() {
    hold(lost::table);
}

#[test]
fn tasks_are_followed_the_same() {
    hold(tasks::table);
}

#[test]
fn many_at_once_share_the_same() {
    hold(together::table);
}

#[test]
fn tokens_live_the_same() {
    hold(tokens::table);
}

#[test]
fn every_row_has_a_name_and_a_seed_of_its_own() {
    let rows: Vec<Scenario> = PARTS.iter().flat_map(|table| table()).collect();
    let seeds: HashSet<u64> = rows.iter().map(|row| row.seed).collect();
    assert_eq!(seeds.len(), rows.len());
}

fn download() -> Download {
    Download::new("https://example.com/video.mp4").expect("a URL")
}

fn create() -> Call {
    Call::Create(download())
}

fn watch() -> Call {
    Call::Watch(Of::Last, WatchPolicy::default())
}

/// A task that nobody created, for answers that are prepared.
const PROGRESS: Call = Call::Progress(Of::Task(7));
