//! What went wrong in a token store.

use std::fmt;

use crate::text::Escaped;

/// Why a token store failed: a text that says what failed, where, and what to do. It holds no secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenStoreError {
    text: String,
    may_pass: bool,
}

impl TokenStoreError {
    /// A fault that lasts until someone repairs it, such as a missing permission.
    pub(crate) fn lasting(text: impl Into<String>) -> TokenStoreError {
        TokenStoreError {
            text: text.into(),
            may_pass: false,
        }
    }

    /// A fault that may pass, such as a busy lock.
    pub(crate) fn passing(text: impl Into<String>) -> TokenStoreError {
        TokenStoreError {
            text: text.into(),
            may_pass: true,
        }
    }

    /// Returns whether it may pass by itself, so that trying again later may succeed.
    pub fn may_pass(&self) -> bool {
        self.may_pass
    }
}

impl fmt::Display for TokenStoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Escaped(&self.text).fmt(f)
    }
}

impl std::error::Error for TokenStoreError {}
