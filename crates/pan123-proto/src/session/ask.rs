//! The call that brings a new token or a new pair, and what it brought.

use std::time::{Instant, SystemTime};

use http::StatusCode;

use super::fetch::Ended;
use crate::api::access_token::IssuedToken;
use crate::api::oauth::TokenPair;
use crate::call::Call;
use crate::error::{Error, ErrorCode};
use crate::machine::{Input, Machine, Now, Step};

#[derive(Debug)]
pub(super) enum Ask {
    Token(Box<Call<IssuedToken>>),
    Pair(Box<Call<TokenPair>>),
}

impl Ask {
    /// What the call ended with, or its next step.
    #[allow(
        clippy::result_large_err,
        reason = "it is taken apart on the spot, and is no error"
    )]
    pub(super) fn resume(
        &mut self,
        deadline: Instant,
        now: Now,
        input: Input,
    ) -> Result<Result<Issued, Error>, Step<Ended>> {
        match self {
            Ask::Token(call) => {
                call.set_deadline(deadline);
                let token = call.resume(now, input).ready()?;
                Ok(token.map(Issued::Token))
            }
            Ask::Pair(call) => {
                call.set_deadline(deadline);
                let pair = call.resume(now, input).ready()?;
                Ok(pair.map(Issued::Pair))
            }
        }
    }
}

/// What the service issued.
#[derive(Debug)]
pub(super) enum Issued {
    Token(IssuedToken),
    Pair(TokenPair),
}

impl Issued {
    pub(super) fn expose(&self) -> &str {
        match self {
            Issued::Token(token) => token.expose(),
            Issued::Pair(pair) => pair.expose_access_token(),
        }
    }

    pub(super) fn expose_refresh_token(&self) -> Option<&str> {
        match self {
            Issued::Token(_) => None,
            Issued::Pair(pair) => Some(pair.expose_refresh_token()),
        }
    }

    /// When it ends by the service's clock, which showed this when it answered.
    pub(super) fn expired_at(&self, answered: SystemTime) -> Option<SystemTime> {
        match self {
            Issued::Token(token) => token.expired_at(),
            Issued::Pair(pair) => answered.checked_add(pair.expires_in()?),
        }
    }
}

/// What a failure to get the next pair means to a caller: a refused refresh token is the user's to replace.
pub(super) fn told_of_rotation(error: Error) -> Error {
    if is_refusal(&error) {
        Error::AuthorizationNeeded(Some(Box::new(error)))
    } else {
        error
    }
}

/// The token endpoint asks for no token, so that its 401 is about the credentials.
pub(super) fn is_about_credentials(error: &Error) -> bool {
    match error {
        Error::Api(api) => api.code() == ErrorCode::Unauthorized,
        Error::Http(answer) => answer.http_status() == StatusCode::UNAUTHORIZED,
        Error::AuthorizationNeeded(_) => true,
        _ => false,
    }
}

/// Whether the service will not take this refresh token, now or later.
fn is_refusal(error: &Error) -> bool {
    match error {
        Error::Api(api) => !api.may_pass(),
        Error::Http(answer) => matches!(
            answer.http_status(),
            StatusCode::BAD_REQUEST | StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN
        ),
        _ => false,
    }
}
