//! The ledger of a batch: what is to be downloaded, what was sent, and what came of it, so that a restart loses nothing and sends
//! nothing twice.
//!
//! An item is queued, then claimed by a worker, then *intended*: from then on it may have been sent. The right to send is that one
//! durable step, not a lease. A lease only decides which worker is alive; what a dead one held is taken over by the others.
//!
//! One whose worker died then, or whose response was lost, is *unconfirmed*, and is never sent again unless somebody
//! [settles](Verdict) it so.
//!
//! ```text
//!            claim          intend            created             end
//! queued ------------> claimed ----> intended --------> running -------> succeeded, failed
//!   ^  ^                  |            |   |              |
//!   |  +-- dead worker ---+            |   |              |
//!   +----- certainly not carried out --+   |              |
//!   +----- failed, to be sent again -------|--------------+
//!                                          v
//!                                     unconfirmed ----> whatever somebody settles
//! ```
//!
//! A [batch](crate::batch) does all of that by itself. A program that wants to see or settle items opens the ledger, too, while batches
//! work on it or when none does:
//!
//! ```
//! use std::time::SystemTime;
//! use pan123_proto::ledger::{ItemState, Ledger, LedgerFault, ListItems, MemoryLedger};
//! use pan123_proto::Session;
//!
//! # let session = Session::builder().access_token("token").build()?;
//! # let ledger = MemoryLedger::new();
//! let mut ledger = ledger.open(&session.ledger_account())?;
//! println!("{:?}", ledger.counts(SystemTime::now())?);
//!
//! let unconfirmed = ListItems::first(100).state(ItemState::Unconfirmed);
//! for (_, item) in ledger.list(SystemTime::now(), unconfirmed)? {
//!     println!("{}: {:?}, perhaps one of {:?}", item.key, item.reason, item.other_tasks);
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A ledger of your own stores rows: implement [`Table`], and [`run`] has every rule. The suite `conformance` (a feature of that name)
//! tests it.

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
pub(crate) use ask::unexpected;
pub use item::{Fence, Item, ItemId, ItemKey, ItemState, Millis, WorkerId};
pub use lines::{LineError, check_header_line, export_line, header_line, read_line};
pub use memory::MemoryLedger;
pub use op::{
    Claimed, Counts, Ending, LedgerAnswer, LedgerFault, LedgerOp, ListItems, NewItem, Notice,
    Transaction,
};
pub(crate) use rules::failure_as_told;
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
///
/// Programs that look into a ledger ask for the totals, list items and settle them with the methods of `dyn OpenLedger`.
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
