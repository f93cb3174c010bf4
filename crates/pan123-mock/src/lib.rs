//! The 123云盘 (123pan) Open Platform as a mock, for tests of its clients. It keeps state: it mints tokens and pushes the oldest out, takes
//! offline downloads (离线下载) of the drive and of the image bed, moves them on from poll to poll or by the clock, puts what was downloaded
//! into a drive, and posts the callback at their end.
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
//! What a test of a client needs most often is there in a word: [`MockPan123::tasks_succeed_after`],
//! [`tasks_fail_with`](MockPan123::tasks_fail_with), [`revoke_tokens`](MockPan123::revoke_tokens),
//! [`rate_limited`](MockPan123::rate_limited), any [`Fault`], and assertions such as
//! [`assert_created_once`](MockPan123::assert_created_once), which say what came instead. For lists with many pages there are
//! [`add_files`](MockPan123::add_files) and [`set_list_end`](MockPan123::set_list_end), for apps [`authorize`](MockPan123::authorize) and
//! [`oauth_pair`](MockPan123::oauth_pair).
//!
//! # Without a socket
//!
//! Behind the server is [`Service`], a model that does no IO and reads no clock: a request and the time go in, an [`Handled`] comes out.
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
//! Of an exchange that a fault breaks, [`Break::wire_outcome`] says what a client would have seen.
//!
//! # A wire that breaks
//!
//! [`BrokenWire`] is another way to the same mock, over which exchanges are cut, reset, slowed down or flooded; [`TcpServer`] is what it
//! stands on, for anything else.
//!
//! # As a program
//!
//! With the feature `program` there is the program `pan123-mock`, the same service for clients in any language. It really downloads, if it
//! is told to, and is led over HTTP; the README says how. Its options are those of a [`Builder`] as JSON.
//!
//! # What the mock decides
//!
//! Some answers of the real service are known to nobody who publishes them: the texts for wrong credentials, an unknown task, a root
//! directory, a URL that is not HTTP, what is not in the trash, or a refused pair of tokens. For these the mock has a code and a text of its
//! own; a client should not rely on them. The README lists these decisions.
//! Keys and types are taken as generously as clients in daily use need it, or, with [`Builder::strict`], to the letter.

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
    OauthErrorFormat, RateLimits, ReasonKey, RecordedRequest, Reply, ScriptStep, Service, Task,
    TaskOutcome, TaskScript, TokenPair, path,
};
pub use tcp::{Break, BrokenWire, Connection, End, Flood, Point, TcpServer, WireOutcome};

/// The examples of the README compile.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
