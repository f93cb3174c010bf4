//! The token's store, run where it may block.

use std::future::ready;
use std::sync::{Arc, Mutex, PoisonError};

use pan123_proto::{Account, Input, OpenTokenStore, StoreOp, StoreResult, TokenStore};

use crate::drive::BoxFuture;

/// Where the token is kept and whose it is, if it is kept at all.
#[derive(Clone, Default)]
pub(crate) struct Keeper(Option<(Arc<dyn TokenStore>, Account)>);

/// The store of one machine, opened when it is first asked for. Nobody waits for its mutex: a machine does one thing at a
/// time.
pub(crate) type Opened = Option<Arc<Mutex<Box<dyn OpenTokenStore>>>>;

impl Keeper {
    pub(crate) fn new(store: Option<Arc<dyn TokenStore>>, account: Option<Account>) -> Keeper {
        Keeper(store.zip(account))
    }

    pub(crate) fn run(&self, opened: &mut Opened, op: StoreOp) -> BoxFuture<'static, Input> {
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
                    StoreResult::Failed("its thread ended before it was done".to_owned())
                }),
                Err(_) => run(),
            })
        })
    }
}
