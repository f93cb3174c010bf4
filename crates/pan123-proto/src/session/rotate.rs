//! The pair after the one that is kept: asked for with its refresh token, which works once.

use std::sync::Arc;
use std::time::Instant;

use secrecy::SecretString;

use super::Identity;
use super::ask::{Ask, is_refused_refresh_token};
use super::fetch::{Fetch, Goal};
use crate::error::{BuildError, CredentialsFault, Error};
use crate::machine::Now;
use crate::store::StoredToken;
use crate::token::CREDENTIALS_PAUSE;

impl Fetch {
    /// Makes what is to be asked depend on what is kept, where it does.
    pub(super) fn prepare(&mut self, kept: Option<&StoredToken>, now: Now) -> Result<(), Error> {
        let token = kept.and_then(StoredToken::expose_refresh_token);
        self.kept = token.map(SecretString::from);
        let Some(Goal::Rotate(ask)) = &mut self.goal else {
            return Ok(());
        };
        let Identity::App(app) = &self.session.settings().identity else {
            return Err(BuildError::Credentials(CredentialsFault::Missing).into());
        };
        let token = self.session.refresh_token(kept);
        let token = token.ok_or(Error::AuthorizationRequired(None))?;
        if let Some(refusal) = self.session.refusal_of(&token, now.mono) {
            return Err(Error::AuthorizationRequired(Some(refusal)));
        }
        let call = self.session.call(&app.refresh(token.clone()))?;
        *ask = Some(Ask::Pair(Box::new(call)));
        self.asked_with = Some(token);
        Ok(())
    }

    /// What a failure to get the next pair means to a caller: a refused refresh token is the user's to replace, and is not sent
    /// again for a while.
    pub(super) fn told_of_rotation(&mut self, error: Error, now: Instant) -> Error {
        if !is_refused_refresh_token(&error) {
            return error;
        }
        let error = Arc::new(error);
        if let Some(token) = self.asked_with.take() {
            let until = now + CREDENTIALS_PAUSE;
            self.session.note_spent(token, until, Arc::clone(&error));
        }
        Error::AuthorizationRequired(Some(error))
    }
}
