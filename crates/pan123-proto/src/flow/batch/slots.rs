//! The items that a batch has in hand.

use std::collections::HashMap;

use super::callbacks::Told;
use super::job::Job;
use crate::flow::expected_file::ExpectedFile;
use crate::ids::{FileId, TaskId};
use crate::ledger::{Fence, Item, ItemId, ItemKey};
use crate::machine::control::CallHandle;
use crate::policy::watch::Watched;

/// The items in hand, by id and by key.
#[derive(Debug, Default)]
pub(super) struct Slots {
    by_id: HashMap<ItemId, Slot>,
    by_key: HashMap<ItemKey, ItemId>,
    creates: usize,
}

/// One item in hand.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) key: ItemKey,
    pub(super) attempts: u32,
    pub(super) failures: u32,
    /// The job that is out for it.
    pub(super) job: Option<u64>,
    pub(super) told: Told,
    stage: Stage,
}

#[derive(Debug)]
pub(super) enum Stage {
    /// On its way to the gate.
    Claimed(Fence, CallHandle),
    /// The right to send is asked for.
    Intending(Fence, Box<Job>),
    /// It may be sent.
    Sending(Fence),
    /// Its task is to be recorded.
    Created,
    /// Its task is followed.
    Following(Box<Following>),
    /// An unconfirmed item whose file is looked at.
    Confirming(FileId, Box<ExpectedFile>),
    /// Nothing is left to do but to record it.
    Leaving,
}

#[derive(Debug)]
pub(super) struct Following {
    pub(super) task: TaskId,
    pub(super) watched: Watched,
}

impl Stage {
    /// Whether its task may have to be recorded, so that there must be room for it in the spill.
    fn is_create(&self) -> bool {
        matches!(
            self,
            Stage::Claimed(..) | Stage::Intending(..) | Stage::Sending(_) | Stage::Created
        )
    }

    /// Whether it may be left to somebody else at any time.
    pub(super) fn is_followed(&self) -> bool {
        matches!(self, Stage::Following(_) | Stage::Confirming(..))
    }
}

impl Slot {
    pub(super) fn stage(&self) -> &Stage {
        &self.stage
    }

    pub(super) fn following(&mut self) -> Option<&mut Following> {
        match &mut self.stage {
            Stage::Following(following) => Some(following),
            _ => None,
        }
    }
}

impl Slots {
    pub(super) fn insert(&mut self, id: ItemId, item: &Item, stage: Stage) {
        self.creates += usize::from(stage.is_create());
        self.by_key.insert(item.key.clone(), id);
        let slot = Slot {
            key: item.key.clone(),
            attempts: item.attempts,
            failures: item.failures,
            job: None,
            told: Told::default(),
            stage,
        };
        self.by_id.insert(id, slot);
    }

    pub(super) fn remove(&mut self, id: ItemId) -> Option<Slot> {
        let slot = self.by_id.remove(&id)?;
        self.creates -= usize::from(slot.stage.is_create());
        self.by_key.remove(&slot.key);
        Some(slot)
    }

    /// Brings an item to another stage. Returns the one before.
    pub(super) fn advance(&mut self, id: ItemId, stage: Stage) -> Option<Stage> {
        let slot = self.by_id.get_mut(&id)?;
        self.creates += usize::from(stage.is_create());
        let before = std::mem::replace(&mut slot.stage, stage);
        self.creates -= usize::from(before.is_create());
        Some(before)
    }

    pub(super) fn get(&self, id: ItemId) -> Option<&Slot> {
        self.by_id.get(&id)
    }

    pub(super) fn get_mut(&mut self, id: ItemId) -> Option<&mut Slot> {
        self.by_id.get_mut(&id)
    }

    pub(super) fn find(&self, key: &ItemKey) -> Option<ItemId> {
        self.by_key.get(key).copied()
    }

    pub(super) fn ids(&self) -> impl Iterator<Item = ItemId> {
        self.by_id.keys().copied()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (ItemId, &Slot)> {
        self.by_id.iter().map(|(&id, slot)| (id, slot))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    /// How many creates are under way.
    pub(super) fn creates(&self) -> usize {
        self.creates
    }

    /// How many items are in hand besides.
    pub(super) fn others(&self) -> usize {
        self.by_id.len() - self.creates
    }
}
