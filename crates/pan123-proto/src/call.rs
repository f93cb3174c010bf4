//! A call: an exchange with a token, and the gate before it is sent.

mod detached;

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::de::DeserializeOwned;

use crate::auth::tokens::{Bearer, Rejection};
use crate::endpoint::{Auth, Endpoint};
use crate::error::{BuildError, Error};
use crate::exchange::{Exchange, Idle, Outcome, Received, TokenStatus};
use crate::machine::control::{CallHandle, Control};
use crate::machine::{Detached, Input, Machine, Now, Step};
use crate::policy::pacing::{Bound, Priority, Ticket, UsedSlot};
use crate::policy::retry::RetryPolicy;
use crate::session::{Admission, AdmissionRequest, Session};
use crate::trace;
use crate::wait::WaitReason;

impl Session {
    /// Returns a call of an endpoint.
    ///
    /// # Errors
    ///
    /// [`BuildError`] if the request cannot be built.
    pub fn call<E: Endpoint>(&self, endpoint: &E) -> Result<Call<E::Response>, BuildError> {
        Call::new(self.clone(), endpoint)
    }

    /// Returns a call of an endpoint that reads the `data` of the response as a type of your own.
    ///
    /// # Errors
    ///
    /// [`BuildError`] if the request cannot be built.
    pub fn call_as<T: DeserializeOwned + Send + 'static>(
        &self,
        endpoint: &impl Endpoint,
    ) -> Result<Call<T>, BuildError> {
        Call::new(self.clone(), endpoint)
    }
}

/// One call of an endpoint, with its token, its slot, its retries and its deadline.
///
/// The deadline, 120 s by default, counts from the first [`resume`](Machine::resume). By default it stands still while a request that
/// must not be repeated ([`Idempotency::NonIdempotent`](crate::Idempotency), such as the creation of a download) waits for its first
/// turn at the client's own pace, so that 200 creates at once all succeed. Waits for a token, backoffs and the hold-offs after a 429
/// count as ever, and a deadline that you set counts in full.
///
/// If its driver drops it while a non-idempotent request is in flight, the response is still awaited, so that what was created is not
/// lost: see [`Machine::detach`] and [`Session::take_detached`].
///
/// After a 401 the call goes on with another token. It ends with [`Error::Unauthorized`] when the service rejects a token that
/// was issued after this call's first 401: no further token would fare better.
///
/// ```
/// use pan123_proto::{Priority, RetryPolicy, Session, user::GetUserInfo};
/// use std::time::Duration;
///
/// let session = Session::builder().credentials("client id", "client secret").build()?;
/// let call = session
///     .call(&GetUserInfo)?
///     .timeout(Duration::from_secs(20))
///     .retry(RetryPolicy::none())
///     .priority(Priority::Low);
/// let handle = call.handle(); // stops it from elsewhere
/// # drop((call, handle));
/// # Ok::<(), pan123_proto::BuildError>(())
/// ```
#[must_use = "a call does nothing until a driver resumes it"]
pub struct Call<T> {
    exchange: Exchange<T, Session>,
    session: Session,
    /// The token of the attempt in flight.
    in_flight: Option<Bearer>,
    /// The session's newest token at the first 401 of this call.
    newest_at_first_rejection: Option<u64>,
    /// How many fetches had failed when this call began to wait for a token.
    failures_seen: Option<u64>,
    /// What is left of the call without its caller.
    detach: fn(Call<T>) -> Option<Detached>,
}

impl<T: DeserializeOwned + Send + 'static> Call<T> {
    fn new<E: Endpoint>(session: Session, endpoint: &E) -> Result<Call<T>, BuildError> {
        Ok(Call {
            exchange: Exchange::new(session.clone(), endpoint)?,
            session,
            in_flight: None,
            newest_at_first_rejection: None,
            failures_seen: None,
            detach: detached::detach::<T, E>,
        })
    }
}

impl<T> Call<T> {
    /// Sets how long the call may take with all its waits and attempts, counted from its first step. All of it counts, the wait for
    /// a turn, too: if that would come too late, the call ends with [`Error::QueueTooLong`].
    pub fn timeout(mut self, timeout: Duration) -> Call<T> {
        self.exchange.set_timeout(timeout);
        self
    }

    /// Sets the retry policy of this call.
    pub fn retry(mut self, policy: RetryPolicy) -> Call<T> {
        self.exchange.set_retry(policy);
        self
    }

    /// Sets the priority, which decides who goes first when several calls wait.
    pub fn priority(mut self, priority: Priority) -> Call<T> {
        self.exchange.set_priority(priority);
        self
    }

    /// Pauses the call just before it sends, so that its owner can record the intent: see [`GatedCall`].
    pub fn gated(mut self) -> GatedCall<T> {
        self.exchange.send_once();
        GatedCall {
            call: self,
            gate: Gate::Closed,
            max_send_delay: DEFAULT_MAX_SEND_DELAY,
        }
    }

    /// Returns a handle that stops the call from elsewhere.
    pub fn handle(&self) -> CallHandle {
        CallHandle::new(&self.exchange.control)
    }

    /// For an enclosing machine: its handles stop this call, too.
    pub(crate) fn controlled_by(mut self, control: &Arc<Control>) -> Call<T> {
        self.exchange.control = Arc::clone(control);
        self
    }

    /// For a watch: a poll that the end of the watch bounds until it is sent, and its own timeout from then on.
    pub(crate) fn polling(mut self, control: &Arc<Control>, queue_until: Instant) -> Call<T> {
        self.exchange.queue_until(queue_until);
        self.controlled_by(control).priority(Priority::Low)
    }

    /// Goes on with this place in the queue.
    pub(crate) fn with_ticket(mut self, ticket: Ticket) -> Call<T> {
        self.exchange.set_ticket(ticket);
        self
    }

    /// The end of the watch moves.
    pub(crate) fn move_queue_end(&mut self, end: Instant) -> &mut Call<T> {
        self.exchange.move_queue_end(end);
        self
    }

    /// Judges the attempt in flight, and returns the next step before the next attempt.
    fn advance(&mut self, now: Now, input: Input) -> Result<Next<T>, Error> {
        match self.exchange.receive(now, input) {
            Received::Nothing => {}
            Received::Tell(op) => return Ok(Next::Step(Step::Pace(op))),
            Received::Judged(judged) => {
                let rejection = self.judge_token(judged.token, now);
                match judged.outcome {
                    Outcome::Ended(result) => return Ok(Next::Step(Step::Ready(result))),
                    Outcome::TokenRejected(error) => self.replace_token(error, rejection)?,
                    Outcome::Retry => {}
                }
            }
        }
        match self.idle(now)? {
            Idle::Wait(wait) => Ok(Next::Step(Step::Wait(wait))),
            Idle::Slot(bound) => self.ask_admission(now, bound),
        }
    }

    /// Returns what the next attempt needs. If the deadline passed while the call waited for a token, the failure of its fetch is what
    /// happened last.
    fn idle(&mut self, now: Now) -> Result<Idle, Error> {
        self.exchange.idle(now).map_err(|error| match error {
            Error::Deadline {
                last,
                waiting_for: Some(WaitReason::Token),
            } => Error::Deadline {
                last: self.session.fetch_failure().map(Box::new).or(last),
                waiting_for: Some(WaitReason::Token),
            },
            other => other,
        })
    }

    /// Tells the session what the response says of the token. Returns a rejected token with what the session knows.
    fn judge_token(&mut self, status: TokenStatus, now: Now) -> Option<(Bearer, Rejection)> {
        let bearer = self.in_flight.take()?;
        match status {
            TokenStatus::Accepted => self.session.prove_token(&bearer),
            TokenStatus::Rejected(response) => {
                let rejection = self.session.reject_token(&bearer, response, now.mono);
                if let Some(backoff) = rejection.backoff {
                    trace::token_backoff(backoff);
                }
                return Some((bearer, rejection));
            }
            TokenStatus::Unknown => {}
        }
        None
    }

    /// Goes on with another token after a 401, or ends.
    ///
    /// [`Bearer::rejection_is_final`] says which: a token that another process had stored does not end the call, and the call itself
    /// causes at most one issue after its first 401.
    fn replace_token(
        &mut self,
        error: Error,
        rejected: Option<(Bearer, Rejection)>,
    ) -> Result<(), Error> {
        let Some((bearer, rejection)) = rejected else {
            // The request carried no token: its 401 is the service's answer.
            return Err(error);
        };
        // A failure that happened while this request was in flight is not one that it waited for.
        self.failures_seen = Some(rejection.failures);
        let newest_at_first = *self
            .newest_at_first_rejection
            .get_or_insert(rejection.newest);
        if bearer.rejection_is_final(newest_at_first) {
            return Err(Error::Unauthorized(Box::new(error)));
        }
        self.exchange.retry_with_another_token(error)
    }

    fn ask_admission(&mut self, now: Now, bound: Bound) -> Result<Next<T>, Error> {
        let needs_token = self.exchange.auth() == Auth::Bearer;
        let failures_seen = *self
            .failures_seen
            .get_or_insert_with(|| self.session.token_failures());
        let control = Arc::clone(&self.exchange.control);
        let mut request = AdmissionRequest {
            ticket: self.exchange.ticket(),
            token_since: needs_token.then_some(failures_seen),
            bound,
            control: &control,
        };
        let step = match self.session.admit(&mut request, now.mono) {
            Admission::Send(bearer, slot) => return Ok(Next::Send(Ready { bearer, slot })),
            Admission::Reserve(op) => self.exchange.ask_pace(op),
            Admission::Fetch(lease) => Step::Detach(self.session.fetch_token(lease, now)?),
            Admission::Wait(until, signal, reason) => {
                Step::Wait(self.exchange.wait(now, until, signal, reason)?)
            }
            Admission::SlotTooLate(refusal) => {
                return Err(self.exchange.slot_too_late(refusal, now));
            }
            Admission::Fail(error) => return Err(error),
        };
        Ok(Next::Step(step))
    }

    fn send(&mut self, now: Now, ready: Ready) -> Result<Step<Result<T, Error>>, Error> {
        let Ready { bearer, slot } = ready;
        let header = bearer.as_ref().map(|bearer| bearer.header.clone());
        let transmit = self.exchange.transmit(now, header, slot)?;
        self.in_flight = bearer;
        Ok(Step::Transmit(transmit))
    }
}

/// What a call does next.
#[allow(
    clippy::large_enum_variant,
    reason = "it is matched at once, like the step in it"
)]
enum Next<T> {
    Step(Step<Result<T, Error>>),
    Send(Ready),
}

/// What a call that may send now has.
struct Ready {
    bearer: Option<Bearer>,
    slot: UsedSlot,
}

impl<T> Machine for Call<T> {
    type Output = Result<T, Error>;

    fn resume(&mut self, now: Now, input: Input) -> Step<Result<T, Error>> {
        if self.exchange.is_ended() {
            return Step::Ready(Err(Error::Finished));
        }
        let span = self.exchange.span(now);
        span.within(|| {
            let step = match self.advance(now, input) {
                Ok(Next::Step(step)) => Ok(step),
                Ok(Next::Send(ready)) => self.send(now, ready),
                Err(error) => Err(error),
            };
            self.exchange.finish(now, step)
        })
    }

    fn detach(self) -> Option<Detached> {
        (self.detach)(self)
    }
}

impl<T> fmt::Debug for Call<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Call").field(&self.exchange).finish()
    }
}

/// How long after the gate a request may be sent, unless [`GatedCall::max_send_delay`] sets another delay.
const DEFAULT_MAX_SEND_DELAY: Duration = Duration::from_secs(10);

/// A call that pauses just before it sends and asks its owner.
///
/// For a program that must never send a request twice, not even across a crash: it records the intent to send, durably, at the
/// gate. The call has its token and its slot by then, so that nothing but the request itself is left to do. It sends **at most
/// once**, whatever comes back and whatever its endpoint says of idempotency, and then ends:
///
/// - `Ok`: carried out;
/// - [`Error::Ambiguous`]: possibly carried out;
/// - any other error: certainly not carried out. If [`is_retryable`](Error::is_retryable), a new call may try again.
///
/// Dropping it at the gate sends nothing.
///
/// ```
/// use pan123_proto::{Error, GateEvent, GatedCall, Input, Machine, Now, Session, Step, offline::Download};
/// # use std::time::{Instant, SystemTime};
///
/// let session = Session::builder().access_token("token").build()?;
/// let mut call = session.call(&Download::new("https://example.com/video.mp4")?)?.gated();
/// # let now = Now { mono: Instant::now(), wall: SystemTime::UNIX_EPOCH };
/// // A driver, such as `client.drive(&mut call)`, runs it up to its next event.
/// let Step::Ready(GateEvent::AtGate) = call.resume(now, Input::Wake) else { unreachable!() };
/// // Record the intent durably here; if that fails, drop the call.
/// call.proceed();
/// assert!(matches!(call.resume(now, Input::Wake), Step::Transmit(_)));
/// # Ok::<(), pan123_proto::BuildError>(())
/// ```
#[must_use = "a call does nothing until a driver resumes it"]
pub struct GatedCall<T> {
    call: Call<T>,
    gate: Gate,
    max_send_delay: Duration,
}

/// What a [`GatedCall`] returns: first, unless it ends before, [`AtGate`](GateEvent::AtGate), then
/// [`Ended`](GateEvent::Ended). An owner must handle both, so the enum is exhaustive.
#[derive(Debug)]
pub enum GateEvent<T> {
    /// The call is about to send. It does when it is resumed after [`GatedCall::proceed`]; resumed without it, it returns this
    /// again until its deadline.
    AtGate,
    /// The result of the call.
    Ended(Result<T, Error>),
}

enum Gate {
    /// The call is not ready to send.
    Closed,
    /// The call waits for its owner.
    Reached {
        at: Instant,
        ready: Ready,
        proceeds: bool,
    },
    /// The call may pass, but its slot is too old: it waits for another one.
    Late { reached: Instant },
    /// The call has sent, or ended.
    Passed,
}

impl<T> GatedCall<T> {
    /// Sets how long after it reached the gate the request may be sent, 10 s by default. Past it the call ends with
    /// [`Error::GateExpired`] and sends nothing: the recorded intent would be too old to be trusted.
    pub fn max_send_delay(mut self, delay: Duration) -> GatedCall<T> {
        self.max_send_delay = delay;
        self
    }

    /// Lets the call pass the gate; it sends when it is resumed. Without effect if it has not reached the gate.
    pub fn proceed(&mut self) {
        if let Gate::Reached { proceeds, .. } = &mut self.gate {
            *proceeds = true;
        }
    }

    /// Returns a handle that stops the call from elsewhere.
    pub fn handle(&self) -> CallHandle {
        self.call.handle()
    }

    /// Returns the next step; none at the gate.
    fn advance(&mut self, now: Now, input: Input) -> Result<Option<Step<Result<T, Error>>>, Error> {
        match std::mem::replace(&mut self.gate, Gate::Passed) {
            Gate::Closed => match self.call.advance(now, input)? {
                Next::Send(ready) => {
                    self.gate = Gate::Reached {
                        at: now.mono,
                        ready,
                        proceeds: false,
                    };
                    Ok(None)
                }
                Next::Step(step) => {
                    self.gate = Gate::Closed;
                    Ok(Some(step))
                }
            },
            Gate::Reached {
                at,
                ready,
                proceeds: true,
            } => {
                // A stop and the call's own deadline are checked like before any other attempt.
                self.call.exchange.idle(now)?;
                let bearer = ready.bearer.as_ref();
                let still_valid =
                    bearer.is_none_or(|bearer| self.call.session.is_usable(bearer, now.mono));
                if !still_valid {
                    return Err(Error::GateExpired);
                }
                if ready.slot.until.is_some_and(|until| now.mono >= until) {
                    return self.pass_late(at, now, Input::Wake);
                }
                self.check_delay(at, now.mono)?;
                self.call.send(now, ready).map(Some)
            }
            Gate::Late { reached } => self.pass_late(reached, now, input),
            reached @ Gate::Reached { .. } => {
                self.call.exchange.idle(now)?;
                self.gate = reached;
                Ok(None)
            }
            Gate::Passed => match self.call.advance(now, input)? {
                Next::Step(step) => Ok(Some(step)),
                // It sends once.
                Next::Send(_) => Err(Error::Finished),
            },
        }
    }

    /// Sends with another slot, unless that comes too late after the gate.
    fn pass_late(
        &mut self,
        reached: Instant,
        now: Now,
        input: Input,
    ) -> Result<Option<Step<Result<T, Error>>>, Error> {
        self.check_delay(reached, now.mono)?;
        match self.call.advance(now, input)? {
            Next::Send(ready) => self.call.send(now, ready).map(Some),
            Next::Step(step) => {
                if let Step::Wait(wait) = &step {
                    self.check_delay(reached, wait.until)?;
                }
                self.gate = Gate::Late { reached };
                Ok(Some(step))
            }
        }
    }

    fn check_delay(&self, reached: Instant, sent: Instant) -> Result<(), Error> {
        if sent.saturating_duration_since(reached) > self.max_send_delay {
            return Err(Error::GateExpired);
        }
        Ok(())
    }
}

impl<T> Machine for GatedCall<T> {
    type Output = GateEvent<T>;

    fn resume(&mut self, now: Now, input: Input) -> Step<GateEvent<T>> {
        if self.call.exchange.is_ended() {
            return Step::Ready(GateEvent::Ended(Err(Error::Finished)));
        }
        let span = self.call.exchange.span(now);
        span.within(|| {
            let step = match self.advance(now, input) {
                Ok(None) => return Step::Ready(GateEvent::AtGate),
                Ok(Some(step)) => Ok(step),
                Err(error) => Err(error),
            };
            match self.call.exchange.finish(now, step).ready() {
                Ok(result) => Step::Ready(GateEvent::Ended(result)),
                Err(step) => step,
            }
        })
    }

    fn detach(self) -> Option<Detached> {
        self.call.detach()
    }
}

impl<T> fmt::Debug for GatedCall<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let gate = match self.gate {
            Gate::Closed => "closed",
            Gate::Reached { .. } | Gate::Late { .. } => "reached",
            Gate::Passed => "passed",
        };
        f.debug_struct("GatedCall")
            .field("call", &self.call)
            .field("gate", &gate)
            .finish_non_exhaustive()
    }
}
