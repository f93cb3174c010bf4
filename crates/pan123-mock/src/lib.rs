//! A mock of the 123云盘 (123pan) Open Platform, for tests of its clients. It keeps state: it issues tokens and revokes the oldest, accepts
//! offline downloads (离线下载) to the drive and the image bed, advances them with each poll or by the clock, puts the files into a drive, and
//! posts callbacks.
//!
//! In a plain `#[test]`:
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
//! Point the client under test at [`MockPan123::base_url`] with [`CLIENT_ID`] and [`CLIENT_SECRET`], or with credentials set on the
//! [`Builder`].
//!
//! Presets cover what tests of a client need most: [`MockPan123::tasks_succeed_after`], [`tasks_fail_with`](MockPan123::tasks_fail_with),
//! [`revoke_tokens`](MockPan123::revoke_tokens), [`rate_limit_next`](MockPan123::rate_limit_next). Any [`Fault`] can be injected, and
//! assertions such as [`assert_created_once`](MockPan123::assert_created_once) list the actual requests when they fail.
//! [`add_files`](MockPan123::add_files) and [`set_list_end`](MockPan123::set_list_end) prepare lists of many pages,
//! [`authorize`](MockPan123::authorize) and [`oauth_pair`](MockPan123::oauth_pair) the tokens of an app.
//!
//! # Without a socket
//!
//! Behind the server is [`Service`], a model that does no IO and reads no clock: it takes a request and the time and returns [`Handled`].
//! Tests in virtual time can call it directly and get the same responses as over the network.
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
//! let handled = service.handle(SystemTime::now(), &request);
//!
//! // Errors are HTTP 200, too, with the code in the body.
//! assert_eq!(handled.reply.response.status(), 200);
//! assert!(handled.reply.response.body().starts_with(br#"{"code":401,"#));
//! # Ok::<(), http::Error>(())
//! ```
//!
//! For an exchange that a fault breaks, [`Break::wire_outcome`] tells what a client would observe.
//!
//! # Broken connections
//!
//! [`BrokenWire`] is a second server for the same mock that cuts, resets, slows down or floods exchanges. It is built on [`TcpServer`],
//! which can do anything else with a connection.
//!
//! # As a program
//!
//! The feature `program` adds the program `pan123-mock`, the same service for clients in any language. It can download sources and is
//! controlled over HTTP; the README describes it. Its options are those of a [`Builder`] as JSON.
//!
//! # Undocumented behavior
//!
//! The real service does not document every response: wrong credentials, an unknown task, the root as a target, a URL that is not HTTP, a
//! file that is not in the trash, a rejected token pair. The mock chooses a code and a message for these, which the README lists; clients
//! should not rely on them. Keys and types are accepted as leniently as existing clients need it, or exactly as documented with
//! [`Builder::strict`].

#![cfg_attr(docsrs, feature(doc_cfg))]

pub use bytes;
pub use http;

mod builder;
mod effects;
mod mock;
mod presets;
#[cfg(feature = "program")]
#[doc(hidden)]
pub mod program;
mod server;
mod service;
mod tcp;

pub use builder::Builder;
pub use mock::MockPan123;
pub use service::{
    CLIENT_ID, CLIENT_SECRET, Callback, CallbackPolicy, CannedResponse, CopyTask, Delivery, Edit,
    Effect, FAULT_NAMES, Fault, File, Handled, InfosKey, ListEnd, MAX_LIVE_TOKENS,
    OauthErrorFormat, RateLimits, ReasonKey, RecordedRequest, Reply, Route, ScriptStep, Service,
    Task, TaskEnd, TaskOutcome, TaskScript, TokenPair, path,
};
pub use tcp::{Break, BrokenWire, Connection, End, Flood, Point, TcpServer, WireOutcome};

/// Compiles the examples of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
