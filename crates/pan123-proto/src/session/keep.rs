//! A session and the token that is kept elsewhere.

use super::Session;
use crate::endpoint::bearer;
use crate::error::{BuildError, Error};
use crate::machine::Now;
use crate::store::{Account, StoredToken};
use crate::token::Found;

/// What a session did with a token from elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Restored {
    /// It uses it from now on.
    Taken,
    /// It has ended, or ends so soon that it is of no use.
    Expired,
    /// The service has refused it to this session before.
    Refused,
    /// The session holds one that it can use.
    NotNeeded,
}

impl Session {
    /// Gives the session a token that was kept, if it needs one. Sends nothing.
    ///
    /// With a token store nobody has to call this: the session looks there by itself.
    ///
    /// # Errors
    ///
    /// [`Error::TokenStore`] if the token is of another account, [`Error::Build`] if no header can hold it.
    pub fn restore(&self, kept: &StoredToken, now: Now) -> Result<Restored, Error> {
        let Some(found) = self.find_in(kept, now)? else {
            return Ok(Restored::Expired);
        };
        Ok(self.with_state(|state| state.token.restore(found, now.mono)))
    }

    /// Whose tokens these are; none if the session was given a token instead of credentials.
    pub fn account(&self) -> Option<Account> {
        let settings = self.settings();
        let credentials = settings.credentials.as_ref()?;
        Some(Account::new(
            settings.base.as_str(),
            credentials.client_id(),
        ))
    }

    /// Why the newest token could not be kept, so that it is lost with this process; none if all is well.
    pub fn token_store_fault(&self) -> Option<Error> {
        let fault = self.with_state(|state| state.unsaved.clone());
        fault.map(Error::TokenStore)
    }

    pub(super) fn note_saved(&self, fault: Option<String>) {
        self.with_state(|state| state.unsaved = fault);
    }

    /// The token in what was kept; none if it has ended.
    pub(super) fn find_in(&self, kept: &StoredToken, now: Now) -> Result<Option<Found>, Error> {
        if let Some(account) = self.account()
            && account != *kept.account()
        {
            return Err(Error::TokenStore(format!(
                "it has the token of {}, not of {account}",
                kept.account()
            )));
        }
        let what = "access token";
        let header = bearer(kept.expose()).ok_or(BuildError::Header { what })?;
        let found = Found {
            header,
            life: kept.life(now.wall),
            is_new: false,
        };
        Ok(found.has_credible_life().then_some(found))
    }
}
