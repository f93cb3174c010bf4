//! Transports in memory, whose responses a test can hold back.

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use http::Response;
use pan123_mock::{Break, Reply, Service, WireOutcome};
use pan123_proto::{Transmit, TransportError};

use crate::clock::JumpClock;

type SendResult = Result<Response<Bytes>, TransportError>;

/// The service in memory, as a transport of either adapter. Clones share the service.
///
/// It acts on a request at once. The response comes at once, or after [`release`](ServiceTransport::release) if its path is held.
#[derive(Clone)]
pub struct ServiceTransport {
    clock: JumpClock,
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    service: Service,
    held: Vec<String>,
    pauses: usize,
    unreachable: bool,
    ahead: Duration,
    sent: Vec<String>,
    dropped: Vec<String>,
    wakers: Vec<Waker>,
}

impl ServiceTransport {
    /// Creates a transport to this service, whose time is that of the clock.
    #[must_use]
    pub fn new(service: Service, clock: &JumpClock) -> ServiceTransport {
        ServiceTransport {
            clock: clock.clone(),
            shared: Arc::new(Shared {
                state: Mutex::new(State {
                    service,
                    held: Vec::new(),
                    pauses: 0,
                    unreachable: false,
                    ahead: Duration::ZERO,
                    sent: Vec::new(),
                    dropped: Vec::new(),
                    wakers: Vec::new(),
                }),
                changed: Condvar::new(),
            }),
        }
    }

    /// Holds the responses of this path back.
    pub fn hold(&self, path: &str) {
        self.update(|state| state.held.push(path.to_owned()));
    }

    /// Lets all responses go.
    pub fn release(&self) {
        self.update(|state| state.held.clear());
    }

    /// Makes a future pending for this many polls before its response comes.
    pub fn delay_polls(&self, polls: usize) {
        self.update(|state| state.pauses = polls);
    }

    /// Makes the service unreachable.
    pub fn disconnect(&self) {
        self.update(|state| state.unreachable = true);
    }

    /// Makes the service reachable again.
    pub fn reconnect(&self) {
        self.update(|state| state.unreachable = false);
    }

    /// Sets the service's clock forward.
    pub fn advance_service(&self, by: Duration) {
        self.update(|state| state.ahead += by);
    }

    /// Returns how many requests were sent to this path.
    #[must_use]
    pub fn sent(&self, path: &str) -> usize {
        self.lock().count(path)
    }

    /// Returns how many requests were dropped before their response came.
    #[must_use]
    pub fn dropped(&self) -> usize {
        self.lock().dropped.len()
    }

    /// Returns how many of those were sent to this path.
    #[must_use]
    pub fn dropped_at(&self, path: &str) -> usize {
        let state = self.lock();
        state.dropped.iter().filter(|it| *it == path).count()
    }

    /// Gives access to the service.
    pub fn service<T>(&self, look: impl FnOnce(&mut Service) -> T) -> T {
        look(&mut self.lock().service)
    }

    /// Waits until this many requests were sent to this path.
    pub async fn until_sent(&self, path: &str, requests: usize) {
        poll_fn(|context| {
            let mut state = self.lock();
            if state.count(path) >= requests {
                return Poll::Ready(());
            }
            state.wakers.push(context.waker().clone());
            Poll::Pending
        })
        .await;
    }

    /// Blocks until this many requests were sent to this path.
    pub fn block_until_sent(&self, path: &str, requests: usize) {
        self.block_until(|state| state.count(path) >= requests);
    }

    fn block_until(&self, ready: impl Fn(&State) -> bool) {
        let waited =
            self.shared
                .changed
                .wait_timeout_while(self.lock(), Duration::from_secs(20), |state| !ready(state));
        let (state, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
        assert!(!timeout.timed_out(), "timed out: {:?} was sent", state.sent);
    }

    fn take(&self, transmit: &Transmit) -> (String, SendResult) {
        let path = transmit.request.uri().path().to_owned();
        let now = self.clock.now().wall;
        let response = self.update(|state| {
            if state.unreachable {
                return Err(TransportError::never_left("nobody listens"));
            }
            state.sent.push(path.clone());
            let now = now + state.ahead;
            let reply = state.service.handle(now, &transmit.request).reply;
            let (response, delay) = response_of(reply)?;
            if delay > transmit.timeout {
                return Err(TransportError::timed_out());
            }
            if response.body().len() > transmit.body_limit {
                return Err(TransportError::body_too_large());
            }
            Ok(response)
        });
        (path, response)
    }

    fn update<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.lock();
        let result = change(&mut state);
        let wakers = std::mem::take(&mut state.wakers);
        drop(state);
        self.shared.changed.notify_all();
        wakers.into_iter().for_each(Waker::wake);
        result
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        let state = self.shared.state.lock();
        state.unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn count(&self, path: &str) -> usize {
        self.sent.iter().filter(|sent| *sent == path).count()
    }

    fn holds(&self, path: &str) -> bool {
        self.held.iter().any(|held| held == path)
    }
}

impl pan123_async::context::Transport for ServiceTransport {
    fn send(&self, transmit: Transmit) -> pan123_async::context::BoxFuture<'_, SendResult> {
        let mut exchange = Exchange {
            transport: self.clone(),
            state: Waiting::ToSend(Box::new(transmit)),
        };
        Box::pin(async move { poll_fn(|context| exchange.poll(context)).await })
    }
}

impl pan123_blocking::context::Transport for ServiceTransport {
    fn send(&self, transmit: Transmit) -> SendResult {
        let (path, response) = self.take(&transmit);
        self.block_until(|state| !state.holds(&path));
        response
    }
}

impl fmt::Debug for ServiceTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ServiceTransport")
    }
}

/// A request that is sent on its first poll, as by any HTTP client.
struct Exchange {
    transport: ServiceTransport,
    state: Waiting,
}

enum Waiting {
    ToSend(Box<Transmit>),
    ForAnswer {
        path: String,
        response: Option<SendResult>,
        pauses: usize,
    },
}

impl Exchange {
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<SendResult> {
        loop {
            match &mut self.state {
                Waiting::ToSend(transmit) => {
                    let (path, response) = self.transport.take(transmit);
                    self.state = Waiting::ForAnswer {
                        path,
                        response: Some(response),
                        pauses: self.transport.lock().pauses,
                    };
                }
                Waiting::ForAnswer { pauses, .. } if *pauses > 0 => {
                    *pauses -= 1;
                    context.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Waiting::ForAnswer { path, response, .. } => {
                    let mut state = self.transport.lock();
                    if state.holds(path) {
                        state.wakers.push(context.waker().clone());
                        return Poll::Pending;
                    }
                    return response.take().map_or(Poll::Pending, Poll::Ready);
                }
            }
        }
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        if let Waiting::ForAnswer {
            path,
            response: Some(_),
            ..
        } = &mut self.state
        {
            let path = std::mem::take(path);
            self.transport.update(|state| state.dropped.push(path));
        }
    }
}

/// Returns the response of a reply and its delay, without a socket.
///
/// # Errors
///
/// The error of a transport, if the reply breaks.
pub fn response_of(reply: Reply) -> Result<(Response<Bytes>, Duration), TransportError> {
    let fate = reply
        .broken
        .as_ref()
        .map_or(WireOutcome::Responded, Break::wire_outcome);
    match fate {
        WireOutcome::Responded => Ok((reply.response, reply.delay.unwrap_or_default())),
        WireOutcome::Silence => Ok((Response::default(), Duration::MAX)),
        WireOutcome::Flood(_) => Err(TransportError::body_too_large()),
        _ => Err(TransportError::interrupted("cut off")),
    }
}

/// A blocking transport made of a function.
pub struct Scripted<F>(pub F);

impl<F> pan123_blocking::context::Transport for Scripted<F>
where
    F: Fn(Transmit) -> SendResult + Send + Sync + 'static,
{
    fn send(&self, transmit: Transmit) -> SendResult {
        (self.0)(transmit)
    }
}

impl<F> fmt::Debug for Scripted<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Scripted")
    }
}

/// Polls a future once.
pub async fn poll_once<F: Future>(future: Pin<&mut F>) -> Option<F::Output> {
    let mut future = Some(future);
    poll_fn(|context| {
        let polled = future.take().map(|future| future.poll(context));
        Poll::Ready(match polled {
            Some(Poll::Ready(output)) => Some(output),
            _ => None,
        })
    })
    .await
}
