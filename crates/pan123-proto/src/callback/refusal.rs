//! Why the signer refuses a request.

use http::StatusCode;
use thiserror::Error;

use super::{CallbackError, CallbackSigner, VerifiedCallback};

/// Why a request was refused: for the program's own log, never for the sender. The text quotes nothing that the sender sent.
///
/// From [`Method`](Self::Method) on, the sender knows a signed URL. If only the body could not be read, the task may have ended all the
/// same, and [`id`](Self::id) says whose watch to [nudge](crate::offline::WatchHandle::nudge).
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CallbackRefusal {
    /// The query lacks this parameter.
    #[error("the URL has no parameter `{0}`")]
    Missing(&'static str),
    /// The query has this parameter more than once.
    #[error("the URL has the parameter `{0}` more than once")]
    Repeated(&'static str),
    /// This parameter has a value that no signer produces.
    #[error("the parameter `{0}` of the URL is malformed")]
    Malformed(&'static str),
    /// None of the signer's keys has this id.
    #[error("the URL names an unknown key")]
    UnknownKey,
    /// The tag does not match the id.
    #[error("the tag of the URL does not match its id")]
    WrongTag,
    /// The URL is valid, but the method is not POST.
    #[error("the method is not POST")]
    Method,
    /// The URL is valid, but the body is longer than [`CallbackSigner::MAX_BODY_BYTES`].
    #[error("the body is longer than {} bytes", CallbackSigner::MAX_BODY_BYTES)]
    BodyTooLong {
        /// The id that the URL was signed for.
        id: String,
    },
    /// The URL is valid, but the content type rules out JSON. Plain text, octets, a form (the default of many HTTP clients) and no
    /// content type are accepted.
    #[error("the content type rules out a JSON body")]
    ContentType {
        /// The id that the URL was signed for.
        id: String,
    },
    /// The URL is valid, but the body is not a notice: not JSON, or without a `status`.
    #[error("{error}")]
    Body {
        /// The id that the URL was signed for.
        id: String,
        /// Why the body is not a notice.
        error: CallbackError,
    },
    /// The URL is valid and the body is a notice, but its status is neither 0 nor 1. It may still nudge the watch.
    #[error("the notice has an unknown status")]
    UnknownStatus(VerifiedCallback),
}

impl CallbackRefusal {
    /// The status to respond with, without a body, whatever the reason: a reason would help a forger.
    pub const STATUS: StatusCode = StatusCode::FORBIDDEN;

    /// Returns the id that the URL was signed for, if the refused request is a POST to a signed URL.
    pub fn id(&self) -> Option<&str> {
        match self {
            CallbackRefusal::BodyTooLong { id }
            | CallbackRefusal::ContentType { id }
            | CallbackRefusal::Body { id, .. } => Some(id),
            CallbackRefusal::UnknownStatus(callback) => Some(&callback.id),
            _ => None,
        }
    }
}
