//! A token store whose saves can fail, as when a process dies before the token is saved.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use pan123_proto::{Account, OpenTokenStore, StoreOp, StoreResult, TokenStore};
use pan123_store::MemoryStore;

/// Clones are the same store.
#[derive(Clone, Debug, Default)]
pub struct FailingStore {
    memory: MemoryStore,
    loses: Arc<AtomicUsize>,
}

impl FailingStore {
    /// Makes the next saves fail.
    pub fn fail_saves(&self, saves: usize) {
        self.loses.store(saves, Ordering::Release);
    }
}

impl TokenStore for FailingStore {
    fn open(&self, account: &Account) -> Box<dyn OpenTokenStore> {
        Box::new(OpenedStore {
            inner: self.memory.open(account),
            loses: Arc::clone(&self.loses),
        })
    }
}

struct OpenedStore {
    inner: Box<dyn OpenTokenStore>,
    loses: Arc<AtomicUsize>,
}

impl OpenTokenStore for OpenedStore {
    fn run(&mut self, op: StoreOp) -> StoreResult {
        let left = self.loses.load(Ordering::Acquire);
        // Only the holder of the lock saves.
        if matches!(op, StoreOp::Save(_)) && left > 0 {
            self.loses.store(left - 1, Ordering::Release);
            return StoreResult::Failed("the disk is gone".to_owned());
        }
        self.inner.run(op)
    }
}
