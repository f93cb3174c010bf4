//! One call of an endpoint, from the token over the slot to the answer, again or done.

mod attempt;

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use fastrand::Rng;
use http::{Request, Response};
use serde::de::DeserializeOwned;

use crate::answer::{Good, Reading};
use crate::control::{CallHandle, Control};
use crate::endpoint::{Auth, Endpoint, Idempotency, RateClass, authorize, lower};
use crate::error::{BuildError, Error};
use crate::limit::{Priority, Ticket};
use crate::machine::{Input, Machine, Now, Signal, Step, Transmit, Wait, WaitReason};
use crate::retry::{Failure, RetryPolicy, SoFar, TokenUse};
use crate::scrub::{Scrub, Secrets};
use crate::session::{Admission, Asking, Session};
use crate::timing::Timing;
use crate::token::{Bearer, Patience};
use crate::trace::CallTrace;

/// A request that must not be sent twice is not sent with less time than this.
const LEAST_TIME_FOR_ONCE: Duration = Duration::from_secs(1);

/// Nor is a request for a token with less than this: its answer cannot be had again.
const TIME_FOR_TOKENS: Duration = Duration::from_secs(30);

/// How often an answer that may be a token is asked for if it is lost: each one may have pushed another token out.
const LOST_TOKENS: u32 = 2;

/// One call of an endpoint. Its deadline, 120 s by default, counts from the first [`resume`](Machine::resume).
#[must_use = "a call does nothing until a driver resumes it"]
pub struct Call<T> {
    session: Session,
    control: Arc<Control>,
    request: Request<Bytes>,
    secrets: Secrets,
    read: fn(Reading<'_>, &Response<Bytes>) -> Result<Good<T>, Failure>,
    path: &'static str,
    rate: RateClass,
    auth: Auth,
    secret_answer: bool,
    replay: Idempotency,
    /// With less time left it is not sent.
    least_time: Duration,
    retry: RetryPolicy,
    priority: Priority,
    timing: Timing,
    ticket: Option<Ticket>,
    rng: Rng,
    /// How many refreshes had failed when this call began.
    failures_seen: Option<u64>,
    progress: SoFar,
    /// Whether an attempt that changes something may have been carried out.
    may_be_done: bool,
    state: State,
    last: Option<Error>,
    trace: CallTrace,
}

#[derive(Debug)]
enum State {
    /// Ready for the next attempt from this time on, at once without one.
    Resting(Option<Instant>),
    InFlight {
        sent: Instant,
        bearer: Option<Bearer>,
    },
    Ended,
}

impl<T: DeserializeOwned> Call<T> {
    pub(crate) fn new<E: Endpoint>(session: Session, endpoint: &E) -> Result<Call<T>, BuildError> {
        let settings = session.settings();
        let request = lower(endpoint, &settings.base, &settings.user_agent)?;
        let mut secrets = Secrets::default();
        endpoint.secrets(&mut secrets);
        let timeout = settings.call_timeout;
        let least_time = match (E::AUTH, E::IDEMPOTENCY) {
            // A token whose answer is not waited for is lost, and with it perhaps one that it replaces.
            (Auth::None, _) => TIME_FOR_TOKENS
                .min(settings.request_timeout)
                .min(timeout / 2),
            (Auth::Bearer, Idempotency::NonIdempotent) => LEAST_TIME_FOR_ONCE,
            (Auth::Bearer, Idempotency::Idempotent) => Duration::ZERO,
        };
        let token = match E::AUTH {
            Auth::None => TokenUse::None,
            Auth::Bearer if session.has_given_token() => TokenUse::Last,
            Auth::Bearer => TokenUse::Replaceable,
        };
        Ok(Call {
            control: Arc::default(),
            request,
            secrets,
            read: |reading, answer| reading.read(E::RESPONSE_FORMAT, answer),
            path: E::PATH,
            rate: E::RATE,
            auth: E::AUTH,
            secret_answer: E::SECRET_RESPONSE,
            replay: E::IDEMPOTENCY,
            least_time,
            retry: bounded(settings.retry.clone(), E::AUTH),
            priority: Priority::default(),
            timing: Timing::new(timeout),
            ticket: None,
            rng: session.fork_rng(),
            failures_seen: None,
            progress: SoFar {
                replay: E::IDEMPOTENCY,
                failures: 0,
                rate_limits: 0,
                token,
            },
            may_be_done: false,
            state: State::Resting(None),
            last: None,
            trace: CallTrace::default(),
            session,
        })
    }
}

impl<T> Call<T> {
    /// How long the call may take with all its waits and attempts, counted from its first step.
    pub fn timeout(mut self, timeout: Duration) -> Call<T> {
        self.timing.set_timeout(timeout);
        self
    }

    /// How often a failed attempt is made again, for this call alone.
    pub fn retry(mut self, policy: RetryPolicy) -> Call<T> {
        self.retry = bounded(policy, self.auth);
        self
    }

    /// Who goes first when several wait.
    pub fn priority(mut self, priority: Priority) -> Call<T> {
        self.priority = priority;
        self
    }

    /// A handle to stop the call from elsewhere.
    pub fn handle(&self) -> CallHandle {
        CallHandle::new(&self.control)
    }

    /// Bounds the call by a deadline that began to count elsewhere.
    pub(crate) fn set_deadline(&mut self, deadline: Instant) {
        self.timing.set_deadline(deadline);
    }

    /// For a machine around this call: its handles stop the call, too.
    pub(crate) fn under(mut self, control: &Arc<Control>) -> Call<T> {
        self.control = Arc::clone(control);
        self
    }

    /// The poll of a watch: bounded by the end of the watch until it is sent, by its own timeout from then on.
    pub(crate) fn poll_of(mut self, control: &Arc<Control>, queue_until: Instant) -> Call<T> {
        self.timing.queue_until(queue_until);
        self.under(control).priority(Priority::Low)
    }

    /// The next step of a call that has nothing in flight.
    fn advance(&mut self, now: Now) -> Result<Step<Result<T, Error>>, Error> {
        loop {
            if self.control.is_stopped() {
                return Err(Error::Stopped);
            }
            let deadline = self.timing.deadline(now.mono);
            let left = deadline.saturating_duration_since(now.mono);
            if left.is_zero() || left < self.least_time {
                return Err(self.out_of_time());
            }
            let (until, signal, reason) = match self.state {
                State::Resting(Some(until)) if now.mono < until => {
                    (until, self.control.listen(), WaitReason::Backoff)
                }
                _ => match self.admission(now, deadline) {
                    Admission::Send(bearer) => {
                        let cancelled = self.control.cancelled();
                        if self.control.is_stopped() {
                            return Err(Error::Stopped);
                        }
                        return Ok(self.transmit(now.mono, bearer, cancelled));
                    }
                    Admission::Fetch(lease) => {
                        return Ok(Step::Refresh(self.session.refresh(lease, now)?));
                    }
                    Admission::Wait(until, signal, reason) => (until, signal, reason),
                    Admission::TooLate(at) => {
                        return Err(Error::RateLimited {
                            retry_after: at.saturating_duration_since(now.mono),
                            last: self.last.take().map(Box::new),
                        });
                    }
                    Admission::Fail(error) => return Err(error),
                },
            };
            // A stop between the check above and the listening would be slept through.
            if !self.control.is_stopped() {
                let wait = Wait::new(now.mono, until.min(deadline), signal, reason);
                return Ok(Step::Wait(wait));
            }
        }
    }

    fn admission(&mut self, now: Now, deadline: Instant) -> Admission {
        let seen = *self
            .failures_seen
            .get_or_insert_with(|| self.session.token_failures());
        let ticket = self
            .ticket
            .get_or_insert_with(|| self.session.ticket(self.rate, self.priority));
        let asking = Asking {
            ticket,
            token_since: (self.auth == Auth::Bearer).then_some(seen),
            patience: Patience {
                deadline: deadline.checked_sub(self.least_time).unwrap_or(deadline),
                lease: self.session.first_lease(),
            },
            control: &self.control,
        };
        self.session.admit(&asking, now.mono)
    }

    fn transmit(
        &mut self,
        now: Instant,
        bearer: Option<Bearer>,
        cancelled: Signal,
    ) -> Step<Result<T, Error>> {
        self.timing.sent(now);
        let left = self.timing.deadline(now).saturating_duration_since(now);
        let settings = self.session.settings();
        let mut request = self.request.clone();
        if let Some(bearer) = &bearer {
            authorize(&mut request, bearer.header.clone());
        }
        self.state = State::InFlight { sent: now, bearer };
        Step::Transmit(Transmit {
            request,
            timeout: settings.request_timeout.min(left),
            body_limit: settings.body_limit,
            cancelled: Some(cancelled),
            span: self.trace.sent(),
        })
    }

    fn out_of_time(&mut self) -> Error {
        Error::Deadline {
            last: self.last.take().map(Box::new),
        }
    }

    fn reading<'a>(&'a self, now: Now, scrub: Scrub<'a>) -> Reading<'a> {
        let settings = self.session.settings();
        Reading {
            secret: self.secret_answer,
            body_limit: settings.body_limit,
            too_many_downloads: &settings.too_many_downloads,
            scrub,
            wall: now.wall,
        }
    }
}

/// An answer that may be a token is not asked for too often, whatever the policy says.
fn bounded(retry: RetryPolicy, auth: Auth) -> RetryPolicy {
    match auth {
        Auth::None => retry.lost_attempts(LOST_TOKENS),
        Auth::Bearer => retry,
    }
}

impl<T> Machine for Call<T> {
    type Output = Result<T, Error>;

    fn resume(&mut self, now: Now, input: Input) -> Step<Result<T, Error>> {
        let span = self.trace.span(now.mono, self.request.method(), self.path);
        span.within(|| self.go_on(now, input))
    }
}

impl<T> Call<T> {
    fn go_on(&mut self, now: Now, input: Input) -> Step<Result<T, Error>> {
        self.timing.deadline(now.mono);
        let result = match std::mem::replace(&mut self.state, State::Resting(None)) {
            State::Ended => {
                self.state = State::Ended;
                return Step::Ready(Err(Error::Finished));
            }
            State::InFlight { sent, bearer } => self.judge(now, sent, bearer.as_ref(), input),
            resting @ State::Resting(_) => {
                self.state = resting;
                None
            }
        };
        let step = match result {
            Some(result) => Step::Ready(result),
            None => self
                .advance(now)
                .unwrap_or_else(|error| Step::Ready(Err(error))),
        };
        if let Step::Ready(result) = &step {
            self.state = State::Ended;
            self.leave_queue();
            if let Err(error) = result {
                self.trace.ended(now.mono, Err(error));
            }
        }
        step
    }

    fn leave_queue(&mut self) {
        if let Some(ticket) = self.ticket.take() {
            self.session.release(&ticket);
        }
    }
}

impl<T> Drop for Call<T> {
    fn drop(&mut self) {
        self.leave_queue();
    }
}

impl<T> fmt::Debug for Call<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call")
            .field("method", self.request.method())
            .field("path", &self.path)
            .field("state", &self.state)
            .field("last", &self.last)
            .finish_non_exhaustive()
    }
}
