//! The deadline of a call.

use std::time::{Duration, Instant};

use crate::machine::later;

/// A deadline that counts from when it is first asked for; for the poll of a watch, from when the poll is sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadline {
    timeout: Duration,
    /// While the poll of a watch waits for its slot, only the end of the watch bounds it.
    queue_until: Option<Instant>,
    at: Option<Instant>,
}

impl Deadline {
    pub(crate) fn new(timeout: Duration) -> Deadline {
        Deadline {
            timeout,
            queue_until: None,
            at: None,
        }
    }

    pub(crate) fn set_timeout(&mut self, timeout: Duration) {
        self.timeout = timeout;
    }

    /// Takes over a deadline that is already running.
    pub(crate) fn set(&mut self, at: Instant) {
        self.at = Some(at);
    }

    pub(crate) fn queue_until(&mut self, end: Instant) {
        self.queue_until = Some(end);
    }

    /// The request is sent now.
    pub(crate) fn sent(&mut self, now: Instant) {
        if let Some(end) = self.queue_until.take() {
            self.at = Some(end.min(later(now, self.timeout)));
        }
    }

    pub(crate) fn get(&mut self, now: Instant) -> Instant {
        let timeout = self.timeout;
        self.queue_until
            .unwrap_or_else(|| *self.at.get_or_insert(later(now, timeout)))
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
    fn deadline_counts_from_when_it_is_first_asked_for() {
        let mut deadline = Deadline::new(secs(7));
        deadline.set_timeout(secs(10));
        assert_eq!(deadline.get(base() + secs(1)), base() + secs(11));
        deadline.sent(base() + secs(2));
        assert_eq!(deadline.get(base() + secs(3)), base() + secs(11));
    }

    #[test]
    fn queued_poll_is_bounded_by_its_watch_and_a_sent_one_by_its_own_timeout() {
        for (end, bound) in [(1000, 60), (55, 55)] {
            let mut deadline = Deadline::new(secs(10));
            deadline.queue_until(base() + secs(end));
            assert_eq!(deadline.get(base()), base() + secs(end));
            deadline.sent(base() + secs(50));
            assert_eq!(deadline.get(base() + secs(51)), base() + secs(bound));
            deadline.sent(base() + secs(52));
            assert_eq!(deadline.get(base() + secs(53)), base() + secs(bound));
        }
    }
}
