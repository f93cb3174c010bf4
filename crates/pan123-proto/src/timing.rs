//! What bounds a call in time.

use std::time::{Duration, Instant};

use crate::machine::later;

/// A deadline that counts from the first time it is asked for; for the poll of a watch, from when the poll is sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timing {
    timeout: Duration,
    /// Until the slot of a poll comes, only the end of its watch bounds it.
    queue_until: Option<Instant>,
    deadline: Option<Instant>,
}

impl Timing {
    pub(crate) fn new(timeout: Duration) -> Timing {
        Timing {
            timeout,
            queue_until: None,
            deadline: None,
        }
    }

    pub(crate) fn set_timeout(&mut self, timeout: Duration) {
        self.timeout = timeout;
    }

    /// Bounds it by a deadline that began to count elsewhere.
    pub(crate) fn set_deadline(&mut self, deadline: Instant) {
        self.deadline = Some(deadline);
    }

    pub(crate) fn queue_until(&mut self, end: Instant) {
        self.queue_until = Some(end);
    }

    /// The request goes out now.
    pub(crate) fn sent(&mut self, now: Instant) {
        if let Some(end) = self.queue_until.take() {
            self.deadline = Some(end.min(later(now, self.timeout)));
        }
    }

    pub(crate) fn deadline(&mut self, now: Instant) -> Instant {
        let timeout = self.timeout;
        self.queue_until
            .unwrap_or_else(|| *self.deadline.get_or_insert(later(now, timeout)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::base;

    const fn secs(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_deadline_counts_from_the_first_look() {
        let mut timing = Timing::new(secs(7));
        timing.set_timeout(secs(10));
        assert_eq!(timing.deadline(base() + secs(1)), base() + secs(11));
        timing.sent(base() + secs(2));
        assert_eq!(timing.deadline(base() + secs(3)), base() + secs(11));
    }

    #[test]
    fn a_poll_is_bounded_by_its_watch_and_once_it_is_sent_by_its_own_time() {
        for (end, bound) in [(1000, 60), (55, 55)] {
            let mut timing = Timing::new(secs(10));
            timing.queue_until(base() + secs(end));
            assert_eq!(timing.deadline(base()), base() + secs(end));
            timing.sent(base() + secs(50));
            assert_eq!(timing.deadline(base() + secs(51)), base() + secs(bound));
            timing.sent(base() + secs(52));
            assert_eq!(timing.deadline(base() + secs(53)), base() + secs(bound));
        }
    }
}
