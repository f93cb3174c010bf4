//! The store that keeps a token between runs and shares it among processes: the operations, their results, and the token as it
//! is stored.

use std::fmt;
use std::time::{Duration, SystemTime};

use jiff::{SignedDuration, Timestamp};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de, ser};

use crate::wire::json::deserialize_object;
use crate::wire::timestamp::{ClockSkew, system_time};

/// A store that keeps the token between runs. `pan123-store` has one in a file and one in memory.
///
/// A store of your own: one that keeps the token in memory, for one process. It answers [`StoreOp::unsupported`] to an operation
/// that it does not know.
///
/// ```
/// use std::sync::{Arc, Mutex};
/// use pan123_proto::{Account, OpenTokenStore, StoreOp, StoreResult, StoredToken, TokenStore};
///
/// #[derive(Clone, Default)]
/// struct InMemory(Arc<Mutex<(Option<StoredToken>, bool)>>);
///
/// struct Opened { store: InMemory, locked: bool }
///
/// impl TokenStore for InMemory {
///     fn open(&self, _: &Account) -> Box<dyn OpenTokenStore> {
///         Box::new(Opened { store: self.clone(), locked: false })
///     }
/// }
///
/// impl OpenTokenStore for Opened {
///     fn run(&mut self, op: StoreOp) -> StoreResult {
///         let mut state = self.store.0.lock().unwrap();
///         match op {
///             StoreOp::Load => StoreResult::Loaded(state.0.clone()),
///             StoreOp::Lock if state.1 && !self.locked => StoreResult::Busy,
///             StoreOp::Lock => { state.1 = true; self.locked = true; StoreResult::Locked }
///             StoreOp::Save(token) => { state.0 = Some(token); StoreResult::Saved }
///             StoreOp::Unlock => { state.1 = false; self.locked = false; StoreResult::Unlocked }
///             other => other.unsupported(),
///         }
///     }
/// }
///
/// impl Drop for Opened {
///     fn drop(&mut self) {
///         if self.locked { self.store.0.lock().unwrap().1 = false; }
///     }
/// }
/// ```
pub trait TokenStore: Send + Sync + 'static {
    /// Opens the store for one machine of one account. The driver drops it with the machine.
    fn open(&self, account: &Account) -> Box<dyn OpenTokenStore>;
}

/// A store that one machine uses. It owns the lock that it takes: dropping it releases the lock.
pub trait OpenTokenStore: Send {
    /// Runs an operation. It may take as long as a disk does, but never waits for a lock.
    fn run(&mut self, op: StoreOp) -> StoreResult;
}

/// An operation on the token store.
#[derive(Debug)]
#[non_exhaustive]
pub enum StoreOp {
    /// Read the stored token. The lock need not be held.
    Load,
    /// Take the lock, or answer [`StoreResult::Busy`] at once.
    Lock,
    /// Replace the stored token. The lock is held. A pair whose refresh token is about to be used is saved once more before, as a
    /// proof that the next one can be.
    Save(StoredToken),
    /// Prove that a token can be saved, where none is stored: a code or a refresh token works once, so it is not sent before. The
    /// lock is held. A store that cannot tell answers [`unsupported`](StoreOp::unsupported), and is then taken at its word.
    Prepare,
    /// Release the lock.
    Unlock,
}

impl StoreOp {
    /// Returns the answer of a driver or a store that does not support the operation.
    pub fn unsupported(self) -> StoreResult {
        StoreResult::Unsupported
    }
}

/// The result of a [`StoreOp`].
#[derive(Debug)]
#[non_exhaustive]
pub enum StoreResult {
    /// The stored token, if there is one.
    Loaded(Option<StoredToken>),
    /// There is a place for a token, and it is empty, as a power cut leaves a file behind; the text says where. For a client id with
    /// its secret this is the same as no token. A token pair cannot be replaced like that, so with OAuth it is an error, until
    /// [`Session::authorize`](crate::Session::authorize) has one stored.
    Lost(String),
    /// The lock is now held.
    Locked,
    /// Another process or machine holds the lock.
    Busy,
    /// The token is stored.
    Saved,
    /// A token can be saved.
    Prepared,
    /// The lock is released.
    Unlocked,
    /// The operation failed, and fails again until someone repairs it; the text says what failed, where and what to do, and holds no
    /// secret.
    Failed(String),
    /// The operation failed for a reason that may pass by itself, such as a database that restarts; the text is as in
    /// [`Failed`](StoreResult::Failed).
    Unavailable(String),
    /// This driver has no token store.
    Unsupported,
}

/// The owner of a token: a client id at a service, and one of its users where an app has several.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Account {
    service: String,
    client_id: String,
    user: Option<String>,
}

impl Account {
    /// Creates the account of a client id at the service with this base URL.
    pub fn new(service: impl Into<String>, client_id: impl Into<String>) -> Account {
        Account {
            service: service.into(),
            client_id: client_id.into(),
            user: None,
        }
    }

    /// Narrows the account to one user of the app, by the label of [`OAuth::user`](crate::OAuth::user).
    pub fn of_user(mut self, label: impl Into<String>) -> Account {
        self.user = Some(label.into());
        self
    }

    /// Returns the base URL of the service.
    pub fn service(&self) -> &str {
        &self.service
    }

    /// Returns the `clientID`.
    pub fn client_id(&self) -> &str {
        &self.client_id
    }

    /// Returns the label of the user, where the app has several.
    pub fn user(&self) -> Option<&str> {
        self.user.as_deref()
    }
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(user) = &self.user {
            write!(f, "user {user:?} of ")?;
        }
        write!(f, "client id {:?} at {}", self.client_id, self.service)
    }
}

/// A token as it is stored, with the refresh token of an OAuth pair. Its serde form holds them in plain text: store it where
/// nobody else can read it.
#[derive(Clone)]
pub struct StoredToken {
    account: Account,
    value: SecretString,
    refresh_token: Option<SecretString>,
    expired_at: Option<SystemTime>,
    skew: ClockSkew,
}

impl StoredToken {
    /// Creates a token of an account with its `expiredAt`, if that is known, and the clock skew when it was issued.
    pub fn new(
        account: Account,
        value: impl Into<String>,
        expired_at: Option<SystemTime>,
        skew: ClockSkew,
    ) -> StoredToken {
        StoredToken {
            account,
            value: SecretString::from(value.into()),
            refresh_token: None,
            expired_at,
            skew,
        }
    }

    /// Adds the refresh token that was issued with it.
    pub fn with_refresh_token(mut self, token: impl Into<String>) -> StoredToken {
        self.refresh_token = Some(SecretString::from(token.into()));
        self
    }

    /// Returns the owner of the token.
    pub fn account(&self) -> &Account {
        &self.account
    }

    /// Returns the access token, which is a secret.
    pub fn expose(&self) -> &str {
        self.value.expose_secret()
    }

    /// Returns the refresh token of a pair, which is a secret; none for a developer's token.
    pub fn expose_refresh_token(&self) -> Option<&str> {
        self.refresh_token.as_ref().map(ExposeSecret::expose_secret)
    }

    /// Returns when the token expires by the service's clock; none if that is unknown, so that it is used until it is rejected.
    pub fn expired_at(&self) -> Option<SystemTime> {
        self.expired_at
    }

    /// Returns the clock skew when the token was issued.
    pub fn skew(&self) -> ClockSkew {
        self.skew
    }

    /// Returns the remaining lifetime when the local calendar shows `wall`; none if the token has no known expiry.
    pub(crate) fn lifetime(&self, wall: SystemTime) -> Option<Duration> {
        let now = self.skew.service_time(wall).unwrap_or(wall);
        let left = |end: SystemTime| end.duration_since(now).unwrap_or_default();
        self.expired_at.map(left)
    }
}

impl fmt::Debug for StoredToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoredToken")
            .field("account", &self.account)
            .field("value", &"[redacted]")
            .field("has_refresh_token", &self.refresh_token.is_some())
            .field("expired_at", &self.expired_at)
            .field("skew", &self.skew)
            .finish()
    }
}

/// The stored form of a token, the same in every store. Unknown fields are ignored: a form that an older version must not read
/// has another version number.
#[derive(Serialize, Deserialize)]
struct StoredForm<T> {
    version: u32,
    service: T,
    client_id: T,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    user: Option<T>,
    access_token: T,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    refresh_token: Option<T>,
    expired_at: Option<Timestamp>,
    /// Positive if the service's clock was ahead.
    skew_ms: i64,
}

const VERSION: u32 = 1;

impl Serialize for StoredToken {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let expired_at = self.expired_at.map(Timestamp::try_from);
        let millis = |by: Duration| i64::try_from(by.as_millis()).unwrap_or(i64::MAX);
        StoredForm {
            version: VERSION,
            service: self.account.service(),
            client_id: self.account.client_id(),
            user: self.account.user(),
            access_token: self.expose(),
            refresh_token: self.expose_refresh_token(),
            expired_at: expired_at.transpose().map_err(ser::Error::custom)?,
            skew_ms: match self.skew {
                ClockSkew::Ahead(by) => millis(by),
                ClockSkew::Behind(by) => -millis(by),
            },
        }
        .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for StoredToken {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let stored: StoredForm<String> = deserialize_object(deserializer)?;
        if stored.version != VERSION {
            return Err(de::Error::custom(format_args!(
                "version {} of a stored token is not supported; only version {VERSION} is",
                stored.version
            )));
        }
        let refresh_token = stored.refresh_token;
        if stored.access_token.is_empty() || refresh_token.as_deref() == Some("") {
            return Err(de::Error::custom("the stored token is empty"));
        }
        let skew = SignedDuration::from_millis(stored.skew_ms);
        let mut account = Account::new(stored.service, stored.client_id);
        account.user = stored.user;
        let token = StoredToken::new(
            account,
            stored.access_token,
            stored.expired_at.and_then(system_time),
            if skew.is_negative() {
                ClockSkew::Behind(skew.unsigned_abs())
            } else {
                ClockSkew::Ahead(skew.unsigned_abs())
            },
        );
        Ok(StoredToken {
            refresh_token: refresh_token.map(SecretString::from),
            ..token
        })
    }
}
