//! Pairs of tokens that a session alone knows of: one that no store is known to have, and one whose refresh token was refused.

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use secrecy::{ExposeSecret, SecretString};

use super::{Identity, Session};
use crate::error::Error;
use crate::store::StoredToken;

/// A pair that the service has issued and that no store is known to have, and the refresh token of the kept pair that it comes
/// in place of, which is spent.
pub(super) struct LoosePair {
    refresh_token: SecretString,
    in_place_of: Option<SecretString>,
    /// As it is to be kept; none while it is being saved, or if its access token cannot be sent.
    token: Option<StoredToken>,
}

impl LoosePair {
    pub(super) fn new(refresh_token: &str, in_place_of: Option<SecretString>) -> LoosePair {
        LoosePair {
            refresh_token: SecretString::from(refresh_token),
            in_place_of,
            token: None,
        }
    }

    pub(super) fn with_token(mut self, token: StoredToken) -> LoosePair {
        self.token = Some(token);
        self
    }

    /// Whether it is newer than what is kept. What came to the store by itself is newer, or is this pair.
    fn replaces(&self, kept: Option<&StoredToken>) -> bool {
        let expose = ExposeSecret::expose_secret;
        kept.is_none_or(|kept| kept.expose_refresh_token() == self.in_place_of.as_ref().map(expose))
    }
}

impl fmt::Debug for LoosePair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LoosePair")
    }
}

/// A refresh token that the service refused, which is not sent again for a while.
pub(super) struct Spent {
    refresh_token: SecretString,
    until: Instant,
    error: Arc<Error>,
}

impl Session {
    /// Whether this session knows a newer pair than what is kept. If the store has gone on, what was loose is forgotten.
    pub(super) fn has_newer_than(&self, kept: Option<&StoredToken>) -> bool {
        self.with_state(|state| {
            if state.loose.take_if(|loose| !loose.replaces(kept)).is_some() {
                state.unsaved = None;
            }
            state.loose.is_some()
        })
    }

    /// The newer pair, to be saved, if its access token needs no replacing yet.
    pub(super) fn take_loose(&self, now: Instant) -> Option<(LoosePair, StoredToken)> {
        self.with_state(|state| {
            if state.token.is_worn(now) {
                return None;
            }
            let mut pair = state.loose.take_if(|pair| pair.token.is_some())?;
            let token = pair.token.take()?;
            Some((pair, token))
        })
    }

    /// The refresh token to use next, where this is kept.
    pub(super) fn refresh_token(&self, kept: Option<&StoredToken>) -> Option<SecretString> {
        if self.has_newer_than(kept) {
            let loose = |loose: &LoosePair| loose.refresh_token.clone();
            return self.with_state(|state| state.loose.as_ref().map(loose));
        }
        if let Some(kept) = kept {
            return kept.expose_refresh_token().map(SecretString::from);
        }
        match &self.settings().identity {
            Identity::App(app) => app.first_refresh_token().cloned(),
            Identity::Given | Identity::Developer(_) => None,
        }
    }

    /// How keeping the newest token went; a pair that is not kept is all the more remembered here.
    pub(super) fn note_kept(&self, fault: Option<String>, pair: Option<LoosePair>) {
        self.with_state(|state| {
            state.loose = pair.filter(|_| fault.is_some());
            state.unsaved = fault;
        });
    }

    /// Why this refresh token was refused, if that was not long ago.
    pub(super) fn refusal_of(&self, token: &SecretString, now: Instant) -> Option<Arc<Error>> {
        self.with_state(|state| {
            let spent = state.spent.as_ref().filter(|spent| {
                now < spent.until && spent.refresh_token.expose_secret() == token.expose_secret()
            });
            spent.map(|spent| Arc::clone(&spent.error))
        })
    }

    pub(super) fn note_spent(
        &self,
        refresh_token: SecretString,
        until: Instant,
        error: Arc<Error>,
    ) {
        let spent = Spent {
            refresh_token,
            until,
            error,
        };
        self.with_state(|state| state.spent = Some(spent));
    }
}
