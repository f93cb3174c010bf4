//! Two families of errors: [`BuildError`], for what could not be built, and [`Error`], for what went wrong afterwards.

mod ambiguous;
mod api;
mod build;
mod outside;
mod response;
mod row;
mod transport;
mod watch;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;

pub use ambiguous::{Ambiguous, Reach};
pub use api::{ApiError, ErrorCode};
pub(crate) use build::BASE_URL;
pub use build::{
    BuildError, CredentialFault, CredentialsFault, FileNameFault, PathFault, UrlFault,
};
pub use outside::{SharedPaceError, TokenStoreError};
pub use response::ResponseError;
pub use row::UnreadableRow;
pub use transport::{TransportError, TransportErrorKind};
pub use watch::WatchError;

use crate::ids::EntryId;
use crate::wait::WaitReason;

/// Why a call failed.
///
/// A program asks [`kind`](Error::kind), [`code`](Error::code), [`is_retryable`](Error::is_retryable) and
/// [`retry_after`](Error::retry_after); a person reads the text. Neither the text nor `Debug` shows a secret.
/// [`which_error_what_to_do`](crate::which_error_what_to_do) says how to react to each kind.
///
/// ```
/// use pan123_proto::{Error, ErrorCode, ErrorKind};
///
/// enum Next { Retry, Login, AskTheUser, GiveUp }
///
/// fn react(error: &Error) -> Next {
///     match error.kind() {
///         ErrorKind::Ambiguous => Next::AskTheUser, // the task may exist: never retry blindly
///         ErrorKind::Credentials | ErrorKind::AuthorizationRequired => Next::Login,
///         _ if error.code() == Some(ErrorCode::TooManyDownloads) => Next::Retry, // when a task has ended
///         _ if error.is_retryable() => Next::Retry, // after `error.retry_after()`, if it is given
///         _ => Next::GiveUp,
///     }
/// }
/// # let error = Error::from(pan123_proto::TaskId::new(0).unwrap_err());
/// # assert!(matches!(react(&error), Next::GiveUp));
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Error {
    /// The request could not be built; nothing was sent.
    Build(BuildError),
    /// The service rejected the request.
    Api(Box<ApiError>),
    /// The token was rejected, and so was a newly issued one if one could be issued; the service's response is inside.
    Unauthorized(Box<Error>),
    /// The token was rejected before the service acted on the request. Only a call that may send once
    /// ([`GatedCall`](crate::GatedCall)) ends this way: the next call uses another token.
    TokenRejected(Box<Error>),
    /// The client id or its secret was rejected. For a while all callers get this error without another request.
    Credentials(Arc<Error>),
    /// OAuth: the user has to authorize the app, for the first time if nothing is inside, or again if the service rejected the
    /// refresh token, whose response is then inside.
    AuthorizationRequired(Option<Arc<Error>>),
    /// No token could be fetched, for a reason that may pass; a fault of the token store is [`Error::TokenStore`].
    Token(Arc<Error>),
    /// One token after the other was rejected, so that the next one is issued only after the deadline of the call: usually another
    /// process uses the same credentials, and the tokens of both push each other out. Let all processes share one token store.
    #[non_exhaustive]
    TokenBackoff {
        /// When the next token is issued, counted from now.
        retry_after: Duration,
        /// The last 401.
        last: Option<Arc<Error>>,
    },
    /// The token store failed, so that no token could be loaded or fetched; nothing was sent.
    TokenStore(TokenStoreError),
    /// The shared pace failed, so that the call got no turn; nothing was sent. If the fault may pass, it is inside
    /// [`Error::Deadline`].
    SharedPace(SharedPaceError),
    /// The service answered 429 and asks for a longer wait than the deadline of the call allows.
    #[non_exhaustive]
    RateLimited {
        /// When to try again, counted from now.
        retry_after: Duration,
        /// The service's response, to this call or to another one of its rate class.
        last: Box<Error>,
    },
    /// The client's own pace, not the service, has no turn for the call before its deadline. Nothing was sent.
    ///
    /// Each refused call is told another time, so that they do not all come back at once.
    #[non_exhaustive]
    QueueTooLong {
        /// The name of the rate class: see [`RateClass::name`](crate::RateClass::name).
        class: &'static str,
        /// The present interval between two requests of the class.
        interval: Duration,
        /// How many requests go first: those that wait, and those that were refused before.
        ahead: usize,
        /// When its turn would come, counted from now.
        retry_after: Duration,
    },
    /// A response with an HTTP status of failure and without an envelope: 3xx, 4xx, or, inside
    /// [`Error::RetriesExhausted`], 5xx.
    Http(Box<ResponseError>),
    /// A response that could not be decoded.
    Decode(Box<ResponseError>),
    /// The request got no response.
    Transport(TransportError),
    /// Every attempt failed; the last failure is inside.
    #[non_exhaustive]
    RetriesExhausted {
        /// The number of attempts made.
        attempts: u32,
        /// How the last one failed.
        last: Box<Error>,
    },
    /// The deadline of the call passed, or leaves no time for another attempt.
    #[non_exhaustive]
    Deadline {
        /// The last failure, if there was one: of an attempt, or of the token fetch for which the call waited.
        last: Option<Box<Error>>,
        /// What the call waited for, if anything.
        waiting_for: Option<WaitReason>,
    },
    /// A non-idempotent request may have been carried out, and nothing tells whether it was.
    Ambiguous(Box<Ambiguous>),
    /// A watched download failed, or could not be watched to its end.
    Watch(Box<WatchError>),
    /// The service returned the same list cursor twice, so that the rest of the list cannot be read.
    #[non_exhaustive]
    PaginationLoop {
        /// The cursor (`lastFileId`).
        cursor: EntryId,
    },
    /// A row of a list cannot be read. A [`Listing`](crate::file::Listing) goes on with the next row; a search ends with this error
    /// if the row may be what it looks for, and no other entry fits.
    UnreadableRow(Box<UnreadableRow>),
    /// The call was stopped through its handle. An idempotent request that was in flight may have been carried out; for any other,
    /// the error is [`Error::Ambiguous`].
    Stopped,
    /// A [`GatedCall`](crate::GatedCall) sent nothing: it passed its gate too late, or its token became invalid while it waited there.
    GateExpired,
    /// The call was resumed after it had returned its result.
    Finished,
}

/// Defines [`ErrorKind`] and [`Error::kind`] from one list of variants.
macro_rules! error_kinds {
    ($($variant:ident),* $(,)?) => {
        /// The kind of an [`Error`]: one for each variant.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum ErrorKind {
            $(
                #[doc = concat!("[`Error::", stringify!($variant), "`].")]
                $variant,
            )*
        }

        #[cfg(test)]
        const KINDS: &[ErrorKind] = &[$(ErrorKind::$variant),*];

        impl Error {
            /// Returns the kind of this error.
            pub fn kind(&self) -> ErrorKind {
                match self {
                    $(Error::$variant { .. } => ErrorKind::$variant,)*
                }
            }
        }
    };
}

error_kinds! {
    Build,
    Api,
    Unauthorized,
    TokenRejected,
    Credentials,
    AuthorizationRequired,
    Token,
    TokenBackoff,
    TokenStore,
    SharedPace,
    RateLimited,
    QueueTooLong,
    Http,
    Decode,
    Transport,
    RetriesExhausted,
    Deadline,
    Ambiguous,
    Watch,
    PaginationLoop,
    UnreadableRow,
    Stopped,
    GateExpired,
    Finished,
}

impl Error {
    /// Returns the service's code, if the service answered with one.
    pub fn code(&self) -> Option<ErrorCode> {
        self.api().map(ApiError::code)
    }

    /// Returns the service's rejection, however deeply it is nested.
    pub fn api(&self) -> Option<&ApiError> {
        match self.root() {
            Error::Api(api) => Some(api),
            _ => None,
        }
    }

    /// Returns the trace id of the last response, if it had one.
    pub fn trace_id(&self) -> Option<&str> {
        match self.root() {
            Error::Api(api) => api.trace_id(),
            Error::Http(response) | Error::Decode(response) => response.trace_id(),
            _ => None,
        }
    }

    /// Returns the HTTP status of the last response, if there was one.
    pub fn http_status(&self) -> Option<StatusCode> {
        match self.root() {
            Error::Api(api) => Some(api.http_status()),
            Error::Http(response) | Error::Decode(response) => Some(response.http_status()),
            _ => None,
        }
    }

    /// Returns how long to wait before trying again, if that is known.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Error::RateLimited { retry_after, .. }
            | Error::QueueTooLong { retry_after, .. }
            | Error::TokenBackoff { retry_after, .. } => Some(*retry_after),
            Error::Api(api) => api.retry_after(),
            Error::Http(response) | Error::Decode(response) => response.retry_after(),
            other => other.inner().and_then(Error::retry_after),
        }
    }

    /// Returns whether making the same call again later may succeed and cannot do the work twice.
    ///
    /// Never true for [`Error::Ambiguous`].
    pub fn is_retryable(&self) -> bool {
        match self {
            Error::Token(inner) => inner.is_retryable(),
            Error::TokenStore(error) => error.may_pass(),
            Error::SharedPace(error) => error.may_pass(),
            Error::RateLimited { .. }
            | Error::QueueTooLong { .. }
            | Error::TokenBackoff { .. }
            | Error::TokenRejected(_)
            | Error::GateExpired
            | Error::RetriesExhausted { .. }
            | Error::Deadline { .. }
            | Error::Decode(_) => true,
            Error::Api(api) => matches!(
                api.code(),
                ErrorCode::RateLimited | ErrorCode::TooManyDownloads
            ),
            Error::Http(response) => {
                let status = response.http_status();
                status.is_server_error() || status == StatusCode::REQUEST_TIMEOUT
            }
            Error::Transport(error) => !matches!(
                error.kind(),
                TransportErrorKind::Certificate | TransportErrorKind::Redirected
            ),
            _ => false,
        }
    }

    /// Returns the innermost error: what happened last, without the wrappers that say how the call ended.
    pub fn root(&self) -> &Error {
        self.inner().map_or(self, Error::root)
    }

    /// The error that this one wraps.
    fn inner(&self) -> Option<&Error> {
        match self {
            Error::Unauthorized(inner)
            | Error::TokenRejected(inner)
            | Error::RateLimited { last: inner, .. }
            | Error::RetriesExhausted { last: inner, .. } => Some(inner),
            Error::Deadline { last, .. } => last.as_deref(),
            Error::AuthorizationRequired(rejected) => rejected.as_deref(),
            Error::TokenBackoff { last, .. } => last.as_deref(),
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
            Error::Api(error) => write!(f, "the service rejected the request: {error}"),
            Error::Unauthorized(inner) => write!(f, "the access token was rejected: {inner}"),
            Error::TokenRejected(inner) => write!(
                f,
                "the access token was rejected, so the request was not carried out; the next call uses another token: {inner}"
            ),
            Error::Credentials(inner) => {
                write!(f, "the client id or its secret was rejected: {inner}")
            }
            Error::AuthorizationRequired(None) => f.write_str(
                "the token store holds no token pair, so nothing was sent: have the user open the page of \
                 `OAuth::authorize_url`, and pass the code that comes back to `authorize`",
            ),
            Error::AuthorizationRequired(Some(rejected)) => write!(
                f,
                "the refresh token was rejected: {rejected}. A refresh token works once, and for 90 days: an earlier run may have \
                 used it and ended before it saved the new pair, the response may have been lost, or the user may have revoked \
                 the permission. Authorize again: have the user open the page of `OAuth::authorize_url`, and pass the code that \
                 comes back to `authorize`"
            ),
            Error::Token(inner) => write!(f, "no access token could be fetched: {inner}"),
            Error::TokenBackoff { retry_after, last } => {
                write!(
                    f,
                    "one access token after the other was rejected, so the next one is issued in {retry_after:.1?}: probably another \
                     process uses the same credentials, and the tokens push each other out; let all processes share one token store"
                )?;
                last.as_ref().map_or(Ok(()), |last| write!(f, ": {last}"))
            }
            Error::TokenStore(error) => write!(f, "the token store failed: {error}"),
            Error::SharedPace(error) => write!(f, "the shared pace failed: {error}"),
            Error::RateLimited { retry_after, last } => {
                write!(
                    f,
                    "too many requests; try again in {retry_after:.1?}: {last}"
                )
            }
            Error::QueueTooLong {
                class,
                interval,
                ahead,
                retry_after,
            } => write!(
                f,
                "no turn within the call's time: the client's own pace for `{class}` is one request every {interval:?}, with {ahead} \
                 ahead; try again in {retry_after:.1?}, allow the call more time, or set another pace with `Pacing`"
            ),
            Error::Http(response) | Error::Decode(response) => response.fmt(f),
            Error::Transport(error) => error.fmt(f),
            Error::RetriesExhausted { attempts, last } => {
                write!(f, "gave up after {attempts} attempts: {last}")
            }
            Error::Deadline { last, waiting_for } => {
                f.write_str(deadline_text(*waiting_for, last.is_some()))?;
                let Some(last) = last else { return Ok(()) };
                write!(f, ": {last}")?;
                match last.retry_after() {
                    Some(wait) => write!(f, "; it asks to try again in {wait:.1?}"),
                    None => Ok(()),
                }
            }
            Error::Ambiguous(ambiguous) => ambiguous.fmt(f),
            Error::Watch(error) => error.fmt(f),
            Error::PaginationLoop { cursor } => write!(
                f,
                "the list cannot be read to its end: the service returned the cursor {cursor} twice"
            ),
            Error::UnreadableRow(row) => row.fmt(f),
            Error::Stopped => f.write_str("the call was stopped"),
            Error::GateExpired => f.write_str(
                "nothing was sent: the call waited too long at its gate, or its token became invalid there; make a new call",
            ),
            Error::Finished => f.write_str("the call has already returned its result"),
        }
    }
}

fn deadline_text(waiting_for: Option<WaitReason>, has_failed: bool) -> &'static str {
    match waiting_for {
        None if has_failed => "the deadline of the call leaves no time for another attempt",
        None => "the deadline of the call leaves too little time to send the request",
        Some(WaitReason::Pace) => "the deadline of the call comes before its turn",
        Some(WaitReason::Backoff) => "the deadline of the call comes before another attempt",
        Some(WaitReason::Token) => {
            "the deadline of the call passed while it waited for an access token"
        }
        Some(WaitReason::Store) => {
            "the deadline of the call passed while it waited for the token store"
        }
        Some(WaitReason::Poll) => "the deadline of the call passed before the next poll",
    }
}

/// The chain continues below what the text already includes.
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

/// Lets creating a download and waiting for its end share one `?`.
impl From<WatchError> for Error {
    fn from(error: WatchError) -> Error {
        Error::Watch(Box::new(error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = include_str!("../docs/which-error.md");

    /// The names in the first column of the table under a heading of the page.
    fn first_column(heading: &str) -> Vec<&'static str> {
        let (_, rest) = PAGE.split_once(heading).expect("the heading");
        let section = rest.split("\n## ").next().expect("a section");
        let rows = section
            .lines()
            .filter_map(|line| line.strip_prefix("| `")?.split('|').next());
        // The first row is the table's heading.
        rows.skip(1)
            .flat_map(|cell| cell.split(','))
            .map(|name| name.trim_matches([' ', '`']))
            .collect()
    }

    #[test]
    fn page_names_every_kind_once_and_in_order() {
        let kinds: Vec<_> = KINDS.iter().map(|kind| format!("{kind:?}")).collect();
        assert_eq!(first_column("\n## Calls: `ErrorKind`\n"), kinds);
    }

    #[test]
    fn page_says_which_kinds_are_retryable() {
        let inner = || Box::new(Error::Stopped);
        let cursor = crate::ids::EntryId::new(7).unwrap();
        let task = crate::ids::TaskId::new(7).unwrap();
        let row = UnreadableRow {
            index: 0,
            id: None,
            name: None,
            is_dir: None,
            trashed: false,
            reason: String::new(),
            excerpt: String::new(),
            maybe_sought: false,
        };
        for error in [
            Error::Build(BuildError::RootDirectory),
            Error::Unauthorized(inner()),
            Error::TokenRejected(inner()),
            Error::Credentials(Arc::new(Error::Stopped)),
            Error::AuthorizationRequired(None),
            Error::TokenBackoff {
                retry_after: Duration::ZERO,
                last: None,
            },
            Error::TokenStore(TokenStoreError::lasting("")),
            Error::SharedPace(SharedPaceError::lasting("")),
            Error::RateLimited {
                retry_after: Duration::ZERO,
                last: inner(),
            },
            Error::QueueTooLong {
                class: "offline/download",
                interval: Duration::from_secs(1),
                ahead: 119,
                retry_after: Duration::from_secs(120),
            },
            Error::RetriesExhausted {
                attempts: 2,
                last: inner(),
            },
            Error::Deadline {
                last: None,
                waiting_for: None,
            },
            WatchError::Stopped { task, last: None }.into(),
            Error::PaginationLoop { cursor },
            Error::UnreadableRow(Box::new(row)),
            Error::Stopped,
            Error::GateExpired,
            Error::Finished,
        ] {
            let start = format!("\n| `{:?}` |", error.kind());
            let (_, row) = PAGE.split_once(&start).expect("a row");
            let cell = row.split('|').nth(2).expect("a cell");
            let expected = if error.is_retryable() { "Yes" } else { "No" };
            assert!(cell.trim().starts_with(expected), "{:?}", error.kind());
        }
    }
}
