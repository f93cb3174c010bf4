//! What a driver and the core say to each other: [`Machine`], [`Input`] and [`Step`].

use std::any::Any;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use event_listener::{EventListener, Listener};

use crate::error::{Error, TransportError};
use crate::session::Refresh;
use crate::store::{StoreOp, StoreResult};
use crate::trace::{self, Span};

/// Something that is carried forward by a driver: a [`Call`](crate::Call), a [`Watch`](crate::offline::Watch) or a [`Refresh`].
///
/// One input, one step. [`Input::Wake`] with nothing in flight is always harmless. `Wake` while a request is out means that
/// the driver gave the request up; an input that does not answer the last step counts as `Wake`. After [`Step::Ready`] a
/// machine stays at its end and never panics.
pub trait Machine {
    /// What the machine ends with, or hands out item by item.
    type Output;

    /// Takes what happened and says what to do next.
    fn resume(&mut self, now: Now, input: Input) -> Step<Self::Output>;
}

impl<M: Machine + ?Sized> Machine for &mut M {
    type Output = M::Output;

    fn resume(&mut self, now: Now, input: Input) -> Step<Self::Output> {
        (**self).resume(now, input)
    }
}

/// One reading of both clocks, taken by the driver. In tests it is made up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// The clock that only goes forward: all waits and deadlines are counted on it.
    pub mono: Instant,
    /// The calendar: read only to make sense of a token's date when an answer carries no `Date`.
    pub wall: SystemTime,
}

/// Held by a driver's clock while a machine is driven, so that a clock that jumps knows when everybody waits.
#[derive(Default)]
pub struct DriveGuard {
    _held: Option<Box<dyn Any + Send + Sync>>,
}

impl DriveGuard {
    /// Holds this until the drive ends.
    pub fn holding(value: impl Any + Send + Sync) -> DriveGuard {
        DriveGuard {
            _held: Some(Box::new(value)),
        }
    }
}

impl fmt::Debug for DriveGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DriveGuard")
    }
}

/// No wait is longer: ten years stand for "without end" where a clock would run over.
const WITHOUT_END: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

/// A time after another, for any duration a user may have given.
pub(crate) fn later(at: Instant, by: Duration) -> Instant {
    at + by.min(WITHOUT_END)
}

/// What the driver brings back.
#[non_exhaustive]
pub enum Input {
    /// Nothing in particular: the start, the end of a wait, a signal, or a request that was given up.
    Wake,
    /// The answer to the request of the last [`Step::Transmit`], with its whole body.
    Response(http::Response<Bytes>),
    /// The request of the last [`Step::Transmit`] brought no answer.
    Failed(TransportError),
    /// The outcome of the last [`Step::Store`].
    Stored(StoreResult),
}

/// Without the body, which may be a token.
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
        }
    }
}

/// What the driver does next.
#[allow(
    clippy::large_enum_variant,
    reason = "it is taken apart at once; a box would cost every request an allocation"
)]
#[derive(Debug)]
pub enum Step<T> {
    /// Send this and bring the answer back.
    Transmit(Transmit),
    /// Wait until a time, or sooner on a signal; then [`Input::Wake`].
    Wait(Wait),
    /// This caller won the right to fetch the token: run it as a task or a thread of its own (or drive it here), then
    /// [`Input::Wake`]. Run apart, it outlives a caller who goes away.
    Refresh(Refresh),
    /// Do this with the kept token; only a session that was told to keep its token asks for it. A driver that keeps
    /// nothing answers [`StoreOp::unsupported`].
    Store(StoreOp),
    /// The end, or the next item.
    Ready(T),
}

impl<T> Step<T> {
    /// The output, or the same step for a machine around this one.
    #[allow(
        clippy::result_large_err,
        reason = "it is taken apart on the spot, and is no error"
    )]
    pub(crate) fn ready<U>(self) -> Result<T, Step<U>> {
        Err(match self {
            Step::Ready(output) => return Ok(output),
            Step::Transmit(transmit) => Step::Transmit(transmit),
            Step::Wait(wait) => Step::Wait(wait),
            Step::Refresh(refresh) => Step::Refresh(refresh),
            Step::Store(op) => Step::Store(op),
        })
    }
}

/// The step of a machine that ends for good: an error is an end too, and any end leads to its last state.
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

/// A request to send once, as it is.
///
/// The driver follows no redirect, repeats nothing, and treats no HTTP status as a failure: the core judges the answer.
#[non_exhaustive]
pub struct Transmit {
    /// The whole request; headers with secrets are marked sensitive.
    pub request: http::Request<Bytes>,
    /// How long the whole exchange may take. Past it: [`Input::Failed`] with [`TransportError::timed_out`].
    pub timeout: Duration,
    /// The most bytes of body to read. Past it: [`Input::Failed`] with [`TransportError::body_too_large`].
    pub body_limit: usize,
    /// Fires when nobody wants the answer any more: the driver may take it, and drop the request and say [`Input::Wake`] then.
    pub cancelled: Option<Signal>,
    /// What the driver may do its work in, so that logs tell which call it is for.
    pub span: Span,
}

/// Without query and body, which may hold secrets.
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

/// A time to wait for, and what may end the wait before it.
#[derive(Debug)]
#[non_exhaustive]
pub struct Wait {
    /// When to wake at the latest.
    pub until: Instant,
    /// What ends the wait sooner.
    pub signal: Signal,
    /// What is waited for.
    pub reason: WaitReason,
}

impl Wait {
    pub(crate) fn new(now: Instant, until: Instant, signal: Signal, reason: WaitReason) -> Wait {
        trace::waits(now, until, reason);
        Wait {
            until,
            signal,
            reason,
        }
    }
}

/// What somebody waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum WaitReason {
    /// A turn by the pace of the rate class, which may hold off after a 429.
    Pace,
    /// Another attempt.
    Backoff,
    /// A token that somebody else fetches.
    Token,
    /// The lock of the token store, which somebody else has.
    Store,
    /// The next poll of a watch.
    Poll,
}

/// A wake-up that serves a future and a thread alike.
///
/// `.await` it, or block on it with [`wait_until`](Signal::wait_until). It fires once.
#[must_use = "a signal does nothing unless it is awaited"]
pub struct Signal(EventListener);

impl Signal {
    pub(crate) fn new(listener: EventListener) -> Signal {
        Signal(listener)
    }

    /// Blocks the thread until the signal fires (`true`) or `until` has come (`false`).
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
