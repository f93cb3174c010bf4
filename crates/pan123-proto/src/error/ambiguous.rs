//! A request of unknown outcome.

use std::fmt;

use bytes::Bytes;
use http::Method;

use super::{Error, TransportErrorKind};

/// A non-idempotent request that may have been carried out: what was sent, and what went wrong afterwards.
///
/// The service can neither list nor cancel offline downloads, so only the caller can decide whether sending it again is
/// acceptable. [`request`](Ambiguous::request) returns what was sent as a value again.
#[derive(Clone)]
pub struct Ambiguous {
    pub(crate) method: Method,
    pub(crate) path: &'static str,
    pub(crate) body: Bytes,
    /// What the endpoint advises to do next.
    pub(crate) advice: &'static str,
    pub(crate) cause: Box<Error>,
}

impl Ambiguous {
    /// Returns the method of the request.
    pub fn method(&self) -> &Method {
        &self.method
    }

    /// Returns the path of the request.
    pub fn path(&self) -> &str {
        self.path
    }

    /// Returns the body of the request. It may hold your secrets, such as a callback URL.
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// Returns how far the request got.
    pub fn reach(&self) -> Reach {
        match &*self.cause {
            Error::Transport(error) => match error.kind() {
                TransportErrorKind::BodyTooLarge | TransportErrorKind::Redirected => {
                    Reach::Responded
                }
                _ => Reach::Sent,
            },
            _ => Reach::Responded,
        }
    }

    /// Returns the ids that a response named for what the request created, when it named several different ones or could not be
    /// read as a whole: `ambiguous.candidates::<TaskId>()` for a download. One of them may be the task that was created;
    /// polling a task does no harm.
    pub fn candidates<Id: TryFrom<u64>>(&self) -> Vec<Id> {
        let ids = self.candidate_numbers().iter();
        ids.filter_map(|&id| Id::try_from(id).ok()).collect()
    }

    fn candidate_numbers(&self) -> &[u64] {
        match self.cause.root() {
            Error::Decode(response) => &response.candidates,
            _ => &[],
        }
    }

    /// Returns what went wrong.
    pub fn cause(&self) -> &Error {
        &self.cause
    }
}

impl fmt::Debug for Ambiguous {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ambiguous")
            .field("method", &self.method)
            .field("path", &self.path)
            .field("reach", &self.reach())
            .field("candidates", &self.candidate_numbers())
            .field("body", &format_args!("[{} bytes]", self.body.len()))
            .field("cause", &self.cause)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for Ambiguous {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "`{} {}` may have been carried out: {} ({}), so it was not sent again; {}",
            self.method,
            self.path,
            self.reach(),
            self.cause,
            self.advice
        )?;
        for (index, id) in self.candidate_numbers().iter().enumerate() {
            let separator = if index == 0 {
                "; the response names "
            } else {
                " and "
            };
            write!(f, "{separator}{id}")?;
        }
        Ok(())
    }
}

/// How far a request of unknown outcome got.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reach {
    /// Some or all of it was sent and no complete response came: it is unknown whether it arrived.
    Sent,
    /// It arrived: a response came, which does not tell the outcome.
    Responded,
}

impl fmt::Display for Reach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Reach::Sent => "it was sent and no complete response came back",
            Reach::Responded => "it was sent and the response does not tell the outcome",
        })
    }
}
