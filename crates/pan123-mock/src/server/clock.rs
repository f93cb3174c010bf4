//! The clock of a service, which can be advanced or stopped.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::service::max_time;

/// The underlying clock.
#[derive(Clone, Default)]
pub(crate) struct Clock(Option<Arc<dyn Fn() -> SystemTime + Send + Sync>>);

impl Clock {
    pub(crate) fn new(now: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(now)))
    }

    pub(super) fn now(&self) -> SystemTime {
        self.0.as_ref().map_or_else(SystemTime::now, |now| now())
    }

    pub(super) fn is_system(&self) -> bool {
        self.0.is_none()
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock")
    }
}

/// How the time of a service differs from the underlying clock.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct ClockOffset {
    ahead: Duration,
    behind: Duration,
    stopped: Option<SystemTime>,
}

impl ClockOffset {
    /// Converts a time of the underlying clock, capped at [`max_time`].
    pub(super) fn at(&self, clock: SystemTime) -> SystemTime {
        let moved = || {
            let ahead = clock.checked_add(self.ahead).unwrap_or_else(max_time);
            ahead.checked_sub(self.behind).unwrap_or(clock)
        };
        self.stopped.unwrap_or_else(moved).min(max_time())
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.stopped.is_some()
    }

    pub(super) fn advance(&mut self, by: Duration) {
        match &mut self.stopped {
            Some(at) => *at = at.checked_add(by).unwrap_or_else(max_time),
            None => self.ahead = self.ahead.saturating_add(by),
        }
    }

    pub(super) fn stop_at(&mut self, at: SystemTime) {
        self.stopped = Some(at);
    }

    pub(super) fn run_from(&mut self, clock: SystemTime) {
        if let Some(at) = self.stopped.take() {
            self.ahead = at.duration_since(clock).unwrap_or_default();
            self.behind = clock.duration_since(at).unwrap_or_default();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clock_advances_stops_and_resumes() {
        let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        let mut time = ClockOffset::default();
        assert_eq!(time.at(at(100)), at(100));
        time.advance(Duration::from_secs(7));
        assert_eq!(time.at(at(100)), at(107));

        for (stop, later) in [(at(500), at(511)), (at(20), at(31))] {
            time.stop_at(stop);
            assert_eq!(time.at(at(100)), stop);
            assert_eq!(time.at(at(900)), stop);
            time.advance(Duration::from_secs(1));
            time.run_from(at(900));
            assert_eq!(time.at(at(910)), later);
        }
        time.run_from(at(0));
        assert_eq!(time.at(at(910)), at(31));
    }

    #[test]
    fn clock_saturates() {
        let mut time = ClockOffset::default();
        let now = SystemTime::UNIX_EPOCH;
        for _ in 0..2 {
            time.advance(Duration::MAX);
            assert_eq!(time.at(now), max_time());
        }
        time.stop_at(now);
        time.advance(Duration::MAX);
        assert_eq!(time.at(now), max_time());
    }
}
