//! One table of scenarios, three drivers, and the service in memory, on wiremock and as a program: what a client sends and returns
//! must not depend on its transport, nor on where the service runs.
//!
//! The requests and results under all drivers are compared with each other and with what each row expects; times in virtual
//! time are not, nor are the texts of lower layers.

mod comparison;
mod faults;

use std::collections::HashSet;
use std::sync::RwLock;

use pan123_tests::drivers::{Driver, drivers_with_program};
use pan123_tests::scenario::Scenario;
use pan123_tests::table::rows;

const EVERY_DRIVER: [Driver; 5] = drivers_with_program(env!("CARGO_BIN_EXE_worker"));

/// The faults are timeouts in real time: while they run, nothing else does.
static TIMING: RwLock<()> = RwLock::new(());

mod all_drivers_agree_on {
    use std::sync::PoisonError;

    use pan123_tests::compare::assert_drivers_agree;
    use pan123_tests::scenario::Scenario;

    fn all_drivers_agree(rows: Vec<Scenario>) {
        let timing = super::TIMING.read();
        let _timing = timing.unwrap_or_else(PoisonError::into_inner);
        for row in rows {
            assert_drivers_agree(&super::EVERY_DRIVER, &row);
        }
    }

    pan123_tests::test_each_part!(all_drivers_agree);
}

#[test]
fn names_and_seeds_are_unique() {
    let rows: Vec<Scenario> = rows().collect();
    let seeds: HashSet<u64> = rows.iter().map(|row| row.seed).collect();
    assert_eq!(seeds.len(), rows.len());
}
