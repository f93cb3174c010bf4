//! What can be chosen about a service.

use std::collections::HashMap;
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::callback::Callbacks;
use super::course::Course;
use super::endpoints::InfosKey;
use super::pace::Pace;
use super::tasks::FIRST_TASK;
use super::{is_loopback, millis};

/// The client id that is accepted unless another one was chosen.
pub const CLIENT_ID: &str = "mock-client-id";

/// The client secret that is accepted unless another one was chosen.
pub const CLIENT_SECRET: &str = "mock-client-secret";

#[derive(Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Options {
    pub(crate) client_id: String,
    pub(crate) client_secret: String,
    #[serde(rename = "token_lifetime_ms", with = "millis")]
    pub(crate) token_lifetime: Duration,
    pub(crate) strict: bool,
    pub(crate) pace: Pace,
    pub(crate) running_limit: Option<usize>,
    pub(crate) running_limit_code: i64,
    pub(crate) default_course: Course,
    pub(crate) courses: HashMap<String, Course>,
    /// Whether sources are really fetched. What the machine may do nobody chooses from outside.
    #[serde(skip)]
    pub(crate) fetch: bool,
    /// Whether they may be on another machine.
    #[serde(skip)]
    pub(crate) remote: bool,
    pub(crate) callbacks: Callbacks,
    pub(crate) infos_key: InfosKey,
    pub(crate) first_task: u64,
    pub(crate) kept_requests: usize,
    pub(crate) seed: u64,
}

impl Options {
    /// Whether this source is really fetched.
    pub(super) fn fetches(&self, url: &str) -> bool {
        self.fetch && (self.remote || is_loopback(url))
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            client_id: CLIENT_ID.to_owned(),
            client_secret: CLIENT_SECRET.to_owned(),
            token_lifetime: Duration::from_secs(30 * 24 * 60 * 60),
            strict: false,
            pace: Pace::off(),
            running_limit: None,
            running_limit_code: 1,
            default_course: Course::default(),
            courses: HashMap::new(),
            fetch: false,
            remote: false,
            callbacks: Callbacks::default(),
            infos_key: InfosKey::default(),
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
            .field("pace", &self.pace)
            .field("running_limit", &self.running_limit)
            .field("default_course", &self.default_course)
            .field("courses", &self.courses)
            .field("fetch", &self.fetch)
            .field("remote", &self.remote)
            .field("callbacks", &self.callbacks)
            .field("infos_key", &self.infos_key)
            .field("first_task", &self.first_task)
            .field("kept_requests", &self.kept_requests)
            .field("seed", &self.seed)
            .finish_non_exhaustive()
    }
}
