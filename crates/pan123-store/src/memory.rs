//! The store in memory.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pan123_proto::{Account, OpenTokenStore, StoreOp, StoreResult, StoredToken, TokenStore};

/// Stores the tokens of any number of accounts in memory. Clones share the same store.
#[derive(Clone, Default)]
pub struct MemoryStore {
    shared: Arc<Mutex<Shared>>,
}

#[derive(Default)]
struct Shared {
    tokens: HashMap<Account, StoredToken>,
    locked: HashSet<Account>,
}

impl MemoryStore {
    /// Creates an empty store.
    pub fn new() -> MemoryStore {
        MemoryStore::default()
    }

    /// Returns the stored token of an account.
    pub fn token(&self, account: &Account) -> Option<StoredToken> {
        self.lock().tokens.get(account).cloned()
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl TokenStore for MemoryStore {
    fn open(&self, account: &Account) -> Box<dyn OpenTokenStore> {
        Box::new(Open {
            store: self.clone(),
            account: account.clone(),
            locked: false,
        })
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStore").finish_non_exhaustive()
    }
}

struct Open {
    store: MemoryStore,
    account: Account,
    locked: bool,
}

impl OpenTokenStore for Open {
    fn run(&mut self, op: StoreOp) -> StoreResult {
        let shared = &mut *self.store.lock();
        match op {
            StoreOp::Load => StoreResult::Loaded(shared.tokens.get(&self.account).cloned()),
            StoreOp::Lock if self.locked => StoreResult::Locked,
            StoreOp::Lock => {
                self.locked = shared.locked.insert(self.account.clone());
                if self.locked {
                    StoreResult::Locked
                } else {
                    StoreResult::Busy
                }
            }
            StoreOp::Save(token) if self.locked => {
                shared.tokens.insert(self.account.clone(), token);
                StoreResult::Saved
            }
            StoreOp::Prepare if self.locked => StoreResult::Prepared,
            StoreOp::Save(_) | StoreOp::Prepare => {
                StoreResult::Failed("the store is not locked".to_owned())
            }
            StoreOp::Unlock => {
                if std::mem::take(&mut self.locked) {
                    shared.locked.remove(&self.account);
                }
                StoreResult::Unlocked
            }
            other => other.unsupported(),
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.run(StoreOp::Unlock);
    }
}
