//! A server on loopback that does what it is told with each connection, right or wrong.

use std::fmt;
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;

/// The server. It accepts until it is dropped.
pub struct Server {
    address: SocketAddr,
    seen: Arc<Connections>,
}

/// What a server has seen, and what its connections are told by.
#[derive(Default)]
pub struct Connections {
    accepted: AtomicUsize,
    requests: AtomicUsize,
    sent: AtomicUsize,
    over: AtomicBool,
    ended: Mutex<usize>,
    changed: Condvar,
    /// Kept open to the end: connections that say nothing.
    silent: Mutex<Vec<TcpStream>>,
}

impl Server {
    /// Starts a server that runs this on a thread of its own for each connection.
    ///
    /// # Panics
    ///
    /// If the machine has no port to give.
    pub fn start(serve: impl Fn(TcpStream, &Connections) + Send + Sync + 'static) -> Server {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free loopback port");
        let address = listener.local_addr().expect("its address");
        let seen = Arc::<Connections>::default();
        let (theirs, serve) = (Arc::clone(&seen), Arc::new(serve));
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if theirs.over.load(Ordering::Acquire) {
                    return;
                }
                theirs.accepted.fetch_add(1, Ordering::AcqRel);
                let (seen, serve) = (Arc::clone(&theirs), Arc::clone(&serve));
                thread::spawn(move || {
                    serve(stream, &seen);
                    *seen.ended.lock().unwrap_or_else(PoisonError::into_inner) += 1;
                    seen.changed.notify_all();
                });
            }
        });
        Server { address, seen }
    }

    /// Starts a server that answers each request on each connection with these bytes, and then closes it.
    pub fn answering(answer: impl Into<Vec<u8>>) -> Server {
        let answer = answer.into();
        Server::start(move |mut stream, seen| {
            if seen.read_request(&mut stream).is_some() {
                seen.write(&mut stream, &answer);
            }
        })
    }

    /// Where it listens, with this scheme.
    pub fn url(&self, scheme: &str) -> String {
        format!("{scheme}://{}", self.address)
    }

    /// Blocks until so many connections were served to their end.
    pub fn until_ended(&self, connections: usize) {
        let mut ended = self.seen.ended.lock();
        while *ended.as_deref().unwrap_or(&connections) < connections {
            ended = ended.and_then(|ended| self.seen.changed.wait(ended));
        }
    }

    /// How many connections it has accepted.
    pub fn accepted(&self) -> usize {
        self.seen.accepted.load(Ordering::Acquire)
    }

    /// How many requests it has read, each to its end.
    pub fn requests(&self) -> usize {
        self.seen.requests.load(Ordering::Acquire)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.seen.over.store(true, Ordering::Release);
        let silent = &self.seen.silent;
        silent
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
        // Wakes it, for it waits for one more.
        drop(TcpStream::connect(self.address));
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Server({})", self.address)
    }
}

impl Connections {
    /// Reads one request with its body; none if the client has closed.
    pub fn read_request(&self, stream: &mut impl Read) -> Option<Vec<u8>> {
        let mut request = Vec::new();
        let mut buffer = [0; 4096];
        while !is_whole(&request) {
            match stream.read(&mut buffer) {
                Ok(0) | Err(_) => return None,
                Ok(read) => request.extend_from_slice(&buffer[..read]),
            }
        }
        self.requests.fetch_add(1, Ordering::AcqRel);
        Some(request)
    }

    /// Writes as long as anybody takes it, and counts. False when nobody does any more.
    pub fn write(&self, stream: &mut impl Write, mut bytes: &[u8]) -> bool {
        while !bytes.is_empty() {
            match stream.write(bytes) {
                Ok(0) => return false,
                Ok(written) => {
                    self.sent.fetch_add(written, Ordering::AcqRel);
                    bytes = &bytes[written..];
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return false,
            }
        }
        stream.flush().is_ok()
    }

    /// How many bytes of answers the system took so far, over all connections.
    pub fn sent(&self) -> usize {
        self.sent.load(Ordering::Acquire)
    }

    /// Blocks until the client has closed.
    pub fn until_closed(&self, stream: &mut impl Read) {
        let mut buffer = [0; 4096];
        while stream.read(&mut buffer).is_ok_and(|read| read > 0) {}
    }

    /// Keeps a connection open, and says nothing on it, until the server is dropped.
    pub fn keep_silent(&self, stream: TcpStream) {
        let silent = self.silent.lock();
        silent.unwrap_or_else(PoisonError::into_inner).push(stream);
    }
}

impl fmt::Debug for Connections {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Connections")
    }
}

fn is_whole(request: &[u8]) -> bool {
    let Some(end) = request.windows(4).position(|four| four == b"\r\n\r\n") else {
        return false;
    };
    let head = String::from_utf8_lossy(&request[..end]).to_lowercase();
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length:"));
    let length: usize = length.map_or(0, |length| length.trim().parse().unwrap_or(0));
    request.len() >= end + 4 + length
}

/// An answer of the service with this body, which keeps its connection open.
pub fn ok(body: &str) -> Vec<u8> {
    format!(
        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}
