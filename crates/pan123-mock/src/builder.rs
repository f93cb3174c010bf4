//! The options of a mock.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::effects::NetworkSettings;
use crate::mock::MockPan123;
use crate::server::{Clock, Server};
use crate::service::{
    CallbackPolicy, Fetch, InfosKey, ListEnd, OauthErrorFormat, Options, RateLimits, ReasonKey,
    Service, TaskScript,
};

/// Builds a [`MockPan123`] or a [`Service`].
///
/// ```
/// use pan123_mock::{TaskScript, MockPan123};
///
/// let mock = MockPan123::builder()
///     .credentials("my-id", "my-secret")
///     .default_script(TaskScript::succeeds_after(5))
///     .script_for("https://example.com/broken.zip", TaskScript::fails_after(2, "下载失败"))
///     .start_blocking();
/// ```
#[derive(Debug, Clone, Default)]
pub struct Builder {
    options: Options,
    clock: Clock,
    network: NetworkSettings,
}

impl Builder {
    /// Sets the client id and secret that developers and apps must send. The defaults are [`CLIENT_ID`](crate::CLIENT_ID) and
    /// [`CLIENT_SECRET`](crate::CLIENT_SECRET).
    pub fn credentials(
        mut self,
        client_id: impl Into<String>,
        client_secret: impl Into<String>,
    ) -> Self {
        self.options.client_id = client_id.into();
        self.options.client_secret = client_secret.into();
        self
    }

    /// Sets how long a developer's token lives. The default is 30 days.
    pub fn token_lifetime(mut self, lifetime: Duration) -> Self {
        self.options.token_lifetime = lifetime;
        self
    }

    /// Sets the script of tasks whose source has no script of its own. The default is [`TaskScript::default`].
    pub fn default_script(mut self, script: TaskScript) -> Self {
        self.options.default_script = script;
        self
    }

    /// Sets the script of tasks with this source. Such a source is never fetched.
    pub fn script_for(mut self, url: impl Into<String>, script: TaskScript) -> Self {
        self.options.scripts.insert(url.into(), script);
        self
    }

    /// Sets the script of asynchronous copies. The default is `TaskScript::succeeds_after(2)`: the first poll reports "running", the second
    /// "done". The copies appear when the script ends.
    ///
    /// Copy tasks number their states differently from offline downloads, so the script's statuses are translated: 0 (running) becomes 1, 1
    /// (failed) becomes 3, and 3 (retrying) becomes 0 (pending). 2 means success in both, and any other number is sent unchanged.
    pub fn copy_script(mut self, script: TaskScript) -> Self {
        self.options.copy_script = script;
        self
    }

    /// Sets whether sources on loopback hosts are actually fetched, over plain HTTP and without following redirects. The bytes are counted
    /// and discarded. Off by default.
    pub fn fetch_loopback(mut self, fetch: bool) -> Self {
        self.options.fetch = if fetch {
            Fetch::Loopback
        } else {
            Fetch::Nothing
        };
        self
    }

    /// Sets the largest source that a fetch accepts. The default is 64 MiB.
    pub fn fetch_limit(mut self, bytes: u64) -> Self {
        self.network.fetch_limit = bytes;
        self
    }

    /// Sets how often a fetch is retried after a transient failure (connection lost, HTTP 5xx) and the pause before each retry; the task
    /// has status 3 meanwhile. By default a fetch is not retried.
    pub fn fetch_retries(mut self, retries: u32, pause: Duration) -> Self {
        self.network.fetch_retries = retries;
        self.network.fetch_pause = pause;
        self
    }

    /// Sets how long each attempt of a fetch may take. The default is 5 minutes.
    pub fn fetch_timeout(mut self, timeout: Duration) -> Self {
        self.network.fetch_timeout = timeout;
        self
    }

    /// Saves fetched files in this directory, as `<task id>-<name>`.
    pub fn fetch_into(mut self, directory: impl Into<PathBuf>) -> Self {
        self.network.directory = Some(directory.into());
        self
    }

    /// Sets how callbacks are posted. By default each is posted once, when the task ends.
    pub fn callbacks(mut self, callbacks: CallbackPolicy) -> Self {
        self.options.callbacks = callbacks;
        self
    }

    /// Sets the key that holds the reason in callbacks. The default is `failReason`.
    pub fn reason_key(mut self, key: ReasonKey) -> Self {
        self.options.callbacks = self.options.callbacks.reason_key(key);
        self
    }

    /// Sets the key that holds the rows of [`path::FILE_INFOS`](crate::path::FILE_INFOS). The default is `fileList`.
    pub fn infos_key(mut self, key: InfosKey) -> Self {
        self.options.infos_key = key;
        self
    }

    /// Sets how lists mark their last page. The default is -1.
    pub fn list_end(mut self, end: ListEnd) -> Self {
        self.options.list_end = end;
        self
    }

    /// Sets the format of errors from [`path::OAUTH_TOKEN`](crate::path::OAUTH_TOKEN). The default is that of RFC 6749.
    pub fn oauth_error_format(mut self, refusal: OauthErrorFormat) -> Self {
        self.options.oauth_error_format = refusal;
        self
    }

    /// Sets whether the service rejects what its documentation does not promise: keys in another case, unknown keys, numbers as strings,
    /// null or an empty string for a missing value, form bodies, the root as the target of a download. Off by default.
    pub fn strict(mut self, strict: bool) -> Self {
        self.options.strict = strict;
        self
    }

    /// Sets how many requests per second each endpoint accepts. Unlimited by default.
    pub fn rate_limits(mut self, limits: RateLimits) -> Self {
        self.options.rate_limits = limits;
        self
    }

    /// Sets how many downloads may run at once, counted separately for the drive and the image bed. One more is rejected with
    /// `同时下载的任务超出最大限制`. Unlimited by default, because the real limit is not documented.
    pub fn running_limit(mut self, downloads: usize) -> Self {
        self.options.running_limit = Some(downloads);
        self
    }

    /// Sets the code of that rejection, which is not documented either. The default is 1.
    pub fn running_limit_code(mut self, code: i64) -> Self {
        self.options.running_limit_code = code;
        self
    }

    /// Sets the id of the first task; by default it has six digits. An id above 2^53 reveals clients that read it as a double.
    pub fn first_task(mut self, id: u64) -> Self {
        self.options.first_task = id;
        self
    }

    /// Sets how many of the latest requests are recorded. The default is 100,000.
    pub fn kept_requests(mut self, requests: usize) -> Self {
        self.options.kept_requests = requests;
        self
    }

    /// Sets the seed of tokens, trace ids and random faults. The same seed gives the same values. The default is 0.
    pub fn seed(mut self, seed: u64) -> Self {
        self.options.seed = seed;
        self
    }

    /// Sets the clock of the server, which reads it once per request. The default is the system clock.
    pub fn clock(mut self, now: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        self.clock = Clock::new(now);
        self
    }

    /// Builds the model alone, without a server. The clock and the fetch settings do not apply to it.
    pub fn service(self) -> Service {
        Service::new(self.options)
    }

    /// Starts a server on a free loopback port.
    pub async fn start(self) -> MockPan123 {
        MockPan123::start_with(self.into_server()).await
    }

    /// Starts a server from code without a runtime. It may also be called from within a runtime.
    ///
    /// # Panics
    ///
    /// If no thread can be started or no port is free.
    pub fn start_blocking(self) -> MockPan123 {
        // A runtime cannot be entered from within another one, so this one gets its own thread.
        let started = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_time()
                .build()
                .expect("a runtime for the start of the mock");
            runtime.block_on(self.start())
        });
        started.join().expect("the mock starts")
    }

    pub(crate) fn into_server(self) -> Arc<Server> {
        Server::new(Service::new(self.options), self.clock, self.network)
    }

    /// Sets which sources are fetched, and whether fetches and callbacks may leave this machine.
    #[cfg(feature = "program")]
    pub(crate) fn network_access(mut self, fetch: Fetch, remote: bool) -> Self {
        self.options.fetch = fetch;
        self.network.remote = remote;
        self
    }

    /// Takes the fetch mode of another builder.
    #[cfg(feature = "program")]
    pub(crate) fn with_fetch_of(mut self, other: &Self) -> Self {
        self.options.fetch = other.options.fetch;
        self
    }
}

/// Serializes the options of the service as JSON, the format that the program `pan123-mock` reads. The client secret is included; the clock
/// and the fetch settings, which come from the command line, are not.
impl Serialize for Builder {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        self.options.serialize(to)
    }
}

impl<'de> Deserialize<'de> for Builder {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let options = Options::deserialize(from)?;
        Ok(Self {
            options,
            ..Self::default()
        })
    }
}
