//! A WebSocket: calls one after the other, and notifications between them.

use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, WebSocket, close_code};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::watch;
use tokio::time::timeout;

use super::web::Web;

/// How long a client may take to read.
const SEND_TIMEOUT: Duration = Duration::from_secs(30);

/// Serves a socket until it or the service ends.
pub(super) async fn run(mut socket: WebSocket, web: &Web) {
    let mut notifications = web.service.queue.subscribe();
    let mut closing = web.closing();
    loop {
        let message = tokio::select! {
            message = socket.recv() => match message {
                Some(Ok(Message::Text(text))) => answer(web, text.as_bytes()).await,
                Some(Ok(Message::Binary(bytes))) => answer(web, &bytes).await,
                // Pings are answered by the socket itself.
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => continue,
                _ => return,
            },
            notification = notifications.recv() => match notification {
                Ok((notification, gid)) => notification.message(gid).to_string(),
                // It reads too slowly, and misses some.
                Err(RecvError::Lagged(_)) => continue,
                Err(RecvError::Closed) => return,
            },
            () = closed(&mut closing) => {
                let frame = CloseFrame {
                    code: close_code::AWAY,
                    reason: "the service stops".into(),
                };
                send(&mut socket, Message::Close(Some(frame))).await;
                return;
            }
        };
        if !send(&mut socket, Message::Text(message.into())).await {
            return;
        }
    }
}

/// Returns whether the client takes it.
async fn send(socket: &mut WebSocket, message: Message) -> bool {
    matches!(
        timeout(SEND_TIMEOUT, socket.send(message)).await,
        Ok(Ok(()))
    )
}

async fn closed(closing: &mut watch::Receiver<bool>) {
    // It fails if nobody is left to close it, which closes it.
    drop(closing.wait_for(|closing| *closing).await);
}

async fn answer(web: &Web, body: &[u8]) -> String {
    web.service.answer(body).await.body.to_string()
}
