//! The deadline of a call.

use std::time::{Duration, Instant};

use crate::machine::later;

/// A request is sent only if at least this much time is left, and some only with more: with less it would time out on its way.
pub(crate) const MIN_TIME: Duration = Duration::from_millis(1);

/// A deadline that counts from when it is first asked for; for the poll of a watch, from when the poll is sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadline {
    timeout: Duration,
    queue: Queue,
    at: Option<Instant>,
    pause: Option<Pause>,
}

/// What bounds a request that was never sent while it waits for its slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Queue {
    /// The deadline, like everything else.
    Counted,
    /// Nothing: the deadline is [paused](Deadline::pause).
    Free,
    /// For the poll of a watch: the end of the watch, until it is sent.
    Until(Instant),
}

/// A time in which a deadline stands still.
#[derive(Clone, Copy, Debug)]
struct Pause {
    since: Instant,
    /// What the clock that counts all the same showed then.
    counting: Duration,
}

impl Deadline {
    pub(crate) fn new(timeout: Duration) -> Deadline {
        Deadline {
            timeout,
            queue: Queue::Counted,
            at: None,
            pause: None,
        }
    }

    /// A timeout that somebody asked for, so that all of it counts.
    pub(crate) fn set_timeout(&mut self, timeout: Duration) {
        self.timeout = timeout;
        if self.queue == Queue::Free {
            self.queue = Queue::Counted;
        }
    }

    /// Takes over a deadline that is already running.
    pub(crate) fn set(&mut self, at: Instant) {
        self.at = Some(at);
    }

    pub(crate) fn queue_until(&mut self, end: Instant) {
        self.queue = Queue::Until(end);
    }

    /// Moves the end of the queueing, unless the request was sent already.
    pub(crate) fn move_queue_end(&mut self, end: Instant) {
        if let Queue::Until(until) = &mut self.queue {
            *until = end;
        }
    }

    pub(crate) fn queue_freely(&mut self) {
        self.queue = Queue::Free;
    }

    pub(crate) fn queues_freely(&self) -> bool {
        self.queue == Queue::Free
    }

    /// The request is sent now.
    pub(crate) fn sent(&mut self, now: Instant) {
        if let Queue::Until(end) = self.queue {
            self.at = Some(end.min(later(now, self.timeout)));
        }
        self.queue = Queue::Counted;
    }

    pub(crate) fn get(&mut self, now: Instant) -> Instant {
        match self.queue {
            Queue::Until(end) => end,
            Queue::Counted | Queue::Free => *self.at.get_or_insert(later(now, self.timeout)),
        }
    }

    /// Stands still until [`resume`](Deadline::resume), but for the time that the clock `counting` gains.
    pub(crate) fn pause(&mut self, now: Instant, counting: Duration) {
        self.pause = Some(Pause {
            since: now,
            counting,
        });
    }

    pub(crate) fn is_paused(&self) -> bool {
        self.pause.is_some()
    }

    /// Returns how much of the pause counted all the same.
    pub(crate) fn resume(&mut self, now: Instant, counting: Duration) -> Duration {
        let (Some(pause), Some(at)) = (self.pause.take(), &mut self.at) else {
            return Duration::ZERO;
        };
        let paused = now.saturating_duration_since(pause.since);
        let counted = counting.saturating_sub(pause.counting);
        *at = later(*at, paused.saturating_sub(counted));
        counted
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

    #[test]
    fn paused_deadline_counts_only_what_another_clock_counts() {
        let mut deadline = Deadline::new(secs(10));
        assert_eq!(deadline.get(base()), base() + secs(10));
        deadline.pause(base() + secs(1), secs(7));
        let counted = deadline.resume(base() + secs(101), secs(10));
        assert_eq!(counted, secs(3));
        assert_eq!(deadline.get(base() + secs(101)), base() + secs(107));
        assert!(!deadline.is_paused());
        for change in [
            |deadline: &mut Deadline| deadline.set_timeout(secs(10)),
            |deadline: &mut Deadline| deadline.sent(base()),
        ] {
            deadline.queue_freely();
            assert!(deadline.queues_freely());
            change(&mut deadline);
            assert!(!deadline.queues_freely());
        }
        deadline.resume(base() + secs(200), secs(10));
        assert_eq!(deadline.get(base() + secs(200)), base() + secs(107));
    }
}
