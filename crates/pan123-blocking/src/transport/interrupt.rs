//! Ends a blocked read or write when its call is stopped: the waker of the call's signal shuts the socket down.

use std::cell::RefCell;
use std::mem;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Wake, Waker};

use pan123_proto::Signal;
use ureq::unversioned::transport::{Buffers, NextTimeout, ShutdownHandle, Transport};

thread_local! {
    /// Of the request that this thread sends: ureq runs on the thread of its caller.
    static CURRENT: RefCell<Option<Arc<Interrupt>>> = const { RefCell::new(None) };
}

/// Interrupts one request.
#[derive(Default)]
struct Interrupt(Mutex<State>);

#[derive(Default)]
struct State {
    fired: bool,
    /// The connection that the request uses.
    socket: Option<Weak<dyn ShutdownHandle>>,
}

impl Interrupt {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn shut_down_if_fired(&mut self) {
        if self.fired
            && let Some(socket) = self.socket.take().and_then(|socket| socket.upgrade())
        {
            socket.shutdown();
        }
    }
}

impl Wake for Interrupt {
    fn wake(self: Arc<Self>) {
        let mut state = self.lock();
        state.fired = true;
        // Still under the lock: once it is released, the connection may serve another request.
        state.shut_down_if_fired();
    }
}

/// Makes the request of this thread interruptible until it is dropped.
pub(super) struct Interruptible {
    interrupt: Arc<Interrupt>,
    _signal: Option<Signal>,
}

impl Interruptible {
    /// Interrupts the request when the signal fires.
    pub(super) fn until(mut signal: Option<Signal>) -> Interruptible {
        let interrupt = Arc::<Interrupt>::default();
        let waker = Waker::from(Arc::clone(&interrupt));
        if let Some(signal) = &mut signal {
            let polled = Pin::new(signal).poll(&mut Context::from_waker(&waker));
            interrupt.lock().fired |= polled.is_ready();
        }
        CURRENT.set(Some(Arc::clone(&interrupt)));
        Interruptible {
            interrupt,
            _signal: signal,
        }
    }

    pub(super) fn has_fired(&self) -> bool {
        self.interrupt.lock().fired
    }
}

impl Drop for Interruptible {
    fn drop(&mut self) {
        use_socket(None);
        CURRENT.set(None);
    }
}

/// The request of this thread uses this socket from now on.
pub(super) fn use_socket(socket: Option<&Weak<dyn ShutdownHandle>>) {
    CURRENT.with_borrow(|current| {
        if let Some(interrupt) = current {
            let mut state = interrupt.lock();
            state.socket = socket.cloned();
            state.shut_down_if_fired();
        }
    });
}

/// A connection of ureq's with its socket.
#[derive(Debug)]
pub(super) struct Connection<T> {
    transport: T,
    socket: Option<Weak<dyn ShutdownHandle>>,
    /// Whether a request was sent since the connection was checked.
    is_used: bool,
}

impl<T> Connection<T> {
    pub(super) fn new(transport: T, socket: Option<Weak<dyn ShutdownHandle>>) -> Connection<T> {
        Connection {
            transport,
            socket,
            is_used: false,
        }
    }
}

impl<T: Transport> Transport for Connection<T> {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self.transport.buffers()
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), ureq::Error> {
        use_socket(self.socket.as_ref());
        self.is_used = true;
        self.transport.transmit_output(amount, timeout)
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, ureq::Error> {
        self.transport.await_input(timeout)
    }

    /// ureq asks this before it keeps a connection, and before it uses one that it kept. Only the latter is worth the system calls
    /// of a check: it also finds what the former would have found.
    fn is_open(&mut self) -> bool {
        use_socket(None);
        mem::take(&mut self.is_used) || self.transport.is_open()
    }

    fn is_tls(&self) -> bool {
        self.transport.is_tls()
    }
}
