//! The suite that every ledger must pass, on the ledger in memory, and on broken ones.

use std::panic::catch_unwind;

use pan123_proto::Account;
use pan123_proto::ledger::{
    Ledger, LedgerAnswer, LedgerFault, LedgerOp, MemoryLedger, OpenLedger, Transaction, conformance,
};

#[test]
fn ledger_in_memory_passes() {
    conformance::run(&mut || Box::new(MemoryLedger::new()));
}

/// How a ledger is broken.
#[derive(Clone, Copy, Debug)]
enum Fault {
    /// Every claim counts, however old.
    NoFences,
    /// The last transaction of a worker that is gone is undone: here, its intents.
    ForgetsIntents,
    /// A worker that was taken over is not told.
    NeverLost,
    /// An ended item is told to everybody who asks.
    EndsTwice,
}

struct Broken(MemoryLedger, Fault);

struct OpenBroken {
    ledger: Box<dyn OpenLedger>,
    fault: Fault,
}

impl Ledger for Broken {
    fn open(&self, account: &Account) -> Result<Box<dyn OpenLedger>, LedgerFault> {
        Ok(Box::new(OpenBroken {
            ledger: self.0.open(account)?,
            fault: self.1,
        }))
    }
}

impl OpenLedger for OpenBroken {
    fn run(&mut self, mut transaction: Transaction) -> Result<Vec<LedgerAnswer>, LedgerFault> {
        let mut intends = Vec::new();
        for (index, op) in transaction.ops.iter_mut().enumerate() {
            if let LedgerOp::Intend { .. } = op {
                intends.push(index);
                if let Fault::ForgetsIntents = self.fault {
                    *op = LedgerOp::Hold(Vec::new());
                }
            }
        }
        let mut answers = self.ledger.run(transaction)?;
        for (index, answer) in answers.iter_mut().enumerate() {
            match (self.fault, &*answer) {
                (Fault::NoFences, LedgerAnswer::Lost) if intends.contains(&index) => {
                    *answer = LedgerAnswer::Done;
                }
                (Fault::EndsTwice, LedgerAnswer::Lost) => *answer = LedgerAnswer::Done,
                (Fault::NeverLost, LedgerAnswer::Lost) => {
                    *answer = LedgerAnswer::Beaten(Vec::new());
                }
                _ => {}
            }
        }
        Ok(answers)
    }
}

#[test]
fn broken_ledgers_do_not_pass() {
    for fault in [
        Fault::NoFences,
        Fault::ForgetsIntents,
        Fault::NeverLost,
        Fault::EndsTwice,
    ] {
        let run = || {
            conformance::run(&mut || Box::new(Broken(MemoryLedger::new(), fault)));
        };
        assert!(catch_unwind(run).is_err(), "{fault:?} passes");
    }
}
