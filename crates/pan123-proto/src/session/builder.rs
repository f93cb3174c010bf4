//! The settings of a session, checked when it is built.

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fastrand::Rng;
use http::HeaderValue;
use secrecy::{ExposeSecret, SecretString};

use super::{Identity, Session, Settings, Shared, State};
use crate::api::access_token::IssueToken;
use crate::api::oauth::OAuth;
use crate::endpoint::{BaseUrl, Endpoint, PlainHttp, bearer};
use crate::error::{BuildError, CredentialsFault};
use crate::limit::{Limiter, Pacing};
use crate::retry::RetryPolicy;
use crate::scrub::Secrets;
use crate::token::{Source, Token};
use crate::url::Redacted;

const USER_AGENT: &str = concat!("pan123-rs/", env!("CARGO_PKG_VERSION"));

/// Settings of a [`Session`].
///
/// ```
/// use pan123_proto::Session;
///
/// let session = Session::builder().credentials("client id", "client secret").build()?;
/// # drop(session);
/// let error = Session::builder().build().unwrap_err();
/// assert!(error.to_string().contains("none of them is there"));
/// # Ok::<(), pan123_proto::BuildError>(())
/// ```
#[must_use]
pub struct SessionBuilder {
    credentials: Option<IssueToken>,
    access_token: Option<SecretString>,
    oauth: Option<OAuth>,
    keeps_token: bool,
    base_url: String,
    plain_http: PlainHttp,
    user_agent: String,
    retry: RetryPolicy,
    pacing: Pacing,
    connect_timeout: Duration,
    request_timeout: Duration,
    call_timeout: Duration,
    body_limit: usize,
    too_many_downloads: String,
    seed: u64,
}

impl Default for SessionBuilder {
    fn default() -> SessionBuilder {
        SessionBuilder {
            credentials: None,
            access_token: None,
            oauth: None,
            keeps_token: false,
            base_url: BaseUrl::SERVICE.to_owned(),
            plain_http: PlainHttp::ToLoopback,
            user_agent: USER_AGENT.to_owned(),
            retry: RetryPolicy::default(),
            pacing: Pacing::default(),
            connect_timeout: Duration::from_secs(10),
            request_timeout: Duration::from_secs(30),
            call_timeout: Duration::from_secs(120),
            body_limit: 1 << 20,
            too_many_downloads: "同时下载的任务超出最大限制".to_owned(),
            seed: 0,
        }
    }
}

impl SessionBuilder {
    /// The `clientID` and `clientSecret` of a developer: the session fetches, shares and replaces its token by itself.
    pub fn credentials(
        mut self,
        id: impl Into<String>,
        secret: impl Into<String>,
    ) -> SessionBuilder {
        self.credentials = Some(IssueToken::new(id, secret));
        self
    }

    /// An access token that was fetched elsewhere. Nobody replaces it: once it is refused, calls end `Unauthorized`.
    pub fn access_token(mut self, token: impl Into<String>) -> SessionBuilder {
        self.access_token = Some(SecretString::from(token.into()));
        self
    }

    /// An app of a third party that acts for a user: the session refreshes and shares the user's tokens by itself, once the
    /// user has authorised it. It needs a token store, since each refresh token works once only.
    pub fn oauth(mut self, app: OAuth) -> SessionBuilder {
        self.oauth = Some(app);
        self
    }

    /// Looks for the token in a store before it asks for a new one, and keeps a new one there: its machines ask for
    /// [`Step::Store`](crate::Step::Store). It needs credentials or OAuth. An adapter switches it on when it is given a store.
    pub fn persist_token(mut self, keep: bool) -> SessionBuilder {
        self.keeps_token = keep;
        self
    }

    /// Where the service is, by default `https://open-api.123pan.com`. A path in it comes before every path. Plain `http://`
    /// is for `localhost`, 127.x.x.x and `[::1]` only.
    pub fn base_url(mut self, url: impl Into<String>) -> SessionBuilder {
        self.base_url = url.into();
        self
    }

    /// Lets the client secret and the tokens go to any `http://` base URL, where everybody on the way can read them; off by
    /// default. For a network of your own, such as a proxy beside the program that speaks TLS itself.
    pub fn allow_credentials_over_plain_http(mut self, allowed: bool) -> SessionBuilder {
        self.plain_http = if allowed {
            PlainHttp::Anywhere
        } else {
            PlainHttp::ToLoopback
        };
        self
    }

    /// How often a failed attempt is made again.
    pub fn retry(mut self, policy: RetryPolicy) -> SessionBuilder {
        self.retry = policy;
        self
    }

    /// How fast requests may follow each other.
    pub fn pacing(mut self, pacing: Pacing) -> SessionBuilder {
        self.pacing = pacing;
        self
    }

    /// How long a connection may take to be made, TLS included; 10 s by default, and always less than a request may take.
    /// It is the driver's to keep: with an HTTP client of your own it is yours.
    pub fn connect_timeout(mut self, timeout: Duration) -> SessionBuilder {
        self.connect_timeout = timeout;
        self
    }

    /// How long one request may take, 30 s by default.
    pub fn request_timeout(mut self, timeout: Duration) -> SessionBuilder {
        self.request_timeout = timeout;
        self
    }

    /// How long a call may take with all its waits and attempts, 120 s by default, 1 s at the least.
    pub fn call_timeout(mut self, timeout: Duration) -> SessionBuilder {
        self.call_timeout = timeout;
        self
    }

    /// The most bytes of an answer's body, 1 MiB by default, 1 KiB at the least.
    pub fn body_limit(mut self, bytes: usize) -> SessionBuilder {
        self.body_limit = bytes;
        self
    }

    /// The `User-Agent` header, by default this crate's name and version.
    pub fn user_agent(mut self, text: impl Into<String>) -> SessionBuilder {
        self.user_agent = text.into();
        self
    }

    /// The part of a message that says that too many downloads run at once, by default `同时下载的任务超出最大限制`. The
    /// service's code for it is not known. Empty: nothing is taken for it.
    pub fn too_many_downloads_text(mut self, text: impl Into<String>) -> SessionBuilder {
        self.too_many_downloads = text.into();
        self
    }

    /// The seed of all chance: pauses between attempts are drawn from it. An adapter draws one; by itself it is fixed.
    pub fn seed(mut self, seed: u64) -> SessionBuilder {
        self.seed = seed;
        self
    }

    /// The session, with nothing sent yet.
    ///
    /// # Errors
    ///
    /// [`BuildError`] if there are no credentials or several kinds of them, if OAuth has no token store, or if a setting is out
    /// of its range.
    pub fn build(self) -> Result<Session, BuildError> {
        let (identity, token) = self.identity()?;
        let user_agent = HeaderValue::try_from(&self.user_agent)
            .map_err(|_| BuildError::Header { what: "user agent" })?;
        self.check_limits()?;
        let base = BaseUrl::parse(&self.base_url, self.plain_http)?;
        let mut secrets = Secrets::default();
        match &identity {
            Identity::Given => {}
            Identity::Developer(credentials) => credentials.secrets(&mut secrets),
            Identity::App(app) => app.secrets(&mut secrets),
        }
        Ok(Session {
            shared: Arc::new(Shared {
                settings: Settings {
                    loopback_only: base.is_plain() && self.plain_http == PlainHttp::ToLoopback,
                    base,
                    user_agent,
                    retry: self.retry,
                    connect_timeout: self.connect_timeout,
                    request_timeout: self.request_timeout,
                    call_timeout: self.call_timeout,
                    body_limit: self.body_limit,
                    too_many_downloads: self.too_many_downloads,
                    identity,
                    keeps_token: self.keeps_token,
                    secrets,
                },
                state: Mutex::new(State {
                    token,
                    limiter: Limiter::new(self.pacing),
                    rng: Rng::with_seed(self.seed),
                    waiting: Vec::new(),
                    unsaved: None,
                    loose: None,
                    spent: None,
                }),
            }),
        })
    }
}

impl SessionBuilder {
    /// The one way to prove who it is, and the token to begin with.
    fn identity(&self) -> Result<(Identity, Token), BuildError> {
        let fault = |fault| Err(BuildError::Credentials(fault));
        match (&self.credentials, &self.access_token, &self.oauth) {
            (None, None, None) => fault(CredentialsFault::Missing),
            (Some(credentials), None, None) if credentials.is_empty() => {
                fault(CredentialsFault::Empty)
            }
            (Some(credentials), None, None) => Ok((
                Identity::Developer(credentials.clone()),
                Token::to_come(Source::Issued),
            )),
            (None, Some(token), None) => Ok((Identity::Given, self.given(token)?)),
            (None, None, Some(app)) => {
                app.check()?;
                if !self.keeps_token {
                    return Err(no_store());
                }
                Ok((Identity::App(app.clone()), Token::to_come(Source::Rotated)))
            }
            _ => fault(CredentialsFault::Conflicting),
        }
    }

    fn given(&self, token: &SecretString) -> Result<Token, BuildError> {
        if self.keeps_token {
            return Err(BuildError::Setting {
                what: "the token store",
                given: "set beside an access token".to_owned(),
                allowed: "it keeps tokens that are issued for a client id with its secret, or to an OAuth app",
            });
        }
        if token.expose_secret().is_empty() {
            return Err(BuildError::Credentials(CredentialsFault::Empty));
        }
        let what = "access token";
        let header = bearer(token.expose_secret()).ok_or(BuildError::Header { what })?;
        Ok(Token::given(header))
    }
}

fn no_store() -> BuildError {
    BuildError::Setting {
        what: "the token store",
        given: "missing beside OAuth".to_owned(),
        allowed: "a refresh token works once only, so each new pair must be kept before it is used: give `token_store` a store \
                  that outlives the program, such as `FileStore`, or `MemoryStore` if the pair may be lost with it (a driver of \
                  your own says `persist_token(true)`)",
    }
}

/// Longer than anybody waits, and short enough that no clock runs over.
const MOST_TIMEOUT: Duration = Duration::from_secs(30 * 24 * 3600);
/// With less, a request that must not be sent twice could never be sent at all.
const LEAST_CALL_TIMEOUT: Duration = Duration::from_secs(1);
/// With less, a download could be created whose answer is too large to read.
const LEAST_BODY_LIMIT: usize = 1024;

impl SessionBuilder {
    fn check_limits(&self) -> Result<(), BuildError> {
        let over_zero = "it must be over zero and at most 30 days";
        let a_second = "it must be 1 s at the least and at most 30 days";
        for (what, timeout, least, allowed) in [
            (
                "the timeout of a connection",
                self.connect_timeout,
                Duration::from_nanos(1),
                over_zero,
            ),
            (
                "the timeout of a request",
                self.request_timeout,
                Duration::from_nanos(1),
                over_zero,
            ),
            (
                "the timeout of a call",
                self.call_timeout,
                LEAST_CALL_TIMEOUT,
                a_second,
            ),
        ] {
            if timeout < least || timeout > MOST_TIMEOUT {
                return Err(BuildError::Setting {
                    what,
                    given: format!("{timeout:?}"),
                    allowed,
                });
            }
        }
        if self.body_limit < LEAST_BODY_LIMIT {
            return Err(BuildError::Setting {
                what: "the limit of a body",
                given: format!("{} bytes", self.body_limit),
                allowed: "it must be 1024 bytes at the least",
            });
        }
        Ok(())
    }
}

impl fmt::Debug for SessionBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionBuilder")
            .field("credentials", &self.credentials)
            .field("access_token", &self.access_token)
            .field("oauth", &self.oauth)
            .field("base_url", &Redacted(&self.base_url))
            .finish_non_exhaustive()
    }
}
