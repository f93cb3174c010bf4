//! The ledger in PostgreSQL. `.ci/postgres cargo test -p pan123-ledger --features postgres` starts a server for these tests; without
//! one they are skipped.

#![allow(clippy::unwrap_used, reason = "helpers of tests unwrap as tests do")]

mod server;

use pan123_proto::ledger::{Ledger, conformance};

use server::server;

#[test]
fn it_passes_the_suite_of_every_ledger() {
    let Some(server) = server("conformance") else {
        return;
    };
    let mut cases = 0;
    let admin = server.admin();
    conformance::run(&mut || {
        if cases > 0 {
            // Faster than another schema.
            admin.ask("DELETE FROM ledgers; DELETE FROM items; DELETE FROM workers");
        }
        cases += 1;
        let ledger = server.ledger_of(&server.url, &format!("spill-{cases}"));
        Box::new(ledger.callers_clock()) as Box<dyn Ledger>
    });
    assert!(cases > 10, "{cases} cases");
}
