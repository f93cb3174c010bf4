//! What can be chosen about a service.

use std::collections::HashMap;
use std::fmt;
use std::time::Duration;

use super::callback::ReasonKey;
use super::course::Course;

/// The client id that is accepted unless another one was chosen.
pub const CLIENT_ID: &str = "mock-client-id";

/// The client secret that is accepted unless another one was chosen.
pub const CLIENT_SECRET: &str = "mock-client-secret";

#[derive(Clone)]
pub(crate) struct Options {
    pub(crate) client_id: String,
    pub(crate) client_secret: String,
    pub(crate) token_lifetime: Duration,
    pub(crate) default_course: Course,
    pub(crate) courses: HashMap<String, Course>,
    pub(crate) fetch_loopback: bool,
    pub(crate) reason_key: ReasonKey,
    pub(crate) seed: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            client_id: CLIENT_ID.to_owned(),
            client_secret: CLIENT_SECRET.to_owned(),
            token_lifetime: Duration::from_secs(30 * 24 * 60 * 60),
            default_course: Course::default(),
            courses: HashMap::new(),
            fetch_loopback: false,
            reason_key: ReasonKey::default(),
            seed: 0,
        }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("client_id", &self.client_id)
            .field("token_lifetime", &self.token_lifetime)
            .field("default_course", &self.default_course)
            .field("courses", &self.courses)
            .field("fetch_loopback", &self.fetch_loopback)
            .field("reason_key", &self.reason_key)
            .field("seed", &self.seed)
            .finish_non_exhaustive()
    }
}
