//! Rate limits of the endpoints.

use std::collections::{BTreeMap, HashMap};
use std::time::SystemTime;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::endpoints::path;

/// How many requests per second each endpoint accepts, by path.
///
/// Requests are counted in fixed windows of one second of the clock, as the gateway in front of the service does. A limit below 1, such as
/// 0.2, allows one request in 1/0.2 = 5 seconds. Any other fraction is counted per minute: 100.0 / 60.0 allows 100. A request above the
/// limit gets code 429, does not count, and has no effect.
///
/// ```
/// use pan123_mock::{MockPan123, RateLimits, path};
///
/// let mock = MockPan123::builder()
///     .rate_limits(RateLimits::free().limit(path::OFFLINE_DOWNLOAD, 0.5))
///     .start_blocking();
/// ```
///
/// As JSON, for the program `pan123-mock`: `{"/api/v1/user/info": 0.5}`, or `"off"`, `"free"`, `"member"`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(try_from = "Value", into = "BTreeMap<String, f64>")]
pub struct RateLimits {
    limits: BTreeMap<String, f64>,
}

/// The documented limits of a free and of a paying account. Offline downloads are not documented; these values are what client authors use.
const DOCUMENTED: [(&str, f64, f64); 15] = [
    (path::ACCESS_TOKEN, 8.0, 10.0),
    (path::OAUTH_TOKEN, 100.0 / 60.0, 100.0 / 60.0),
    (path::USER_INFO, 10.0, 10.0),
    (path::OFFLINE_DOWNLOAD, 1.0, 5.0),
    (path::OFFLINE_PROGRESS, 5.0, 10.0),
    (path::IMAGE_BED_DOWNLOAD, 1.0, 5.0),
    (path::IMAGE_BED_PROGRESS, 5.0, 10.0),
    (path::FILE_LIST, 5.0, 10.0),
    (path::OLD_FILE_LIST, 0.2, 10.0),
    (path::MKDIR, 5.0, 20.0),
    (path::MOVE, 3.0, 10.0),
    (path::DELETE, 1.0, 10.0),
    (path::TRASH, 5.0, 5.0),
    (path::FILE_INFOS, 10.0, 10.0),
    (path::DOWNLOAD_INFO, 5.0, 5.0),
];

impl RateLimits {
    /// Returns no limits.
    pub fn none() -> Self {
        Self::default()
    }

    /// Returns the limits of a free account.
    pub fn free() -> Self {
        Self::of(|(path, free, _)| (path, free))
    }

    /// Returns the limits of a paying account (会员).
    pub fn member() -> Self {
        Self::of(|(path, _, member)| (path, member))
    }

    /// Sets the requests per second for this path. Zero or less means no limit.
    pub fn limit(mut self, path: impl Into<String>, per_second: f64) -> Self {
        self.limits.insert(path.into(), per_second);
        self
    }

    fn of(column: fn((&'static str, f64, f64)) -> (&'static str, f64)) -> Self {
        let limits = DOCUMENTED.into_iter().map(column);
        Self {
            limits: limits
                .map(|(path, limit)| (path.to_owned(), limit))
                .collect(),
        }
    }

    /// Returns the length of a window in seconds and the requests that it allows.
    fn window(&self, path: &str) -> Option<(f64, f64)> {
        let limit = *self.limits.get(path)?;
        if limit < 1.0 {
            (limit > 0.0).then_some((limit.recip(), 1.0))
        } else if limit.fract() > 0.0 {
            Some((60.0, (limit * 60.0).round()))
        } else {
            Some((1.0, limit))
        }
    }
}

impl From<RateLimits> for BTreeMap<String, f64> {
    fn from(limits: RateLimits) -> Self {
        limits.limits
    }
}

impl TryFrom<Value> for RateLimits {
    type Error = String;

    fn try_from(json: Value) -> Result<Self, String> {
        match json.as_str() {
            Some("off") => return Ok(Self::none()),
            Some("free") => return Ok(Self::free()),
            Some("member") => return Ok(Self::member()),
            Some(other) => {
                return Err(format!(
                    "unknown rate limits `{other}`: expected off, free or member"
                ));
            }
            None => {}
        }
        let limits: BTreeMap<String, f64> =
            serde_json::from_value(json).map_err(|error| error.to_string())?;
        for (path, limit) in &limits {
            if !path.starts_with('/') {
                return Err(format!("`{path}` must begin with `/`"));
            }
            if *limit < 0.0 {
                return Err(format!(
                    "`{path}` has a limit of {limit}: it must not be negative"
                ));
            }
        }
        Ok(Self { limits })
    }
}

/// Counts the requests of the current window of each path.
#[derive(Debug, Default)]
pub(super) struct RateCounter {
    by_path: HashMap<String, Window>,
}

#[derive(Debug, Default, Clone, Copy)]
struct Window {
    number: f64,
    requests: f64,
}

impl RateCounter {
    /// Counts one more request to this path, and returns false if it exceeds the limit.
    pub(super) fn admit(&mut self, limits: &RateLimits, now: SystemTime, path: &str) -> bool {
        let Some((length, capacity)) = limits.window(path) else {
            return true;
        };
        let since = now.duration_since(SystemTime::UNIX_EPOCH);
        let number = (since.unwrap_or_default().as_secs_f64() / length).floor();
        let window = self.by_path.entry(path.to_owned()).or_default();
        // Times may be slightly out of order; an earlier window is not reopened.
        if number > window.number {
            *window = Window {
                number,
                requests: 0.0,
            };
        }
        if window.requests >= capacity {
            return false;
        }
        window.requests += 1.0;
        true
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn admitted(limits: &RateLimits, at: impl IntoIterator<Item = f64>) -> Vec<bool> {
        let mut counter = RateCounter::default();
        at.into_iter()
            .map(|seconds| SystemTime::UNIX_EPOCH + Duration::from_secs_f64(seconds))
            .map(|now| counter.admit(limits, now, "/a"))
            .collect()
    }

    #[test]
    fn limit_applies_to_each_second() {
        let limits = RateLimits::none().limit("/a", 2.0);
        let admitted = admitted(&limits, [10.0, 10.9, 10.95, 11.0, 11.1, 11.99, 12.0]);
        assert_eq!(admitted, [true, true, false, true, true, false, true]);
    }

    #[test]
    fn limit_below_one_allows_one_request_in_several_seconds() {
        let limits = RateLimits::none().limit("/a", 0.2);
        let admitted = admitted(&limits, [10.0, 14.9, 15.0, 19.0, 20.0]);
        assert_eq!(admitted, [true, false, true, false, true]);
    }

    #[test]
    fn fractional_limit_is_counted_per_minute() {
        let limits = RateLimits::none().limit("/a", 100.0 / 60.0);
        let admitted = admitted(&limits, [60.0; 101].into_iter().chain([119.9, 120.0]));
        assert!(admitted[..100].iter().all(|admitted| *admitted));
        assert_eq!(admitted[100..], [false, false, true]);
    }

    #[test]
    fn unlimited_paths_accept_everything() {
        for limits in [
            RateLimits::none(),
            RateLimits::free(),
            RateLimits::none().limit("/a", 0.0),
        ] {
            assert_eq!(admitted(&limits, [1.0; 50]), [true; 50]);
        }
    }

    #[test]
    fn paths_are_counted_separately() {
        let limits = RateLimits::none().limit("/a", 1.0).limit("/b", 1.0);
        let mut counter = RateCounter::default();
        let now = SystemTime::UNIX_EPOCH;
        assert!(counter.admit(&limits, now, "/a"));
        assert!(counter.admit(&limits, now, "/b"));
        assert!(!counter.admit(&limits, now, "/a"));
    }

    #[test]
    fn earlier_window_is_not_reopened() {
        let limits = RateLimits::none().limit("/a", 1.0);
        assert_eq!(admitted(&limits, [10.0, 11.0, 10.9]), [true, true, false]);
    }

    #[test]
    fn limits_are_read_by_name_or_by_path() {
        let read =
            |json: &str| serde_json::from_str::<RateLimits>(json).map_err(|it| it.to_string());
        assert_eq!(read(r#""free""#), Ok(RateLimits::free()));
        assert_eq!(
            read(r#"{"/a":0.5}"#),
            Ok(RateLimits::none().limit("/a", 0.5))
        );
        let again = serde_json::to_string(&RateLimits::member()).unwrap();
        assert_eq!(read(&again), Ok(RateLimits::member()));
        for wrong in [r#""fast""#, r#"{"a":1}"#, r#"{"/a":-1}"#, "7"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn documented_limits_of_free_and_member_accounts() {
        assert_eq!(
            RateLimits::free().window("/api/v1/file/list"),
            Some((5.0, 1.0))
        );
        let member = RateLimits::member();
        assert_eq!(member.window("/api/v1/file/list"), Some((1.0, 10.0)));
        let oauth = "/api/v1/oauth2/access_token";
        for limits in [RateLimits::free(), RateLimits::member()] {
            assert_eq!(limits.window(oauth), Some((60.0, 100.0)));
        }
        assert_eq!(member.window("/upload/v1/file/mkdir"), Some((1.0, 20.0)));
    }
}
