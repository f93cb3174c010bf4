//! A client of the 123云盘 (123pan) Open Platform on [ureq], first of all for its offline download (离线下载), without an
//! async runtime.
//!
//! ```no_run
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use pan123_blocking::{Client, DirId, Download};
//!
//! let client = Client::builder().credentials("client id", "client secret").build()?;
//! let offline = client.offline_download();
//! let download = Download::new("https://example.com/video.mp4")?
//!     .file_name("my_video.mp4")?
//!     .save_to(DirId::new(456)?);
//! let task = offline.download(&download)?;
//! let done = offline.wait(task)?;
//! println!("{}", done.progress);
//! # Ok(())
//! # }
//! ```
//!
//! [`Client::files`] has the drive: folders, lists, renaming, copying, the trash. [`Client::image_bed`] has the image bed's
//! offline download, and [`ClientBuilder::oauth`] configures an app that acts for other users.
//!
//! This crate only sends requests, waits and reads the clock. What to send, to retry and to wait for is decided in
//! [`pan123_proto`], the same for every driver. What most programs need of it stands here beside the client, the rest under
//! [`proto`]. Unofficial: not made by the service's vendor.
//!
//! # Features
//!
//! - `rustls` (default), `native-tls` or `rustls-no-provider` for TLS; `platform-verifier` uses the platform's certificates.
//! - `precise-connect-errors` (default) recognizes failures to connect, lets a stop end a request in flight and remembers addresses,
//!   so that no request starts a thread, by a module of ureq that has no stability promise.
//! - `tracing` (default) emits spans and events for calls, retries, tokens and waits of more than a second, under the target
//!   `pan123`: see [`proto::Span`].
//! - `callback-signing` adds `CallbackSigner` to [`proto::offline`]; `gzip` and `socks-proxy` are passed on to ureq.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod batch;
mod builder;
mod client;
mod clock;
mod drive;
mod files;
mod image_bed;
mod listing;
mod offline;
mod spawner;
mod transport;
mod watch;

pub use batch::Batch;
pub use builder::ClientBuilder;
pub use client::Client;
pub use files::Files;
pub use image_bed::ImageBed;
pub use listing::Listing;
pub use offline::OfflineDownload;
pub use pan123_proto as proto;
pub use pan123_proto::file::Entry;
pub use pan123_proto::ledger::{ItemKey, NewItem};
pub use pan123_proto::offline::{
    Download, Downloaded, ExpectedFile, FileLookup, Progress, TaskStatus, WatchError, WatchEvent,
    WatchHandle, WatchPolicy,
};
pub use pan123_proto::{
    BuildError, DirId, Error, ErrorCode, ErrorKind, FileId, OAuth, Pacing, Parent, RetryPolicy,
    TaskId,
};
pub use ureq;
pub use watch::Watch;

/// What a client runs on: its transport, its clocks, and where detached work runs. Each may be replaced by one of your own.
pub mod context {
    pub use crate::clock::{Clock, SystemClock};
    pub use crate::spawner::{Spawner, ThreadSpawner, Work};
    pub use crate::transport::{Transport, UreqTransport};
}

/// The code blocks of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
pub struct Readme;
