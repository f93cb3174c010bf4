//! A session and the token that is kept elsewhere.

use super::loose::LoosePair;
use super::{Identity, Session};
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
    /// With a token store nobody has to call this: the session looks there by itself. Of an OAuth pair the refresh token is
    /// used too, be the access token [`Expired`](Restored::Expired), as long as the store holds no pair.
    ///
    /// # Errors
    ///
    /// [`Error::TokenStore`] if the token is of another account or kind, [`Error::Build`] if no header can hold it.
    pub fn restore(&self, kept: &StoredToken, now: Now) -> Result<Restored, Error> {
        let found = self.find_in(kept, now)?;
        Ok(self.with_state(|state| {
            let restored = match found {
                Some(found) => state.token.restore(found, now.mono),
                None => Restored::Expired,
            };
            if let Restored::Taken | Restored::Expired = restored
                && let Some(token) = kept.expose_refresh_token()
            {
                state
                    .loose
                    .get_or_insert_with(|| LoosePair::new(token, None));
            }
            restored
        }))
    }

    /// Whose tokens these are; none if the session was given a token instead of credentials.
    pub fn account(&self) -> Option<Account> {
        let settings = self.settings();
        let of = |client_id| Account::new(settings.base.as_str(), client_id);
        match &settings.identity {
            Identity::Given => None,
            Identity::Developer(credentials) => Some(of(credentials.client_id())),
            Identity::App(app) => Some(match app.label() {
                Some(label) => of(app.client_id()).of_user(label),
                None => of(app.client_id()),
            }),
        }
    }

    /// Why the newest token could not be kept, so that it is lost with this process; none if all is well.
    pub fn token_store_fault(&self) -> Option<Error> {
        let fault = self.with_state(|state| state.unsaved.clone());
        fault.map(Error::TokenStore)
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
        self.check_kind(kept)?;
        let what = "access token";
        let header = bearer(kept.expose()).ok_or(BuildError::Header { what })?;
        let found = Found {
            header,
            life: kept.life(now.wall),
            since: now.mono,
            is_new: false,
        };
        Ok(found.has_credible_life().then_some(found))
    }

    /// A developer's token leads to no next pair, and a pair is not a developer's to replace.
    fn check_kind(&self, kept: &StoredToken) -> Result<(), Error> {
        let is_pair = kept.expose_refresh_token().is_some();
        let text = match &self.settings().identity {
            Identity::App(_) if !is_pair => {
                "it has a token without a refresh token, which was issued for a client id with its secret: give OAuth a store \
                 of its own"
            }
            Identity::Developer(_) if is_pair => {
                "it has the pair of tokens of an OAuth user, not a token for a client id with its secret: give each a store of \
                 its own"
            }
            _ => return Ok(()),
        };
        Err(Error::TokenStore(text.to_owned()))
    }
}
