//! The callbacks as they come in.

use std::future::pending;

use pan123_async::proto::offline::{CallbackNotice, CallbackRefusal, CallbackSigner};
use pan123_examples::callback::routes;
use tokio::net::TcpListener;
use tokio::sync::{Mutex, mpsc};

/// Where callbacks are awaited.
pub(crate) struct Listen {
    pub(crate) listener: TcpListener,
    /// The one that signed the URL.
    pub(crate) signer: CallbackSigner,
}

/// One download has one receiver: which id its URL was signed for does not matter.
pub(crate) const ID: &str = "the only one";

pub(crate) struct Callbacks {
    notices: Mutex<mpsc::Receiver<CallbackNotice>>,
}

impl Callbacks {
    pub(crate) fn receive(listen: Listen) -> Callbacks {
        let (sender, notices) = mpsc::channel(8);
        let router = routes(listen.signer, move |heard| {
            if let Ok(callback) | Err(CallbackRefusal::UnknownStatus(callback)) = heard {
                // One that nobody waits for any more is a duplicate.
                let _ = sender.try_send(callback.notice);
            }
        });
        tokio::spawn(async move { axum::serve(listen.listener, router).await });
        Callbacks {
            notices: Mutex::new(notices),
        }
    }

    pub(crate) async fn next(&self) -> CallbackNotice {
        match self.notices.lock().await.recv().await {
            Some(notice) => notice,
            None => pending().await,
        }
    }
}

/// The next callback; never, where none is awaited.
pub(crate) async fn next_of(callbacks: Option<&Callbacks>) -> CallbackNotice {
    match callbacks {
        Some(callbacks) => callbacks.next().await,
        None => pending().await,
    }
}
