//! A call that stops at a gate before it is sent.

use std::fmt;
use std::time::{Duration, Instant};

use super::{Call, Next, Ready, UntypedCall};
use crate::error::Error;
use crate::exchange::{Data, ResponseReader};
use crate::machine::control::CallHandle;
use crate::machine::{Detached, Input, Machine, Now, Step};

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

struct Gate {
    state: State,
    max_send_delay: Duration,
}

enum State {
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
    pub(super) fn new(call: Call<T>) -> GatedCall<T> {
        GatedCall {
            call,
            gate: Gate {
                state: State::Closed,
                max_send_delay: DEFAULT_MAX_SEND_DELAY,
            },
        }
    }

    /// Sets how long after it reached the gate the request may be sent, 10 s by default. Past it the call ends with
    /// [`Error::GateExpired`] and sends nothing: the recorded intent would be too old to be trusted.
    pub fn max_send_delay(mut self, delay: Duration) -> GatedCall<T> {
        self.gate.max_send_delay = delay;
        self
    }

    /// Lets the call pass the gate; it sends when it is resumed. Without effect if it has not reached the gate.
    pub fn proceed(&mut self) {
        if let State::Reached { proceeds, .. } = &mut self.gate.state {
            *proceeds = true;
        }
    }

    /// Returns a handle that stops the call from elsewhere.
    pub fn handle(&self) -> CallHandle {
        self.call.handle()
    }
}

impl Gate {
    /// Returns the next step; none at the gate.
    fn advance(
        &mut self,
        call: &mut UntypedCall,
        now: Now,
        input: Input,
        reader: &mut dyn ResponseReader,
    ) -> Result<Option<Step<()>>, Error> {
        match std::mem::replace(&mut self.state, State::Passed) {
            State::Closed => match call.advance(now, input, reader)? {
                Next::Send(ready) => {
                    self.state = State::Reached {
                        at: now.mono,
                        ready,
                        proceeds: false,
                    };
                    Ok(None)
                }
                Next::Step(step) => {
                    self.state = State::Closed;
                    Ok(Some(step))
                }
            },
            State::Reached {
                at,
                ready,
                proceeds: true,
            } => {
                // A stop and the call's own deadline are checked like before any other attempt.
                call.exchange.idle(now)?;
                self.check_delay(at, now.mono)?;
                let bearer = ready.bearer.as_ref();
                if !bearer.is_none_or(|bearer| call.session.is_usable(bearer, now.mono)) {
                    return Err(Error::GateExpired);
                }
                if ready.slot.until.is_some_and(|until| now.mono >= until) {
                    return self.pass_late(at, call, now, Input::Wake, reader);
                }
                call.send(now, ready).map(Some)
            }
            State::Late { reached } => {
                self.check_delay(reached, now.mono)?;
                self.pass_late(reached, call, now, input, reader)
            }
            reached @ State::Reached { .. } => {
                call.exchange.idle(now)?;
                self.state = reached;
                Ok(None)
            }
            State::Passed => match call.advance(now, input, reader)? {
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
        call: &mut UntypedCall,
        now: Now,
        input: Input,
        reader: &mut dyn ResponseReader,
    ) -> Result<Option<Step<()>>, Error> {
        match call.advance(now, input, reader)? {
            Next::Send(ready) => call.send(now, ready).map(Some),
            Next::Step(step) => {
                if let Step::Wait(wait) = &step {
                    self.check_delay(reached, wait.until)?;
                }
                self.state = State::Late { reached };
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

    /// Returns the next step; none at the gate.
    fn resume(
        &mut self,
        call: &mut UntypedCall,
        now: Now,
        input: Input,
        reader: &mut dyn ResponseReader,
    ) -> Option<Result<Step<()>, Error>> {
        if call.exchange.is_ended() {
            return Some(Err(Error::Finished));
        }
        let span = call.exchange.span(now);
        span.within(|| {
            let step = self.advance(call, now, input, reader).transpose()?;
            call.exchange.note_end(now, &step);
            Some(step)
        })
    }
}

impl<T> Machine for GatedCall<T> {
    type Output = GateEvent<T>;

    fn resume(&mut self, now: Now, input: Input) -> Step<GateEvent<T>> {
        let mut data = Data::new(self.call.read);
        let call = &mut self.call.untyped;
        match self.gate.resume(call, now, input, &mut data) {
            None => Step::Ready(GateEvent::AtGate),
            Some(step) => data.add_to(step).map(GateEvent::Ended),
        }
    }

    fn detach(self) -> Option<Detached> {
        self.call.detach()
    }
}

impl<T> fmt::Debug for GatedCall<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let gate = match self.gate.state {
            State::Closed => "closed",
            State::Reached { .. } | State::Late { .. } => "reached",
            State::Passed => "passed",
        };
        f.debug_struct("GatedCall")
            .field("call", &self.call)
            .field("gate", &gate)
            .finish_non_exhaustive()
    }
}
