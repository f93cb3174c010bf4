//! The 123云盘 (123pan) Open Platform without IO, first of all its offline download (离线下载).
//!
//! All behaviour is here, as plain state machines: what is sent, what an answer means, whose token is used, who goes when,
//! what is sent again, when a task is asked for. They take the time as a parameter and say what to do next; a driver carries
//! the bytes, waits and reads the clock. This is a whole driver:
//!
//! ```
//! use std::time::{Instant, SystemTime};
//!
//! use pan123_proto::{Input, Machine, Now, Session, Step, Transmit, TransportError};
//! use pan123_proto::{TaskId, offline::{TaskStatus, WatchPolicy}};
//!
//! fn drive<M: Machine>(mut machine: M) -> M::Output {
//!     let mut input = Input::Wake;
//!     loop {
//!         let now = Now { mono: Instant::now(), wall: SystemTime::now() };
//!         input = match machine.resume(now, input) {
//!             Step::Ready(output) => return output,
//!             Step::Transmit(transmit) => match send(transmit) {
//!                 Ok(answer) => Input::Response(answer),
//!                 Err(error) => Input::Failed(error),
//!             },
//!             Step::Wait(wait) => {
//!                 wait.signal.wait_until(wait.until);
//!                 Input::Wake
//!             }
//!             Step::Refresh(refresh) => {
//!                 drive(refresh); // on a thread of its own it would outlive this caller
//!                 Input::Wake
//!             }
//!             Step::Store(op) => Input::Stored(op.unsupported()),
//!         };
//!     }
//! }
//!
//! /// Stands for an HTTP client.
//! fn send(transmit: Transmit) -> Result<http::Response<bytes::Bytes>, TransportError> {
//!     let body = match transmit.request.uri().path() {
//!         "/api/v1/access_token" => r#"{"code":0,"message":"ok","data":{"accessToken":"a"}}"#,
//!         "/api/v1/offline/download/process" => r#"{"code":0,"data":{"process":100,"status":2}}"#,
//!         other => return Err(TransportError::interrupted(format!("no such path: {other}"))),
//!     };
//!     Ok(http::Response::new(body.into()))
//! }
//!
//! let session = Session::builder().credentials("client id", "client secret").build()?;
//! let watch = session.watch(TaskId::new(394756)?, WatchPolicy::default());
//! let done = drive(watch.to_end())?;
//! assert_eq!(done.progress.status, TaskStatus::Succeeded);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! `pan123-async` and `pan123-blocking` are such drivers over reqwest and ureq.
//!
//! # The map
//!
//! - [`Session`]: one account. It shares a token and a pace among the calls that it makes.
//! - [`Call`]: one call of an [`Endpoint`], with its token, its slot, its retries and its deadline.
//! - [`offline::Watch`]: follows an offline download to its end.
//! - [`file::Listing`]: reads a list to its end; [`file::EnsureDir`] and [`file::FindPath`] make and find a path, and
//!   [`offline::FindFile`] finds the file of a download.
//! - [`Refresh`]: the fetch of a token, which one caller wins for all.
//! - [`OAuth`]: an app of a third party that acts for a user, whom [`Authorize`] begins with.
//! - [`Machine`], [`Input`], [`Step`]: what a driver and these machines say to each other.
//! - [`TokenStore`]: where a token is kept between runs, and shared by processes.
//! - The endpoints, one file each: [`offline`] has what belongs to an offline download, its callback too, [`file`](mod@file) what
//!   belongs to files and folders, [`image_bed`] the offline download of pictures, [`user`] the account, and [`access_token`] and
//!   [`oauth`] the tokens.
//! - [`Pacing`] and [`RetryPolicy`]: how fast, and how often.
//! - [`BuildError`] and [`Error`]: what could not be built, and what an exchange brought; [`error_codes`] has the service's codes.
//!
//! Unofficial: not made by the service's vendor. What is known of the wire comes from its public documentation and from
//! public clients.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod answer;
mod api;
#[cfg(test)]
#[path = "../tests/support/base.rs"]
mod base;
mod call;
mod control;
mod date;
mod endpoint;
mod envelope;
mod error;
mod file_name;
mod ids;
mod lenient;
mod limit;
mod machine;
mod retry;
mod scrub;
mod session;
mod store;
mod timing;
mod token;
mod trace;
mod url;

pub use api::oauth::app::OAuth;
pub use api::{access_token, file, image_bed, oauth, offline, user};
pub use call::Call;
pub use control::CallHandle;
pub use endpoint::{Auth, Body, Endpoint, Idempotency, Query, RateClass, ResponseFormat};
pub use error::{
    Ambiguous, ApiError, BuildError, CredentialsFault, Error, ErrorCode, ErrorKind, FileNameFault,
    PathFault, Reach, ResponseError, TransportError, TransportErrorKind, UrlFault,
};
pub use ids::{CopyTaskId, DirId, EntryId, FileId, ImageBedDirId, ImageBedTaskId, Parent, TaskId};
pub use limit::{Pace, Pacing, Priority};
pub use machine::{DriveGuard, Input, Machine, Now, Signal, Step, Transmit, Wait, WaitReason};
pub use retry::RetryPolicy;
pub use scrub::Secrets;
pub use session::{Authorize, Refresh, Restored, Session, SessionBuilder};
pub use store::{
    Account, ClockSkew, OpenTokenStore, StoreOp, StoreResult, StoredToken, TokenStore,
};
pub use trace::Span;
pub use {bytes, http};

#[doc = include_str!("../docs/error-codes.md")]
pub mod error_codes {}

/// The code blocks of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
pub struct Readme;
