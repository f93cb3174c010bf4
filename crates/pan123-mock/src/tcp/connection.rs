//! One connection of a server, and what can be done with it.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http::header::CONTENT_LENGTH;
use socket2::SockRef;

use super::breaks::Chunk;
use super::{Flood, Point, Shared};

/// A connection that a [`TcpServer`](super::TcpServer) has accepted. It is closed when it is dropped.
///
/// Raw bytes go through [`Read`] and [`Write`].
pub struct Connection {
    /// None after the end.
    stream: Option<Arc<TcpStream>>,
    shared: Arc<Shared>,
    number: usize,
}

/// The longest head of a request that is looked at before it is read.
const MAX_HEAD: usize = 8192;
/// The most headers of a request.
const MAX_HEADERS: usize = 64;

impl Connection {
    pub(super) fn new(stream: Arc<TcpStream>, shared: Arc<Shared>, number: usize) -> Connection {
        Connection {
            stream: Some(stream),
            shared,
            number,
        }
    }

    /// Which connection of its server this is, counted from 0.
    pub fn number(&self) -> usize {
        self.number
    }

    /// Reads one request with a body of the announced length, and counts it; none if the client has closed or speaks no HTTP.
    pub fn read_request(&mut self) -> Option<Request<Bytes>> {
        let head = self.read_head()?;
        let mut body = vec![0; body_length(&head)?];
        self.read_exact(&mut body).ok()?;
        self.shared.count(head.uri().path());
        Some(head.map(|()| body.into()))
    }

    /// Reads one request as far as this, and counts it.
    pub(super) fn read_part(&mut self, path: &str, point: Point) -> Option<()> {
        self.shared.count(path);
        let head = self.peek(|seen| {
            let end = seen.windows(4).position(|four| four == b"\r\n\r\n")?;
            Some(seen[..end + 4].to_vec())
        })?;
        let whole = head.len() + body_length(&parse(&head)?)?;
        let mut part = vec![0; point.length(head.len(), whole)];
        self.read_exact(&mut part).ok()
    }

    /// One byte at a time, for what follows is not to be read yet.
    fn read_head(&mut self) -> Option<Request<()>> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            self.read_exact(&mut byte).ok()?;
            head.push(byte[0]);
        }
        parse(&head)
    }

    /// Sends as long as anybody takes it. False when nobody does any more.
    pub fn send(&mut self, bytes: &[u8]) -> bool {
        self.write_all(bytes).is_ok() && self.flush().is_ok()
    }

    /// Sends byte by byte, with this pause after each. False when nobody takes them any more, or the server ends.
    pub fn drip(&mut self, bytes: &[u8], pause: Duration) -> bool {
        let bytes = bytes
            .iter()
            .map(|byte| (Bytes::copy_from_slice(&[*byte]), pause));
        self.send_chunks(bytes)
    }

    /// Sends an answer with this body. False when nobody takes it any more, or the server ends.
    pub fn flood(&mut self, flood: Flood) -> bool {
        self.send_chunks(flood.chunks())
    }

    /// Sends all of this, with its pauses. False when nobody takes it any more, or the server ends.
    pub(super) fn send_chunks(&mut self, mut chunks: impl Iterator<Item = Chunk>) -> bool {
        chunks.all(|(bytes, pause)| self.send(&bytes) && (pause.is_zero() || self.pause(pause)))
    }

    /// Says nothing for so long. False if the server ends meanwhile.
    pub fn pause(&self, time: Duration) -> bool {
        self.shared.pause(time)
    }

    /// Blocks until the client has closed, and reads over what comes until then.
    pub fn wait_until_closed(&mut self) {
        let mut buffer = [0; 4096];
        while self.read(&mut buffer).is_ok_and(|read| read > 0) {}
    }

    /// Ends the connection with a reset (RST) instead of an orderly end (FIN).
    pub fn reset(self) {
        if let Some(stream) = &self.stream {
            drop(SockRef::from(&**stream).set_linger(Some(Duration::ZERO)));
        }
    }

    /// The path of the next request, of which nothing is taken: it can still be read, or not be read.
    pub(super) fn next_path(&self) -> Option<String> {
        self.peek(|seen| {
            let mut words = seen.split(|byte| *byte == b' ');
            let (_, target, _) = (words.next()?, words.next()?, words.next()?);
            let path = target.split(|byte| *byte == b'?').next()?;
            Some(String::from_utf8_lossy(path).into_owned())
        })
    }

    /// Waits until this is found in what has come, of which nothing is taken; none if the client has closed or never sends it.
    fn peek<T>(&self, find: impl Fn(&[u8]) -> Option<T>) -> Option<T> {
        let mut buffer = [0; MAX_HEAD];
        loop {
            let seen = self.stream().ok()?.peek(&mut buffer).ok()?;
            let found = find(&buffer[..seen]);
            if found.is_some() || seen == 0 || seen == MAX_HEAD {
                return found;
            }
            // The rest is on its way.
            thread::yield_now();
        }
    }

    fn stream(&self) -> io::Result<&TcpStream> {
        let ended = || io::ErrorKind::NotConnected.into();
        self.stream.as_deref().ok_or_else(ended)
    }
}

impl Read for Connection {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stream()?.read(buffer)
    }
}

impl Write for Connection {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream()?.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream()?.flush()
    }
}

/// The socket is closed by whoever lets go of it last, so the server lets go first.
impl Drop for Connection {
    fn drop(&mut self) {
        let stream = self.stream.take();
        self.shared.forget(self.number);
        drop(stream);
        self.shared.ended();
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Connection({})", self.number)
    }
}

fn parse(head: &[u8]) -> Option<Request<()>> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut parsed = httparse::Request::new(&mut headers);
    parsed.parse(head).ok()?;
    let builder = Request::builder().method(parsed.method?).uri(parsed.path?);
    let headers = parsed.headers.iter();
    let builder = headers.fold(builder, |builder, header| {
        builder.header(header.name, header.value)
    });
    builder.body(()).ok()
}

fn body_length(head: &Request<()>) -> Option<usize> {
    let Some(length) = head.headers().get(CONTENT_LENGTH) else {
        return Some(0);
    };
    length.to_str().ok()?.trim().parse().ok()
}
