//! The server side of a demonstration, in the same process: a mock of the service, and a file that it actually downloads.

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

/// Any free port on loopback.
pub const LOOPBACK: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
const CHUNK: Bytes = Bytes::from_static(&[0x7b; 64 * 1024]);
const CHUNKS: usize = 40;
/// The time between two chunks: slow enough that there is progress to watch.
const DELAY: Duration = Duration::from_millis(60);

/// A running mock of the service, and a running source server.
#[derive(Debug)]
pub struct Demo {
    mock: MockPan123,
    source: String,
}

impl Demo {
    /// Starts both servers.
    ///
    /// # Errors
    ///
    /// If no port is free.
    pub async fn start() -> io::Result<Demo> {
        let mock = MockPan123::builder().fetch_loopback(true).start().await;
        let listener = TcpListener::bind(LOOPBACK).await?;
        let source = format!("http://{}/video.mp4", listener.local_addr()?);
        let router = Router::new().route("/video.mp4", get(file));
        tokio::spawn(async move { axum::serve(listener, router).await });
        println!(
            "no credentials are set, so this runs against a mock of the service on {}",
            mock.base_url()
        );
        Ok(Demo { mock, source })
    }

    /// Returns a client of the mock.
    ///
    /// # Errors
    ///
    /// If the client cannot be built.
    pub fn client(&self) -> Result<Client, BuildError> {
        Client::builder()
            .credentials(CLIENT_ID, CLIENT_SECRET)
            .base_url(self.mock.base_url())
            .build()
    }

    /// Returns the mock.
    pub fn mock(&self) -> &MockPan123 {
        &self.mock
    }

    /// Returns the URL of a file whose download takes a few seconds.
    pub fn source(&self) -> &str {
        &self.source
    }
}

async fn file() -> impl IntoResponse {
    let chunks = stream::unfold(0, |sent| async move {
        if sent == CHUNKS {
            return None;
        }
        tokio::time::sleep(DELAY).await;
        Some((Ok::<_, Infallible>(CHUNK), sent + 1))
    });
    let length = CHUNKS * CHUNK.len();
    (
        [(CONTENT_LENGTH, length.to_string())],
        Body::from_stream(chunks),
    )
}
