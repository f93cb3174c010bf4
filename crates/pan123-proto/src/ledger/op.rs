//! What a batch asks of a ledger, and what the ledger answers.

use std::fmt;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use super::item::{Fence, Item, ItemId, ItemKey, ItemState, Millis};
use super::rules::{Refusal, Verdict};
use super::window::Window;
use crate::api::offline::Download;
use crate::ids::{FileId, TaskId};

/// Operations that a ledger carries out together or not at all, in this order.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Transaction {
    /// The time by the driver's calendar. A ledger with a clock of its own, such as a database server, uses that.
    pub now: SystemTime,
    /// The operations.
    pub ops: Vec<LedgerOp>,
}

impl Transaction {
    /// Creates a transaction.
    pub fn new(now: SystemTime, ops: Vec<LedgerOp>) -> Transaction {
        Transaction { now, ops }
    }

    /// Returns the time in milliseconds since 1970.
    pub fn now_millis(&self) -> Millis {
        let since = self.now.duration_since(SystemTime::UNIX_EPOCH);
        millis(since.unwrap_or_default())
    }
}

pub(crate) fn millis(duration: Duration) -> Millis {
    Millis::try_from(duration.as_millis()).unwrap_or(Millis::MAX)
}

/// An operation on a ledger. Each may be asked again if its answer was lost.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum LedgerOp {
    /// Add items that the ledger does not have; one whose key it has stays as it is. Answer: [`LedgerAnswer::Added`].
    Add(Vec<NewItem>),
    /// Add exported items that the ledger does not have, as they are, but in nobody's hands: what was about to be sent is unconfirmed. Answer: [`LedgerAnswer::Added`].
    Import(Vec<Item>),
    /// Take what dead workers held, then claim queued items up to `create`, as far as the window allows, and running ones that nobody
    /// follows up to `follow`. Answer: [`LedgerAnswer::Claimed`].
    Claim {
        /// The maximum number of items to send.
        create: usize,
        /// The maximum number of running items to follow.
        follow: usize,
    },
    /// Take the right to send, durably before the answer. A fence is good for one. Answer: [`Done`](LedgerAnswer::Done) or
    /// [`Lost`](LedgerAnswer::Lost), as for all that follow up to [`End`](LedgerOp::End).
    Intend {
        /// The item.
        item: ItemId,
        /// The claim.
        fence: Fence,
    },
    /// It was certainly not carried out: queue it again. Accepted after a takeover, too.
    Withdraw {
        /// The item.
        item: ItemId,
        /// The claim.
        fence: Fence,
        /// Why.
        reason: String,
        /// How long it stays in the queue at least, up to a day.
        delay: Duration,
        /// Whether the service refused it because too many tasks run: see [`Window`].
        window_full: bool,
    },
    /// The service rejects it for good.
    Reject {
        /// The item.
        item: ItemId,
        /// The claim.
        fence: Fence,
        /// Why.
        reason: String,
    },
    /// It was carried out as this task. Accepted after a takeover, too, but not after [`Settle`](LedgerOp::Settle) said otherwise:
    /// then the answer is [`Stray`](LedgerAnswer::Stray).
    Created {
        /// The item.
        item: ItemId,
        /// The claim.
        fence: Fence,
        /// The task.
        task: TaskId,
    },
    /// It may have been carried out: unconfirmed from now on.
    Doubt {
        /// The item.
        item: ItemId,
        /// The claim.
        fence: Fence,
        /// Task ids that the response may have meant.
        candidates: Vec<TaskId>,
        /// Why.
        reason: String,
    },
    /// Its task has ended; if it is to be sent again, that is recorded with it.
    End {
        /// The item.
        item: ItemId,
        /// The task that ended.
        task: TaskId,
        /// How.
        ending: Ending,
    },
    /// This worker is alive. Answer: [`LedgerAnswer::Beaten`], or [`Lost`](LedgerAnswer::Lost) if it was taken for dead.
    Beat,
    /// This worker knows of these callbacks, so that they are not told again. Answer: [`Done`](LedgerAnswer::Done).
    Heard(Vec<Notice>),
    /// Give up whatever else the ledger takes for this worker's: an answer may have been lost. Answer:
    /// [`Done`](LedgerAnswer::Done).
    Hold(Vec<ItemId>),
    /// A callback came for this item. Answer: [`LedgerAnswer::Noticed`].
    Notice {
        /// The key that the callback names.
        key: ItemKey,
        /// The file that it names.
        file: Option<FileId>,
        /// Why the task failed, if it says so.
        reason: Option<String>,
    },
    /// What somebody says of an unconfirmed item. Answer: [`Done`](LedgerAnswer::Done) or [`Refused`](LedgerAnswer::Refused), as for
    /// all that follow up to [`Hide`](LedgerOp::Hide).
    Settle {
        /// The item.
        key: ItemKey,
        /// What is settled.
        verdict: Verdict,
    },
    /// Replace what is downloaded, until it is sent.
    Edit(ItemKey, Box<Download>),
    /// Hold the item back, until it is sent.
    Pause(ItemKey),
    /// Queue a paused item.
    Resume(ItemKey),
    /// Move the item to the front of the queue (`true`) or to its end, until it is sent.
    Move(ItemKey, bool),
    /// Remove the item, until it is sent and after its end.
    Remove(ItemKey),
    /// Leave an ended item out of lists.
    Hide(ItemKey),
    /// The totals. Answer: [`LedgerAnswer::Counts`].
    Counts,
    /// Items in the order in which they were added. Answer: [`LedgerAnswer::Page`].
    List(ListItems),
}

/// How a task ended, for [`LedgerOp::End`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ending {
    /// The download succeeded; the file if it is known.
    Succeeded(Option<FileId>),
    /// It failed for good, or is given up, with the reason.
    Failed(String),
    /// It failed, with the reason, and is to be sent again after this time, which is a day at most.
    Again(String, Duration),
}

/// An item to add.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NewItem {
    /// The caller's key.
    pub key: ItemKey,
    /// What to download.
    pub download: Download,
}

impl NewItem {
    /// Creates an item to add.
    pub fn new(key: ItemKey, download: Download) -> NewItem {
        NewItem { key, download }
    }
}

/// Which items a list has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ListItems {
    /// Those after this one; `ItemId(0)` for the first page.
    pub after: ItemId,
    /// Only those in this state.
    pub state: Option<ItemState>,
    /// Whether hidden ones are among them.
    pub hidden: bool,
    /// At most this many.
    pub limit: usize,
}

impl ListItems {
    /// The first items, in any state, without hidden ones.
    pub fn first(limit: usize) -> ListItems {
        ListItems {
            after: ItemId(0),
            state: None,
            hidden: false,
            limit,
        }
    }

    /// Those after this one.
    pub fn after(mut self, item: ItemId) -> ListItems {
        self.after = item;
        self
    }

    /// Only those in this state.
    pub fn state(mut self, state: ItemState) -> ListItems {
        self.state = Some(state);
        self
    }

    /// Hidden ones, too.
    pub fn with_hidden(mut self) -> ListItems {
        self.hidden = true;
        self
    }
}

/// The answer to one operation.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum LedgerAnswer {
    /// It holds now.
    Done,
    /// The claim is over: do not send, and leave the item alone.
    Lost,
    /// Nobody follows this task: somebody settled its item otherwise before, or removed it. It is kept in [`Item::other_tasks`], if
    /// there still is an item.
    Stray,
    /// The item does not take it.
    Refused(Refusal),
    /// How many items are new.
    Added(usize),
    /// What is this worker's now.
    Claimed(Claimed),
    /// Callbacks that came for items of this worker, until it has [heard](LedgerOp::Heard) of them.
    Beaten(Vec<Notice>),
    /// The item that a callback is for; none if there is no such item.
    Noticed(Option<(ItemId, Box<Item>)>),
    /// The totals.
    Counts(Counts),
    /// A page of items; the last one if it is empty.
    Page(Vec<(ItemId, Item)>),
    /// The ledger does not know the operation.
    Unsupported,
}

/// What a worker has claimed.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Claimed {
    /// Items to send, with their fence.
    pub to_create: Vec<(ItemId, Item)>,
    /// Items to follow, with their task.
    pub to_follow: Vec<(ItemId, Item)>,
    /// Items of dead workers that may have been sent, so that they are unconfirmed now.
    pub unconfirmed: Vec<(ItemId, Item)>,
    /// When a further item may be claimable, if nothing happens before, counted from now; none if that is not known.
    pub next: Option<Duration>,
}

/// A callback for an item that this worker follows.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Notice {
    /// The item.
    pub item: ItemId,
    /// The file that the callback named.
    pub file: Option<FileId>,
    /// Why the task failed, if the callback said so.
    pub reason: Option<Box<str>>,
}

/// How many items are in each state, and the window.
#[derive(Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Counts {
    by_state: [u64; ItemState::ALL.len()],
    /// How many tasks the account may run at once.
    pub window: Window,
}

impl Counts {
    /// Creates it from the number of each state.
    pub fn new(count: impl Fn(ItemState) -> u64, window: Window) -> Counts {
        Counts {
            by_state: ItemState::ALL.map(count),
            window,
        }
    }

    /// Returns how many items are in this state.
    pub fn of(&self, state: ItemState) -> u64 {
        self.by_state[state as usize]
    }

    /// Returns how many items there are.
    pub fn total(&self) -> u64 {
        self.by_state.iter().sum()
    }

    /// Returns for how many items a batch still has something to do.
    pub fn open(&self) -> u64 {
        let open = ItemState::ALL.into_iter().filter(|state| state.is_open());
        open.map(|state| self.of(state)).sum()
    }

    pub(super) fn change(&mut self, from: Option<ItemState>, to: Option<ItemState>) {
        if let Some(from) = from {
            self.by_state[from as usize] = self.by_state[from as usize].saturating_sub(1);
        }
        if let Some(to) = to {
            self.by_state[to as usize] += 1;
        }
    }
}

/// Leaves out the states that no item is in.
impl fmt::Debug for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Counts");
        for state in ItemState::ALL {
            if self.of(state) > 0 {
                shown.field(state.name(), &self.of(state));
            }
        }
        shown.field("window", &self.window).finish_non_exhaustive()
    }
}

/// Why a transaction did not happen, or may not have happened. The text says what failed, where and what to do, without secrets.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LedgerFault {
    /// Nothing was done: somebody else uses the ledger. Ask again.
    #[error("the ledger is busy: {0}")]
    Busy(String),
    /// Nothing was done, and nothing can be recorded, until somebody makes room.
    #[error("the ledger cannot grow: {0}")]
    Full(String),
    /// It may have happened, or not. Ask again, later.
    #[error("the ledger does not answer: {0}")]
    Down(String),
    /// Nobody knows what is recorded; this handle is of no more use.
    #[error("the ledger is broken: {0}")]
    Broken(String),
    /// Nothing was done: the ledger may lack what it has answered, since it is on another server than before, or on an earlier state of
    /// it. Somebody has to confirm that; this handle is of no more use.
    #[error("the ledger has moved: {0}")]
    Moved(String),
}

impl LedgerFault {
    /// Returns whether the handle is of no more use; another one may be.
    pub fn is_final(&self) -> bool {
        matches!(self, LedgerFault::Broken(_) | LedgerFault::Moved(_))
    }
}
