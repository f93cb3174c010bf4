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
    notices: Mutex<mpsc::Receiver<Option<CallbackNotice>>>,
}

impl Callbacks {
    pub(crate) fn receive(listen: Listen) -> Callbacks {
        let (sender, notices) = mpsc::channel(8);
        let router = routes(listen.signer, move |received| {
            let notice = match received {
                Ok(callback) | Err(CallbackRefusal::UnknownStatus(callback)) => {
                    Some(callback.notice)
                }
                // The URL is ours, but the body cannot be read.
                Err(refusal) if refusal.id().is_some() => None,
                Err(_) => return,
            };
            // Only the first callback counts, so one that does not fit is dropped.
            let _ = sender.try_send(notice);
        });
        tokio::spawn(async move { axum::serve(listen.listener, router).await });
        Callbacks {
            notices: Mutex::new(notices),
        }
    }

    /// Waits for the next callback; `None` is one whose body could not be read.
    pub(crate) async fn next(&self) -> Option<CallbackNotice> {
        match self.notices.lock().await.recv().await {
            Some(notice) => notice,
            None => pending().await,
        }
    }
}

/// Waits for the next callback, or forever if there is no receiver.
pub(crate) async fn next_of(callbacks: Option<&Callbacks>) -> Option<CallbackNotice> {
    match callbacks {
        Some(callbacks) => callbacks.next().await,
        None => pending().await,
    }
}
