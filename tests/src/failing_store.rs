//! A token store that fails, as a file on a full disk does.

use std::sync::{Arc, Mutex, PoisonError};

use pan123_proto::{Account, OpenTokenStore, StoreOp, StoreResult, TokenStore};
use pan123_store::MemoryStore;

/// Clones are the same store.
#[derive(Clone, Debug, Default)]
pub struct FailingStore {
    memory: MemoryStore,
    faults: Arc<Mutex<Faults>>,
}

#[derive(Debug, Default)]
struct Faults {
    lasting: Option<StoreFault>,
    saves: usize,
}

/// What is wrong with a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreFault {
    /// Nothing can be saved.
    Full,
    /// What is stored cannot be read.
    Damaged,
    /// A token was stored, and its place is empty now.
    Emptied,
    /// It does not respond for a while.
    Away,
}

impl FailingStore {
    /// Sets what is wrong from now on.
    pub fn set_fault(&self, fault: Option<StoreFault>) {
        self.change(|faults| faults.lasting = fault);
    }

    /// Makes the next saves of a new token fail. Saving the present one again succeeds.
    pub fn fail_saves(&self, saves: usize) {
        self.change(|faults| faults.saves = saves);
    }

    fn change<R>(&self, change: impl FnOnce(&mut Faults) -> R) -> R {
        change(&mut self.faults.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl TokenStore for FailingStore {
    fn open(&self, account: &Account) -> Box<dyn OpenTokenStore> {
        Box::new(OpenedStore {
            inner: self.memory.open(account),
            store: self.clone(),
            account: account.clone(),
        })
    }
}

struct OpenedStore {
    inner: Box<dyn OpenTokenStore>,
    store: FailingStore,
    account: Account,
}

impl OpenedStore {
    /// The result of an operation that fails.
    fn fault(&self, op: &StoreOp) -> Option<StoreResult> {
        let stored = self.store.memory.token(&self.account);
        self.store.change(|faults| {
            if let StoreOp::Save(token) = op
                && stored.is_none_or(|stored| stored.expose() != token.expose())
                && let Some(left) = faults.saves.checked_sub(1)
            {
                faults.saves = left;
                return Some(StoreResult::Failed("the disk is gone".to_owned()));
            }
            let place = "/data/token.json";
            match (faults.lasting?, op) {
                (StoreFault::Full, StoreOp::Save(_) | StoreOp::Prepare) => {
                    Some(StoreResult::Failed(format!("{place}: the disk is full")))
                }
                (StoreFault::Damaged, StoreOp::Load) => {
                    Some(StoreResult::Failed(format!("{place} is damaged")))
                }
                (StoreFault::Emptied, StoreOp::Load) => {
                    Some(StoreResult::Lost(format!("{place} is empty")))
                }
                // A new token is there to stay.
                (StoreFault::Emptied, StoreOp::Save(_)) => {
                    faults.lasting = None;
                    None
                }
                (StoreFault::Away, StoreOp::Load | StoreOp::Lock) => {
                    Some(StoreResult::Unavailable("the database restarts".to_owned()))
                }
                _ => None,
            }
        })
    }
}

impl OpenTokenStore for OpenedStore {
    fn run(&mut self, op: StoreOp) -> StoreResult {
        match self.fault(&op) {
            Some(result) => result,
            None => self.inner.run(op),
        }
    }
}
