//! scratch
#![forbid(unsafe_code)]

mod answer;
pub mod api;
mod call;
mod control;
mod endpoint;
mod envelope;
mod error;
mod ids;
mod lenient;
mod limit;
mod machine;
mod retry;
mod session;
mod store;
mod token;
mod url;

pub use api::{offline, user};
pub use call::Call;
pub use control::CallHandle;
pub use endpoint::{Auth, Body, Endpoint, Query, RateClass, Replay};
pub use error::{
    Ambiguous, AnswerError, ApiError, BuildError, CredentialsFault, Error, ErrorCode, ErrorKind,
    FileNameFault, TransportError, TransportErrorKind, UrlFault,
};
pub use ids::{DirId, FileId, TaskId};
pub use limit::{Pace, Pacing, Priority};
pub use machine::{DriveGuard, Input, Machine, Now, Signal, Step, Transmit, Wait};
pub use retry::RetryPolicy;
pub use session::{Refresh, Session, SessionBuilder};
pub use store::{Skew, StoreOp, StoreResult, StoredToken};
