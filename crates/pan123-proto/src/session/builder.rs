//! The settings of a session, checked when it is built.

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fastrand::Rng;
use http::HeaderValue;
use secrecy::{ExposeSecret, SecretString};

use super::detached::DetachedCalls;
use super::{InUse, Session, Shared, State};
use crate::api::access_token::IssueToken;
use crate::auth::AuthMethod;
use crate::auth::oauth::OAuth;
use crate::auth::tokens::Tokens;
use crate::error::{BuildError, CredentialsFault};
use crate::exchange::Settings;
use crate::machine::control::Control;
use crate::policy::pacing::{Limiter, Pacing};
use crate::policy::retry::RetryPolicy;
use crate::wire::credential::check_credential;
use crate::wire::http_url::RedactedUrl;
use crate::wire::redaction::Secrets;
use crate::wire::request::{BaseUrl, CommonHeaders, PlainHttp, bearer, no_header};

const DEFAULT_CALL_TIMEOUT: Duration = Duration::from_secs(120);
const USER_AGENT: &str = concat!("pan123-rs/", env!("CARGO_PKG_VERSION"));

/// Settings of a [`Session`].
///
/// ```
/// use pan123_proto::Session;
///
/// let session = Session::builder().credentials("client id", "client secret").build()?;
/// # drop(session);
/// let error = Session::builder().build().unwrap_err();
/// assert!(error.to_string().contains("none of them was given"));
/// # Ok::<(), pan123_proto::BuildError>(())
/// ```
#[must_use]
pub struct SessionBuilder {
    credentials: Option<IssueToken>,
    access_token: Option<SecretString>,
    oauth: Option<OAuth>,
    uses_token_store: bool,
    shares_pace: bool,
    base_url: String,
    plain_http: PlainHttp,
    user_agent: String,
    retry: RetryPolicy,
    pacing: Pacing,
    connect_timeout: Duration,
    request_timeout: Duration,
    call_timeout: Option<Duration>,
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
            uses_token_store: false,
            shares_pace: false,
            base_url: BaseUrl::SERVICE.to_owned(),
            plain_http: PlainHttp::LoopbackOnly,
            user_agent: USER_AGENT.to_owned(),
            retry: RetryPolicy::default(),
            pacing: Pacing::default(),
            connect_timeout: Duration::from_secs(10),
            request_timeout: Duration::from_secs(30),
            call_timeout: None,
            body_limit: 1 << 20,
            too_many_downloads: "同时下载的任务超出最大限制".to_owned(),
            seed: 0,
        }
    }
}

impl SessionBuilder {
    /// Authenticates with the `clientID` and `clientSecret` of a developer. The session fetches, shares and replaces its token
    /// itself. At most three tokens of one client id live at once: let all processes that use it share one token store.
    pub fn credentials(
        mut self,
        id: impl Into<String>,
        secret: impl Into<String>,
    ) -> SessionBuilder {
        self.credentials = Some(IssueToken::new(id, secret));
        self
    }

    /// Authenticates with an access token that was fetched elsewhere. It is not replaced: once it is rejected, calls end with
    /// [`Error::Unauthorized`](crate::Error::Unauthorized).
    pub fn access_token(mut self, token: impl Into<String>) -> SessionBuilder {
        self.access_token = Some(SecretString::from(token.into()));
        self
    }

    /// Authenticates as an app that acts for a user, once the user has authorized it. The session refreshes and shares the user's
    /// tokens itself. It needs a token store, since each refresh token works once.
    pub fn oauth(mut self, app: OAuth) -> SessionBuilder {
        self.oauth = Some(app);
        self
    }

    /// Loads the token from a store before a new one is fetched, and saves a new one there: the machines of the session then ask
    /// for [`Step::Store`](crate::Step::Store). It needs credentials or OAuth. The clients set it when they are given a store.
    pub fn persist_token(mut self, persist: bool) -> SessionBuilder {
        self.uses_token_store = persist;
        self
    }

    /// Takes a slot of a [`SharedPace`](crate::SharedPace) for each request: the machines of the session then ask for
    /// [`Step::Pace`](crate::Step::Pace). The clients set it when they are given one.
    pub fn share_pace(mut self, share: bool) -> SessionBuilder {
        self.shares_pace = share;
        self
    }

    /// Sets where the service is; the default is `https://open-api.123pan.com`. A path in the URL precedes every path. Plain
    /// `http://` is allowed for `localhost`, 127.x.x.x and `[::1]` only.
    pub fn base_url(mut self, url: impl Into<String>) -> SessionBuilder {
        self.base_url = url.into();
        self
    }

    /// Allows the client secret and the tokens to be sent to any `http://` base URL, where everybody on the way can read them. The
    /// default is `false`. It is meant for a private network, such as a TLS-terminating proxy beside the program.
    pub fn allow_credentials_over_plain_http(mut self, allowed: bool) -> SessionBuilder {
        self.plain_http = if allowed {
            PlainHttp::Anywhere
        } else {
            PlainHttp::LoopbackOnly
        };
        self
    }

    /// Sets how often a failed attempt is repeated.
    pub fn retry(mut self, policy: RetryPolicy) -> SessionBuilder {
        self.retry = policy;
        self
    }

    /// Sets how fast requests may follow each other.
    pub fn pacing(mut self, pacing: Pacing) -> SessionBuilder {
        self.pacing = pacing;
        self
    }

    /// Sets the timeout for connecting, TLS included; the default is 10 s. It is always kept below the request timeout. The driver
    /// applies it: an HTTP client of your own needs its own.
    pub fn connect_timeout(mut self, timeout: Duration) -> SessionBuilder {
        self.connect_timeout = timeout;
        self
    }

    /// Sets the timeout of one request; the default is 30 s.
    pub fn request_timeout(mut self, timeout: Duration) -> SessionBuilder {
        self.request_timeout = timeout;
        self
    }

    /// Sets how long a call may take with all its waits and attempts; the default is 120 s, the minimum 1 s. Once it is set, the wait
    /// of a create for its turn at the client's own pace counts, too: see [`Call`](crate::Call).
    pub fn call_timeout(mut self, timeout: Duration) -> SessionBuilder {
        self.call_timeout = Some(timeout);
        self
    }

    /// Sets the maximum size of a response body in bytes; the default is 1 MiB, the minimum 1 KiB.
    pub fn body_limit(mut self, bytes: usize) -> SessionBuilder {
        self.body_limit = bytes;
        self
    }

    /// Sets the `User-Agent` header; the default is `pan123-rs` and the version.
    pub fn user_agent(mut self, text: impl Into<String>) -> SessionBuilder {
        self.user_agent = text.into();
        self
    }

    /// Sets the part of the service's message that means that too many downloads are running; the default is
    /// `同时下载的任务超出最大限制`. The service's code for it is unknown. An empty text matches nothing.
    pub fn too_many_downloads_text(mut self, text: impl Into<String>) -> SessionBuilder {
        self.too_many_downloads = text.into();
        self
    }

    /// Sets the seed of all randomness, from which backoffs are drawn. The default is a fixed seed; the clients draw one.
    pub fn seed(mut self, seed: u64) -> SessionBuilder {
        self.seed = seed;
        self
    }

    /// Builds the session. Nothing is sent.
    ///
    /// # Errors
    ///
    /// [`BuildError`] if there are no credentials or several kinds of them, if one of them cannot be meant as it was given, if OAuth
    /// has no token store, or if a setting is out of its range.
    pub fn build(self) -> Result<Session, BuildError> {
        let (auth_method, tokens) = self.authentication()?;
        let user_agent = HeaderValue::try_from(&self.user_agent)
            .map_err(|_| no_header("user agent", &self.user_agent, char::is_control))?;
        self.check_limits()?;
        let base_url = BaseUrl::parse(&self.base_url, self.plain_http)?;
        let mut secrets = Secrets::default();
        auth_method.secrets(&mut secrets);
        let fetch_control = Arc::<Control>::default();
        let in_use = InUse {
            fetch_control: Arc::clone(&fetch_control),
        };
        Ok(Session {
            in_use: Some(Arc::new(in_use)),
            shared: Arc::new(Shared {
                fetch_control,
                loopback_only: base_url.is_plain_http()
                    && self.plain_http == PlainHttp::LoopbackOnly,
                connect_timeout: self.connect_timeout,
                uses_token_store: self.uses_token_store,
                auth_method,
                settings: Settings {
                    base_url,
                    headers: CommonHeaders::new(user_agent),
                    retry: self.retry,
                    request_timeout: self.request_timeout,
                    call_timeout: self.call_timeout.unwrap_or(DEFAULT_CALL_TIMEOUT),
                    has_default_call_timeout: self.call_timeout.is_none(),
                    body_limit: self.body_limit,
                    shares_pace: self.shares_pace,
                    too_many_downloads: self.too_many_downloads,
                    secrets,
                },
                state: Mutex::new(State {
                    tokens,
                    limiter: Limiter::new(self.pacing).shared(self.shares_pace),
                    detached: DetachedCalls::default(),
                    rng: Rng::with_seed(self.seed),
                }),
            }),
        })
    }

    /// The one way to authenticate, and the tokens to start with.
    fn authentication(&self) -> Result<(AuthMethod, Tokens), BuildError> {
        let fault = |fault| Err(BuildError::Credentials(fault));
        match (&self.credentials, &self.access_token, &self.oauth) {
            (None, None, None) => fault(CredentialsFault::Missing),
            (Some(credentials), None, None) => {
                credentials.check()?;
                let auth_method = AuthMethod::Developer(credentials.clone());
                Ok((auth_method, Tokens::developer()))
            }
            (None, Some(token), None) => Ok((AuthMethod::Given, self.given(token)?)),
            (None, None, Some(app)) => {
                app.check()?;
                if !self.uses_token_store {
                    return Err(no_store());
                }
                Ok((AuthMethod::OAuth(app.clone()), Tokens::oauth()))
            }
            _ => fault(CredentialsFault::Conflicting),
        }
    }

    fn given(&self, token: &SecretString) -> Result<Tokens, BuildError> {
        if self.uses_token_store {
            return Err(BuildError::Setting {
                what: "the token store",
                given: "set beside an access token".to_owned(),
                allowed: "it stores tokens that are issued for a client id with its secret, or to an OAuth app",
            });
        }
        check_credential("access token", token.expose_secret())?;
        Ok(Tokens::given(bearer(token.expose_secret())?))
    }
}

fn no_store() -> BuildError {
    BuildError::Setting {
        what: "the token store",
        given: "missing beside OAuth".to_owned(),
        allowed: "a refresh token works once, so each new pair must be saved before it is used: give `token_store` a store that \
                  outlives the program, such as `FileStore`, or `MemoryStore` if the pair may be lost with it (with a driver of \
                  your own, call `persist_token(true)`)",
    }
}

/// Longer than anybody waits, and short enough that no clock overflows.
const MAX_TIMEOUT: Duration = Duration::from_secs(30 * 24 * 3600);
/// With less, a non-idempotent request could never be sent.
const MIN_CALL_TIMEOUT: Duration = Duration::from_secs(1);
/// With less, a download could be created whose response is too large to read.
const MIN_BODY_LIMIT: usize = 1024;

impl SessionBuilder {
    fn check_limits(&self) -> Result<(), BuildError> {
        let more_than_zero = "it must be more than zero and at most 30 days";
        let at_least_a_second = "it must be at least 1 s and at most 30 days";
        for (what, timeout, min, allowed) in [
            (
                "the connect timeout",
                self.connect_timeout,
                Duration::from_nanos(1),
                more_than_zero,
            ),
            (
                "the request timeout",
                self.request_timeout,
                Duration::from_nanos(1),
                more_than_zero,
            ),
            (
                "the call timeout",
                self.call_timeout.unwrap_or(DEFAULT_CALL_TIMEOUT),
                MIN_CALL_TIMEOUT,
                at_least_a_second,
            ),
        ] {
            if timeout < min || timeout > MAX_TIMEOUT {
                return Err(BuildError::Setting {
                    what,
                    given: format!("{timeout:?}"),
                    allowed,
                });
            }
        }
        if self.body_limit < MIN_BODY_LIMIT {
            return Err(BuildError::Setting {
                what: "the body limit",
                given: format!("{} bytes", self.body_limit),
                allowed: "it must be at least 1024 bytes",
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
            .field("base_url", &RedactedUrl(&self.base_url))
            .finish_non_exhaustive()
    }
}
