//! The rows under a ledger, and how the operations act on them: a ledger of your own implements [`Table`], and [`run`] does the rest.

use std::collections::HashSet;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::item::{Fence, Item, ItemId, ItemKey, ItemState, Millis, WorkerId};
use super::op::{Claimed, Counts, LedgerAnswer, LedgerOp, ListItems, NewItem, Notice, Transaction};
use super::rules::{Effect, Refusal, delayed, longest_delay};
use crate::ids::FileId;

/// How long an unconfirmed item counts as a running task, in milliseconds.
const UNCONFIRMED_COUNTS: Millis = 3_600_000;

/// The rows of a ledger inside one transaction, which is rolled back if an operation fails.
///
/// Each method fails with [`Fault`](Table::Fault) if its rows cannot be read or written.
#[expect(
    clippy::missing_errors_doc,
    reason = "one sentence says it of all methods"
)]
pub trait Table {
    /// Why rows cannot be read or written.
    type Fault;

    /// Returns the head row.
    fn head(&mut self) -> Result<Head, Self::Fault>;
    /// Replaces the head row.
    fn set_head(&mut self, head: &Head) -> Result<(), Self::Fault>;

    /// Returns the item of a key.
    fn find(&mut self, key: &ItemKey) -> Result<Option<ItemId>, Self::Fault>;
    /// Returns an item.
    fn load(&mut self, id: ItemId) -> Result<Option<Item>, Self::Fault>;
    /// Adds an item.
    fn insert(&mut self, id: ItemId, item: &Item) -> Result<(), Self::Fault>;
    /// Replaces an item, of which this was stored.
    fn update(&mut self, id: ItemId, before: &Item, item: &Item) -> Result<(), Self::Fault>;
    /// Removes an item, of which this was stored.
    fn delete(&mut self, id: ItemId, before: &Item) -> Result<(), Self::Fault>;

    /// Returns at most `limit` queued items whose [`not_before`](Item::not_before) is not after `now`, the lowest
    /// [`position`](Item::position) first.
    fn queued(&mut self, now: Millis, limit: usize) -> Result<Vec<ItemId>, Self::Fault>;
    /// Returns the earliest [`not_before`](Item::not_before) of the queued items that is after `now`.
    fn next_queued(&mut self, now: Millis) -> Result<Option<Millis>, Self::Fault>;
    /// Returns at most `limit` claimed, intended and running items of this owner.
    fn held_by(&mut self, owner: WorkerId, limit: usize) -> Result<Vec<ItemId>, Self::Fault>;
    /// Returns the running items of this owner that are [`noticed`](Item::noticed).
    fn noticed(&mut self, owner: WorkerId) -> Result<Vec<ItemId>, Self::Fault>;
    /// Returns how many unconfirmed items were last about to be sent at this time or later.
    fn unconfirmed_since(&mut self, since: Millis) -> Result<u64, Self::Fault>;
    /// Returns a page of items.
    fn list(&mut self, list: &ListItems) -> Result<Vec<(ItemId, Item)>, Self::Fault>;

    /// Records that a worker is alive. Returns whether it was known, and not taken for dead.
    fn beat(&mut self, worker: WorkerId, now: Millis) -> Result<bool, Self::Fault>;
    /// Returns the workers whose process is gone or whose lease has lapsed, without this one. One that was buried is among them as long
    /// as it may still act without a beat.
    fn dead(&mut self, besides: WorkerId, now: Millis) -> Result<Vec<WorkerId>, Self::Fault>;
    /// Takes a worker for dead, until its next beat.
    fn bury(&mut self, worker: WorkerId) -> Result<(), Self::Fault>;
}

/// What a ledger stores once: its counters, its totals and its window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Head {
    items: u64,
    fences: u64,
    workers: u64,
    front: i64,
    back: i64,
    counts: Counts,
}

impl Head {
    fn next_fence(&mut self) -> Fence {
        self.fences += 1;
        Fence(self.fences)
    }

    /// Creates the number of a worker that opens the ledger.
    pub fn next_worker(&mut self) -> WorkerId {
        self.workers += 1;
        WorkerId(self.workers)
    }
}

/// What the rows do not tell.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Terms {
    /// The worker that asks.
    pub worker: WorkerId,
    /// The time by the ledger's clock.
    pub now: Millis,
    /// How long after its intent a create may be sent, in milliseconds.
    pub max_send_delay: Millis,
}

impl Terms {
    /// Creates the terms of a worker; its creates are sent within a minute of their intent.
    pub fn new(worker: WorkerId, now: Millis) -> Terms {
        Terms {
            worker,
            now,
            max_send_delay: 60_000,
        }
    }
}

/// Carries out a transaction.
///
/// # Errors
///
/// If a row cannot be read or written. The caller then rolls all of it back.
pub fn run<T: Table>(
    table: &mut T,
    terms: Terms,
    transaction: Transaction,
) -> Result<Vec<LedgerAnswer>, T::Fault> {
    let head = table.head()?;
    let mut running = Running { table, terms, head };
    let ops = transaction.ops.into_iter();
    let answers = ops.map(|op| running.answer(op)).collect::<Result<_, _>>()?;
    if running.head != head {
        running.table.set_head(&running.head)?;
    }
    Ok(answers)
}

struct Running<'a, T> {
    table: &'a mut T,
    terms: Terms,
    head: Head,
}

impl<T: Table> Running<'_, T> {
    fn answer(&mut self, op: LedgerOp) -> Result<LedgerAnswer, T::Fault> {
        let Terms { worker, now, .. } = self.terms;
        match op {
            LedgerOp::Add(items) => {
                let items = items.into_iter();
                self.add(items.map(|NewItem { key, download }| Item::new(key, download)))
            }
            LedgerOp::Import(items) => self.add(items.into_iter().map(|mut item| {
                item.adopt(now);
                item
            })),
            LedgerOp::Claim { create, follow } => {
                Ok(LedgerAnswer::Claimed(self.claim(create, follow)?))
            }
            LedgerOp::Intend { item, fence } => self.act(item, |item| item.intend(fence, now)),
            LedgerOp::Withdraw {
                item,
                fence,
                reason,
                delay,
                window_full,
            } => {
                let not_before = if delay.is_zero() {
                    0
                } else {
                    delayed(now, delay)
                };
                let answer = self.act(item, |item| item.withdraw(fence, &reason, not_before))?;
                if window_full && answer == LedgerAnswer::Done {
                    // Those on their way may have been accepted.
                    let tasks = self.tasks()? + self.head.counts.of(ItemState::Intended);
                    self.head.counts.window.refused(tasks, now);
                }
                Ok(answer)
            }
            LedgerOp::Reject {
                item,
                fence,
                reason,
            } => self.act(item, |item| item.reject(fence, &reason)),
            LedgerOp::Created { item, fence, task } => {
                let mut effect = Effect::Stray;
                self.modify(item, |item| effect = item.created(fence, task, worker))?;
                let answer = answer_of(effect);
                if answer == LedgerAnswer::Done {
                    let tasks = self.tasks()?;
                    self.head.counts.window.accepted(tasks, now);
                }
                Ok(answer)
            }
            LedgerOp::Doubt {
                item,
                fence,
                candidates,
                reason,
            } => {
                let answer = self.act(item, |item| item.doubt(fence, &candidates, &reason))?;
                if answer == LedgerAnswer::Done {
                    self.head.counts.window.doubted(now);
                }
                Ok(answer)
            }
            LedgerOp::End { item, task, ending } => {
                self.act(item, |item| item.end(task, &ending, worker, now))
            }
            LedgerOp::Beat => self.beat(),
            LedgerOp::Heard(notices) => {
                for notice in notices {
                    self.modify(notice.item, |item| item.heard(&notice, worker))?;
                }
                Ok(LedgerAnswer::Done)
            }
            LedgerOp::Hold(held) => {
                let held = held.into_iter().collect();
                self.take_over(worker, &held, &mut Vec::new())?;
                Ok(LedgerAnswer::Done)
            }
            LedgerOp::Notice { key, file, reason } => self.notice(&key, file, reason.as_deref()),
            LedgerOp::Counts => Ok(LedgerAnswer::Counts(self.head.counts)),
            LedgerOp::List(list) => Ok(LedgerAnswer::Page(self.table.list(&list)?)),
            other => self.answer_user(other),
        }
    }

    /// What somebody wants of an item, and no worker.
    fn answer_user(&mut self, op: LedgerOp) -> Result<LedgerAnswer, T::Fault> {
        let Terms {
            now,
            max_send_delay,
            ..
        } = self.terms;
        match op {
            LedgerOp::Settle { key, verdict } => {
                self.change(&key, |item, _| item.settle(verdict, now, max_send_delay))
            }
            LedgerOp::Edit(key, download) => self.change(&key, |item, _| {
                item.take_back()?;
                item.download = *download;
                Ok(())
            }),
            LedgerOp::Pause(key) => self.change(&key, |item, _| {
                item.take_back()?;
                item.state = ItemState::Paused;
                Ok(())
            }),
            LedgerOp::Resume(key) => self.change(&key, |item, _| {
                item.take_back()?;
                item.state = ItemState::Queued;
                Ok(())
            }),
            LedgerOp::Move(key, to_front) => self.change(&key, |item, head| {
                item.take_back()?;
                item.position = if to_front {
                    head.front -= 1;
                    head.front
                } else {
                    head.back += 1;
                    head.back
                };
                Ok(())
            }),
            LedgerOp::Remove(key) => self.remove(&key),
            LedgerOp::Hide(key) => self.change(&key, |item, _| {
                if !item.state.is_ended() {
                    return Err(Refusal::State(item.state));
                }
                item.hidden = true;
                Ok(())
            }),
            _ => Ok(LedgerAnswer::Unsupported),
        }
    }

    fn add(&mut self, items: impl Iterator<Item = Item>) -> Result<LedgerAnswer, T::Fault> {
        let mut added = 0;
        for mut item in items {
            if self.table.find(&item.key)?.is_some() {
                continue;
            }
            self.head.items += 1;
            self.head.back += 1;
            item.position = self.head.back;
            self.table.insert(ItemId(self.head.items), &item)?;
            self.head.counts.change(None, Some(item.state));
            added += 1;
        }
        Ok(LedgerAnswer::Added(added))
    }

    fn claim(&mut self, create: usize, follow: usize) -> Result<Claimed, T::Fault> {
        let Terms { worker, now, .. } = self.terms;
        let mut claimed = Claimed::default();
        for dead in self.table.dead(worker, now)? {
            self.take_over(dead, &HashSet::new(), &mut claimed.unconfirmed)?;
            self.table.bury(dead)?;
        }
        for id in self.table.held_by(WorkerId::default(), follow)? {
            let item = self.modify(id, |item| item.follow(worker))?;
            claimed.to_follow.extend(item.map(|item| (id, item)));
        }
        let room = create.min(self.room()?);
        let next = self.table.next_queued(now)?;
        // It was set before the clock was set back.
        let is_too_late = next.is_some_and(|at| at > longest_delay(now));
        let until = if is_too_late { Millis::MAX } else { now };
        for id in self.table.queued(until, room)? {
            let fence = self.head.next_fence();
            let item = self.modify(id, |item| item.claim(worker, fence))?;
            claimed.to_create.extend(item.map(|item| (id, item)));
        }
        let next = self.table.next_queued(now)?;
        claimed.next = next.map(|at| Duration::from_millis(at.saturating_sub(now)));
        Ok(claimed)
    }

    /// How many more may be sent.
    fn room(&mut self) -> Result<usize, T::Fault> {
        let now = self.terms.now;
        let counts = self.head.counts;
        let certain = counts.of(ItemState::Running)
            + counts.of(ItemState::Claimed)
            + counts.of(ItemState::Intended);
        let room = match counts.window.room(certain + self.unconfirmed()?, now) {
            // What may have become no task does not keep one more than the limit from being tried.
            0 if counts.window.is_due(now) => counts.window.room(certain, now).min(1),
            room => room,
        };
        Ok(usize::try_from(room).unwrap_or(usize::MAX))
    }

    /// Takes everything from a worker but these.
    fn take_over(
        &mut self,
        worker: WorkerId,
        besides: &HashSet<ItemId>,
        unconfirmed: &mut Vec<(ItemId, Item)>,
    ) -> Result<(), T::Fault> {
        loop {
            let mut held = self.table.held_by(worker, besides.len() + 1000)?;
            held.retain(|id| !besides.contains(id));
            if held.is_empty() {
                return Ok(());
            }
            for id in held {
                let item = self.modify(id, Item::abandon)?;
                let item = item.filter(|item| item.state == ItemState::Unconfirmed);
                unconfirmed.extend(item.map(|item| (id, item)));
            }
        }
    }

    /// How many tasks the account has, or may have, without those that are being created.
    fn tasks(&mut self) -> Result<u64, T::Fault> {
        Ok(self.head.counts.of(ItemState::Running) + self.unconfirmed()?)
    }

    /// How many tasks there may be of unconfirmed items.
    fn unconfirmed(&mut self) -> Result<u64, T::Fault> {
        if self.head.counts.of(ItemState::Unconfirmed) == 0 {
            return Ok(0);
        }
        let since = self.terms.now.saturating_sub(UNCONFIRMED_COUNTS);
        self.table.unconfirmed_since(since)
    }

    fn beat(&mut self) -> Result<LedgerAnswer, T::Fault> {
        let Terms { worker, now, .. } = self.terms;
        if !self.table.beat(worker, now)? {
            self.take_over(worker, &HashSet::new(), &mut Vec::new())?;
            return Ok(LedgerAnswer::Lost);
        }
        let mut notices = Vec::new();
        for id in self.table.noticed(worker)? {
            let item = self.table.load(id)?;
            notices.extend(item.map(|item| Notice {
                item: id,
                file: item.file,
                reason: item.reason,
            }));
        }
        Ok(LedgerAnswer::Beaten(notices))
    }

    fn notice(
        &mut self,
        key: &ItemKey,
        file: Option<FileId>,
        reason: Option<&str>,
    ) -> Result<LedgerAnswer, T::Fault> {
        let Some(id) = self.table.find(key)? else {
            return Ok(LedgerAnswer::Noticed(None));
        };
        let item = self.modify(id, |item| item.notice(file, reason))?;
        Ok(LedgerAnswer::Noticed(item.map(|item| (id, Box::new(item)))))
    }

    fn remove(&mut self, key: &ItemKey) -> Result<LedgerAnswer, T::Fault> {
        let Some(id) = self.table.find(key)? else {
            return Ok(LedgerAnswer::Refused(Refusal::Unknown));
        };
        let Some(item) = self.table.load(id)? else {
            return Ok(LedgerAnswer::Refused(Refusal::Unknown));
        };
        let mut taken = item.clone();
        if !item.state.is_ended()
            && let Err(refusal) = taken.take_back()
        {
            return Ok(LedgerAnswer::Refused(refusal));
        }
        self.table.delete(id, &item)?;
        self.head.counts.change(Some(item.state), None);
        Ok(LedgerAnswer::Done)
    }

    /// Lets somebody change an item, unless it refuses.
    fn change(
        &mut self,
        key: &ItemKey,
        change: impl FnOnce(&mut Item, &mut Head) -> Result<(), Refusal>,
    ) -> Result<LedgerAnswer, T::Fault> {
        let Some(id) = self.table.find(key)? else {
            return Ok(LedgerAnswer::Refused(Refusal::Unknown));
        };
        let mut head = self.head;
        let mut result = Ok(());
        self.modify(id, |item| {
            let before = item.clone();
            result = change(item, &mut head);
            if result.is_err() {
                *item = before;
            }
        })?;
        self.head.front = head.front;
        self.head.back = head.back;
        Ok(match result {
            Ok(()) => LedgerAnswer::Done,
            Err(refusal) => LedgerAnswer::Refused(refusal),
        })
    }

    /// Lets a worker act on an item. One that was removed is nobody's.
    fn act(
        &mut self,
        id: ItemId,
        act: impl FnOnce(&mut Item) -> Effect,
    ) -> Result<LedgerAnswer, T::Fault> {
        let mut effect = Effect::Lost;
        self.modify(id, |item| effect = act(item))?;
        Ok(answer_of(effect))
    }

    /// Changes an item, and the totals with it. Returns what it is now; none if there is no such item.
    fn modify(
        &mut self,
        id: ItemId,
        change: impl FnOnce(&mut Item),
    ) -> Result<Option<Item>, T::Fault> {
        let Some(before) = self.table.load(id)? else {
            return Ok(None);
        };
        let mut item = before.clone();
        change(&mut item);
        if item != before {
            self.table.update(id, &before, &item)?;
            self.head
                .counts
                .change(Some(before.state), Some(item.state));
        }
        Ok(Some(item))
    }
}

fn answer_of(effect: Effect) -> LedgerAnswer {
    match effect {
        Effect::Done => LedgerAnswer::Done,
        Effect::Lost => LedgerAnswer::Lost,
        Effect::Stray => LedgerAnswer::Stray,
    }
}
