//! A 123云盘 (123pan) Open Platform server for tests. It keeps state: it mints tokens and pushes the oldest out, takes
//! offline downloads (离线下载), moves them on from poll to poll, and posts the callback at their end.
//!
//! In a plain `#[test]`, without a runtime of your own:
//!
//! ```
//! let mock = pan123_mock::MockPan123::start_blocking();
//! assert!(mock.base_url().starts_with("http://127.0.0.1:"));
//! ```
//!
//! In async code:
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let mock = pan123_mock::MockPan123::start().await;
//! assert!(mock.requests().is_empty());
//! # }
//! ```
//!
//! Point the client under test at [`MockPan123::base_url`] with [`CLIENT_ID`] and [`CLIENT_SECRET`], or with a pair of your
//! own from the [`Builder`].
//!
//! # Without a socket
//!
//! Behind the server is [`Service`], a model that does no IO and reads no clock: a request and the time go in, an [`Outcome`] comes out.
//! A test in virtual time can call it directly and gets the same answers as over the network.
//!
//! ```
//! use std::time::SystemTime;
//!
//! use pan123_mock::{Service, bytes::Bytes, http, path};
//!
//! let mut service = Service::default();
//! let request = http::Request::get(path::USER_INFO)
//!     .header("Platform", "open_platform")
//!     .body(Bytes::new())?;
//! let outcome = service.handle(SystemTime::now(), &request);
//!
//! // Refusals are HTTP 200 too, with the code in the body.
//! assert_eq!(outcome.reply.response.status(), 200);
//! assert!(outcome.reply.response.body().starts_with(br#"{"code":401,"#));
//! # Ok::<(), http::Error>(())
//! ```
//!
//! # A wire that breaks
//!
//! [`BrokenWire`] is another way to the same mock, over which exchanges are cut, reset, slowed down or flooded; [`TcpServer`] is what it
//! stands on, for anything else.
//!
//! # What the mock decides
//!
//! Some answers of the real service are known to nobody who publishes them: the texts for wrong credentials, an unknown task, a root
//! directory or a URL that is not HTTP. For these the mock has a code and a text of its own; a client should not rely on them.
//! Keys and types are taken as generously as clients in daily use need it, or, with [`Builder::strict`], to the letter.

pub use bytes;
pub use http;

mod builder;
mod effects;
mod face;
#[cfg(feature = "program")]
pub mod program;
mod queues;
mod scenes;
mod server;
mod service;
mod tcp;

pub use builder::Builder;
pub use server::MockPan123;
pub use service::{
    CLIENT_ID, CLIENT_SECRET, Callback, Callbacks, Canned, Course, Delivery, Edit, Effect, Ending,
    FAULTS, Fault, File, InfosKey, MAX_LIVE_TOKENS, Outcome, Pace, ReasonKey, RecordedRequest,
    Reply, Service, Step, Task, path,
};
pub use tcp::{Break, BrokenWire, Connection, End, Fate, Flood, Point, TcpServer};

/// The examples of the README compile.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
