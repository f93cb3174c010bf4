//! The ledger in PostgreSQL. `.ci/postgres cargo test -p pan123-ledger --features postgres` starts a server for these tests; without
//! one they are skipped.

mod clients;
mod faults;
mod holders;
mod machines;
mod notes;
mod pace;
mod processes;
mod server;
mod tokens;

use std::time::SystemTime;

use pan123_proto::ledger::{
    Claimed, Fence, ItemId, Ledger, LedgerAnswer, LedgerFault, LedgerOp, OpenLedger, Transaction,
    conformance,
};

use crate::common::model::assert_answers_as_memory;
use crate::common::{account, item, task};
use server::server;

fn ask(ledger: &mut dyn OpenLedger, op: LedgerOp) -> Result<LedgerAnswer, LedgerFault> {
    let answers = ledger.run(Transaction::new(SystemTime::now(), vec![op]));
    answers.map(|mut answers| answers.remove(0))
}

fn add(ledger: &mut dyn OpenLedger, count: usize) {
    let items = (1..=count).map(item).collect();
    let added = ask(ledger, LedgerOp::Add(items));
    assert_eq!(added, Ok(LedgerAnswer::Added(count)));
}

fn claim(ledger: &mut dyn OpenLedger, create: usize) -> Claimed {
    let claim = LedgerOp::Claim { create, follow: 10 };
    match ask(ledger, claim) {
        Ok(LedgerAnswer::Claimed(claimed)) => claimed,
        other => panic!("{other:?}"),
    }
}

/// Claims an item, and takes the right to send it.
fn intend_one(ledger: &mut dyn OpenLedger) -> (ItemId, Fence) {
    let claimed = claim(ledger, 1);
    let (item, fence) = (claimed.to_create[0].0, claimed.to_create[0].1.fence);
    let intended = ask(ledger, LedgerOp::Intend { item, fence });
    assert_eq!(intended, Ok(LedgerAnswer::Done));
    (item, fence)
}

fn total(ledger: &mut dyn OpenLedger) -> u64 {
    match ask(ledger, LedgerOp::Counts) {
        Ok(LedgerAnswer::Counts(counts)) => counts.total(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn it_passes_the_suite_of_every_ledger() {
    let Some(server) = server() else {
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

#[test]
fn it_answers_as_the_ledger_in_memory_does() {
    for seed in 0..2 {
        let Some(server) = server() else {
            return;
        };
        let ledger = server.ledger().callers_clock();
        assert_answers_as_memory(&ledger, seed);
    }
}
