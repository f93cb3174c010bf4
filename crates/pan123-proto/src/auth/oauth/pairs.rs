//! Token pairs that only this session knows: one that could not be saved, and one whose refresh token was rejected.

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use secrecy::{ExposeSecret, SecretString};

use crate::auth::tokens::Tokens;
use crate::error::{Error, TokenStoreError};
use crate::machine::token_store::StoredToken;

#[derive(Default)]
pub(crate) struct Pairs {
    /// The newest pair, if no store is known to have it.
    unsaved: Option<UnsavedPair>,
    /// The refresh token that was rejected last.
    rejected: Option<RejectedRefreshToken>,
}

/// A pair that no store is known to have.
pub(super) struct UnsavedPair {
    refresh_token: SecretString,
    /// The refresh token of the stored pair that this one replaces; using it has ended it.
    replaces: Option<SecretString>,
    /// The form to save; none while it is being saved, or if its access token cannot be sent.
    token: Option<StoredToken>,
}

/// A refresh token that the service rejected, which is not sent again for a while.
struct RejectedRefreshToken {
    refresh_token: SecretString,
    until: Instant,
    error: Arc<Error>,
}

impl UnsavedPair {
    pub(super) fn new(refresh_token: &str, replaces: Option<SecretString>) -> UnsavedPair {
        UnsavedPair {
            refresh_token: SecretString::from(refresh_token),
            replaces,
            token: None,
        }
    }

    pub(super) fn with_token(mut self, token: StoredToken) -> UnsavedPair {
        self.token = Some(token);
        self
    }

    /// Whether it is newer than what is stored. A pair that came to the store otherwise is newer, or is this one.
    fn is_newer_than(&self, stored: Option<&StoredToken>) -> bool {
        let expose = ExposeSecret::expose_secret;
        stored.is_none_or(|stored| {
            stored.expose_refresh_token() == self.replaces.as_ref().map(expose)
        })
    }
}

impl Tokens {
    /// Remembers the refresh token of a restored pair, unless a newer one is known.
    pub(crate) fn restore_pair(&mut self, refresh_token: &str) {
        let pair = || UnsavedPair::new(refresh_token, None);
        self.pairs.unsaved.get_or_insert_with(pair);
    }

    /// Whether this session knows a newer pair than the stored one. If the store has a newer one, the unsaved pair is forgotten.
    pub(super) fn has_newer_pair_than(&mut self, stored: Option<&StoredToken>) -> bool {
        let unsaved = &mut self.pairs.unsaved;
        if unsaved
            .take_if(|pair| !pair.is_newer_than(stored))
            .is_some()
        {
            self.save_fault = None;
        }
        self.pairs.unsaved.is_some()
    }

    /// Takes the unsaved pair to save it, if its access token need not be replaced yet.
    pub(super) fn take_unsaved_pair(&mut self, now: Instant) -> Option<(UnsavedPair, StoredToken)> {
        if self.must_replace_current(now) {
            return None;
        }
        let mut pair = self.pairs.unsaved.take_if(|pair| pair.token.is_some())?;
        let token = pair.token.take()?;
        Some((pair, token))
    }

    /// The unsaved pair in the form to save, if it is newer than the stored one.
    pub(super) fn unsaved_pair_beside(
        &mut self,
        stored: Option<&StoredToken>,
    ) -> Option<StoredToken> {
        let is_newer = self.has_newer_pair_than(stored);
        let unsaved = self.pairs.unsaved.as_ref().filter(|_| is_newer);
        unsaved.and_then(|pair| pair.token.clone())
    }

    /// The refresh token to use next: of the unsaved pair, of the stored one, or the first one of the app.
    pub(super) fn next_refresh_token(
        &mut self,
        stored: Option<&StoredToken>,
        first: Option<&SecretString>,
    ) -> Option<SecretString> {
        if self.has_newer_pair_than(stored) {
            let unsaved = self.pairs.unsaved.as_ref();
            return unsaved.map(|pair| pair.refresh_token.clone());
        }
        match stored {
            Some(stored) => stored.expose_refresh_token().map(SecretString::from),
            None => first.cloned(),
        }
    }

    /// Notes the result of saving the newest token. A pair that was not saved is remembered here.
    pub(super) fn note_saved(&mut self, fault: Option<TokenStoreError>, pair: Option<UnsavedPair>) {
        self.pairs.unsaved = pair.filter(|_| fault.is_some());
        self.save_fault = fault;
    }

    /// Returns why this refresh token was rejected, if that was not long ago.
    pub(super) fn refresh_token_rejection(
        &self,
        token: &SecretString,
        now: Instant,
    ) -> Option<Arc<Error>> {
        let rejected = self.pairs.rejected.as_ref().filter(|rejected| {
            now < rejected.until && rejected.refresh_token.expose_secret() == token.expose_secret()
        });
        rejected.map(|rejected| Arc::clone(&rejected.error))
    }

    pub(super) fn note_rejected_refresh_token(
        &mut self,
        refresh_token: SecretString,
        until: Instant,
        error: Arc<Error>,
    ) {
        self.pairs.rejected = Some(RejectedRefreshToken {
            refresh_token,
            until,
            error,
        });
    }
}

impl fmt::Debug for Pairs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pairs")
            .field("has_unsaved", &self.unsaved.is_some())
            .finish_non_exhaustive()
    }
}
