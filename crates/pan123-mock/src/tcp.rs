//! A TCP server for faults that an HTTP server cannot produce.

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

/// A server on a loopback port that runs a function for each connection, on a thread of its own.
///
/// ```
/// use pan123_mock::TcpServer;
///
/// // Reads a request and resets the connection instead of responding.
/// let server = TcpServer::start(|mut connection| {
///     if connection.read_request().is_some() {
///         connection.reset();
///     }
/// });
/// assert!(server.url("http").starts_with("http://127.0.0.1:"));
/// assert_eq!(server.requests(), 0);
/// ```
///
/// When dropped it closes all connections and waits for their threads, so the function must return once its connection is closed.
pub struct TcpServer {
    address: SocketAddr,
    shared: Arc<Shared>,
    accept_thread: Option<JoinHandle<()>>,
}

impl TcpServer {
    /// Starts a server that runs `serve` for each connection.
    ///
    /// # Panics
    ///
    /// If no port is free.
    pub fn start(serve: impl Fn(Connection) + Send + Sync + 'static) -> TcpServer {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free loopback port");
        let address = listener.local_addr().expect("its address");
        let shared = Arc::<Shared>::default();
        let state = Arc::clone(&shared);
        let accept_thread = thread::spawn(move || accept(&listener, &state, &Arc::new(serve)));
        TcpServer {
            address,
            shared,
            accept_thread: Some(accept_thread),
        }
    }

    /// Starts a server that responds to one request per connection with these bytes and then closes it.
    ///
    /// # Panics
    ///
    /// If no port is free.
    pub fn responding(response: impl Into<Vec<u8>>) -> TcpServer {
        let response = response.into();
        TcpServer::start(move |mut connection| {
            if connection.read_request().is_some() {
                connection.send(&response);
            }
        })
    }

    /// Returns its URL with this scheme, without a trailing slash.
    pub fn url(&self, scheme: &str) -> String {
        format!("{scheme}://{}", self.address)
    }

    /// Returns how many connections it has accepted.
    pub fn accepted(&self) -> usize {
        self.shared.lock().accepted
    }

    /// Returns how many requests it has read.
    pub fn requests(&self) -> usize {
        self.shared.lock().requests.values().sum()
    }

    /// Returns how many requests to this path it has read.
    pub fn requests_to(&self, path: &str) -> usize {
        let state = self.shared.lock();
        state.requests.get(path).copied().unwrap_or_default()
    }

    /// Blocks until this many connections have ended.
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
        // Wakes the accept thread.
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

/// The state shared by a server and its connections.
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
    /// A panicking test must not poison the lock for other threads.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count(&self, path: &str) {
        *self.lock().requests.entry(path.to_owned()).or_default() += 1;
    }

    /// Waits this long. Returns false if the server stops meanwhile.
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
