//! Two families of errors: what could not be built ([`BuildError`]) and what an exchange brought ([`Error`]).

mod ambiguous;
mod api;
mod build;
mod transport;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;

pub use ambiguous::{Ambiguous, Reach};
pub use api::{ApiError, ErrorCode};
pub use build::{BuildError, CredentialsFault, FileNameFault, PathFault, UrlFault};
pub use transport::{TransportError, TransportErrorKind};

use crate::api::offline::WatchError;
use crate::ids::EntryId;

/// Why a call did not bring what it was made for.
///
/// A program asks [`kind`](Error::kind), [`code`](Error::code), [`is_retryable`](Error::is_retryable) and
/// [`retry_after`](Error::retry_after); a person reads its text. No text or `Debug` of it holds a secret.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The request could not be built; nothing was sent.
    Build(BuildError),
    /// The service refused.
    Api(Box<ApiError>),
    /// The token was refused, and so was a fresh one if there could be one; the service's answer is inside.
    Unauthorized(Box<Error>),
    /// The client id or its secret was refused; every caller is told so for a while without asking again.
    Credentials(Arc<Error>),
    /// With OAuth: the user has to authorise the app, for the first time if nothing is inside, or again if the service refused the
    /// refresh token; its answer is inside then.
    AuthorizationRequired(Option<Arc<Error>>),
    /// No token could be fetched, for a reason that may pass.
    Token(Arc<Error>),
    /// The store of the token failed, so that no token could be looked for or fetched; the text says what and where.
    TokenStore(String),
    /// The service or our own pacing asks for more patience than the call's deadline has.
    #[non_exhaustive]
    RateLimited {
        /// When to try again, counted from this answer.
        retry_after: Duration,
        /// The refusal, if the service had one; none if the queue of this class is too long.
        last: Option<Box<Error>>,
    },
    /// An HTTP status with a body that is no envelope: 3xx, 4xx, or 5xx as the `last` of [`Error::RetriesExhausted`].
    Http(Box<ResponseError>),
    /// An answer that could not be understood.
    Decode(Box<ResponseError>),
    /// The request brought no answer.
    Transport(TransportError),
    /// Every attempt failed; the last failure is inside.
    #[non_exhaustive]
    RetriesExhausted {
        /// How many requests were sent or tried.
        attempts: u32,
        /// How the last one ended.
        last: Box<Error>,
    },
    /// The call's deadline passed; the last failure is inside, if there was one.
    #[non_exhaustive]
    Deadline {
        /// How the last attempt ended.
        last: Option<Box<Error>>,
    },
    /// A request that must not be sent twice may have been carried out, and nothing tells whether it was.
    Ambiguous(Box<Ambiguous>),
    /// A download that was followed did not succeed, or could not be followed to its end.
    Watch(Box<WatchError>),
    /// A list that leads round in a circle: the service gave the same cursor twice, so that the rest cannot be had.
    #[non_exhaustive]
    PaginationLoop {
        /// The cursor (`lastFileId`).
        cursor: EntryId,
    },
    /// The call was stopped by its handle before anything that cannot be taken back.
    Stopped,
    /// The call had already given its result.
    Finished,
}

/// What kind of failure an [`Error`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// [`Error::Build`]
    Build,
    /// [`Error::Api`]
    Api,
    /// [`Error::Unauthorized`]
    Unauthorized,
    /// [`Error::Credentials`]
    Credentials,
    /// [`Error::AuthorizationRequired`]
    AuthorizationRequired,
    /// [`Error::Token`]
    Token,
    /// [`Error::TokenStore`]
    TokenStore,
    /// [`Error::RateLimited`]
    RateLimited,
    /// [`Error::Http`]
    Http,
    /// [`Error::Decode`]
    Decode,
    /// [`Error::Transport`]
    Transport,
    /// [`Error::RetriesExhausted`]
    RetriesExhausted,
    /// [`Error::Deadline`]
    Deadline,
    /// [`Error::Ambiguous`]
    Ambiguous,
    /// [`Error::Watch`]
    Watch,
    /// [`Error::PaginationLoop`]
    PaginationLoop,
    /// [`Error::Stopped`]
    Stopped,
    /// [`Error::Finished`]
    Finished,
}

impl Error {
    /// Which kind of failure this is.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Error::Build(_) => ErrorKind::Build,
            Error::Api(_) => ErrorKind::Api,
            Error::Unauthorized(_) => ErrorKind::Unauthorized,
            Error::Credentials(_) => ErrorKind::Credentials,
            Error::AuthorizationRequired(_) => ErrorKind::AuthorizationRequired,
            Error::Token(_) => ErrorKind::Token,
            Error::TokenStore(_) => ErrorKind::TokenStore,
            Error::RateLimited { .. } => ErrorKind::RateLimited,
            Error::Http(_) => ErrorKind::Http,
            Error::Decode(_) => ErrorKind::Decode,
            Error::Transport(_) => ErrorKind::Transport,
            Error::RetriesExhausted { .. } => ErrorKind::RetriesExhausted,
            Error::Deadline { .. } => ErrorKind::Deadline,
            Error::Ambiguous(_) => ErrorKind::Ambiguous,
            Error::Watch(_) => ErrorKind::Watch,
            Error::PaginationLoop { .. } => ErrorKind::PaginationLoop,
            Error::Stopped => ErrorKind::Stopped,
            Error::Finished => ErrorKind::Finished,
        }
    }

    /// The service's code, if the service answered with one.
    pub fn code(&self) -> Option<ErrorCode> {
        self.api().map(ApiError::code)
    }

    /// The service's own refusal, however deep it lies.
    pub fn api(&self) -> Option<&ApiError> {
        match self.root() {
            Error::Api(api) => Some(api),
            _ => None,
        }
    }

    /// The trace id of the last answer, if one came with any.
    pub fn trace_id(&self) -> Option<&str> {
        match self.root() {
            Error::Api(api) => api.trace_id(),
            Error::Http(answer) | Error::Decode(answer) => answer.trace_id(),
            _ => None,
        }
    }

    /// The HTTP status of the last answer, if one came.
    pub fn http_status(&self) -> Option<StatusCode> {
        match self.root() {
            Error::Api(api) => Some(api.http_status()),
            Error::Http(answer) | Error::Decode(answer) => Some(answer.http_status()),
            _ => None,
        }
    }

    /// How long to stay away before trying again, if that is known.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Error::RateLimited { retry_after, .. } => Some(*retry_after),
            Error::Api(api) => api.retry_after(),
            Error::Http(answer) | Error::Decode(answer) => answer.retry_after(),
            other => other.inner().and_then(Error::retry_after),
        }
    }

    /// Whether making the same call again later may succeed and cannot do the work twice.
    ///
    /// Never true of [`Error::Ambiguous`].
    pub fn is_retryable(&self) -> bool {
        match self {
            Error::Token(inner) => {
                inner.is_retryable() || matches!(**inner, Error::Unauthorized(_))
            }
            Error::RateLimited { .. }
            | Error::RetriesExhausted { .. }
            | Error::Deadline { .. }
            | Error::Decode(_) => true,
            Error::Api(api) => matches!(
                api.code(),
                ErrorCode::RateLimited | ErrorCode::TooManyDownloads
            ),
            Error::Http(answer) => {
                let status = answer.http_status();
                status.is_server_error() || status == StatusCode::REQUEST_TIMEOUT
            }
            Error::Transport(error) => !matches!(
                error.kind(),
                TransportErrorKind::Certificate | TransportErrorKind::Redirected
            ),
            _ => false,
        }
    }

    /// The failure under the wrappers that say how it ended.
    fn root(&self) -> &Error {
        self.inner().map_or(self, Error::root)
    }

    /// The failure that this one is about.
    fn inner(&self) -> Option<&Error> {
        match self {
            Error::Unauthorized(inner) | Error::RetriesExhausted { last: inner, .. } => Some(inner),
            Error::Deadline { last } | Error::RateLimited { last, .. } => last.as_deref(),
            Error::AuthorizationRequired(refused) => refused.as_deref(),
            Error::Credentials(inner) | Error::Token(inner) => Some(inner),
            Error::Ambiguous(ambiguous) => Some(&ambiguous.cause),
            Error::Watch(error) => error.polls(),
            _ => None,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Build(error) => error.fmt(f),
            Error::Api(error) => write!(f, "the service refused: {error}"),
            Error::Unauthorized(inner) => write!(f, "the access token was refused: {inner}"),
            Error::Credentials(inner) => {
                write!(f, "the client id or its secret was refused: {inner}")
            }
            Error::AuthorizationRequired(None) => f.write_str(
                "the token store holds no pair of tokens, so nothing was sent: let the user open the page of \
                 `OAuth::authorize_url`, and give the code that comes back to `authorize`",
            ),
            Error::AuthorizationRequired(Some(refused)) => write!(
                f,
                "the refresh token was refused: {refused}. It works once, and for 90 days: perhaps a run used it that ended before \
                 the new pair was kept, its answer was lost, or the user took the permission back. Authorise again: let the \
                 user open the page of `OAuth::authorize_url`, and give the code that comes back to `authorize`"
            ),
            Error::Token(inner) => write!(f, "no access token could be fetched: {inner}"),
            Error::TokenStore(text) => write!(f, "the token store failed: {text}"),
            Error::RateLimited { retry_after, last } => {
                write!(f, "too many requests, try again in {retry_after:.1?}")?;
                after_colon(f, last.as_deref())
            }
            Error::Http(answer) | Error::Decode(answer) => answer.fmt(f),
            Error::Transport(error) => error.fmt(f),
            Error::RetriesExhausted { attempts, last } => {
                write!(f, "gave up after {attempts} attempts: {last}")
            }
            Error::Deadline { last } => {
                f.write_str("the time for the call ran out")?;
                after_colon(f, last.as_deref())
            }
            Error::Ambiguous(ambiguous) => ambiguous.fmt(f),
            Error::Watch(error) => error.fmt(f),
            Error::PaginationLoop { cursor } => write!(
                f,
                "the list does not go on: the service gave the cursor {cursor} for a second time"
            ),
            Error::Stopped => f.write_str("the call was stopped"),
            Error::Finished => f.write_str("the call had already given its result"),
        }
    }
}

fn after_colon(f: &mut fmt::Formatter<'_>, last: Option<&Error>) -> fmt::Result {
    last.map_or(Ok(()), |last| write!(f, ": {last}"))
}

/// The chain goes on below what the text already says.
impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self.root() {
            Error::Build(error) => std::error::Error::source(error),
            Error::Transport(error) => std::error::Error::source(error),
            _ => None,
        }
    }
}

impl From<BuildError> for Error {
    fn from(error: BuildError) -> Error {
        Error::Build(error)
    }
}

/// So that creating a download and waiting for its end can share one `?`.
impl From<WatchError> for Error {
    fn from(error: WatchError) -> Error {
        Error::Watch(Box::new(error))
    }
}

/// An answer that was no envelope, or not the one that was promised.
#[derive(Clone, Debug)]
pub struct ResponseError {
    pub(crate) http_status: StatusCode,
    pub(crate) trace_id: Option<String>,
    pub(crate) retry_after: Option<Duration>,
    pub(crate) reason: String,
    pub(crate) excerpt: String,
}

impl ResponseError {
    /// The HTTP status of the answer.
    pub fn http_status(&self) -> StatusCode {
        self.http_status
    }

    /// The trace id, if the answer's headers or body had one.
    pub fn trace_id(&self) -> Option<&str> {
        self.trace_id.as_deref()
    }

    /// How long the answer asked to stay away, at most five minutes.
    pub fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    /// The beginning of the body, at most 200 characters; never of an answer that carries a token.
    pub fn excerpt(&self) -> &str {
        &self.excerpt
    }
}

impl fmt::Display for ResponseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HTTP {}: {}", self.http_status.as_u16(), self.reason)?;
        if !self.excerpt.is_empty() {
            write!(f, ", the answer begins {:?}", self.excerpt)?;
        }
        match &self.trace_id {
            Some(trace) => write!(f, " [trace {trace}]"),
            None => Ok(()),
        }
    }
}
