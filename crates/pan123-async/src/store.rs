//! The token store, run where it may block.

use std::future::ready;
use std::sync::{Arc, Mutex, PoisonError};

use pan123_proto::{Account, Input, OpenTokenStore, StoreOp, StoreResult, TokenStore};

use crate::drive::BoxFuture;

/// The token store and the owner of the token, if there is a store.
#[derive(Clone, Default)]
pub(crate) struct Store(Option<(Arc<dyn TokenStore>, Account)>);

/// The store as one machine uses it, opened on first use. Its mutex is never contended: a machine does one thing at a time.
pub(crate) type OpenedStore = Option<Arc<Mutex<Box<dyn OpenTokenStore>>>>;

impl Store {
    pub(crate) fn new(store: Option<Arc<dyn TokenStore>>, account: Option<Account>) -> Store {
        Store(store.zip(account))
    }

    pub(crate) fn run(&self, opened: &mut OpenedStore, op: StoreOp) -> BoxFuture<'static, Input> {
        let Some((store, account)) = &self.0 else {
            return Box::pin(ready(Input::Stored(op.unsupported())));
        };
        let open = || Arc::new(Mutex::new(store.open(account)));
        let opened = Arc::clone(opened.get_or_insert_with(open));
        let run = move || {
            let mut store = opened.lock().unwrap_or_else(PoisonError::into_inner);
            store.run(op)
        };
        Box::pin(async move {
            Input::Stored(match tokio::runtime::Handle::try_current() {
                Ok(runtime) => runtime.spawn_blocking(run).await.unwrap_or_else(|_| {
                    StoreResult::Failed("its thread ended before the operation did".to_owned())
                }),
                Err(_) => run(),
            })
        })
    }
}
