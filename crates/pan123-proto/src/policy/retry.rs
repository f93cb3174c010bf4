//! Whether and when to retry: pure functions of the failure, the policy and the attempts so far.

use std::time::Duration;

use fastrand::Rng;

use crate::endpoint::Idempotency;
use crate::error::Error;
use crate::wire::failure::{Failure, FailureClass};

/// The shortest hold-off after a 429.
const MIN_HOLD_OFF: Duration = Duration::from_secs(1);

/// Doubles a pause `times` times, up to `max`.
pub(crate) fn doubled(pause: Duration, times: u32, max: Duration) -> Duration {
    let factor = 1_u32.checked_shl(times).unwrap_or(u32::MAX);
    pause.saturating_mul(factor).min(max)
}

/// How often a failed attempt is repeated, and how long to back off before each attempt.
///
/// The default is four attempts with full jitter: each backoff is drawn evenly from zero up to 0.5 s, 1 s, 2 s, … and at most
/// 30 s. A 429 is waited out for as long as the deadline of the call allows and does not count as an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    max_attempts: u32,
    initial_backoff: Duration,
    max_backoff: Duration,
    max_lost_responses: u32,
}

impl Default for RetryPolicy {
    fn default() -> RetryPolicy {
        RetryPolicy {
            max_attempts: 4,
            initial_backoff: Duration::from_millis(500),
            max_backoff: Duration::from_secs(30),
            max_lost_responses: u32::MAX,
        }
    }
}

impl RetryPolicy {
    /// Makes one attempt whatever happens; a rejected token is still replaced, and a 429 is still waited out.
    pub fn none() -> RetryPolicy {
        RetryPolicy::default().max_attempts(1)
    }

    /// Sets the most attempts, the first one included; 0 counts as 1.
    pub fn max_attempts(mut self, attempts: u32) -> RetryPolicy {
        self.max_attempts = attempts.max(1);
        self
    }

    /// Sets the longest backoff after the first failure; it doubles with each further failure.
    pub fn initial_backoff(mut self, backoff: Duration) -> RetryPolicy {
        self.initial_backoff = backoff;
        self
    }

    /// Sets the longest backoff of all.
    pub fn max_backoff(mut self, backoff: Duration) -> RetryPolicy {
        self.max_backoff = backoff;
        self
    }

    /// Sets the most attempts whose response may be lost.
    pub(crate) fn max_lost_responses(mut self, attempts: u32) -> RetryPolicy {
        self.max_lost_responses = attempts;
        self
    }

    /// Draws the backoff before the next attempt, up to `initial_backoff * 2^failures` and never over `max_backoff`.
    fn backoff(&self, failures: u32, rng: &mut Rng) -> Duration {
        doubled(self.initial_backoff, failures, self.max_backoff).mul_f64(rng.f64())
    }

    /// Decides what follows a failed attempt. [`FailureClass::TokenRejected`] is decided by the owner of the token: in `Call`, by
    /// `Bearer::rejection_is_final`.
    pub(crate) fn verdict(&self, failure: Failure, attempts: &Attempts, rng: &mut Rng) -> Verdict {
        let Failure { class, error } = failure;
        match class {
            FailureClass::Redirected | FailureClass::Indeterminate
                if attempts.idempotency == Idempotency::NonIdempotent =>
            {
                Verdict::Ambiguous(error)
            }
            FailureClass::Rejected | FailureClass::Redirected => Verdict::Fail(error),
            FailureClass::NeverLeft => self.retry(error, attempts, self.max_attempts, rng),
            FailureClass::Indeterminate => {
                let max = self.max_attempts.min(self.max_lost_responses);
                self.retry(error, attempts, max, rng)
            }
            FailureClass::TokenRejected => Verdict::TokenRejected(error),
            FailureClass::RateLimited => Verdict::HoldOff {
                wait: self
                    .backoff(attempts.rate_limited, rng)
                    .max(error.retry_after().unwrap_or_default())
                    .max(MIN_HOLD_OFF),
                error,
            },
        }
    }

    fn retry(&self, error: Error, attempts: &Attempts, max: u32, rng: &mut Rng) -> Verdict {
        let failed = attempts.failed + 1;
        if failed < max {
            let wait = self
                .backoff(attempts.failed, rng)
                .max(error.retry_after().unwrap_or_default());
            return Verdict::Retry { wait, error };
        }
        Verdict::Fail(match failed {
            1 => error,
            attempts => Error::RetriesExhausted {
                attempts,
                last: Box::new(error),
            },
        })
    }
}

/// The attempts of a call so far.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Attempts {
    pub(crate) idempotency: Idempotency,
    /// Attempts that failed and count.
    pub(crate) failed: u32,
    /// Attempts that were rejected with 429.
    pub(crate) rate_limited: u32,
}

/// What follows a failed attempt.
#[derive(Debug)]
pub(crate) enum Verdict {
    /// The call ends with this error.
    Fail(Error),
    /// The call ends; it may have been carried out.
    Ambiguous(Error),
    /// The call backs off and retries.
    Retry { wait: Duration, error: Error },
    /// The whole rate class holds off, then the call retries.
    HoldOff { wait: Duration, error: Error },
    /// The token was rejected: the call goes on with another one, or ends.
    TokenRejected(Error),
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::TransportError;

    fn rng() -> Rng {
        Rng::with_seed(7)
    }

    fn attempts(idempotency: Idempotency, failed: u32) -> Attempts {
        Attempts {
            idempotency,
            failed,
            rate_limited: 0,
        }
    }

    fn failed(error: TransportError, attempts: &Attempts) -> Verdict {
        RetryPolicy::default().verdict(error.into(), attempts, &mut rng())
    }

    #[test]
    fn each_setting_changes_one_field_only() {
        let policy = RetryPolicy::default()
            .max_attempts(7)
            .initial_backoff(Duration::from_secs(2))
            .max_backoff(Duration::from_secs(3))
            .max_lost_responses(5)
            .initial_backoff(Duration::from_secs(1));
        let expected = RetryPolicy {
            max_attempts: 7,
            initial_backoff: Duration::from_secs(1),
            max_backoff: Duration::from_secs(3),
            max_lost_responses: 5,
        };
        assert_eq!(policy, expected);
        assert_eq!(RetryPolicy::none().max_attempts(0).max_attempts, 1);
    }

    #[test]
    fn backoff_doubles_up_to_its_maximum_and_uses_the_whole_range() {
        let policy = RetryPolicy::default();
        let mut rng = rng();
        for (failures, max) in [(0, 500), (1, 1000), (5, 16_000), (6, 30_000), (40, 30_000)] {
            let pauses: Vec<_> = (0..500)
                .map(|_| policy.backoff(failures, &mut rng))
                .collect();
            let max = Duration::from_millis(max);
            assert!(pauses.iter().all(|pause| *pause <= max), "{failures}");
            assert!(
                pauses.iter().any(|pause| *pause > max * 9 / 10),
                "{failures}"
            );
            assert!(pauses.iter().any(|pause| *pause < max / 10), "{failures}");
        }
    }

    #[test]
    fn indeterminate_attempt_is_retried_only_if_idempotent() {
        for error in [
            TransportError::timed_out(),
            TransportError::interrupted("reset"),
            TransportError::body_too_large(),
            TransportError::abandoned(),
        ] {
            assert!(matches!(
                failed(error, &attempts(Idempotency::NonIdempotent, 0)),
                Verdict::Ambiguous(_)
            ));
        }
        let lost = || TransportError::interrupted("reset");
        assert!(matches!(
            failed(lost(), &attempts(Idempotency::Idempotent, 2)),
            Verdict::Retry { .. }
        ));
        assert!(matches!(
            failed(lost(), &attempts(Idempotency::Idempotent, 3)),
            Verdict::Fail(Error::RetriesExhausted { attempts: 4, .. })
        ));
    }

    #[test]
    fn request_that_never_left_is_retried_unless_the_certificate_was_rejected() {
        for idempotency in [Idempotency::Idempotent, Idempotency::NonIdempotent] {
            let unreached = TransportError::never_left("refused");
            assert!(matches!(
                failed(unreached, &attempts(idempotency, 0)),
                Verdict::Retry { .. }
            ));
            let certificate = TransportError::certificate("self-signed");
            assert!(matches!(
                failed(certificate, &attempts(idempotency, 0)),
                Verdict::Fail(Error::Transport(_))
            ));
        }
    }

    #[test]
    fn redirected_response_is_not_retried() {
        let redirected = TransportError::redirected;
        assert!(matches!(
            failed(redirected(), &attempts(Idempotency::Idempotent, 0)),
            Verdict::Fail(_)
        ));
        assert!(matches!(
            failed(redirected(), &attempts(Idempotency::NonIdempotent, 0)),
            Verdict::Ambiguous(_)
        ));
    }

    #[test]
    fn lost_responses_have_a_limit_of_their_own() {
        let policy = RetryPolicy::default().max_lost_responses(2);
        let verdict = |error: TransportError| {
            policy.verdict(
                error.into(),
                &attempts(Idempotency::Idempotent, 1),
                &mut rng(),
            )
        };
        assert!(matches!(
            verdict(TransportError::timed_out()),
            Verdict::Fail(_)
        ));
        assert!(matches!(
            verdict(TransportError::never_left("")),
            Verdict::Retry { .. }
        ));
    }

    #[test]
    fn single_attempt_returns_its_own_error() {
        let failure = TransportError::timed_out().into();
        let verdict =
            RetryPolicy::none().verdict(failure, &attempts(Idempotency::Idempotent, 0), &mut rng());
        assert!(matches!(verdict, Verdict::Fail(Error::Transport(_))));
    }
}
