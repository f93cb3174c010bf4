//! What a driver and the core exchange: [`Machine`], [`Input`] and [`Step`].

pub(crate) mod control;
pub(crate) mod shared_pace;
pub(crate) mod token_store;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use event_listener::{EventListener, Listener};

use crate::error::{Error, TransportError};
use crate::trace::{self, Span};
use crate::wait::WaitReason;
use shared_pace::{PaceOp, PaceResult};
use token_store::{StoreOp, StoreResult};

/// A state machine that a driver runs: a [`Call`](crate::Call), a [`Watch`](crate::offline::Watch), a token fetch.
///
/// One input, one step. [`Input::Wake`] with nothing in flight is always harmless. `Wake` while a request is in flight means that
/// the driver abandoned the request. An input that does not answer the last step counts as `Wake`. A machine that has ended stays
/// at its end and never panics.
pub trait Machine {
    /// What the machine returns: its result, or one item after the other.
    type Output;

    /// Takes what happened and returns what to do next.
    fn resume(&mut self, now: Now, input: Input) -> Step<Self::Output>;

    /// Ends the machine because its caller has gone away, as when a future is dropped. Returns what must still be run apart from the
    /// caller: the rest of a request in flight that must not be sent again and whose response must not be lost. Its driver takes
    /// over that request, and resumes it with the response; it sends nothing more. None if the request may be dropped.
    fn detach(self) -> Option<Detached>
    where
        Self: Sized,
    {
        None
    }
}

/// A machine that is borrowed is not ended: its owner still has it.
impl<M: Machine + ?Sized> Machine for &mut M {
    type Output = M::Output;

    fn resume(&mut self, now: Now, input: Input) -> Step<Self::Output> {
        (**self).resume(now, input)
    }
}

/// One reading of both clocks, taken by the driver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// The monotonic clock: all waits and deadlines are counted on it.
    pub mono: Instant,
    /// The calendar: used only to interpret the dates of tokens and files when a response has no `Date`.
    pub wall: SystemTime,
}

/// No wait is longer: ten years stand for "for ever", where adding to an `Instant` could overflow.
const MAX_WAIT: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

/// Adds any duration that a user may have set.
pub(crate) fn later(at: Instant, by: Duration) -> Instant {
    at + by.min(MAX_WAIT)
}

/// What the driver reports.
#[non_exhaustive]
pub enum Input {
    /// The start, the end of a wait, a signal, or a request that the driver abandoned.
    Wake,
    /// The response to the request of the last [`Step::Transmit`], with its complete body.
    Response(http::Response<Bytes>),
    /// The request of the last [`Step::Transmit`] got no response.
    Failed(TransportError),
    /// The result of the last [`Step::Store`].
    Stored(StoreResult),
    /// The result of the last [`Step::Pace`].
    Paced(PaceResult),
}

/// Leaves out the body, which may hold a token.
impl fmt::Debug for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Input::Wake => f.write_str("Wake"),
            Input::Response(response) => f
                .debug_struct("Response")
                .field("status", &response.status())
                .field("body", &format_args!("[{} bytes]", response.body().len()))
                .finish(),
            Input::Failed(error) => f.debug_tuple("Failed").field(error).finish(),
            Input::Stored(result) => f.debug_tuple("Stored").field(result).finish(),
            Input::Paced(result) => f.debug_tuple("Paced").field(result).finish(),
        }
    }
}

/// What the driver does next.
///
/// The enum is exhaustive: a driver that does not know a step would stall, so it must not compile.
#[allow(
    clippy::large_enum_variant,
    reason = "it is matched at once; a box would cost every request an allocation"
)]
#[derive(Debug)]
pub enum Step<T> {
    /// Send this request and bring its response back.
    Transmit(Transmit),
    /// Wait until a time or a signal, then resume with [`Input::Wake`].
    Wait(Wait),
    /// Run this machine independently of the caller, as a task or a thread of its own, and resume at once with [`Input::Wake`]. It
    /// outlives a caller that is dropped, but not the session: whatever runs it must hold no clone of the session. A driver that can
    /// start neither may run it in place first.
    Detach(Detached),
    /// Run this operation on the token store. Only a session that was told to use one asks for it. A driver without a store
    /// answers [`StoreOp::unsupported`].
    Store(StoreOp),
    /// Run this operation on the shared pace. Only a session that was told to use one asks for it. A driver without one answers
    /// [`PaceOp::unsupported`].
    Pace(PaceOp),
    /// The result, or the next item.
    Ready(T),
}

impl<T> Step<T> {
    /// Returns the output, or the same step for an enclosing machine.
    #[allow(
        clippy::result_large_err,
        reason = "it is matched on the spot, and is not an error"
    )]
    pub(crate) fn ready<U>(self) -> Result<T, Step<U>> {
        Err(match self {
            Step::Ready(output) => return Ok(output),
            Step::Transmit(transmit) => Step::Transmit(transmit),
            Step::Wait(wait) => Step::Wait(wait),
            Step::Detach(detached) => Step::Detach(detached),
            Step::Store(op) => Step::Store(op),
            Step::Pace(op) => Step::Pace(op),
        })
    }

    /// Converts the output.
    pub(crate) fn map<U>(self, convert: impl FnOnce(T) -> U) -> Step<U> {
        self.ready()
            .map_or_else(|step| step, |output| Step::Ready(convert(output)))
    }
}

/// Ends a machine whose result is final: moves it to its last state when it returns a result or an error.
pub(crate) fn settled<T, S>(
    step: Result<Step<Result<T, Error>>, Error>,
    state: &mut S,
    ended: S,
) -> Step<Result<T, Error>> {
    let step = step.unwrap_or_else(|error| Step::Ready(Err(error)));
    if matches!(step, Step::Ready(_)) {
        *state = ended;
    }
    step
}

/// A machine to run apart from the caller: see [`Step::Detach`] and [`Machine::detach`]. It reports its end through the session.
///
/// Dropping it before its end is safe: whatever it was doing for others is passed on to the next caller, and a request in flight is
/// reported as ambiguous.
pub struct Detached(Box<dyn DetachedMachine>);

trait DetachedMachine: Machine<Output = ()> + fmt::Debug + Send + Sync {}

impl<M: Machine<Output = ()> + fmt::Debug + Send + Sync> DetachedMachine for M {}

impl Detached {
    pub(crate) fn new(
        machine: impl Machine<Output = ()> + fmt::Debug + Send + Sync + 'static,
    ) -> Detached {
        Detached(Box::new(machine))
    }
}

impl Machine for Detached {
    type Output = ();

    fn resume(&mut self, now: Now, input: Input) -> Step<()> {
        self.0.resume(now, input)
    }
}

impl fmt::Debug for Detached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Detached").field(&self.0).finish()
    }
}

/// A request to send once, as it is.
///
/// The driver follows no redirect, repeats nothing, and treats no HTTP status as a failure: the core judges the response.
#[non_exhaustive]
pub struct Transmit {
    /// The complete request; headers with secrets are marked as sensitive.
    pub request: http::Request<Bytes>,
    /// How long the whole exchange may take. Past it: [`Input::Failed`] with [`TransportError::timed_out`].
    pub timeout: Duration,
    /// The maximum number of body bytes to read. Past it: [`Input::Failed`] with [`TransportError::body_too_large`].
    pub body_limit: usize,
    /// Fires when nobody needs the response any more. The driver may take it, and then drop the request and resume with
    /// [`Input::Wake`], or with [`Input::Failed`] and [`TransportError::abandoned`].
    pub cancelled: Option<Signal>,
    /// Whether the request must not be sent again, and therefore needs a connection that carried no other request before and carries
    /// none afterwards: on a connection that is kept, a late response to another request could be taken for the response to this
    /// one, and a server that is just closing it would leave the outcome unknown.
    pub fresh_connection: bool,
    /// The span to do the work in, so that logs tell which call it is for.
    pub span: Span,
}

/// Leaves out query and body, which may hold secrets.
impl fmt::Debug for Transmit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transmit")
            .field("method", self.request.method())
            .field("path", &self.request.uri().path())
            .field(
                "body",
                &format_args!("[{} bytes]", self.request.body().len()),
            )
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

/// A time to wait for, and a signal that may end the wait earlier.
#[derive(Debug)]
#[non_exhaustive]
pub struct Wait {
    /// When to wake at the latest.
    pub until: Instant,
    /// What ends the wait earlier.
    pub signal: Signal,
    /// What the machine waits for.
    pub reason: WaitReason,
}

impl Wait {
    pub(crate) fn new(now: Instant, until: Instant, signal: Signal, reason: WaitReason) -> Wait {
        trace::waiting(now, until, reason);
        Wait {
            until,
            signal,
            reason,
        }
    }
}

/// A wake-up for futures and threads alike.
///
/// `.await` it, or block on it with [`wait_until`](Signal::wait_until). It fires once.
#[must_use = "a signal does nothing unless it is awaited"]
pub struct Signal(EventListener);

impl Signal {
    pub(crate) fn new(listener: EventListener) -> Signal {
        Signal(listener)
    }

    /// Blocks the thread until the signal fires (`true`) or until this time (`false`).
    pub fn wait_until(self, until: Instant) -> bool {
        self.0.wait_deadline(until).is_some()
    }
}

impl Future for Signal {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        Pin::new(&mut self.0).poll(context)
    }
}

impl fmt::Debug for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Signal")
    }
}
