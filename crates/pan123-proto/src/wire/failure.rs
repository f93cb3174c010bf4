//! A failed attempt, classed by what it means for the next one.

use crate::error::{Error, TransportError, TransportErrorKind};

/// A failed attempt: what it tells the caller, and what it means for the next attempt.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) class: FailureClass,
    pub(crate) error: Error,
}

/// What a failed attempt means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FailureClass {
    /// The service's application saw nothing of the request.
    NeverLeft,
    /// The request may have been carried out; another attempt may succeed.
    Indeterminate,
    /// The request may have been carried out by another server; no further attempt can help.
    Redirected,
    /// Rejected before acting: the token is not valid.
    TokenRejected,
    /// Rejected before acting: too many requests.
    RateLimited,
    /// Rejected; no further attempt can help.
    Rejected,
}

impl Failure {
    pub(crate) fn is_indeterminate(&self) -> bool {
        self.class == FailureClass::Indeterminate
    }

    /// Marks the response as the one to an attempt that followed a possibly successful one.
    pub(crate) fn after_lost_response(mut self) -> Failure {
        if let Error::Api(api) = &mut self.error {
            api.follows_lost_response = true;
        }
        self
    }

    /// Returns a copy of the service's response, for callers that wait for the same token.
    pub(crate) fn copy_response(&self) -> Option<Error> {
        match &self.error {
            Error::Api(api) => Some(Error::Api(api.clone())),
            Error::Http(response) => Some(Error::Http(response.clone())),
            _ => None,
        }
    }
}

impl From<TransportError> for Failure {
    fn from(error: TransportError) -> Failure {
        let class = match error.kind() {
            TransportErrorKind::NeverLeft => FailureClass::NeverLeft,
            TransportErrorKind::Certificate => FailureClass::Rejected,
            TransportErrorKind::Redirected => FailureClass::Redirected,
            _ => FailureClass::Indeterminate,
        };
        Failure {
            class,
            error: Error::Transport(error),
        }
    }
}
