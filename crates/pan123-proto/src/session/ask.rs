//! The call that brings a new token or a new pair, and what it brought.

use std::time::{Instant, SystemTime};

use http::StatusCode;
use jiff::Timestamp;

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
            Issued::Pair(pair) => {
                let end = answered.checked_add(pair.expires_in()?)?;
                // An end that no calendar has could not be kept.
                Timestamp::try_from(end).is_ok().then_some(end)
            }
        }
    }
}

/// The token endpoint asks for no token, so that its 401 is about the credentials.
pub(super) fn is_about_credentials(error: &Error) -> bool {
    match error {
        Error::Api(api) => matches!(
            api.code(),
            ErrorCode::Unauthorized | ErrorCode::InvalidClient
        ),
        Error::Http(answer) => answer.http_status() == StatusCode::UNAUTHORIZED,
        Error::AuthorizationRequired(_) => true,
        _ => false,
    }
}

/// Whether the service will not take this refresh token, now or later. How it says so is documented nowhere: by the name of RFC
/// 6749, by a code or status that finds the request wrong, or by a text that speaks of the token. An address that is blocked,
/// a wrong client secret or an error inside the service say nothing of it.
pub(super) fn is_refused_refresh_token(error: &Error) -> bool {
    match error {
        Error::Api(api) if api.may_pass() => false,
        Error::Api(api) => match api.code() {
            ErrorCode::InvalidGrant | ErrorCode::Unauthorized | ErrorCode::Other(400) => true,
            ErrorCode::Internal | ErrorCode::Other(_) => speaks_of_the_token(api.message()),
            _ => false,
        },
        Error::Http(answer) => matches!(
            answer.http_status(),
            StatusCode::BAD_REQUEST | StatusCode::UNAUTHORIZED
        ),
        _ => false,
    }
}

fn speaks_of_the_token(text: &str) -> bool {
    let text = text.to_lowercase();
    text.contains("refresh") && text.contains("token")
}
