//! One table of scenarios, three drivers, three drivers_with_program of the service: what a client sends and answers must not depend on what carries
//! its bytes, and not on where the service runs.
//!
//! The requests and the results of all are compared with each other, besides what each row demands; the (virtual) times are
//! not, nor are the texts of lower layers.

mod comparison;
mod faults;

use std::collections::HashSet;

use pan123_tests::drivers::{Driver, drivers_with_program};
use pan123_tests::scenario::Scenario;
use pan123_tests::table::rows;

const EVERY_DRIVER: [Driver; 5] = drivers_with_program(env!("CARGO_BIN_EXE_the_mock"));

mod all_drivers_agree_on {
    use pan123_tests::compare::assert_drivers_agree;
    use pan123_tests::scenario::Scenario;

    fn all_drivers_agree(rows: Vec<Scenario>) {
        for row in rows {
            assert_drivers_agree(&super::EVERY_DRIVER, &row);
        }
    }

    pan123_tests::test_each_part!(all_drivers_agree);
}

#[test]
fn every_row_has_a_name_and_a_seed_of_its_own() {
    let rows: Vec<Scenario> = rows().collect();
    let seeds: HashSet<u64> = rows.iter().map(|row| row.seed).collect();
    assert_eq!(seeds.len(), rows.len());
}
