//! The shape of a token that is kept between runs: what a machine asks for and what a driver answers.

use std::fmt;
use std::time::{Duration, SystemTime};

use secrecy::{ExposeSecret, SecretString};

/// What to do with the kept token. The driver opens one store for each machine; dropping it gives the lock back.
#[derive(Debug)]
#[non_exhaustive]
pub enum StoreOp {
    /// Read the kept token, without the lock.
    Load,
    /// Take the lock, or answer [`StoreResult::Busy`] at once: it never blocks.
    Lock,
    /// Replace the kept token as a whole.
    Save(StoredToken),
    /// Give the lock back.
    Unlock,
}

impl StoreOp {
    /// The answer of a driver that keeps nothing.
    pub fn unsupported(self) -> StoreResult {
        StoreResult::Unsupported
    }
}

/// How a [`StoreOp`] went.
#[derive(Debug)]
#[non_exhaustive]
pub enum StoreResult {
    /// What was kept, if anything was.
    Loaded(Option<StoredToken>),
    /// The lock is held now.
    Locked,
    /// Somebody else holds the lock.
    Busy,
    /// The token is kept.
    Saved,
    /// The lock is given back.
    Unlocked,
    /// It did not work; the text says what and where.
    Failed(String),
    /// This driver keeps nothing.
    Unsupported,
}

/// A token as it is kept.
#[derive(Clone)]
pub struct StoredToken {
    value: SecretString,
    expired_at: Option<SystemTime>,
    skew: Skew,
}

/// How far the service's clock was from the local one when the token was issued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Skew {
    /// The service's clock was ahead by this much.
    Ahead(Duration),
    /// The service's clock was behind by this much.
    Behind(Duration),
}

impl StoredToken {
    /// A token with the `expiredAt` that came with it (none if it was unreadable) and the skew of the clocks at that time.
    pub fn new(
        value: impl Into<String>,
        expired_at: Option<SystemTime>,
        skew: Skew,
    ) -> StoredToken {
        StoredToken {
            value: SecretString::from(value.into()),
            expired_at,
            skew,
        }
    }

    /// The token itself: a secret.
    pub fn expose(&self) -> &str {
        self.value.expose_secret()
    }

    /// When it ends by the service's clock.
    pub fn expired_at(&self) -> Option<SystemTime> {
        self.expired_at
    }

    /// How far the clocks were apart when it was issued.
    pub fn skew(&self) -> Skew {
        self.skew
    }
}

impl fmt::Debug for StoredToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoredToken")
            .field("value", &"[redacted]")
            .field("expired_at", &self.expired_at)
            .field("skew", &self.skew)
            .finish()
    }
}
