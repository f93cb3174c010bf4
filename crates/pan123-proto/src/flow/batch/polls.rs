//! Which task is polled next.

use std::collections::{BTreeSet, HashMap};
use std::time::Instant;

use crate::ledger::ItemId;

/// The tasks that are followed, by the time of their next poll.
#[derive(Debug, Default)]
pub(super) struct PollQueue {
    due: BTreeSet<(Instant, ItemId)>,
    tasks: HashMap<ItemId, Instant>,
}

impl PollQueue {
    pub(super) fn schedule(&mut self, item: ItemId, at: Instant) {
        self.remove(item);
        self.due.insert((at, item));
        self.tasks.insert(item, at);
    }

    pub(super) fn remove(&mut self, item: ItemId) -> bool {
        let at = self.tasks.remove(&item);
        at.is_some_and(|at| self.due.remove(&(at, item)))
    }

    pub(super) fn next(&self) -> Option<(Instant, ItemId)> {
        self.due.first().copied()
    }
}
