//! Receives the callback of the download.

use std::future::pending;

use pan123_async::proto::offline::{CallbackNotice, CallbackRefusal, CallbackSigner};
use pan123_examples::callback::routes;
use tokio::net::TcpListener;
use tokio::sync::{Mutex, mpsc};

/// Where the callback is received.
pub(crate) struct Listen {
    pub(crate) listener: TcpListener,
    /// The signer of the callback URL.
    pub(crate) signer: CallbackSigner,
}

/// The id in the callback URL. This program has one download, so any id will do.
pub(crate) const ID: &str = "download";

pub(crate) struct Callbacks {
    notices: Mutex<mpsc::Receiver<CallbackNotice>>,
}

impl Callbacks {
    pub(crate) fn receive(listen: Listen) -> Callbacks {
        let (sender, notices) = mpsc::channel(8);
        let router = routes(listen.signer, move |received| {
            if let Ok(callback) | Err(CallbackRefusal::UnknownStatus(callback)) = received {
                // Only the first callback counts, so one that does not fit is dropped.
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

/// Waits for the next callback, or forever if there is no receiver.
pub(crate) async fn next_of(callbacks: Option<&Callbacks>) -> CallbackNotice {
    match callbacks {
        Some(callbacks) => callbacks.next().await,
        None => pending().await,
    }
}
