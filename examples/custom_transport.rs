//! The core over a transport made by hand: HTTP/1.1 on a plain `TcpStream`, and no crate of ours but the core. Tokens,
//! pacing, retries and polling come with it. The service is the mock.
#![allow(clippy::print_stdout, reason = "a program for a terminal")]

use std::error::Error;
use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
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
    println!("{}% {:?}", done.progress.percent, done.progress.status);
    Ok(())
}

/// Drives any machine of the core to its end.
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
                Ok(answer) => Input::Response(answer),
                Err(error) => Input::Failed(error),
            },
            Step::Wait(wait) => {
                wait.signal.wait_until(wait.until);
                Input::Wake
            }
            // One thread is all there is, so the token is fetched right here.
            Step::Detach(refresh) => {
                drive(refresh);
                Input::Wake
            }
            Step::Store(op) => Input::Stored(op.unsupported()),
        };
    }
}

/// Says how far a request got when it fails: only a refused connection is sure to have sent nothing.
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
        return Err(io::Error::other("this transport speaks no TLS"));
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
    stream.write_all(&written(&transmit.request))?;
    let mut answer = Vec::new();
    let mut piece = [0; 4096];
    // The request asked the server to close, so the end of the stream is the end of the answer.
    loop {
        let left = until.saturating_duration_since(Instant::now());
        stream.set_read_timeout(Some(left.max(Duration::from_millis(1))))?;
        let read = stream.read(&mut piece)?;
        if read == 0 {
            return parsed(&answer);
        }
        answer.extend_from_slice(&piece[..read]);
        if answer.len() > transmit.body_limit {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
    }
}

fn written(request: &http::Request<Bytes>) -> Vec<u8> {
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

/// Enough of HTTP for a server that announces its length. A real transport leaves this to an HTTP library.
fn parsed(answer: &[u8]) -> io::Result<http::Response<Bytes>> {
    let broken = || io::Error::from(io::ErrorKind::InvalidData);
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n");
    let end = end.ok_or_else(broken)?;
    let head = str::from_utf8(&answer[..end]).map_err(|_| broken())?;
    let mut lines = head.split("\r\n");
    let status = lines.next().and_then(|line| line.split(' ').nth(1));
    let mut response = http::Response::builder().status(status.ok_or_else(broken)?);
    for line in lines {
        let (name, value) = line.split_once(':').ok_or_else(broken)?;
        response = response.header(name, value.trim());
    }
    let body = Bytes::copy_from_slice(&answer[end + 4..]);
    let announced = response
        .headers_ref()
        .and_then(|headers| headers.get(http::header::CONTENT_LENGTH))
        .and_then(|length| length.to_str().ok()?.parse().ok());
    if announced != Some(body.len()) {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    response.body(body).map_err(|_| broken())
}
