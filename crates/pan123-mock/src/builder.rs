//! What can be chosen before a mock starts.

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

/// The options of a mock.
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
    /// The pair that is accepted for a token, of the developer and of an app; otherwise [`CLIENT_ID`](crate::CLIENT_ID) and
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

    /// How long a token lives; otherwise 30 days.
    pub fn token_lifetime(mut self, lifetime: Duration) -> Self {
        self.options.token_lifetime = lifetime;
        self
    }

    /// The course of tasks whose source has none of its own; otherwise [`TaskScript::default`].
    pub fn default_script(mut self, script: TaskScript) -> Self {
        self.options.default_script = script;
        self
    }

    /// The course of tasks with this source, which is then not fetched even if it could be.
    pub fn script_for(mut self, url: impl Into<String>, script: TaskScript) -> Self {
        self.options.scripts.insert(url.into(), script);
        self
    }

    /// The course of copies of several files; otherwise `TaskScript::succeeds_after(2)`: the first poll is told that it runs, the second that
    /// it is done. The copies are there when the course ends.
    ///
    /// A copy has numbers of its own: where an offline download has 0 (running) it has 1, for 1 (failed) 3, and for 3 (retrying) 0, which
    /// says that it has not begun; 2 is the success of both, and any other number is sent as it is.
    pub fn copy_script(mut self, script: TaskScript) -> Self {
        self.options.copy_script = script;
        self
    }

    /// Whether sources on loopback hosts are really fetched, over plain HTTP and without following redirects; otherwise they are not.
    /// The bytes are counted and thrown away.
    pub fn fetch_loopback(mut self, fetch: bool) -> Self {
        self.options.fetch = if fetch {
            Fetch::Loopback
        } else {
            Fetch::Nothing
        };
        self
    }

    /// How many bytes a source may have before its fetch fails; otherwise 64 MiB.
    pub fn fetch_limit(mut self, bytes: u64) -> Self {
        self.network.fetch_limit = bytes;
        self
    }

    /// How often a fetch that fails for the moment (cut off, HTTP 5xx) is tried again after this pause, with status 3 meanwhile;
    /// otherwise never.
    pub fn fetch_retries(mut self, retries: u32, pause: Duration) -> Self {
        self.network.fetch_retries = retries;
        self.network.fetch_pause = pause;
        self
    }

    /// How long a fetch may take, each time that it is tried; otherwise 5 minutes.
    pub fn fetch_timeout(mut self, timeout: Duration) -> Self {
        self.network.fetch_timeout = timeout;
        self
    }

    /// Keeps what was fetched in this directory, as `<task id>-<name>`.
    pub fn fetch_into(mut self, directory: impl Into<PathBuf>) -> Self {
        self.network.directory = Some(directory.into());
        self
    }

    /// How callbacks are posted; otherwise once, at the end of the task.
    pub fn callbacks(mut self, callbacks: CallbackPolicy) -> Self {
        self.options.callbacks = callbacks;
        self
    }

    /// The key that carries the reason in callbacks; otherwise `failReason`.
    pub fn reason_key(mut self, key: ReasonKey) -> Self {
        self.options.callbacks = self.options.callbacks.reason_key(key);
        self
    }

    /// The key that carries the rows of [`path::FILE_INFOS`](crate::path::FILE_INFOS); otherwise `fileList`.
    pub fn infos_key(mut self, key: InfosKey) -> Self {
        self.options.infos_key = key;
        self
    }

    /// How lists end; otherwise with -1.
    pub fn list_end(mut self, end: ListEnd) -> Self {
        self.options.list_end = end;
        self
    }

    /// How [`path::OAUTH_TOKEN`](crate::path::OAUTH_TOKEN) refuses; otherwise as RFC 6749 has it.
    pub fn oauth_error_format(mut self, refusal: OauthErrorFormat) -> Self {
        self.options.oauth_error_format = refusal;
        self
    }

    /// Whether the service refuses what its documentation does not promise, otherwise it does not: keys in another case, keys it does
    /// not know, numbers as texts, null or an empty text for nothing, forms, the root as the folder of a download.
    pub fn strict(mut self, strict: bool) -> Self {
        self.options.strict = strict;
        self
    }

    /// How many requests each endpoint takes in a second; otherwise as many as come.
    pub fn rate_limits(mut self, limits: RateLimits) -> Self {
        self.options.rate_limits = limits;
        self
    }

    /// How many downloads may run at once, in the drive and in the image bed each: one more is refused with
    /// `同时下载的任务超出最大限制`. Otherwise there is no limit, for nobody knows that of the real service.
    pub fn running_limit(mut self, downloads: usize) -> Self {
        self.options.running_limit = Some(downloads);
        self
    }

    /// The code of that refusal, which nobody knows either; otherwise 1.
    pub fn running_limit_code(mut self, code: i64) -> Self {
        self.options.running_limit_code = code;
        self
    }

    /// The id of the first task; otherwise a six-digit one. Over 2^53 it shows clients that read it as a double and write it back
    /// changed.
    pub fn first_task(mut self, id: u64) -> Self {
        self.options.first_task = id;
        self
    }

    /// How many of the last requests are kept to be looked at; otherwise 100,000.
    pub fn kept_requests(mut self, requests: usize) -> Self {
        self.options.kept_requests = requests;
        self
    }

    /// Tokens and trace ids come from this number: the same again under the same seed, others under another; otherwise 0.
    pub fn seed(mut self, seed: u64) -> Self {
        self.options.seed = seed;
        self
    }

    /// Where a server takes the time from; otherwise from the system. It is asked once a request.
    pub fn clock(mut self, now: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        self.clock = Clock::new(now);
        self
    }

    /// The model alone, without a server; it has no use for the clock, nor for what is said of fetches.
    pub fn service(self) -> Service {
        Service::new(self.options)
    }

    /// Starts a server on a free loopback port.
    pub async fn start(self) -> MockPan123 {
        MockPan123::start_with(self.into_server()).await
    }

    /// The same for code without a runtime; it may be called from inside one, too.
    ///
    /// # Panics
    ///
    /// If the machine has no thread or no port to give.
    pub fn start_blocking(self) -> MockPan123 {
        // On a thread of its own, for a runtime cannot be entered from within another.
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

    /// What is fetched, and whether callbacks may leave this machine, too.
    #[cfg(feature = "program")]
    pub(crate) fn network_access(mut self, fetch: Fetch, remote: bool) -> Self {
        self.options.fetch = fetch;
        self.network.remote = remote;
        self
    }

    /// Fetches what this one fetches.
    #[cfg(feature = "program")]
    pub(crate) fn with_fetch_of(mut self, other: &Self) -> Self {
        self.options.fetch = other.options.fetch;
        self
    }
}

/// The options of the service as JSON, as the program `pan123-mock` takes them, the client secret included. Not in there: the clock, and
/// all about fetches, which its command line decides.
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
