//! Both sides in one process: a mock of the service, and a file that it really fetches.

use std::convert::Infallible;
use std::error::Error;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::response::IntoResponse;
use axum::routing::get;
use bytes::Bytes;
use futures_util::stream;
use http::header::CONTENT_LENGTH;
use pan123_async::{Client, Download};
use pan123_mock::{CLIENT_ID, CLIENT_SECRET, MockPan123};
use tokio::net::TcpListener;

use crate::callback::Listen;
use crate::settings::{Job, unguessable};

const LOOPBACK: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
const PIECE: Bytes = Bytes::from_static(&[0x7b; 64 * 1024]);
const PIECES: usize = 40;
/// Between two pieces, so that there is something to watch.
const PAUSE: Duration = Duration::from_millis(60);

pub(crate) struct Demo {
    mock: MockPan123,
    source: String,
}

impl Demo {
    pub(crate) async fn start() -> Result<Demo, Box<dyn Error>> {
        let mock = MockPan123::builder().fetch_loopback(true).start().await;
        let listener = TcpListener::bind(LOOPBACK).await?;
        let source = format!("http://{}/video.mp4", listener.local_addr()?);
        let router = Router::new().route("/video.mp4", get(file));
        tokio::spawn(async move { axum::serve(listener, router).await });
        println!(
            "no credentials are set: a mock of the service on {}",
            mock.base_url()
        );
        println!("downloads {source}");
        Ok(Demo { mock, source })
    }

    pub(crate) async fn job(&self) -> Result<Job, Box<dyn Error>> {
        let path = format!("/callback/{}", unguessable()?);
        let listen = Listen::on(LOOPBACK, &path).await?;
        let callback = format!("http://{}{path}", listen.listener.local_addr()?);
        let client = Client::builder()
            .credentials(CLIENT_ID, CLIENT_SECRET)
            .base_url(self.mock.base_url())
            .build()?;
        let download = Download::new(self.source.as_str())?
            .file_name("video.mp4")?
            .callback(callback)?;
        Ok(Job {
            client,
            download,
            listen: Some(listen),
        })
    }
}

/// A file that takes a few seconds.
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
