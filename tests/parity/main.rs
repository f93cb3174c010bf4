//! One table of scenarios, three drivers, three faces of the service: what a client sends and answers must not depend on what carries
//! its bytes, and not on where the service runs.
//!
//! The requests and the results of all are compared with each other, besides what each row demands; the (virtual) times are
//! not, nor are the texts of lower layers.

mod compared;

use std::collections::HashSet;

use pan123_tests::compare::check;
use pan123_tests::drivers::{Driver, faces};
use pan123_tests::scenario::Scenario;
use pan123_tests::table::{PARTS, rows};

const FACES: [Driver; 5] = faces(env!("CARGO_BIN_EXE_the_mock"));

fn hold(part: &str) {
    let part = PARTS.iter().find(|it| it.name == part);
    for scenario in (part.expect("it is a part of the table").rows)() {
        check(&FACES, &scenario);
    }
}

#[test]
fn answers_mean_the_same() {
    hold("answers");
}

#[test]
fn the_drive_is_changed_the_same() {
    hold("drive");
}

#[test]
fn faults_are_borne_the_same() {
    hold("faults");
}

#[test]
fn the_service_decides_the_same() {
    hold("service");
}

#[test]
fn a_shared_store() {
    hold("shared_store");
}

#[test]
fn limits_are_kept_the_same() {
    hold("limits");
}

#[test]
fn lists_are_read_the_same() {
    hold("lists");
}

#[test]
fn apps_act_for_their_users_the_same() {
    hold("oauth");
}

#[test]
fn paths_lead_to_the_same() {
    hold("paths");
}

#[test]
fn what_is_lost_is_treated_the_same() {
    hold("lost");
}

#[test]
fn tasks_are_followed_the_same() {
    hold("tasks");
}

#[test]
fn many_at_once_share_the_same() {
    hold("together");
}

#[test]
fn tokens_live_the_same() {
    hold("tokens");
}

#[test]
fn every_row_has_a_name_and_a_seed_of_its_own() {
    let rows: Vec<Scenario> = rows().collect();
    let seeds: HashSet<u64> = rows.iter().map(|row| row.seed).collect();
    assert_eq!(seeds.len(), rows.len());
}
