//! What can be chosen about a service.

use std::collections::HashMap;
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::callback::Callbacks;
use super::course::Course;
use super::endpoints::{InfosKey, ListEnd, OauthRefusal};
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
    pub(crate) copy_course: Course,
    pub(crate) courses: HashMap<String, Course>,
    /// Nobody chooses from outside what the machine may do.
    #[serde(skip)]
    pub(crate) fetch: Fetch,
    pub(crate) callbacks: Callbacks,
    pub(crate) infos_key: InfosKey,
    pub(crate) list_end: ListEnd,
    pub(crate) oauth_refusal: OauthRefusal,
    pub(crate) first_task: u64,
    pub(crate) kept_requests: usize,
    pub(crate) seed: u64,
}

/// Which sources are really fetched, if they have no course of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Fetch {
    /// None: their tasks are on the default course.
    #[default]
    Nothing,
    /// Those on loopback hosts; the tasks of all others are on the default course.
    Loopback,
    /// The same; the tasks of all others fail.
    #[cfg(feature = "program")]
    LoopbackAlone,
    /// All.
    #[cfg(feature = "program")]
    Everything,
}

/// How a task goes.
pub(super) enum Way {
    Fetched,
    On(Course),
}

impl Options {
    /// How a task with this source goes.
    pub(super) fn way_of(&self, url: &str) -> Way {
        if let Some(course) = self.courses.get(url) {
            return Way::On(course.clone());
        }
        match self.fetch {
            #[cfg(feature = "program")]
            Fetch::Everything => Way::Fetched,
            #[cfg(feature = "program")]
            Fetch::LoopbackAlone if !is_loopback(url) => {
                Way::On(Course::fails_within(Duration::ZERO, ELSEWHERE))
            }
            #[cfg(feature = "program")]
            Fetch::LoopbackAlone => Way::Fetched,
            Fetch::Loopback if is_loopback(url) => Way::Fetched,
            Fetch::Nothing | Fetch::Loopback => Way::On(self.default_course.clone()),
        }
    }
}

/// Why a source is not fetched that is not, in so many words, on this machine.
#[cfg(feature = "program")]
const ELSEWHERE: &str =
    "only sources on loopback addresses are fetched: --allow-remote fetches all";

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
            copy_course: Course::succeeds_after(2),
            courses: HashMap::new(),
            fetch: Fetch::default(),
            callbacks: Callbacks::default(),
            infos_key: InfosKey::default(),
            list_end: ListEnd::default(),
            oauth_refusal: OauthRefusal::default(),
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
            .field("copy_course", &self.copy_course)
            .field("courses", &self.courses)
            .field("fetch", &self.fetch)
            .field("callbacks", &self.callbacks)
            .field("infos_key", &self.infos_key)
            .field("list_end", &self.list_end)
            .field("oauth_refusal", &self.oauth_refusal)
            .field("first_task", &self.first_task)
            .field("kept_requests", &self.kept_requests)
            .field("seed", &self.seed)
            .finish_non_exhaustive()
    }
}
