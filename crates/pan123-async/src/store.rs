//! The token store and the shared pace, run where they may block.

use std::future::ready;
use std::sync::{Arc, Mutex, PoisonError};

use pan123_proto::{
    Account, Input, OpenTokenStore, PaceOp, PaceResult, SharedPace, StoreOp, StoreResult,
    TokenStore,
};

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
            let result = may_block(run).await;
            Input::Stored(result.unwrap_or_else(|| StoreResult::Failed(THREAD_ENDED.to_owned())))
        })
    }
}

/// The shared pace and the account that it is for, if there is one.
#[derive(Clone, Default)]
pub(crate) struct Pace(Option<(Arc<dyn SharedPace>, Account)>);

impl Pace {
    pub(crate) fn new(pace: Option<Arc<dyn SharedPace>>, account: Account) -> Pace {
        Pace(pace.map(|pace| (pace, account)))
    }

    pub(crate) fn run(&self, op: PaceOp) -> BoxFuture<'static, Input> {
        let Some((pace, account)) = self.0.clone() else {
            return Box::pin(ready(Input::Paced(op.unsupported())));
        };
        Box::pin(async move {
            let result = may_block(move || pace.run(&account, op)).await;
            Input::Paced(result.unwrap_or_else(|| PaceResult::Unavailable(THREAD_ENDED.to_owned())))
        })
    }
}

const THREAD_ENDED: &str = "its thread ended before the operation did";

/// Runs work on a thread that may block; in place outside of a runtime. None if its thread ends before.
async fn may_block<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    match tokio::runtime::Handle::try_current() {
        Ok(runtime) => runtime.spawn_blocking(work).await.ok(),
        Err(_) => Some(work()),
    }
}
