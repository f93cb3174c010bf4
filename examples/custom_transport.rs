//! Drives the core without either client, over HTTP/1.1 written by hand on a `TcpStream`. Tokens, rate limits, retries and polling
//! are all in the core. The service is the mock.

use std::error::Error;
use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use pan123_examples::println;
use pan123_mock::{CLIENT_ID, CLIENT_SECRET, MockPan123};
use pan123_proto::offline::{Download, WatchPolicy};
use pan123_proto::{Input, Machine, Now, Session, Step, Transmit, TransportError};

fn main() -> Result<(), Box<dyn Error>> {
    let mock = MockPan123::start_blocking();
    let session = Session::builder()
        .credentials(CLIENT_ID, CLIENT_SECRET)
        .base_url(mock.base_url())
        .build()?;

    let download = Download::new("https://example.com/video.mp4")?;
    let created = drive(session.call(&download)?)?;
    println!("task {}", created.task);

    let done = drive(session.watch(created.task, WatchPolicy::default()).to_end())?;
    println!("{}", done.progress);
    Ok(())
}

/// Drives a machine of the core to its end.
fn drive<M: Machine>(mut machine: M) -> M::Output {
    let mut input = Input::Wake;
    loop {
        let now = Now {
            mono: Instant::now(),
            wall: SystemTime::now(),
        };
        input = match machine.resume(now, input) {
            Step::Ready(output) => return output,
            Step::Transmit(transmit) => match send(&transmit) {
                Ok(response) => Input::Response(response),
                Err(error) => Input::Failed(error),
            },
            Step::Wait(wait) => {
                wait.signal.wait_until(wait.until);
                Input::Wake
            }
            // This program has one thread, so detached work, such as fetching a token, runs in place.
            Step::Detach(detached) => {
                drive(detached);
                Input::Wake
            }
            Step::Store(op) => Input::Stored(op.unsupported()),
            Step::Pace(op) => Input::Paced(op.unsupported()),
        };
    }
}

/// Sends a request. An error says how far the request got: only a failure to connect proves that nothing was sent.
fn send(transmit: &Transmit) -> Result<http::Response<Bytes>, TransportError> {
    let until = Instant::now() + transmit.timeout;
    let stream = connect(transmit).map_err(TransportError::never_left)?;
    exchange(stream, transmit, until).map_err(|error| match error.kind() {
        io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => TransportError::timed_out(),
        io::ErrorKind::FileTooLarge => TransportError::body_too_large(),
        _ => TransportError::interrupted(error),
    })
}

fn connect(transmit: &Transmit) -> io::Result<TcpStream> {
    let uri = transmit.request.uri();
    if uri.scheme_str() != Some("http") {
        return Err(io::Error::other("this transport does not support TLS"));
    }
    let port = uri.port_u16().unwrap_or(80);
    let host = uri.host().unwrap_or_default();
    let mut addresses = (host, port).to_socket_addrs()?;
    let address = addresses.next().ok_or(io::ErrorKind::NotFound)?;
    TcpStream::connect_timeout(&address, transmit.timeout)
}

fn exchange(
    mut stream: TcpStream,
    transmit: &Transmit,
    until: Instant,
) -> io::Result<http::Response<Bytes>> {
    stream.set_write_timeout(Some(transmit.timeout))?;
    stream.write_all(&encode(&transmit.request))?;
    let mut response = Vec::new();
    let mut chunk = [0; 4096];
    // The request has `connection: close`, so the response ends with the stream.
    loop {
        let left = until.saturating_duration_since(Instant::now());
        stream.set_read_timeout(Some(left.max(Duration::from_millis(1))))?;
        let read = stream.read(&mut chunk)?;
        if read == 0 {
            return parse(&response);
        }
        response.extend_from_slice(&chunk[..read]);
        if response.len() > transmit.body_limit {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
    }
}

fn encode(request: &http::Request<Bytes>) -> Vec<u8> {
    let uri = request.uri();
    let target = uri.path_and_query().map_or("/", |target| target.as_str());
    let host = uri.authority().map_or("", |authority| authority.as_str());
    let length = request.body().len();
    let mut text = format!(
        "{} {target} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\ncontent-length: {length}\r\n",
        request.method()
    )
    .into_bytes();
    for (name, value) in request.headers() {
        text.extend_from_slice(name.as_str().as_bytes());
        text.extend_from_slice(b": ");
        text.extend_from_slice(value.as_bytes());
        text.extend_from_slice(b"\r\n");
    }
    text.extend_from_slice(b"\r\n");
    text.extend_from_slice(request.body());
    text
}

/// Parses a response with a `content-length`. A real transport leaves this to an HTTP library.
fn parse(bytes: &[u8]) -> io::Result<http::Response<Bytes>> {
    let malformed = || io::Error::from(io::ErrorKind::InvalidData);
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n");
    let end = end.ok_or_else(malformed)?;
    let head = str::from_utf8(&bytes[..end]).map_err(|_| malformed())?;
    let mut lines = head.split("\r\n");
    let status = lines.next().and_then(|line| line.split(' ').nth(1));
    let mut response = http::Response::builder().status(status.ok_or_else(malformed)?);
    for line in lines {
        let (name, value) = line.split_once(':').ok_or_else(malformed)?;
        response = response.header(name, value.trim());
    }
    let body = Bytes::copy_from_slice(&bytes[end + 4..]);
    let content_length = response
        .headers_ref()
        .and_then(|headers| headers.get(http::header::CONTENT_LENGTH))
        .and_then(|length| length.to_str().ok()?.parse().ok());
    if content_length != Some(body.len()) {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    response.body(body).map_err(|_| malformed())
}
