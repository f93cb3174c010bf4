//! A call: an exchange with a token, and the gate before it is sent.

mod detached;
mod gated;

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::de::DeserializeOwned;

use crate::auth::tokens::{Bearer, Rejection};
use crate::endpoint::{Auth, Endpoint};
use crate::error::{BuildError, Error};
use crate::exchange::{
    Data, Exchange, Idle, Outcome, ReadData, Received, ResponseReader, TokenStatus, read_data,
};
use crate::machine::control::{CallHandle, Control};
use crate::machine::{Detached, Input, Machine, Now, Step};
use crate::policy::pacing::{Bound, Priority, Ticket, UsedSlot};
use crate::policy::retry::RetryPolicy;
use crate::session::{Admission, AdmissionRequest, Session};
use crate::trace;
use crate::wait::WaitReason;

pub use gated::{GateEvent, GatedCall};

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
    untyped: UntypedCall,
    read: ReadData<T>,
    /// What is left of the call without its caller.
    detach: fn(Call<T>) -> Option<Detached>,
}

/// A call but for the type of its response.
struct UntypedCall {
    exchange: Exchange<Session>,
    session: Session,
    /// The token of the attempt in flight.
    in_flight: Option<Bearer>,
    /// The session's newest token at the first 401 of this call.
    newest_at_first_rejection: Option<u64>,
    /// How many fetches had failed when this call began to wait for a token.
    failures_seen: Option<u64>,
}

impl<T: DeserializeOwned + Send + 'static> Call<T> {
    fn new<E: Endpoint>(session: Session, endpoint: &E) -> Result<Call<T>, BuildError> {
        let exchange = Exchange::new(session.clone(), endpoint)?;
        Ok(Call {
            untyped: UntypedCall {
                exchange,
                session,
                in_flight: None,
                newest_at_first_rejection: None,
                failures_seen: None,
            },
            read: read_data(),
            detach: detached::detach::<T, E>,
        })
    }
}

impl<T> Call<T> {
    /// Sets how long the call may take with all its waits and attempts, counted from its first step. All of it counts, the wait for
    /// a turn, too: if that would come too late, the call ends with [`Error::QueueTooLong`].
    pub fn timeout(mut self, timeout: Duration) -> Call<T> {
        self.untyped.exchange.set_timeout(timeout);
        self
    }

    /// Sets the retry policy of this call.
    pub fn retry(mut self, policy: RetryPolicy) -> Call<T> {
        self.untyped.exchange.set_retry(policy);
        self
    }

    /// Sets the priority, which decides who goes first when several calls wait.
    pub fn priority(mut self, priority: Priority) -> Call<T> {
        self.untyped.exchange.set_priority(priority);
        self
    }

    /// Pauses the call just before it sends, so that its owner can record the intent: see [`GatedCall`].
    pub fn gated(mut self) -> GatedCall<T> {
        self.untyped.exchange.send_once();
        GatedCall::new(self)
    }

    /// Returns a handle that stops the call from elsewhere.
    pub fn handle(&self) -> CallHandle {
        CallHandle::new(&self.untyped.exchange.control)
    }

    /// For an enclosing machine: its handles stop this call, too.
    pub(crate) fn controlled_by(mut self, control: &Arc<Control>) -> Call<T> {
        self.untyped.exchange.control = Arc::clone(control);
        self
    }

    /// For a watch: a poll that the end of the watch bounds until it is sent, and its own timeout from then on.
    pub(crate) fn polling(mut self, control: &Arc<Control>, queue_until: Instant) -> Call<T> {
        self.untyped.exchange.queue_until(queue_until);
        self.controlled_by(control).priority(Priority::Low)
    }

    /// Goes on with this place in the queue.
    pub(crate) fn with_ticket(mut self, ticket: Ticket) -> Call<T> {
        self.untyped.exchange.set_ticket(ticket);
        self
    }

    /// The end of the watch moves.
    pub(crate) fn move_queue_end(&mut self, end: Instant) -> &mut Call<T> {
        self.untyped.exchange.move_queue_end(end);
        self
    }
}

impl UntypedCall {
    /// Judges the attempt in flight, and returns the next step before the next attempt.
    fn advance(
        &mut self,
        now: Now,
        input: Input,
        reader: &mut dyn ResponseReader,
    ) -> Result<Next, Error> {
        match self.exchange.receive(now, input, reader) {
            Received::Nothing => {}
            Received::Tell(op) => return Ok(Next::Step(Step::Pace(op))),
            Received::Judged(judged) => {
                let rejection = self.judge_token(judged.token, now);
                match judged.outcome {
                    Outcome::Ended(result) => {
                        return result.map(|()| Next::Step(Step::Ready(())));
                    }
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

    fn ask_admission(&mut self, now: Now, bound: Bound) -> Result<Next, Error> {
        let needs_token = self.exchange.auth() == Auth::Bearer;
        let control = Arc::clone(&self.exchange.control);
        let (class, priority, ticket) = self.exchange.place();
        let mut request = AdmissionRequest {
            ticket,
            class,
            priority,
            token_since: needs_token.then_some(&mut self.failures_seen),
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

    fn send(&mut self, now: Now, ready: Ready) -> Result<Step<()>, Error> {
        let Ready { bearer, slot } = ready;
        let header = bearer.as_ref().map(|bearer| bearer.header.clone());
        let transmit = self.exchange.transmit(now, header, slot)?;
        self.in_flight = bearer;
        Ok(Step::Transmit(transmit))
    }

    fn resume(
        &mut self,
        now: Now,
        input: Input,
        reader: &mut dyn ResponseReader,
    ) -> Result<Step<()>, Error> {
        if self.exchange.is_ended() {
            return Err(Error::Finished);
        }
        let span = self.exchange.span(now);
        span.within(|| {
            let step = match self.advance(now, input, reader) {
                Ok(Next::Step(step)) => Ok(step),
                Ok(Next::Send(ready)) => self.send(now, ready),
                Err(error) => Err(error),
            };
            self.exchange.note_end(now, &step);
            step
        })
    }
}

/// What a call does next.
#[allow(
    clippy::large_enum_variant,
    reason = "it is matched at once, like the step in it"
)]
enum Next {
    Step(Step<()>),
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
        let mut data = Data::new(self.read);
        let step = self.untyped.resume(now, input, &mut data);
        data.add_to(step)
    }

    fn detach(self) -> Option<Detached> {
        (self.detach)(self)
    }
}

impl<T> fmt::Debug for Call<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Call").field(&self.untyped.exchange).finish()
    }
}
