//! The receiver of the callback.

use std::future::pending;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::routing::post;
use bytes::Bytes;
use pan123_async::CallbackNotice;
use tokio::net::TcpListener;
use tokio::sync::{Mutex, mpsc};

/// Where callbacks are awaited.
pub(crate) struct Listen {
    pub(crate) listener: TcpListener,
    /// The path that the service posts to.
    pub(crate) path: String,
}

impl Listen {
    pub(crate) async fn on(address: SocketAddr, path: &str) -> std::io::Result<Listen> {
        Ok(Listen {
            listener: TcpListener::bind(address).await?,
            path: path.to_owned(),
        })
    }
}

/// The callbacks as they come in.
pub(crate) struct Callbacks {
    notices: Mutex<mpsc::Receiver<CallbackNotice>>,
}

impl Callbacks {
    pub(crate) fn receive(listen: Listen) -> Callbacks {
        let (sender, notices) = mpsc::channel(8);
        let ours = Arc::new(Ours {
            path: listen.path,
            sender,
        });
        let router = Router::new().fallback(post(take)).with_state(ours);
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

/// What the receiver knows.
struct Ours {
    path: String,
    sender: mpsc::Sender<CallbackNotice>,
}

/// Answers at once: nobody knows how long the service waits, or whether it posts again.
async fn take(State(ours): State<Arc<Ours>>, uri: Uri, body: Bytes) -> StatusCode {
    if uri.path() != ours.path {
        return StatusCode::NOT_FOUND;
    }
    match CallbackNotice::parse(&body) {
        Ok(notice) => {
            // One that nobody waits for any more is a duplicate.
            let _ = ours.sender.try_send(notice);
            StatusCode::OK
        }
        Err(_) => StatusCode::BAD_REQUEST,
    }
}
