//! The ledger of a batch: what is to be downloaded, what was sent, and what came of it, so that a restart loses nothing and sends
//! nothing twice.
//!
//! An item is queued, then claimed by a worker, then *intended*: from then on it may have been sent. The right to send is that one
//! durable step, not a lease. A lease only decides which worker is alive; what a dead one held is taken over by the others.
//!
//! A ledger of your own stores rows: implement [`Table`], and [`run`] has every rule. The suite in `conformance` proves it.

mod ask;
#[cfg(feature = "conformance")]
pub mod conformance;
mod item;
mod lines;
mod memory;
mod op;
mod rules;
mod table;
mod window;

pub use ask::ChangeError;
pub use item::{Fence, Item, ItemId, ItemKey, ItemState, Millis, WorkerId};
pub use lines::{LineError, check_header_line, export_line, header_line, read_line};
pub use memory::MemoryLedger;
pub use op::{
    Claimed, Counts, Ending, LedgerAnswer, LedgerFault, LedgerOp, ListItems, NewItem, Notice,
    Transaction,
};
pub use rules::{Refusal, Verdict};
pub use table::{Head, Table, Terms, run};
pub use window::Window;

use crate::ids::TaskId;
use crate::machine::token_store::Account;

/// A ledger that keeps the items of a batch. [`MemoryLedger`] keeps them in memory, `pan123-ledger` in a file.
pub trait Ledger: Send + Sync + 'static {
    /// Opens the ledger for one worker: one batch of one process.
    ///
    /// # Errors
    ///
    /// [`LedgerFault`] if it cannot be opened, or belongs to another account.
    fn open(&self, account: &Account) -> Result<Box<dyn OpenLedger>, LedgerFault>;
}

/// A ledger that one worker uses. Dropping it gives up what the worker holds.
pub trait OpenLedger: Send {
    /// Carries out a transaction and returns an answer for each operation, in their order. All of it is durable then.
    ///
    /// # Errors
    ///
    /// [`LedgerFault`] says whether any of it may have happened.
    fn run(&mut self, transaction: Transaction) -> Result<Vec<LedgerAnswer>, LedgerFault>;

    /// Returns how many task ids [`spill`](OpenLedger::spill) can still keep: no more creates than that are in flight. A ledger that
    /// cannot fill up needs none.
    fn spill_room(&self) -> usize {
        usize::MAX
    }

    /// Keeps a task id that the ledger does not take, where there is room for it whatever happens, until the ledger takes it.
    ///
    /// # Errors
    ///
    /// [`LedgerFault`] if it cannot be kept there either.
    fn spill(&mut self, task: SpilledTask) -> Result<(), LedgerFault> {
        let SpilledTask { task, .. } = task;
        Err(LedgerFault::Broken(format!(
            "task {task} cannot be kept: the ledger has no spill"
        )))
    }
}

/// A task id that the ledger has not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SpilledTask {
    /// The item.
    pub item: ItemId,
    /// The claim.
    pub fence: Fence,
    /// The task.
    pub task: TaskId,
}

impl SpilledTask {
    /// Creates the entry of a spill.
    pub fn new(item: ItemId, fence: Fence, task: TaskId) -> SpilledTask {
        SpilledTask { item, fence, task }
    }
}
