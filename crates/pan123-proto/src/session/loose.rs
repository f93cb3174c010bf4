//! A pair of tokens that no store is known to have: the service has issued it, and this session alone knows it.

use std::fmt;

use secrecy::{ExposeSecret, SecretString};

use super::{Identity, Session};
use crate::store::StoredToken;

/// The refresh token of such a pair, and of the kept pair that it comes in place of, which is spent.
pub(super) struct LoosePair {
    refresh_token: SecretString,
    in_place_of: Option<SecretString>,
}

impl LoosePair {
    pub(super) fn new(refresh_token: &str, in_place_of: Option<SecretString>) -> LoosePair {
        LoosePair {
            refresh_token: SecretString::from(refresh_token),
            in_place_of,
        }
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

impl Session {
    /// Whether this session knows a newer pair than what is kept. If the store has gone on, what was loose is forgotten.
    pub(super) fn has_newer_than(&self, kept: Option<&StoredToken>) -> bool {
        self.with_state(|state| {
            state.loose.take_if(|loose| !loose.replaces(kept));
            state.loose.is_some()
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
}
