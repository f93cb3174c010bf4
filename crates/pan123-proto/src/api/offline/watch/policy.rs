//! How a watch goes about it.

use std::time::Duration;

/// How often a watch asks, and when it gives up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WatchPolicy {
    pub(super) interval: Duration,
    pub(super) most_interval: Duration,
    pub(super) deadline: Duration,
    pub(super) stall: Duration,
    pub(super) failed_polls: u32,
}

impl Default for WatchPolicy {
    fn default() -> WatchPolicy {
        WatchPolicy {
            interval: Duration::from_secs(1),
            most_interval: Duration::from_secs(15),
            deadline: Duration::from_secs(24 * 3600),
            stall: Duration::from_secs(30 * 60),
            failed_polls: 10,
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
    pub fn most_interval(mut self, interval: Duration) -> WatchPolicy {
        self.most_interval = interval;
        self
    }

    /// How long to follow the task at all, 24 h by default.
    pub fn deadline(mut self, deadline: Duration) -> WatchPolicy {
        self.deadline = deadline;
        self
    }

    /// How long neither percentage nor status may change, 30 min by default.
    pub fn stall(mut self, stall: Duration) -> WatchPolicy {
        self.stall = stall;
        self
    }

    /// How many polls in a row may fail after their retries, 10 by default; 0 counts as 1.
    pub fn failed_polls(mut self, polls: u32) -> WatchPolicy {
        self.failed_polls = polls.max(1);
        self
    }
}
