//! A token store that may lose what it is to keep, as when a process dies before it was kept.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use pan123_proto::{Account, OpenTokenStore, StoreOp, StoreResult, TokenStore};
use pan123_store::MemoryStore;

/// Clones are the same store.
#[derive(Clone, Debug, Default)]
pub struct LossyStore {
    memory: MemoryStore,
    loses: Arc<AtomicBool>,
}

impl LossyStore {
    /// What is saved next is lost.
    pub fn lose_next(&self) {
        self.loses.store(true, Ordering::Release);
    }
}

impl TokenStore for LossyStore {
    fn open(&self, account: &Account) -> Box<dyn OpenTokenStore> {
        Box::new(Open {
            inner: self.memory.open(account),
            loses: Arc::clone(&self.loses),
        })
    }
}

struct Open {
    inner: Box<dyn OpenTokenStore>,
    loses: Arc<AtomicBool>,
}

impl OpenTokenStore for Open {
    fn run(&mut self, op: StoreOp) -> StoreResult {
        if matches!(op, StoreOp::Save(_)) && self.loses.swap(false, Ordering::AcqRel) {
            return StoreResult::Failed("the disk is gone".to_owned());
        }
        self.inner.run(op)
    }
}
