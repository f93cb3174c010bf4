//! What to do after a failed attempt: pure functions of the failure, the policy and what came before.

use std::time::Duration;

use fastrand::Rng;

use crate::endpoint::Idempotency;
use crate::error::{Error, TransportError, TransportErrorKind};

/// The longest that a server's `Retry-After` is believed.
pub(crate) const MOST_RETRY_AFTER: Duration = Duration::from_secs(300);
/// The shortest hold-off after a 429.
const LEAST_HOLD_OFF: Duration = Duration::from_secs(1);

/// A pause that was doubled so many times, but never over the longest.
pub(crate) fn doubled(pause: Duration, times: u32, longest: Duration) -> Duration {
    let factor = 1_u32.checked_shl(times).unwrap_or(u32::MAX);
    pause.saturating_mul(factor).min(longest)
}

/// How often, and with what pauses, a failed attempt is made again.
///
/// By default four attempts, with pauses drawn evenly from nothing up to 0.5 s, 1 s, 2 s, … and at most 30 s ("full
/// jitter"). A 429 is waited out for as long as the call's deadline allows and counts as no attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    max_attempts: u32,
    initial_backoff: Duration,
    max_backoff: Duration,
    lost_attempts: u32,
}

impl Default for RetryPolicy {
    fn default() -> RetryPolicy {
        RetryPolicy {
            max_attempts: 4,
            initial_backoff: Duration::from_millis(500),
            max_backoff: Duration::from_secs(30),
            lost_attempts: u32::MAX,
        }
    }
}

impl RetryPolicy {
    /// One attempt, whatever comes of it; a refused token is still replaced once, and a 429 waited out.
    pub fn none() -> RetryPolicy {
        RetryPolicy::default().max_attempts(1)
    }

    /// The most attempts, the first one included; 0 counts as 1.
    pub fn max_attempts(mut self, attempts: u32) -> RetryPolicy {
        self.max_attempts = attempts.max(1);
        self
    }

    /// The longest pause after the first failure; it doubles with each one.
    pub fn initial_backoff(mut self, pause: Duration) -> RetryPolicy {
        self.initial_backoff = pause;
        self
    }

    /// The longest pause of all.
    pub fn max_backoff(mut self, pause: Duration) -> RetryPolicy {
        self.max_backoff = pause;
        self
    }

    /// The most attempts whose answer may be lost.
    pub(crate) fn lost_attempts(mut self, attempts: u32) -> RetryPolicy {
        self.lost_attempts = attempts;
        self
    }

    /// A pause before the next attempt: anything up to `base * 2^failures`, never over the cap.
    fn backoff(&self, failures: u32, rng: &mut Rng) -> Duration {
        doubled(self.initial_backoff, failures, self.max_backoff).mul_f64(rng.f64())
    }

    pub(crate) fn verdict(&self, failure: Failure, so_far: &SoFar, rng: &mut Rng) -> Verdict {
        let Failure { class, error } = failure;
        match class {
            Class::Misled | Class::Doubtful if so_far.replay == Idempotency::NonIdempotent => {
                Verdict::Ambiguous(error)
            }
            Class::Refused | Class::Misled => Verdict::Fail(error),
            Class::NeverLeft => self.again(error, so_far, self.max_attempts, rng),
            Class::Doubtful => self.again(
                error,
                so_far,
                self.max_attempts.min(self.lost_attempts),
                rng,
            ),
            Class::TokenRefused => match so_far.token {
                TokenUse::None => Verdict::Fail(error),
                TokenUse::Last => Verdict::Fail(Error::Unauthorized(Box::new(error))),
                TokenUse::Replaceable => Verdict::NewToken(error),
            },
            Class::RateLimited => Verdict::HoldOff {
                wait: self
                    .backoff(so_far.rate_limits, rng)
                    .max(error.retry_after().unwrap_or_default())
                    .max(LEAST_HOLD_OFF),
                error,
            },
        }
    }

    fn again(&self, error: Error, so_far: &SoFar, most: u32, rng: &mut Rng) -> Verdict {
        let failures = so_far.failures + 1;
        if failures < most {
            let wait = self
                .backoff(so_far.failures, rng)
                .max(error.retry_after().unwrap_or_default());
            return Verdict::Again { wait, error };
        }
        Verdict::Fail(match failures {
            1 => error,
            attempts => Error::RetriesExhausted {
                attempts,
                last: Box::new(error),
            },
        })
    }
}

/// What a call has been through.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SoFar {
    pub(crate) replay: Idempotency,
    /// Attempts that failed and count.
    pub(crate) failures: u32,
    /// Refusals for being too frequent.
    pub(crate) rate_limits: u32,
    pub(crate) token: TokenUse,
}

/// What a refused token means to a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TokenUse {
    /// It sends none.
    None,
    /// There is no other, or this was the other.
    Last,
    /// Another one may be had.
    Replaceable,
}

/// A failed attempt: what it says to the caller, and what it means for the next attempt.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) class: Class,
    pub(crate) error: Error,
}

/// What a failed attempt means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    /// The server's application saw nothing of it.
    NeverLeft,
    /// It may have been carried out; trying again may help.
    Doubtful,
    /// It may have been carried out somewhere; trying again cannot help.
    Misled,
    /// Refused before acting, since the token is no good.
    TokenRefused,
    /// Refused before acting, since it came too soon.
    RateLimited,
    /// Refused; trying again cannot help.
    Refused,
}

impl Failure {
    pub(crate) fn is_token_refused(&self) -> bool {
        self.class == Class::TokenRefused
    }

    /// Whether it may have been carried out, and the answer that tells is lost.
    pub(crate) fn is_doubtful(&self) -> bool {
        self.class == Class::Doubtful
    }

    /// The same, told as the answer to an attempt after one that may have been carried out.
    pub(crate) fn after_lost_answer(mut self) -> Failure {
        if let Error::Api(api) = &mut self.error {
            api.follows_lost_answer = true;
        }
        self
    }

    /// The same answer of the service once more, for somebody else to be told.
    pub(crate) fn retell(&self) -> Option<Error> {
        match &self.error {
            Error::Api(api) => Some(Error::Api(api.clone())),
            Error::Http(answer) => Some(Error::Http(answer.clone())),
            _ => None,
        }
    }
}

impl From<TransportError> for Failure {
    fn from(error: TransportError) -> Failure {
        let class = match error.kind() {
            TransportErrorKind::NeverLeft => Class::NeverLeft,
            TransportErrorKind::Certificate => Class::Refused,
            TransportErrorKind::Redirected => Class::Misled,
            _ => Class::Doubtful,
        };
        Failure {
            class,
            error: Error::Transport(error),
        }
    }
}

/// What to do after a failed attempt.
#[derive(Debug)]
pub(crate) enum Verdict {
    /// The call ends with this.
    Fail(Error),
    /// The call ends: it may have been carried out.
    Ambiguous(Error),
    /// Again after a pause of this call.
    Again { wait: Duration, error: Error },
    /// Again after a pause of the whole rate class.
    HoldOff { wait: Duration, error: Error },
    /// Again with another token.
    NewToken(Error),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rng() -> Rng {
        Rng::with_seed(7)
    }

    fn so_far(replay: Idempotency, failures: u32) -> SoFar {
        SoFar {
            replay,
            failures,
            rate_limits: 0,
            token: TokenUse::Last,
        }
    }

    fn failed(error: TransportError, so_far: &SoFar) -> Verdict {
        RetryPolicy::default().verdict(error.into(), so_far, &mut rng())
    }

    #[test]
    fn each_setting_leaves_the_others_alone() {
        let policy = RetryPolicy::default()
            .max_attempts(7)
            .initial_backoff(Duration::from_secs(2))
            .max_backoff(Duration::from_secs(3))
            .lost_attempts(5)
            .initial_backoff(Duration::from_secs(1));
        let expected = RetryPolicy {
            max_attempts: 7,
            initial_backoff: Duration::from_secs(1),
            max_backoff: Duration::from_secs(3),
            lost_attempts: 5,
        };
        assert_eq!(policy, expected);
        assert_eq!(RetryPolicy::none().max_attempts(0).max_attempts, 1);
    }

    #[test]
    fn pauses_double_under_the_cap_and_use_the_whole_range() {
        let policy = RetryPolicy::default();
        let mut rng = rng();
        for (failures, most) in [(0, 500), (1, 1000), (5, 16_000), (6, 30_000), (40, 30_000)] {
            let pauses: Vec<_> = (0..500)
                .map(|_| policy.backoff(failures, &mut rng))
                .collect();
            let most = Duration::from_millis(most);
            assert!(pauses.iter().all(|pause| *pause <= most), "{failures}");
            assert!(
                pauses.iter().any(|pause| *pause > most * 9 / 10),
                "{failures}"
            );
            assert!(pauses.iter().any(|pause| *pause < most / 10), "{failures}");
        }
    }

    #[test]
    fn what_may_have_arrived_is_sent_again_only_if_that_is_safe() {
        for error in [
            TransportError::timed_out(),
            TransportError::interrupted("reset"),
            TransportError::body_too_large(),
            TransportError::given_up(),
        ] {
            assert!(matches!(
                failed(error, &so_far(Idempotency::NonIdempotent, 0)),
                Verdict::Ambiguous(_)
            ));
        }
        let lost = || TransportError::interrupted("reset");
        assert!(matches!(
            failed(lost(), &so_far(Idempotency::Idempotent, 2)),
            Verdict::Again { .. }
        ));
        assert!(matches!(
            failed(lost(), &so_far(Idempotency::Idempotent, 3)),
            Verdict::Fail(Error::RetriesExhausted {
                attempts: 4,
                ..
            })
        ));
    }

    #[test]
    fn what_never_left_is_always_sent_again_but_not_past_a_refused_certificate() {
        for replay in [Idempotency::Idempotent, Idempotency::NonIdempotent] {
            let unreached = TransportError::never_left("refused");
            assert!(matches!(
                failed(unreached, &so_far(replay, 0)),
                Verdict::Again { .. }
            ));
            let certificate = TransportError::certificate("self-signed");
            assert!(matches!(
                failed(certificate, &so_far(replay, 0)),
                Verdict::Fail(Error::Transport(_))
            ));
        }
    }

    #[test]
    fn an_answer_from_elsewhere_is_asked_for_no_more() {
        let misled = TransportError::redirected;
        assert!(matches!(
            failed(misled(), &so_far(Idempotency::Idempotent, 0)),
            Verdict::Fail(_)
        ));
        assert!(matches!(
            failed(misled(), &so_far(Idempotency::NonIdempotent, 0)),
            Verdict::Ambiguous(_)
        ));
    }

    #[test]
    fn lost_answers_may_be_counted_apart() {
        let policy = RetryPolicy::default().lost_attempts(2);
        let verdict = |error: TransportError| {
            policy.verdict(
                error.into(),
                &so_far(Idempotency::Idempotent, 1),
                &mut rng(),
            )
        };
        assert!(matches!(
            verdict(TransportError::timed_out()),
            Verdict::Fail(_)
        ));
        assert!(matches!(
            verdict(TransportError::never_left("")),
            Verdict::Again { .. }
        ));
    }

    #[test]
    fn without_retries_the_failure_stands_for_itself() {
        let failure = TransportError::timed_out().into();
        let verdict =
            RetryPolicy::none().verdict(failure, &so_far(Idempotency::Idempotent, 0), &mut rng());
        assert!(matches!(verdict, Verdict::Fail(Error::Transport(_))));
    }
}
