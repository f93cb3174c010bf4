//! Why a request is no callback.

use http::StatusCode;
use thiserror::Error;

use super::{CallbackError, CallbackSigner, VerifiedCallback};

/// Why a request was refused: for the program's own log, never for the sender. From [`Method`](Self::Method) on the sender holds a
/// URL that was signed. Nothing that a stranger sent is in the text.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CallbackRefusal {
    /// This parameter is not in the query.
    #[error("the URL has no parameter `{0}`")]
    Missing(&'static str),
    /// This parameter is in the query more than once.
    #[error("the URL has the parameter `{0}` more than once")]
    Repeated(&'static str),
    /// This parameter is nothing that a signer writes.
    #[error("the parameter `{0}` of the URL is nothing that was ever signed")]
    Malformed(&'static str),
    /// None of the signer's keys has this id.
    #[error("the URL names a key that is not known")]
    UnknownKey,
    /// Nobody with the key made this tag for this id.
    #[error("the tag of the URL does not belong to its id")]
    WrongTag,
    /// The URL is good, but the method is not POST.
    #[error("the method is not POST")]
    Method,
    /// The URL is good, but the body is longer than [`CallbackSigner::MAX_BODY_BYTES`].
    #[error("the body is longer than {} bytes", CallbackSigner::MAX_BODY_BYTES)]
    BodyTooLong,
    /// The URL is good, but the body is said to be something else than JSON. Text, bytes, a form (the default of many HTTP
    /// clients) and no type at all may still be JSON.
    #[error("the content type is not that of a notice")]
    ContentType,
    /// The URL is good, but the body is no notice: no JSON, or without a `status`.
    #[error(transparent)]
    Body(#[from] CallbackError),
    /// The URL is good and the body is a notice, but its status is neither 0 nor 1. Such a callback is as good a nudge as any.
    #[error("the notice has an unknown status")]
    UnknownStatus(VerifiedCallback),
}

impl CallbackRefusal {
    /// What the sender is answered, without a body, whatever the reason: from a reason a forger could learn.
    pub const STATUS: StatusCode = StatusCode::FORBIDDEN;
}
