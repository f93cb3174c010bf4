//! The settings of a client.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use pan123_proto::{
    BuildError, OAuth, Pacing, RetryPolicy, Session, SessionBuilder, SharedPace, TokenStore,
};

use crate::client::Client;
use crate::clock::{Clock, SystemClock};
use crate::drive::Context;
use crate::spawner::{Spawner, TokioSpawner};
use crate::store::{Pace, Store};
use crate::transport::{ReqwestTransport, Transport};

/// The settings of a [`Client`]: [`Client::builder`] returns it.
///
/// ```
/// use std::time::Duration;
///
/// use pan123_async::{Client, RetryPolicy};
///
/// let client = Client::builder()
///     .credentials("client id", "client secret")
///     .retry(RetryPolicy::default().max_attempts(6))
///     .call_timeout(Duration::from_secs(300))
///     .build()?;
/// # drop(client);
///
/// // Nothing was sent: settings are checked, not credentials.
/// let error = Client::builder().access_token("token").base_url("ftp://example.com").build();
/// assert!(error.is_err());
/// # Ok::<(), pan123_async::BuildError>(())
/// ```
#[must_use = "a builder does nothing until `build` is called"]
pub struct ClientBuilder {
    session: SessionBuilder,
    transport: TransportChoice,
    clock: Arc<dyn Clock>,
    spawner: Arc<dyn Spawner>,
    store: Option<Arc<dyn TokenStore>>,
    pace: Option<Arc<dyn SharedPace>>,
}

/// What requests are sent over.
enum TransportChoice {
    Ours,
    Builder(Box<reqwest::ClientBuilder>),
    Ready(Arc<dyn Transport>),
}

impl Default for ClientBuilder {
    fn default() -> ClientBuilder {
        ClientBuilder {
            session: Session::builder().seed(fastrand::u64(..)),
            transport: TransportChoice::Ours,
            clock: Arc::new(SystemClock),
            spawner: Arc::new(TokioSpawner),
            store: None,
            pace: None,
        }
    }
}

/// Uses rustls where it is compiled in: another crate of the same program may switch on reqwest's other backend.
fn reqwest_builder() -> reqwest::ClientBuilder {
    let builder = reqwest::Client::builder();
    #[cfg(any(feature = "rustls", feature = "rustls-no-provider"))]
    let builder = builder.tls_backend_rustls();
    builder
}

impl ClientBuilder {
    /// Uses the `clientID` and `clientSecret` of a developer. The client fetches, shares and replaces the access token on its own.
    /// At most three tokens of one client id live at once: let all processes that use it share one
    /// [`token_store`](ClientBuilder::token_store).
    #[doc(alias = "get_access_token")]
    pub fn credentials(
        mut self,
        id: impl Into<String>,
        secret: impl Into<String>,
    ) -> ClientBuilder {
        self.session = self.session.credentials(id, secret);
        self
    }

    /// Uses an access token that was issued elsewhere. The client cannot replace it: once the service rejects it, calls fail with
    /// [`Error::Unauthorized`](pan123_proto::Error::Unauthorized).
    #[doc(alias = "令牌")]
    pub fn access_token(mut self, token: impl Into<String>) -> ClientBuilder {
        self.session = self.session.access_token(token);
        self
    }

    /// Acts for a user of a third-party app, whose tokens the client refreshes on its own. Needs a
    /// [`token_store`](ClientBuilder::token_store).
    pub fn oauth(mut self, app: OAuth) -> ClientBuilder {
        self.session = self.session.oauth(app);
        self
    }

    /// Sets the base URL of the service, `https://open-api.123pan.com` by default. Plain `http://` is accepted for `localhost`,
    /// 127.x.x.x and `[::1]` only.
    pub fn base_url(mut self, url: impl Into<String>) -> ClientBuilder {
        self.session = self.session.base_url(url);
        self
    }

    /// Accepts any `http://` base URL. Everyone on the way can then read the client secret and the tokens; off by default.
    pub fn allow_credentials_over_plain_http(mut self, allowed: bool) -> ClientBuilder {
        self.session = self.session.allow_credentials_over_plain_http(allowed);
        self
    }

    /// Sets how often a failed attempt is repeated, and the backoff in between.
    pub fn retry(mut self, policy: RetryPolicy) -> ClientBuilder {
        self.session = self.session.retry(policy);
        self
    }

    /// Sets the rate limits that the client keeps to.
    #[doc(alias = "限流")]
    pub fn pacing(mut self, pacing: Pacing) -> ClientBuilder {
        self.session = self.session.pacing(pacing);
        self
    }

    /// Limits how long connecting may take, TLS included: 10 s by default. Does not apply to [`with_client`](ClientBuilder::with_client)
    /// and [`transport`](ClientBuilder::transport).
    pub fn connect_timeout(mut self, timeout: Duration) -> ClientBuilder {
        self.session = self.session.connect_timeout(timeout);
        self
    }

    /// Limits how long one request may take: 30 s by default.
    pub fn request_timeout(mut self, timeout: Duration) -> ClientBuilder {
        self.session = self.session.request_timeout(timeout);
        self
    }

    /// Limits how long a call may take with all its waits and attempts: 120 s by default, at least 1 s.
    ///
    /// By default the time in which a create waits for its turn at the client's own pace does not count; once you set a limit, it does.
    pub fn call_timeout(mut self, timeout: Duration) -> ClientBuilder {
        self.session = self.session.call_timeout(timeout);
        self
    }

    /// Limits the size of a response's body: 1 MiB by default, at least 1 KiB.
    pub fn body_limit(mut self, bytes: usize) -> ClientBuilder {
        self.session = self.session.body_limit(bytes);
        self
    }

    /// Sets the `User-Agent` header, by default `pan123-rs/` and a version.
    pub fn user_agent(mut self, text: impl Into<String>) -> ClientBuilder {
        self.session = self.session.user_agent(text);
        self
    }

    /// Sets the part of a message that means that too many downloads run at once, by default `同时下载的任务超出最大限制`. The
    /// service's code for it is not known. With an empty text no message is taken for it.
    pub fn too_many_downloads_text(mut self, text: impl Into<String>) -> ClientBuilder {
        self.session = self.session.too_many_downloads_text(text);
        self
    }

    /// Sets the seed of all randomness, for tests. By default each client draws its own.
    pub fn seed(mut self, seed: u64) -> ClientBuilder {
        self.session = self.session.seed(seed);
        self
    }

    /// Stores the token between runs, and loads it from there before a new one is fetched: `pan123-store` has a store in a file.
    /// Needs credentials or OAuth, and OAuth needs a store.
    #[doc(alias = "令牌")]
    pub fn token_store(mut self, store: impl TokenStore) -> ClientBuilder {
        self.session = self.session.persist_token(true);
        self.store = Some(Arc::new(store));
        self
    }

    /// Keeps to one pace with all other processes and machines of the account, which share it: `pan123-ledger` has one in PostgreSQL.
    #[doc(alias = "限流")]
    pub fn shared_pace(mut self, pace: impl SharedPace) -> ClientBuilder {
        self.session = self.session.share_pace(true);
        self.pace = Some(Arc::new(pace));
        self
    }

    /// Uses other clocks than the system's.
    pub fn clock(mut self, clock: impl Clock) -> ClientBuilder {
        self.clock = Arc::new(clock);
        self
    }

    /// Sets where work runs that must outlive its caller, such as a token fetch; the default is [`TokioSpawner`](crate::context::TokioSpawner).
    pub fn spawner(mut self, spawner: impl Spawner) -> ClientBuilder {
        self.spawner = Arc::new(spawner);
        self
    }

    /// Sends requests over another [`Transport`] than reqwest.
    pub fn transport(mut self, transport: impl Transport) -> ClientBuilder {
        self.transport = TransportChoice::Ready(Arc::new(transport));
        self
    }

    /// Builds the reqwest client from this builder, with redirects, retries and the connect timeout set over it. No proxy is used
    /// while the base URL is plain `http://` to this machine.
    pub fn with_client_builder(mut self, builder: reqwest::ClientBuilder) -> ClientBuilder {
        self.transport = TransportChoice::Builder(Box::new(builder));
        self
    }

    /// Uses this reqwest client. [`ReqwestTransport::from_client`] says what it needs.
    pub fn with_client(self, client: reqwest::Client) -> ClientBuilder {
        self.transport(ReqwestTransport::from_client(client))
    }

    /// Builds the client. Nothing is sent yet.
    ///
    /// # Errors
    ///
    /// [`BuildError`] if there are no credentials or several kinds of them, if OAuth has no token store, if a setting is out of
    /// its range, or if reqwest cannot be set up.
    ///
    /// # Panics
    ///
    /// With the feature `rustls-no-provider` and without `rustls`, if the program has not installed a crypto provider, unless the
    /// client or the transport was given.
    pub fn build(self) -> Result<Client, BuildError> {
        let session = self.session.build()?;
        let (connect_timeout, timeout) = (session.connect_timeout(), session.request_timeout());
        let direct = session.is_loopback_only();
        let from_builder = move |builder: reqwest::ClientBuilder| {
            let builder = if direct { builder.no_proxy() } else { builder };
            ReqwestTransport::with_usual_timeout(builder, connect_timeout, timeout)
        };
        let transport: Arc<dyn Transport> = match self.transport {
            TransportChoice::Ready(transport) => transport,
            TransportChoice::Builder(builder) => Arc::new(from_builder(*builder)?),
            TransportChoice::Ours => {
                let fresh = move || from_builder(reqwest_builder().pool_max_idle_per_host(0));
                let transport = from_builder(reqwest_builder())?;
                Arc::new(transport.with_fresh_connections(fresh))
            }
        };
        let context = Context {
            transport,
            clock: self.clock,
            spawner: self.spawner,
            store: Store::new(self.store, session.account()),
            pace: Pace::new(self.pace, session.ledger_account()),
        };
        Ok(Client::new(session, Arc::new(context)))
    }
}

impl fmt::Debug for ClientBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientBuilder")
            .field("session", &self.session)
            .finish_non_exhaustive()
    }
}
