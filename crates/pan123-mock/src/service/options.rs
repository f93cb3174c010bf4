//! The options of a service.

use std::collections::HashMap;
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::callback::CallbackPolicy;
use super::endpoints::{InfosKey, ListEnd, OauthErrorFormat};
use super::rate_limits::RateLimits;
use super::task_script::TaskScript;
use super::tasks::FIRST_TASK;
use super::{is_loopback, serde_millis};

/// The default client id.
pub const CLIENT_ID: &str = "mock-client-id";

/// The default client secret.
pub const CLIENT_SECRET: &str = "mock-client-secret";

#[derive(Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Options {
    pub(crate) client_id: String,
    pub(crate) client_secret: String,
    #[serde(rename = "token_lifetime_ms", with = "serde_millis")]
    pub(crate) token_lifetime: Duration,
    pub(crate) strict: bool,
    pub(crate) rate_limits: RateLimits,
    pub(crate) running_limit: Option<usize>,
    pub(crate) running_limit_code: i64,
    pub(crate) default_script: TaskScript,
    pub(crate) copy_script: TaskScript,
    pub(crate) scripts: HashMap<String, TaskScript>,
    /// Not set from JSON: only the command line decides what may be fetched.
    #[serde(skip)]
    pub(crate) fetch: Fetch,
    pub(crate) callbacks: CallbackPolicy,
    pub(crate) infos_key: InfosKey,
    pub(crate) list_end: ListEnd,
    pub(crate) oauth_error_format: OauthErrorFormat,
    pub(crate) first_task: u64,
    pub(crate) kept_requests: usize,
    pub(crate) seed: u64,
}

/// Which sources are fetched, unless they have a script.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Fetch {
    /// None; their tasks follow the default script.
    #[default]
    Nothing,
    /// Those on loopback hosts; all other tasks follow the default script.
    Loopback,
    /// Those on loopback hosts; all other tasks fail.
    #[cfg(feature = "program")]
    LoopbackOnly,
    /// All.
    #[cfg(feature = "program")]
    Everything,
}

/// How a task is carried to its end.
pub(super) enum Execution {
    Fetch,
    Script(TaskScript),
}

impl Options {
    /// Returns how a task with this source is carried to its end.
    pub(super) fn execution_of(&self, url: &str) -> Execution {
        if let Some(script) = self.scripts.get(url) {
            return Execution::Script(script.clone());
        }
        match self.fetch {
            #[cfg(feature = "program")]
            Fetch::Everything => Execution::Fetch,
            #[cfg(feature = "program")]
            Fetch::LoopbackOnly if !is_loopback(url) => {
                Execution::Script(TaskScript::fails_within(Duration::ZERO, NOT_LOOPBACK))
            }
            #[cfg(feature = "program")]
            Fetch::LoopbackOnly => Execution::Fetch,
            Fetch::Loopback if is_loopback(url) => Execution::Fetch,
            Fetch::Nothing | Fetch::Loopback => Execution::Script(self.default_script.clone()),
        }
    }
}

/// Why a source on another host is not fetched.
#[cfg(feature = "program")]
const NOT_LOOPBACK: &str =
    "only sources on loopback addresses are fetched; allow others with --allow-remote";

impl Default for Options {
    fn default() -> Self {
        Self {
            client_id: CLIENT_ID.to_owned(),
            client_secret: CLIENT_SECRET.to_owned(),
            token_lifetime: Duration::from_secs(30 * 24 * 60 * 60),
            strict: false,
            rate_limits: RateLimits::none(),
            running_limit: None,
            running_limit_code: 1,
            default_script: TaskScript::default(),
            copy_script: TaskScript::succeeds_after(2),
            scripts: HashMap::new(),
            fetch: Fetch::default(),
            callbacks: CallbackPolicy::default(),
            infos_key: InfosKey::default(),
            list_end: ListEnd::default(),
            oauth_error_format: OauthErrorFormat::default(),
            first_task: FIRST_TASK,
            kept_requests: 100_000,
            seed: 0,
        }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("client_id", &self.client_id)
            .field("token_lifetime", &self.token_lifetime)
            .field("strict", &self.strict)
            .field("rate_limits", &self.rate_limits)
            .field("running_limit", &self.running_limit)
            .field("default_script", &self.default_script)
            .field("copy_script", &self.copy_script)
            .field("scripts", &self.scripts)
            .field("fetch", &self.fetch)
            .field("callbacks", &self.callbacks)
            .field("infos_key", &self.infos_key)
            .field("list_end", &self.list_end)
            .field("oauth_error_format", &self.oauth_error_format)
            .field("first_task", &self.first_task)
            .field("kept_requests", &self.kept_requests)
            .field("seed", &self.seed)
            .finish_non_exhaustive()
    }
}
