//! When a token that was rejected may be replaced by a newly issued one.

use std::sync::Arc;
use std::time::{Duration, Instant};

use fastrand::Rng;

use crate::error::Error;
use crate::policy::retry::doubled;

/// How long one replacement is remembered, after those before it are forgotten.
const MEMORY: Duration = Duration::from_secs(300);
/// The most replacements that are remembered: from the seventh on the backoff is the longest one.
const MAX_REMEMBERED: u32 = 7;
/// The longest backoff with one replacement remembered; it doubles with each further one.
const INITIAL_BACKOFF: Duration = Duration::from_secs(5);
const MAX_BACKOFF: Duration = Duration::from_secs(300);

/// Backs off before rejected tokens are replaced again and again, whether or not the service had accepted them before.
///
/// A client id has few live tokens, so each issue may push out the token of another process, which issues one in turn. The first
/// replacement is made at once. With `n` of them remembered, the next one follows up to 5 s · 2^(n - 1) after the 401, at least half
/// of that, and at most five minutes. One replacement is forgotten every five minutes. So a session replaces seven tokens within
/// minutes, and then 12 to 16 an hour, while one 401 every five minutes is never waited for.
///
/// The backoff counts from the 401 and not from the last issue, so that two processes that push each other out take turns: while the
/// one backs off, the other works.
#[derive(Debug, Default)]
pub(super) struct ReissueBackoff {
    /// When all replacements are forgotten: each adds [`MEMORY`].
    forgotten_at: Option<Instant>,
    /// The end of the backoff after the newest 401.
    until: Option<Instant>,
    /// The newest 401.
    response: Option<Arc<Error>>,
}

impl ReissueBackoff {
    /// A token was rejected. A backoff that is running goes on.
    pub(super) fn rejected(&mut self, response: Option<Error>, now: Instant, rng: &mut Rng) {
        self.response = response.map(Arc::new);
        if self.end(now).is_some() {
            return;
        }
        let remembered = self.remembered(now);
        self.until = remembered.checked_sub(1).map(|doublings| {
            let max = doubled(INITIAL_BACKOFF, doublings, MAX_BACKOFF);
            // Drawn at random, so that processes do not stay in step.
            now + max.mul_f64(0.5 + rng.f64() / 2.0)
        });
    }

    /// A rejected token was replaced by a newly issued one.
    pub(super) fn replaced(&mut self, now: Instant) {
        let after_those_before = self.forgotten_at.map_or(now, |at| at.max(now)) + MEMORY;
        self.forgotten_at = Some(after_those_before.min(now + MEMORY * MAX_REMEMBERED));
    }

    /// Returns the end of the backoff, if one is running.
    pub(super) fn end(&self, now: Instant) -> Option<Instant> {
        self.until.filter(|until| now < *until)
    }

    /// Returns the error for a call that cannot wait for the end.
    pub(super) fn error(&self, end: Instant, now: Instant) -> Error {
        Error::TokenBackoff {
            retry_after: end.saturating_duration_since(now),
            last: self.response.clone(),
        }
    }

    fn remembered(&self, now: Instant) -> u32 {
        let left = self
            .forgotten_at
            .map_or(Duration::ZERO, |at| at.saturating_duration_since(now));
        let all = (1..=MAX_REMEMBERED).take_while(|nth| left > MEMORY * (nth - 1));
        all.last().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::base;

    const fn secs(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    /// Replaces rejected tokens at these times, and returns the backoffs before each.
    fn backoffs(times: impl IntoIterator<Item = u64>) -> Vec<Duration> {
        let (mut backoff, mut rng) = (ReissueBackoff::default(), Rng::with_seed(1));
        let times = times.into_iter().map(|at| base() + secs(at));
        times
            .map(|at| {
                backoff.rejected(None, at, &mut rng);
                let wait = backoff.end(at).map_or(Duration::ZERO, |end| end - at);
                backoff.until = None;
                backoff.replaced(at);
                wait
            })
            .collect()
    }

    #[test]
    fn backoff_doubles_up_to_five_minutes_and_half_of_it_is_random() {
        let expected = [0, 5, 10, 20, 40, 80, 160, 300, 300, 300];
        for (wait, max) in backoffs([0; 10]).into_iter().zip(expected.map(secs)) {
            assert!(wait >= max / 2 && wait <= max, "{wait:?} of {max:?}");
        }
        let longest = backoffs([0; 200]).split_off(7);
        assert!(longest.iter().any(|wait| *wait < secs(160)), "{longest:?}");
        assert!(longest.iter().any(|wait| *wait > secs(290)), "{longest:?}");
    }

    #[test]
    fn one_replacement_is_forgotten_every_five_minutes() {
        let every_five_minutes = backoffs((0..100).map(|nth| nth * 300));
        assert_eq!(every_five_minutes, [Duration::ZERO; 100]);
        assert_ne!(backoffs([0, 299])[1], Duration::ZERO);
        let after = |pause: u64| backoffs([0, 0, 0, pause])[3];
        assert!(after(599) > secs(4) && after(600) <= secs(5));
        assert_eq!(after(900), Duration::ZERO);
        let at_most_seven = |pause| {
            *backoffs([0; 50].into_iter().chain([pause]))
                .last()
                .expect("one")
        };
        assert_ne!(at_most_seven(7 * 300 - 1), Duration::ZERO);
        assert_eq!(at_most_seven(7 * 300), Duration::ZERO);
    }

    #[test]
    fn further_rejection_does_not_extend_a_backoff() {
        let (mut backoff, mut rng) = (ReissueBackoff::default(), Rng::with_seed(1));
        backoff.replaced(base());
        backoff.rejected(None, base(), &mut rng);
        let end = backoff.end(base());
        backoff.rejected(None, base() + secs(1), &mut rng);
        assert_eq!(backoff.end(base() + secs(1)), end);
    }
}
