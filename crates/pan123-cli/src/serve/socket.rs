//! A WebSocket: calls one after the other, and notifications between them.

use axum::extract::ws::{CloseFrame, Message, WebSocket, close_code};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::watch;

use super::web::Web;

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
                // Nobody is left to tell.
                let _ = socket.send(Message::Close(Some(frame))).await;
                return;
            }
        };
        if socket.send(Message::Text(message.into())).await.is_err() {
            return;
        }
    }
}

async fn closed(closing: &mut watch::Receiver<bool>) {
    // It fails if nobody is left to close it, which closes it.
    drop(closing.wait_for(|closing| *closing).await);
}

async fn answer(web: &Web, body: &[u8]) -> String {
    web.service.answer(body).await.body.to_string()
}
