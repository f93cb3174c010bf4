//! Connections: only so many are open at once, and none is kept open without a request.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use axum::serve::Listener;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::stop::Stop;

/// How many connections are open at once; further ones wait to be accepted.
const MAX_CONNECTIONS: usize = 512;
/// How long a connection stays open until the head of a request has arrived, the first one or the next.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);

/// Answers requests until it is asked to stop, and ends once those that have begun are answered.
pub(super) async fn serve<F>(
    mut listener: TcpListener,
    stop: Stop,
    answer: impl Fn(Request) -> F + Clone + Send + 'static,
) where
    F: Future<Output = Response> + Send + 'static,
{
    let permits = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let mut connections = JoinSet::new();
    loop {
        let accepted = async {
            // The semaphore is never closed.
            let permit = Arc::clone(&permits).acquire_owned().await.ok();
            (permit, Listener::accept(&mut listener).await.0)
        };
        let (permit, stream) = tokio::select! {
            accepted = accepted => accepted,
            Some(_) = connections.join_next() => continue,
            () = stop.requested() => break,
        };
        let connection = serve_connection(stream, stop.clone(), answer.clone());
        connections.spawn(async move {
            connection.await;
            drop(permit);
        });
    }
    // Nobody is answered any more.
    drop(listener);
    connections.join_all().await;
}

async fn serve_connection<F>(
    stream: TcpStream,
    stop: Stop,
    answer: impl Fn(Request) -> F + Send + 'static,
) where
    F: Future<Output = Response> + Send + 'static,
{
    let service = service_fn(move |request: hyper::Request<_>| {
        let response = answer(request.map(Body::new));
        async { Ok::<_, Infallible>(response.await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let mut connection = pin!(connection);
    // A client that breaks off ends its connection.
    let ended = tokio::select! {
        ended = &mut connection => Some(ended),
        () = stop.requested() => None,
    };
    if ended.is_none() {
        connection.as_mut().graceful_shutdown();
        let _ = connection.await;
    }
}

#[cfg(test)]
mod tests {
    use axum::response::IntoResponse;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::time::timeout;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_connection_without_a_whole_request_is_closed() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(serve(listener, Stop::new(), |_| async {
            "answered".into_response()
        }));
        for (sent, answered) in [
            ("", false),
            ("GET / HTTP/1.1\r\nHost: loc", false),
            ("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", true),
        ] {
            let mut stream = TcpStream::connect(address).await.unwrap();
            stream.write_all(sent.as_bytes()).await.unwrap();
            let mut received = String::new();
            let closed = timeout(HEAD_TIMEOUT * 2, stream.read_to_string(&mut received)).await;
            assert!(matches!(closed, Ok(Ok(_))), "{sent:?}: {closed:?}");
            assert_eq!(received.ends_with("answered"), answered, "{received}");
        }
    }
}
