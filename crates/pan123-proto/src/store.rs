//! A token that is kept between runs and shared by processes: what a machine asks for, and what a store answers.

use std::fmt;
use std::time::{Duration, SystemTime};

use jiff::{SignedDuration, Timestamp};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de, ser};

use crate::date::system_time;

/// Where a token is kept between runs. `pan123-store` has one in a file and one in memory; another is yours to write.
pub trait TokenStore: Send + Sync + 'static {
    /// Opened by a driver for one machine, and dropped with it.
    fn open(&self, account: &Account) -> Box<dyn OpenTokenStore>;
}

/// A store in the hands of one machine. It owns its lock: dropping it gives the lock back.
pub trait OpenTokenStore: Send {
    /// Carries this out. It may take as long as a disk does, but never waits for a lock.
    fn run(&mut self, op: StoreOp) -> StoreResult;
}

/// What to do with the kept token.
#[derive(Debug)]
#[non_exhaustive]
pub enum StoreOp {
    /// Read the kept token; the lock is not needed for it.
    Load,
    /// Take the lock, or answer [`StoreResult::Busy`] at once.
    Lock,
    /// Replace the kept token as a whole. The lock is held.
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
    /// It did not work; the text says what and where, and holds no secret.
    Failed(String),
    /// This driver keeps nothing.
    Unsupported,
}

/// Whose token it is: a client id at a service, and one of its users where an app has several. A token of one is of no use
/// to another.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Account {
    service: String,
    client_id: String,
    user: Option<String>,
}

impl Account {
    /// A client id at the service with this base URL.
    pub fn new(service: impl Into<String>, client_id: impl Into<String>) -> Account {
        Account {
            service: service.into(),
            client_id: client_id.into(),
            user: None,
        }
    }

    /// The same for one user of the app, by the label of [`OAuth::user`](crate::OAuth::user).
    pub fn of_user(mut self, label: impl Into<String>) -> Account {
        self.user = Some(label.into());
        self
    }

    /// The base URL of the service.
    pub fn service(&self) -> &str {
        &self.service
    }

    /// The `clientID`.
    pub fn client_id(&self) -> &str {
        &self.client_id
    }

    /// The label of the user, where the app has several.
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

/// A token as it is kept, with the refresh token of an OAuth pair. Its serde form has them in clear: keep it where nobody else
/// can read it.
#[derive(Clone)]
pub struct StoredToken {
    account: Account,
    value: SecretString,
    refresh_token: Option<SecretString>,
    expired_at: Option<SystemTime>,
    skew: ClockSkew,
}

/// How far the service's clock was from the local one when the token was issued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClockSkew {
    /// The service's clock was ahead by this much.
    Ahead(Duration),
    /// The service's clock was behind by this much.
    Behind(Duration),
}

impl ClockSkew {
    pub(crate) fn between(service: SystemTime, local: SystemTime) -> ClockSkew {
        match service.duration_since(local) {
            Ok(ahead) => ClockSkew::Ahead(ahead),
            Err(behind) => ClockSkew::Behind(behind.duration()),
        }
    }

    /// What the local clock shows when the service's shows this.
    pub(crate) fn local_time(self, service: SystemTime) -> SystemTime {
        let local = match self {
            ClockSkew::Ahead(by) => service.checked_sub(by),
            ClockSkew::Behind(by) => service.checked_add(by),
        };
        local.unwrap_or(service)
    }

    /// What the service's clock shows when the local one shows this.
    fn service_time(self, local: SystemTime) -> Option<SystemTime> {
        match self {
            ClockSkew::Ahead(by) => local.checked_add(by),
            ClockSkew::Behind(by) => local.checked_sub(by),
        }
    }
}

impl StoredToken {
    /// A token of an account with its `expiredAt`, none if it is not known, and the skew of the clocks at that time.
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

    /// The same as the access token of a pair, with the refresh token that came with it.
    pub fn with_refresh_token(mut self, token: impl Into<String>) -> StoredToken {
        self.refresh_token = Some(SecretString::from(token.into()));
        self
    }

    /// Whose it is.
    pub fn account(&self) -> &Account {
        &self.account
    }

    /// The token itself: a secret.
    pub fn expose(&self) -> &str {
        self.value.expose_secret()
    }

    /// The refresh token of a pair: a secret. None with a token that was issued for a developer.
    pub fn expose_refresh_token(&self) -> Option<&str> {
        self.refresh_token.as_ref().map(ExposeSecret::expose_secret)
    }

    /// When it ends by the service's clock; none if that is not known, so that it is used until it is refused.
    pub fn expired_at(&self) -> Option<SystemTime> {
        self.expired_at
    }

    /// How far the clocks were apart when it was issued.
    pub fn skew(&self) -> ClockSkew {
        self.skew
    }

    /// How long it still lives when the local calendar shows this; none if it has no known end.
    pub(crate) fn life(&self, wall: SystemTime) -> Option<Duration> {
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

/// The form in which a token is kept, so that every store has the same.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept<T> {
    /// Another number is another form.
    version: u32,
    service: T,
    client_id: T,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    user: Option<T>,
    access_token: T,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    refresh_token: Option<T>,
    expired_at: Option<Timestamp>,
    /// Over zero: the service's clock was ahead.
    skew_ms: i64,
}

const VERSION: u32 = 1;

impl Serialize for StoredToken {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let expired_at = self.expired_at.map(Timestamp::try_from);
        let millis = |by: Duration| i64::try_from(by.as_millis()).unwrap_or(i64::MAX);
        Kept {
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
        let kept = Kept::<String>::deserialize(deserializer)?;
        if kept.version != VERSION {
            return Err(de::Error::custom(format_args!(
                "version {} of a kept token is not known, only {VERSION} is",
                kept.version
            )));
        }
        let refresh_token = kept.refresh_token;
        if kept.access_token.is_empty() || refresh_token.as_deref() == Some("") {
            return Err(de::Error::custom("the kept token is empty"));
        }
        let skew = SignedDuration::from_millis(kept.skew_ms);
        let mut account = Account::new(kept.service, kept.client_id);
        account.user = kept.user;
        let token = StoredToken::new(
            account,
            kept.access_token,
            kept.expired_at.and_then(system_time),
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
