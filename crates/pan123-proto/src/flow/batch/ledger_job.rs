//! What a batch asks of its ledger.

use std::fmt;

use crate::ledger::{LedgerAnswer, LedgerFault, OpenLedger, SpilledTask, Transaction};

/// A request to the ledger: to run where it may block, and to hand back to [`Batch::recorded`](super::Batch::recorded).
#[must_use = "it must be run and handed back"]
pub struct LedgerJob {
    pub(super) ledger: Box<dyn OpenLedger>,
    pub(super) request: Request,
    pub(super) reply: Option<Reply>,
}

#[derive(Clone, Debug)]
pub(super) enum Request {
    Run(Transaction),
    Spill(Vec<SpilledTask>),
}

#[derive(Debug)]
pub(super) enum Reply {
    Ran(Result<Vec<LedgerAnswer>, LedgerFault>),
    Spilled {
        kept: Vec<SpilledTask>,
        /// Why the others were not, if any.
        fault: Option<LedgerFault>,
    },
}

impl LedgerJob {
    /// Asks the ledger, and waits for its answer.
    pub fn run(&mut self) {
        let ledger = &mut self.ledger;
        self.reply = Some(match self.request.clone() {
            Request::Run(transaction) => Reply::Ran(ledger.run(transaction)),
            Request::Spill(tasks) => {
                let mut kept = Vec::new();
                let mut fault = None;
                for task in tasks {
                    match ledger.spill(task) {
                        Ok(()) => kept.push(task),
                        Err(failed) => fault = Some(failed),
                    }
                }
                Reply::Spilled { kept, fault }
            }
        });
    }
}

impl fmt::Debug for LedgerJob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LedgerJob")
            .field("request", &self.request)
            .field("reply", &self.reply)
            .finish_non_exhaustive()
    }
}
