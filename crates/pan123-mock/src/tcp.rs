//! A TCP server for what an HTTP server cannot do wrong.

mod breaks;
mod connection;
mod wire;

use std::collections::HashMap;
use std::fmt;
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

pub use breaks::{Break, End, Flood, Point, WireOutcome};
pub use connection::Connection;
pub use wire::BrokenWire;

#[cfg(feature = "program")]
pub(crate) use breaks::Chunks;
#[cfg(feature = "program")]
pub(crate) use wire::head;

/// A server on a loopback port that does with each connection what it is told, on a thread of its own.
///
/// ```
/// use pan123_mock::TcpServer;
///
/// // A request is read, and the connection reset instead of an answer.
/// let server = TcpServer::start(|mut connection| {
///     if connection.read_request().is_some() {
///         connection.reset();
///     }
/// });
/// assert!(server.url("http").starts_with("http://127.0.0.1:"));
/// assert_eq!(server.requests(), 0);
/// ```
///
/// Dropped, it closes all connections and waits for their threads, so what it runs must end when its connection does.
pub struct TcpServer {
    address: SocketAddr,
    shared: Arc<Shared>,
    accept_thread: Option<JoinHandle<()>>,
}

impl TcpServer {
    /// Starts a server that runs this for each connection.
    ///
    /// # Panics
    ///
    /// If the machine has no port to give.
    pub fn start(serve: impl Fn(Connection) + Send + Sync + 'static) -> TcpServer {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free loopback port");
        let address = listener.local_addr().expect("its address");
        let shared = Arc::<Shared>::default();
        let theirs = Arc::clone(&shared);
        let accept_thread = thread::spawn(move || accept(&listener, &theirs, &Arc::new(serve)));
        TcpServer {
            address,
            shared,
            accept_thread: Some(accept_thread),
        }
    }

    /// Starts a server that answers one request on each connection with these bytes, and then closes it.
    ///
    /// # Panics
    ///
    /// If the machine has no port to give.
    pub fn responding(response: impl Into<Vec<u8>>) -> TcpServer {
        let response = response.into();
        TcpServer::start(move |mut connection| {
            if connection.read_request().is_some() {
                connection.send(&response);
            }
        })
    }

    /// Where it listens, with this scheme and without a slash at the end.
    pub fn url(&self, scheme: &str) -> String {
        format!("{scheme}://{}", self.address)
    }

    /// How many connections it has accepted.
    pub fn accepted(&self) -> usize {
        self.shared.lock().accepted
    }

    /// How many requests it has read.
    pub fn requests(&self) -> usize {
        self.shared.lock().requests.values().sum()
    }

    /// How many requests to this path it has read.
    pub fn requests_to(&self, path: &str) -> usize {
        let state = self.shared.lock();
        state.requests.get(path).copied().unwrap_or_default()
    }

    /// Blocks until so many connections were served to their end.
    pub fn wait_until_ended(&self, connections: usize) {
        let ended = |state: &mut State| state.ended < connections;
        let waited = self.shared.changed.wait_while(self.shared.lock(), ended);
        drop(waited);
    }
}

impl Drop for TcpServer {
    fn drop(&mut self) {
        self.shared.lock().stopped = true;
        self.shared.changed.notify_all();
        // Wakes it, for it waits for one more.
        drop(TcpStream::connect(self.address));
        if let Some(accept_thread) = self.accept_thread.take() {
            drop(accept_thread.join());
        }
        let mut state = self.shared.lock();
        let threads = std::mem::take(&mut state.threads);
        for stream in state.open.values() {
            drop(stream.shutdown(Shutdown::Both));
        }
        drop(state);
        for thread in threads {
            drop(thread.join());
        }
    }
}

impl fmt::Debug for TcpServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TcpServer({})", self.address)
    }
}

fn accept<F>(listener: &TcpListener, shared: &Arc<Shared>, serve: &Arc<F>)
where
    F: Fn(Connection) + Send + Sync + 'static,
{
    for stream in listener.incoming().map_while(Result::ok) {
        let mut state = shared.lock();
        if state.stopped {
            return;
        }
        let number = state.accepted;
        let stream = Arc::new(stream);
        state.accepted += 1;
        state.open.insert(number, Arc::clone(&stream));
        let connection = Connection::new(stream, Arc::clone(shared), number);
        let serve = Arc::clone(serve);
        state.threads.retain(|thread| !thread.is_finished());
        state.threads.push(thread::spawn(move || serve(connection)));
    }
}

/// Kind a server and its connections share.
#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    stopped: bool,
    accepted: usize,
    ended: usize,
    /// By path.
    requests: HashMap<String, usize>,
    open: HashMap<usize, Arc<TcpStream>>,
    threads: Vec<JoinHandle<()>>,
}

impl Shared {
    /// A test that panics must not fail every thread after it.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count(&self, path: &str) {
        *self.lock().requests.entry(path.to_owned()).or_default() += 1;
    }

    /// So long, unless the server ends before. Says whether it still runs.
    fn pause(&self, time: Duration) -> bool {
        let end = Instant::now() + time;
        let mut state = self.lock();
        while !state.stopped {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return true;
            }
            let waited = self.changed.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        false
    }

    fn forget(&self, number: usize) {
        let stream = self.lock().open.remove(&number);
        drop(stream);
    }

    fn ended(&self) {
        self.lock().ended += 1;
        self.changed.notify_all();
    }
}
