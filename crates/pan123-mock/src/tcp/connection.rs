//! A connection of a server.

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

/// A connection accepted by a [`TcpServer`](super::TcpServer). It is closed when it is dropped.
///
/// Raw bytes can be read and written with [`Read`] and [`Write`].
pub struct Connection {
    /// `None` only while it is being dropped.
    stream: Option<Arc<TcpStream>>,
    shared: Arc<Shared>,
    number: usize,
}

/// The longest head that can be peeked at.
const MAX_HEAD: usize = 8192;
/// The largest number of headers in a request.
const MAX_HEADERS: usize = 64;

impl Connection {
    pub(super) fn new(stream: Arc<TcpStream>, shared: Arc<Shared>, number: usize) -> Connection {
        Connection {
            stream: Some(stream),
            shared,
            number,
        }
    }

    /// Returns the number of this connection on its server, counted from 0.
    pub fn number(&self) -> usize {
        self.number
    }

    /// Reads and counts a request. Returns `None` if the client has closed the connection or does not send HTTP.
    pub fn read_request(&mut self) -> Option<Request<Bytes>> {
        let head = self.read_head()?;
        let mut body = vec![0; body_length(&head)?];
        self.read_exact(&mut body).ok()?;
        self.shared.count(head.uri().path());
        Some(head.map(|()| body.into()))
    }

    /// Reads a request up to this point and counts it.
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

    /// Reads one byte at a time, so that no bytes after the head are consumed.
    fn read_head(&mut self) -> Option<Request<()>> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            self.read_exact(&mut byte).ok()?;
            head.push(byte[0]);
        }
        parse(&head)
    }

    /// Sends these bytes. Returns false if the client has closed the connection.
    pub fn send(&mut self, bytes: &[u8]) -> bool {
        self.write_all(bytes).is_ok() && self.flush().is_ok()
    }

    /// Sends byte by byte, with this pause after each. Returns false if the client closes the connection or the server stops.
    pub fn drip(&mut self, bytes: &[u8], pause: Duration) -> bool {
        let bytes = bytes
            .iter()
            .map(|byte| (Bytes::copy_from_slice(&[*byte]), pause));
        self.send_chunks(bytes)
    }

    /// Sends a response with this body. Returns false if the client closes the connection or the server stops.
    pub fn flood(&mut self, flood: Flood) -> bool {
        self.send_chunks(flood.chunks())
    }

    /// Sends all chunks with their pauses. Returns false if the client closes the connection or the server stops.
    pub(super) fn send_chunks(&mut self, mut chunks: impl Iterator<Item = Chunk>) -> bool {
        chunks.all(|(bytes, pause)| self.send(&bytes) && (pause.is_zero() || self.pause(pause)))
    }

    /// Waits this long. Returns false if the server stops meanwhile.
    pub fn pause(&self, time: Duration) -> bool {
        self.shared.pause(time)
    }

    /// Blocks until the client has closed the connection, and discards what it sends.
    pub fn wait_until_closed(&mut self) {
        let mut buffer = [0; 4096];
        while self.read(&mut buffer).is_ok_and(|read| read > 0) {}
    }

    /// Closes the connection with a reset (RST) instead of a FIN.
    pub fn reset(self) {
        if let Some(stream) = &self.stream {
            drop(SockRef::from(&**stream).set_linger(Some(Duration::ZERO)));
        }
    }

    /// Returns the path of the next request without consuming any of it.
    pub(super) fn next_path(&self) -> Option<String> {
        self.peek(|seen| {
            let mut words = seen.split(|byte| *byte == b' ');
            let (_, target, _) = (words.next()?, words.next()?, words.next()?);
            let path = target.split(|byte| *byte == b'?').next()?;
            Some(String::from_utf8_lossy(path).into_owned())
        })
    }

    /// Peeks until `find` returns a value. Returns `None` if the client closes the connection or the buffer is full.
    fn peek<T>(&self, find: impl Fn(&[u8]) -> Option<T>) -> Option<T> {
        let mut buffer = [0; MAX_HEAD];
        loop {
            let seen = self.stream().ok()?.peek(&mut buffer).ok()?;
            let found = find(&buffer[..seen]);
            if found.is_some() || seen == 0 || seen == MAX_HEAD {
                return found;
            }
            // The rest is in flight.
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

/// The last reference closes the socket, so the server drops its own first.
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
