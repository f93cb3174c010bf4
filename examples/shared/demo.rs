//! The other side of a demonstration, in the same process: a mock of the service, and a file that it really fetches.
#![allow(clippy::print_stdout, reason = "shared by programs for a terminal")]

use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::response::IntoResponse;
use axum::routing::get;
use bytes::Bytes;
use futures_util::stream;
use http::header::CONTENT_LENGTH;
use pan123_async::{BuildError, Client};
use pan123_mock::{CLIENT_ID, CLIENT_SECRET, MockPan123};
use tokio::net::TcpListener;

/// Any free port of this machine.
pub const LOOPBACK: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
const PIECE: Bytes = Bytes::from_static(&[0x7b; 64 * 1024]);
const PIECES: usize = 40;
/// Between two pieces, so that there is something to watch.
const PAUSE: Duration = Duration::from_millis(60);

/// A service and a source, both running.
#[derive(Debug)]
pub struct Demo {
    mock: MockPan123,
    source: String,
}

impl Demo {
    /// Starts both.
    ///
    /// # Errors
    ///
    /// If no port is to be had.
    pub async fn start() -> io::Result<Demo> {
        let mock = MockPan123::builder().fetch_loopback(true).start().await;
        let listener = TcpListener::bind(LOOPBACK).await?;
        let source = format!("http://{}/video.mp4", listener.local_addr()?);
        let router = Router::new().route("/video.mp4", get(file));
        tokio::spawn(async move { axum::serve(listener, router).await });
        println!(
            "no credentials are set: a mock of the service on {}",
            mock.base_url()
        );
        Ok(Demo { mock, source })
    }

    /// A client of the mock.
    ///
    /// # Errors
    ///
    /// If this machine cannot set one up.
    pub fn client(&self) -> Result<Client, BuildError> {
        Client::builder()
            .credentials(CLIENT_ID, CLIENT_SECRET)
            .base_url(self.mock.base_url())
            .build()
    }

    /// The service.
    pub fn mock(&self) -> &MockPan123 {
        &self.mock
    }

    /// The URL of a file that takes a few seconds.
    pub fn source(&self) -> &str {
        &self.source
    }
}

async fn file() -> impl IntoResponse {
    let pieces = stream::unfold(0, |sent| async move {
        if sent == PIECES {
            return None;
        }
        tokio::time::sleep(PAUSE).await;
        Some((Ok::<_, Infallible>(PIECE), sent + 1))
    });
    let length = PIECES * PIECE.len();
    (
        [(CONTENT_LENGTH, length.to_string())],
        Body::from_stream(pieces),
    )
}
