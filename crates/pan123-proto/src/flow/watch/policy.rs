//! How a watch goes about it.

use std::time::Duration;

/// How often a watch asks, and when it gives up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WatchPolicy {
    pub(super) interval: Duration,
    pub(super) max_interval: Duration,
    pub(super) deadline: Duration,
    pub(super) stall_timeout: Duration,
    pub(super) max_failed_polls: u32,
}

impl Default for WatchPolicy {
    fn default() -> WatchPolicy {
        WatchPolicy {
            interval: Duration::from_secs(1),
            max_interval: Duration::from_secs(15),
            deadline: Duration::from_secs(24 * 3600),
            stall_timeout: Duration::from_secs(30 * 60),
            max_failed_polls: 10,
        }
    }
}

impl WatchPolicy {
    /// The time between the first polls, 1 s by default; it grows by half with each one up to the most.
    pub fn interval(mut self, interval: Duration) -> WatchPolicy {
        self.interval = interval;
        self
    }

    /// The longest time between two polls, 15 s by default.
    pub fn max_interval(mut self, interval: Duration) -> WatchPolicy {
        self.max_interval = interval;
        self
    }

    /// How long to follow the task at all, 24 h by default.
    pub fn deadline(mut self, deadline: Duration) -> WatchPolicy {
        self.deadline = deadline;
        self
    }

    /// How long neither percentage nor status may change, 30 min by default.
    pub fn stall_timeout(mut self, timeout: Duration) -> WatchPolicy {
        self.stall_timeout = timeout;
        self
    }

    /// How many polls in a row may fail after their retries, 10 by default; 0 counts as 1.
    pub fn max_failed_polls(mut self, polls: u32) -> WatchPolicy {
        self.max_failed_polls = polls.max(1);
        self
    }
}
