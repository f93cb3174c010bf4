//! A ledger in memory: for one process, and for tests.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::fmt;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::ops::{Bound, RangeInclusive};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::item::{Item, ItemId, ItemKey, ItemState, Millis, WorkerId};
use super::op::{LedgerAnswer, LedgerFault, ListItems, Transaction, millis};
use super::table::{Head, Table, Terms, run};
use super::{Ledger, OpenLedger};
use crate::machine::token_store::Account;

/// A ledger in memory. Clones are the same ledger, so that several batches of one program may share it. It ends with the program:
/// for one that must not lose tasks, `pan123-ledger` keeps it in a file.
#[derive(Clone)]
pub struct MemoryLedger {
    rows: Arc<Mutex<Rows>>,
}

impl Default for MemoryLedger {
    fn default() -> MemoryLedger {
        MemoryLedger::new()
    }
}

impl MemoryLedger {
    /// Creates an empty ledger.
    pub fn new() -> MemoryLedger {
        MemoryLedger {
            rows: Arc::new(Mutex::new(Rows {
                lease: 30_000,
                ..Rows::default()
            })),
        }
    }

    /// Sets how long a worker that shows no sign of life keeps its items, 30 s by default.
    pub fn lease(self, lease: Duration) -> MemoryLedger {
        lock(&self.rows).lease = millis(lease);
        self
    }
}

impl fmt::Debug for MemoryLedger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let items = lock(&self.rows).items.len();
        f.debug_struct("MemoryLedger")
            .field("items", &items)
            .finish_non_exhaustive()
    }
}

impl Ledger for MemoryLedger {
    fn open(&self, account: &Account) -> Result<Box<dyn OpenLedger>, LedgerFault> {
        let mut rows = lock(&self.rows);
        let owner = rows.account.get_or_insert_with(|| account.clone());
        if owner != account {
            return Err(LedgerFault::Broken(format!(
                "it belongs to {owner}, not to {account}; use another ledger"
            )));
        }
        let worker = rows.head.next_worker();
        rows.workers.insert(worker, Lease::New);
        Ok(Box::new(Opened {
            rows: Arc::clone(&self.rows),
            worker,
        }))
    }
}

fn lock(rows: &Mutex<Rows>) -> MutexGuard<'_, Rows> {
    rows.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Opened {
    rows: Arc<Mutex<Rows>>,
    worker: WorkerId,
}

impl OpenLedger for Opened {
    fn run(&mut self, transaction: Transaction) -> Result<Vec<LedgerAnswer>, LedgerFault> {
        let terms = Terms::new(self.worker, transaction.now_millis());
        let Ok(answers) = run(&mut *lock(&self.rows), terms, transaction);
        Ok(answers)
    }
}

impl Drop for Opened {
    fn drop(&mut self) {
        lock(&self.rows).workers.insert(self.worker, Lease::Gone);
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Lease {
    /// Opened, and not used yet.
    New,
    Beaten(Millis),
    /// Taken for dead, although it may still be at work.
    Lapsed,
    Gone,
}

/// Each index is a set, whose memory grows and shrinks with it.
#[derive(Default)]
struct Rows {
    account: Option<Account>,
    lease: Millis,
    head: Head,
    // In boxes: the nodes of a tree that grows at its end are half empty.
    items: BTreeMap<ItemId, Box<Item>>,
    /// Items by the hash of their key.
    keys: BTreeSet<(u64, ItemId)>,
    /// Queued items by their place, if they might be claimed at `queue_at`.
    queue: BTreeSet<(i64, ItemId)>,
    queue_at: Millis,
    /// Queued items that wait for a time, or did.
    delayed: BTreeSet<(Millis, ItemId)>,
    /// Claimed, intended and running items.
    held: BTreeSet<(WorkerId, ItemId)>,
    /// Running items that are noticed.
    noticed: BTreeSet<(WorkerId, ItemId)>,
    unconfirmed: BTreeSet<(Millis, ItemId)>,
    workers: BTreeMap<WorkerId, Lease>,
}

impl Rows {
    fn index(&mut self, id: ItemId, item: &Item, is_there: bool) {
        match item.state {
            ItemState::Queued => {
                if item.not_before <= self.queue_at {
                    set(&mut self.queue, (item.position, id), is_there);
                }
                if item.not_before > 0 {
                    set(&mut self.delayed, (item.not_before, id), is_there);
                }
            }
            ItemState::Claimed | ItemState::Intended | ItemState::Running => {
                set(&mut self.held, (item.owner, id), is_there);
                if item.noticed && item.state == ItemState::Running {
                    set(&mut self.noticed, (item.owner, id), is_there);
                }
            }
            ItemState::Unconfirmed => {
                set(&mut self.unconfirmed, (item.intended_at, id), is_there);
            }
            _ => {}
        }
    }

    /// Has in the queue what may be claimed at this time, which may be an earlier one than before.
    fn turn_queue(&mut self, now: Millis) {
        let (from, to) = (now.min(self.queue_at), now.max(self.queue_at));
        let between = (Bound::Excluded((from, LAST)), Bound::Included((to, LAST)));
        for &(_, id) in self.delayed.range(between) {
            let entry = (self.items[&id].position, id);
            set(&mut self.queue, entry, now > self.queue_at);
        }
        self.queue_at = now;
    }
}

const LAST: ItemId = ItemId(u64::MAX);

fn set<T: Ord>(set: &mut BTreeSet<T>, entry: T, is_there: bool) {
    if is_there {
        set.insert(entry);
    } else {
        set.remove(&entry);
    }
}

fn hash(key: &ItemKey) -> u64 {
    BuildHasherDefault::<DefaultHasher>::default().hash_one(key)
}

/// The entries of one owner, time or hash.
fn all_of<T: Copy>(of: T) -> RangeInclusive<(T, ItemId)> {
    (of, ItemId(0))..=(of, LAST)
}

impl Table for Rows {
    type Fault = Infallible;

    fn head(&mut self) -> Result<Head, Infallible> {
        Ok(self.head)
    }

    fn set_head(&mut self, head: &Head) -> Result<(), Infallible> {
        self.head = *head;
        Ok(())
    }

    fn find(&mut self, key: &ItemKey) -> Result<Option<ItemId>, Infallible> {
        let mut found = self.keys.range(all_of(hash(key))).map(|&(_, id)| id);
        Ok(found.find(|id| self.items[id].key == *key))
    }

    fn load(&mut self, id: ItemId) -> Result<Option<Item>, Infallible> {
        Ok(self.items.get(&id).map(|item| Item::clone(item)))
    }

    fn insert(&mut self, id: ItemId, item: &Item) -> Result<(), Infallible> {
        self.index(id, item, true);
        self.keys.insert((hash(&item.key), id));
        self.items.insert(id, Box::new(item.clone()));
        Ok(())
    }

    fn update(&mut self, id: ItemId, before: &Item, item: &Item) -> Result<(), Infallible> {
        self.index(id, before, false);
        self.index(id, item, true);
        self.items.insert(id, Box::new(item.clone()));
        Ok(())
    }

    fn delete(&mut self, id: ItemId, before: &Item) -> Result<(), Infallible> {
        self.index(id, before, false);
        self.keys.remove(&(hash(&before.key), id));
        self.items.remove(&id);
        Ok(())
    }

    fn queued(&mut self, now: Millis, limit: usize) -> Result<Vec<ItemId>, Infallible> {
        self.turn_queue(now);
        let queue = self.queue.iter().map(|&(_, id)| id);
        Ok(queue.take(limit).collect())
    }

    fn next_queued(&mut self, now: Millis) -> Result<Option<Millis>, Infallible> {
        let after = (Bound::Excluded((now, LAST)), Bound::Unbounded);
        Ok(self.delayed.range(after).next().map(|&(at, _)| at))
    }

    fn held_by(&mut self, owner: WorkerId, limit: usize) -> Result<Vec<ItemId>, Infallible> {
        let held = self.held.range(all_of(owner)).map(|&(_, id)| id);
        Ok(held.take(limit).collect())
    }

    fn noticed(&mut self, owner: WorkerId) -> Result<Vec<ItemId>, Infallible> {
        let noticed = self.noticed.range(all_of(owner)).map(|&(_, id)| id);
        Ok(noticed.collect())
    }

    fn unconfirmed_since(&mut self, since: Millis) -> Result<u64, Infallible> {
        let recent = self.unconfirmed.range((since, ItemId(0))..);
        Ok(recent.count() as u64)
    }

    fn list(&mut self, list: &ListItems) -> Result<Vec<(ItemId, Item)>, Infallible> {
        let after = (Bound::Excluded(list.after), Bound::Unbounded);
        let items = self.items.range(after);
        let wanted = items.filter(|(_, item)| {
            list.state.is_none_or(|state| item.state == state) && (list.hidden || !item.hidden)
        });
        let page = wanted.map(|(&id, item)| (id, Item::clone(item)));
        Ok(page.take(list.limit).collect())
    }

    fn beat(&mut self, worker: WorkerId, now: Millis) -> Result<bool, Infallible> {
        let before = self.workers.insert(worker, Lease::Beaten(now));
        Ok(before.is_some_and(|before| before != Lease::Lapsed))
    }

    fn dead(&mut self, besides: WorkerId, now: Millis) -> Result<Vec<WorkerId>, Infallible> {
        for lease in self.workers.values_mut() {
            *lease = match *lease {
                Lease::New => Lease::Beaten(now),
                // The clock was set back.
                Lease::Beaten(at) => Lease::Beaten(at.min(now)),
                other => other,
            };
        }
        let lease = self.lease;
        let dead = self.workers.iter().filter(|&(&worker, state)| {
            worker != besides
                && match *state {
                    Lease::Beaten(at) => now.saturating_sub(at) > lease,
                    Lease::New => false,
                    Lease::Lapsed | Lease::Gone => true,
                }
        });
        Ok(dead.map(|(&worker, _)| worker).collect())
    }

    fn bury(&mut self, worker: WorkerId) -> Result<(), Infallible> {
        match self.workers.get_mut(&worker) {
            Some(Lease::Gone) => drop(self.workers.remove(&worker)),
            Some(lease) => *lease = Lease::Lapsed,
            None => {}
        }
        Ok(())
    }
}
