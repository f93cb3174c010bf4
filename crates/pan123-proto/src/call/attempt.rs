//! What comes of an attempt: the result of the call, or another attempt.

use std::time::{Duration, Instant};

use http::Method;

use super::{Call, State};
use crate::answer::Good;
use crate::endpoint::Idempotency;
use crate::error::{Ambiguous, Error, TransportError};
use crate::machine::{Input, Now, later};
use crate::retry::{Failure, TokenUse, Verdict};
use crate::scrub::Scrub;
use crate::token::Bearer;

impl<T> Call<T> {
    pub(super) fn judge(
        &mut self,
        now: Now,
        sent: Instant,
        bearer: Option<&Bearer>,
        input: Input,
    ) -> Option<Result<T, Error>> {
        let scrub = Scrub {
            session: &self.session.settings().secrets,
            request: &self.secrets,
            token: bearer.map(|bearer| &bearer.header),
        };
        let brought = match input {
            Input::Response(answer) => (self.read)(self.reading(now, scrub), &answer),
            Input::Failed(error) => Err(error.scrubbed(scrub).into()),
            Input::Wake | Input::Stored(_)
                if self.control.is_stopped() && self.replay == Idempotency::Idempotent =>
            {
                return Some(Err(Error::Stopped));
            }
            Input::Wake | Input::Stored(_) => Err(TransportError::given_up().into()),
        };
        if let Some(bearer) = bearer {
            self.note_token(bearer.generation, &brought, now);
        }
        match brought {
            Ok(good) => {
                self.trace.ended(now.mono, Ok(good.trace_id.as_deref()));
                Some(Ok(good.value))
            }
            Err(failure) => self.after(failure, sent, now.mono).err().map(Err),
        }
    }

    /// What the answer says of the token that it was asked with.
    fn note_token(&mut self, generation: u64, brought: &Result<Good<T>, Failure>, now: Now) {
        match brought {
            Ok(_) => self.session.prove(generation),
            Err(failure) if failure.is_token_refused() => {
                let error = failure.retell();
                // What failed while this request was out is not what it waits for next.
                self.failures_seen = Some(self.session.refuse(generation, error, now.mono));
            }
            Err(failure) if failure.error.api().is_some() => self.session.prove(generation),
            Err(_) => {}
        }
    }

    /// Prepares another attempt, or says what the call ends with.
    fn after(&mut self, failure: Failure, sent: Instant, now: Instant) -> Result<(), Error> {
        let deadline = self.timing.deadline(now);
        let failure = if self.may_be_done {
            failure.after_lost_answer()
        } else {
            failure
        };
        self.may_be_done |= failure.is_doubtful() && self.request.method() != Method::GET;
        match self.retry.verdict(failure, &self.progress, &mut self.rng) {
            Verdict::Fail(error) => Err(error),
            Verdict::Ambiguous(cause) => Err(Error::Ambiguous(Box::new(Ambiguous {
                method: self.request.method().clone(),
                path: self.path,
                body: self.request.body().clone(),
                cause: Box::new(cause),
            }))),
            Verdict::NewToken(error) => {
                self.progress.token = TokenUse::Last;
                self.trace.again("token refused", Duration::ZERO, &error);
                self.last = Some(error);
                Ok(())
            }
            Verdict::Again { wait, error } => {
                self.progress.failures += 1;
                let until = later(now, wait);
                if until <= deadline {
                    self.trace.again("backoff", wait, &error);
                }
                self.last = Some(error);
                self.rest_until(until, deadline)
            }
            Verdict::HoldOff { wait, error } => {
                self.progress.rate_limits += 1;
                let held = self.session.hold_off(self.rate, sent, now, wait);
                if later(now, wait) > deadline {
                    return Err(Error::RateLimited {
                        retry_after: wait,
                        last: Some(Box::new(error)),
                    });
                }
                self.trace.again("hold-off", wait, &error);
                self.last = Some(error);
                if !held {
                    self.state = State::Resting(Some(later(now, wait)));
                }
                Ok(())
            }
        }
    }

    fn rest_until(&mut self, until: Instant, deadline: Instant) -> Result<(), Error> {
        if until > deadline {
            return Err(self.out_of_time());
        }
        self.state = State::Resting(Some(until));
        Ok(())
    }
}
