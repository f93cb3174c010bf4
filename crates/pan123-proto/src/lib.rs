//! A sans-IO core for the 123云盘 (123pan) Open Platform, with a focus on its offline download (离线下载).
//!
//! All behaviour is here, in plain state machines: what is sent, what a response means, which token is used, when a request may
//! be sent, what is retried, when a task is polled. The machines take the time as a parameter and return what to do next; a
//! driver sends the bytes, waits and reads the clock. This is a complete driver:
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
//!                 Ok(response) => Input::Response(response),
//!                 Err(error) => Input::Failed(error),
//!             },
//!             Step::Wait(wait) => {
//!                 wait.signal.wait_until(wait.until);
//!                 Input::Wake
//!             }
//!             Step::Detach(detached) => {
//!                 drive(detached); // on a thread of its own it would outlive this caller
//!                 Input::Wake
//!             }
//!             Step::Store(op) => Input::Stored(op.unsupported()),
//!             Step::Pace(op) => Input::Paced(op.unsupported()),
//!         };
//!     }
//! }
//!
//! /// Stands in for an HTTP client.
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
//! # Map
//!
//! - [`Session`]: one account, whose calls share the token and the pace.
//! - [`Call`]: one call of an [`Endpoint`], with its token, its slot, its retries and its deadline; [`GatedCall`] asks its owner
//!   before it sends.
//! - [`batch`] submits any number of downloads and follows them, and a [`ledger`] keeps what came of each.
//! - [`offline::Watch`] follows an offline download to its end, and [`offline::FindFile`] finds its file.
//! - [`file::Listing`] reads a list to its end; [`file::EnsureDir`] and [`file::FindPath`] create and find a path.
//! - [`OAuth`]: an app of a third party that acts for a user, and [`Authorize`], which begins that.
//! - [`Machine`], [`Input`], [`Step`]: what a driver and the machines exchange.
//! - [`TokenStore`]: the store that keeps a token between runs and shares it among processes.
//! - [`SharedPace`]: one pace for all processes and machines of an account.
//! - The endpoints: [`offline`], [`file`](mod@file), [`image_bed`], [`user`], [`access_token`] and [`oauth`].
//! - [`Pacing`] and [`RetryPolicy`]: how fast, and how often.
//! - [`BuildError`] and [`Error`]: what could not be built, and what went wrong afterwards. [`which_error_what_to_do`] says how to
//!   react, and [`error_codes`] lists the service's codes.
//!
//! Unofficial: not made by the service's vendor. What is known of the wire comes from its public documentation and from public
//! clients.
#![cfg_attr(docsrs, feature(doc_cfg))]

// In this order each module imports only from the ones before it; a test holds that.
mod error;
mod ids;
mod task;
mod text;
mod wait;

mod trace;

mod wire;

mod endpoint;

mod api;
mod callback;

mod machine;

pub mod ledger;

mod policy;

mod exchange;

mod auth;

mod session;

mod call;

mod flow;

#[cfg(test)]
#[path = "../tests/support/base.rs"]
mod base;

pub use api::{access_token, image_bed, oauth, user};
pub use auth::oauth::{Authorize, OAuth};
pub use auth::tokens::Restored;
pub use call::{Call, GateEvent, GatedCall};
pub use endpoint::{Auth, Body, Endpoint, Idempotency, Query, RateClass, ResponseFormat};
pub use error::{
    Ambiguous, ApiError, BuildError, CredentialFault, CredentialsFault, Error, ErrorCode,
    ErrorKind, FileNameFault, PathFault, Reach, ResponseError, SharedPaceError, TokenStoreError,
    TransportError, TransportErrorKind, UnreadableRow, UrlFault,
};
pub use ids::{CopyTaskId, DirId, EntryId, FileId, ImageBedDirId, ImageBedTaskId, Parent, TaskId};
pub use machine::control::CallHandle;
pub use machine::shared_pace::{ClassPace, PaceOp, PaceResult, SharedPace};
pub use machine::token_store::{
    Account, OpenTokenStore, StoreOp, StoreResult, StoredToken, TokenStore,
};
pub use machine::{Detached, Input, Machine, Now, Signal, Step, Transmit, Wait};
pub use policy::pacing::{PaceStatus, Pacing, Priority};
pub use policy::retry::RetryPolicy;
pub use session::{DetachedCall, Session, SessionBuilder};
pub use trace::Span;
pub use wait::WaitReason;
pub use wire::timestamp::ClockSkew;
pub use {bytes, http};

/// Offline download (离线下载): the cloud fetches an http(s) URL into the user's drive.
#[doc(alias = "离线下载")]
pub mod offline {
    pub use crate::api::offline::*;
    pub use crate::callback::{CallbackError, CallbackNotice, CallbackOutcome};
    #[cfg(feature = "callback-signing")]
    pub use crate::callback::{CallbackKey, CallbackRefusal, CallbackSigner, VerifiedCallback};
    pub use crate::error::WatchError;
    pub use crate::flow::expected_file::ExpectedFile;
    pub use crate::flow::find_file::{FileLookup, FindFile};
    pub use crate::flow::fit::FoundBy;
    pub use crate::flow::watch::{Watch, WatchEvent, WatchHandle};
    pub use crate::flow::watch_to_end::{Downloaded, WatchToEnd};
    pub use crate::policy::watch::WatchPolicy;
    pub use crate::task::{Progress, TaskStatus};
}

/// Many downloads at once: submitted, followed, and lost by no restart.
///
/// `Client::offline_download().batch(..)` of a client runs a [`Batch`](batch::Batch) on a [ledger]; a driver of your
/// own begins with [`Session::batch`].
///
/// - Each download is sent once. One that may have arrived without a response is *unconfirmed*: it is reported, and only sent again
///   if somebody [settles](crate::ledger::Verdict::SendAgain) it so.
/// - As many tasks run as the service takes: the limit is found by itself ([`Window`](crate::ledger::Window)).
/// - A task that fails is sent again, a few times; one that is given up is not, since it may still succeed.
/// - The memory does not grow with the number of items.
pub mod batch {
    pub use crate::flow::batch::{
        Batch, BatchEvent, BatchHandle, BatchPolicy, BatchReport, BatchStep, ItemChange, Job,
        JobGuard, LedgerJob,
    };
    pub use crate::policy::poll_schedule::{NextPoll, PollSchedule};
}

/// Files and folders of the drive: finding, creating, moving and removing them.
pub mod file {
    pub use crate::api::file::*;
    pub use crate::flow::ensure_dir::EnsureDir;
    pub use crate::flow::find_path::FindPath;
    pub use crate::flow::listing::Listing;
}

#[doc = include_str!("../docs/error-codes.md")]
pub mod error_codes {}

#[doc = include_str!("../docs/which-error.md")]
pub mod which_error_what_to_do {}

/// The code blocks of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
pub struct Readme;
