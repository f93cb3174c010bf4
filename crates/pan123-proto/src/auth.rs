//! How a session gets its tokens, one file per flow:
//!
//! - [`developer`]: tokens issued for a client id and its secret;
//! - [`oauth`]: token pairs issued to an app that acts for a user;
//! - [`given`]: a token that the user of this crate supplies.
//!
//! [`tokens`] is the state that the calls of a session share, and [`fetch`] what the two fetching flows share: the lease, the
//! deadline, and the lock of the token store. [`reissue`] is how both back off when tokens are rejected again and again.

mod developer;
mod fetch;
mod given;
pub(crate) mod oauth;
mod reissue;
pub(crate) mod tokens;

use std::sync::Arc;

use secrecy::ExposeSecret;

use crate::api::access_token::IssueToken;
use crate::error::{BuildError, CredentialsFault, Error, TokenStoreError};
use crate::exchange::ExchangeSession;
use crate::machine::control::Control;
use crate::machine::token_store::{Account, StoredToken};
use crate::machine::{Detached, Now};
use crate::wire::redaction::Secrets;
use crate::wire::request::bearer;
use developer::FetchToken;
use oauth::{OAuth, RefreshPair};
use tokens::{FetchedToken, Lease, TokenOrigin, Tokens};

pub(crate) use fetch::initial_lease_duration;

/// How a session authenticates.
#[derive(Debug)]
pub(crate) enum AuthMethod {
    /// With a token that the user supplies.
    Given,
    /// With tokens issued for a client id and its secret.
    Developer(IssueToken),
    /// With token pairs issued to an app for one of its users.
    OAuth(OAuth),
}

/// The session, as its token flows see it.
pub(crate) trait TokenSession: ExchangeSession + Send + Sync + 'static {
    fn auth_method(&self) -> &AuthMethod;

    fn uses_token_store(&self) -> bool;

    /// The events of all token fetches, which end when the last user of the session is dropped.
    fn fetch_control(&self) -> &Arc<Control>;

    /// Runs `work` on the tokens, under the lock of the session: arithmetic only.
    fn with_tokens<R>(&self, work: impl FnOnce(&mut Tokens) -> R) -> R;

    /// Changes the tokens, then wakes the calls that wait for one.
    fn change_tokens(&self, change: impl FnOnce(&mut Tokens)) {
        let waiters = self.with_tokens(|tokens| {
            change(tokens);
            tokens.take_waiters()
        });
        waiters.wake();
    }

    /// Returns the owner of the session's tokens; none if the session was given a token.
    fn account(&self) -> Option<Account> {
        let account = |client_id| Account::new(self.settings().base_url.as_str(), client_id);
        match self.auth_method() {
            AuthMethod::Given => None,
            AuthMethod::Developer(credentials) => Some(account(credentials.client_id())),
            AuthMethod::OAuth(app) => Some(match app.user_label() {
                Some(label) => account(app.client_id()).of_user(label),
                None => account(app.client_id()),
            }),
        }
    }

    /// Returns the token in what was stored; none if it has expired.
    fn read_stored(&self, stored: &StoredToken, now: Now) -> Result<Option<FetchedToken>, Error> {
        if let Some(account) = self.account()
            && account != *stored.account()
        {
            return Err(Error::TokenStore(TokenStoreError::lasting(format!(
                "it holds the token of {}, not of {account}: give each account a store of its own",
                stored.account()
            ))));
        }
        self.auth_method().check_kind(stored)?;
        let header = bearer(stored.expose())?;
        let token = FetchedToken {
            header,
            lifetime: stored.lifetime(now.wall),
            since: now.mono,
            origin: TokenOrigin::Stored,
        };
        Ok(token.has_credible_lifetime().then_some(token))
    }
}

/// Returns the machine that fetches a token for all calls of the session. Only the holder of the lease may run it.
pub(crate) fn fetch<H: TokenSession>(
    host: &H,
    lease: Lease,
    now: Now,
) -> Result<Detached, BuildError> {
    match host.auth_method() {
        AuthMethod::Given => Err(BuildError::Credentials(CredentialsFault::Missing)),
        AuthMethod::Developer(credentials) => {
            let fetch = FetchToken::new(host.clone(), credentials, lease, now)?;
            Ok(Detached::new(fetch))
        }
        AuthMethod::OAuth(_) => Ok(Detached::new(RefreshPair::new(host.clone(), lease, now))),
    }
}

impl AuthMethod {
    /// Adds the secrets that no error may quote.
    pub(crate) fn secrets(&self, secrets: &mut Secrets) {
        match self {
            AuthMethod::Given => {}
            AuthMethod::Developer(credentials) => {
                secrets.push(credentials.client_secret().expose_secret());
            }
            AuthMethod::OAuth(app) => app.secrets(secrets),
        }
    }

    /// A developer's token has no refresh token, and a pair is not a developer's to replace.
    fn check_kind(&self, stored: &StoredToken) -> Result<(), Error> {
        let is_pair = stored.expose_refresh_token().is_some();
        let text = match self {
            AuthMethod::OAuth(_) if !is_pair => {
                "it holds a token without a refresh token, which was issued for a client id with its secret: give OAuth a store \
                 of its own"
            }
            AuthMethod::Developer(_) if is_pair => {
                "it holds the token pair of an OAuth user, not a token for a client id with its secret: give each a store of its \
                 own"
            }
            _ => return Ok(()),
        };
        Err(Error::TokenStore(TokenStoreError::lasting(text)))
    }
}
