//! When requests of one class of one session may go out, as far as an onlooker can tell.

use std::time::Duration;

use crate::support::{millis, secs};

const SLOW_FOR: Duration = secs(60);
const MOST_SLOWDOWN: u32 = 8;
const LEAST_SLOW_INTERVAL: Duration = millis(100);
/// Nobody sends for this long after a 429, whatever it says.
const LEAST_HOLD_OFF: Duration = secs(1);

#[derive(Debug)]
pub(crate) struct Lane {
    interval: Duration,
    /// Not before the last request and the distance kept from it.
    next: Duration,
    held_since: Option<Duration>,
    held_until: Duration,
    slow_until: Duration,
    slowdown: u32,
}

impl Lane {
    pub(crate) fn new(interval: Duration) -> Lane {
        Lane {
            interval,
            next: Duration::ZERO,
            held_since: None,
            held_until: Duration::ZERO,
            slow_until: Duration::ZERO,
            slowdown: 1,
        }
    }

    pub(crate) fn sent(&mut self, at: Duration) {
        assert!(
            at >= self.held_until,
            "sent at {at:?} in a hold-off until {:?}",
            self.held_until
        );
        assert!(
            at >= self.next,
            "sent at {at:?}, too soon after the last one: {self:?}"
        );
        self.next = at + self.spacing(at);
    }

    /// A 429 came to a request of that time.
    pub(crate) fn limited(&mut self, sent: Duration, at: Duration, retry_after: Duration) {
        if self.held_since.is_some_and(|began| sent <= began) {
            return;
        }
        let wait = retry_after.max(LEAST_HOLD_OFF);
        self.slowdown = if at < self.slow_until {
            (self.slowdown * 2).min(MOST_SLOWDOWN)
        } else {
            2
        };
        self.held_since = Some(at);
        self.held_until = self.held_until.max(at + wait);
        self.slow_until = at + wait + SLOW_FOR;
    }

    fn spacing(&self, at: Duration) -> Duration {
        if at < self.slow_until {
            (self.interval * self.slowdown).max(LEAST_SLOW_INTERVAL)
        } else {
            self.interval
        }
    }
}
