//! How many tasks of an account run at once: the service has a limit that it does not tell.

use serde::{Deserialize, Serialize};

use super::item::Millis;

/// The first pause after the service refused one task too many; it doubles up to the longest.
const FIRST_PAUSE: Millis = 30_000;
const LONGEST_PAUSE: Millis = 300_000;
/// The pause after the limit has grown once. The end of a task is known by then.
const PAUSE_AFTER_GROWTH: Millis = 15_000;

/// How many tasks the account may have at once, as found so far. All workers of a ledger share it.
///
/// It begins without a limit. A refusal sets the limit to the number of tasks that ran. After a pause one more is tried, so at least
/// one. If the service refuses it, the pause doubles. If the service takes it, the limit grows, and the next one is tried soon: not at
/// once, since a task may have ended without anybody knowing yet; after two in a row, at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Window {
    /// The limit; none if the service never refused a task, and 0 while somebody else's tasks take up the account.
    pub limit: Option<u32>,
    /// The pause before the next try beyond the limit, in milliseconds.
    pub pause: Millis,
    /// When one more than the limit is tried.
    pub try_at: Millis,
    /// How many times in a row the limit has grown.
    pub growths: u32,
}

impl Window {
    /// Returns how many more tasks may be created while so many exist or are being created.
    pub fn room(&self, busy: u64, now: Millis) -> u64 {
        let Some(limit) = self.limit else {
            return u64::MAX;
        };
        let one_more = u64::from(self.is_due(now));
        (u64::from(limit) + one_more).saturating_sub(busy)
    }

    /// Whether one more is tried now. A time beyond the longest pause is left from before the clock was set back.
    pub(super) fn is_due(&self, now: Millis) -> bool {
        now >= self.try_at || self.try_at - now > LONGEST_PAUSE
    }

    /// The service refused one more than these tasks.
    pub(super) fn refused(&mut self, tasks: u64, now: Millis) {
        self.limit = Some(u32::try_from(tasks).unwrap_or(u32::MAX));
        self.growths = 0;
        // Those that were sent before the first refusal came are no further tries.
        if self.is_due(now) {
            self.put_off(now);
        }
        self.try_at = self.try_at.max(now.saturating_add(self.pause));
    }

    /// Nobody knows whether the service accepted a task.
    pub(super) fn doubted(&mut self, now: Millis) {
        if self.limit.is_some() && self.is_due(now) {
            self.put_off(now);
        }
    }

    fn put_off(&mut self, now: Millis) {
        let pause = self.pause.saturating_mul(2);
        self.pause = pause.clamp(FIRST_PAUSE, LONGEST_PAUSE);
        self.try_at = now.saturating_add(self.pause);
    }

    /// The service accepted a task, so that these run.
    pub(super) fn accepted(&mut self, tasks: u64, now: Millis) {
        let Some(limit) = &mut self.limit else {
            return;
        };
        if tasks > u64::from(*limit) {
            *limit = u32::try_from(tasks).unwrap_or(u32::MAX);
            self.growths = self.growths.saturating_add(1);
            if self.growths > 1 {
                self.pause = 0;
            }
            let pause = if self.growths > 1 {
                0
            } else {
                PAUSE_AFTER_GROWTH
            };
            self.try_at = now.saturating_add(pause);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The clock was a day ahead when the service refused a task, and was set back.
    #[test]
    fn clock_that_is_set_back_holds_nothing_up() {
        let now = 1_750_000_000_000;
        let mut window = Window::default();
        window.refused(0, now + 86_400_000);
        assert_eq!(window.room(0, now), 1);
        window.refused(0, now);
        assert_eq!(window.room(0, now), 0);
        assert_eq!(window.room(0, now + LONGEST_PAUSE), 1);
    }
}
