//! One connection. hyper serves its requests; when an exchange is to break, the connection is taken back from hyper.

use std::convert::Infallible;
use std::future::{pending, poll_fn};
use std::io::{self, Cursor};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderValue, Method, Request, Response, StatusCode, Version, header};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use socket2::SockRef;
use tokio::io::{AsyncReadExt, AsyncWriteExt, join};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, watch};
use tokio::time::error::Elapsed;
use tokio::time::{sleep, timeout};

use super::admin;
use super::serve::Shared;
use crate::tcp::{Break, Chunks, End, head};

/// Far larger than any request of this service.
const MAX_BODY: usize = 1 << 20;

/// A connection and the bytes read from it but not yet parsed.
struct BufferedStream {
    stream: TcpStream,
    read: Bytes,
}

/// Serves a connection until it closes.
pub(super) async fn serve(
    stream: TcpStream,
    shared: Arc<Shared>,
    mut shutting_down: watch::Receiver<bool>,
) {
    let mut next = Some(BufferedStream {
        stream,
        read: Bytes::new(),
    });
    while let Some(stream) = next {
        next = match serve_until_break(stream, &shared, shutting_down.clone()).await {
            // A deliberately broken exchange does not delay the shutdown.
            Some((stream, broken)) => tokio::select! {
                stream = broken.perform(stream) => stream,
                _ = shutting_down.wait_for(|shutting_down| *shutting_down) => None,
            },
            None => None,
        };
    }
}

/// An exchange to break when its response is sent.
struct BrokenExchange {
    how: Break,
    response: Response<Bytes>,
    /// Whether the client closes the connection after this request.
    last: bool,
}

/// Serves requests until the connection closes, or returns it when an exchange is to break.
async fn serve_until_break(
    stream: BufferedStream,
    shared: &Arc<Shared>,
    mut shutting_down: watch::Receiver<bool>,
) -> Option<(BufferedStream, BrokenExchange)> {
    let (sender, mut receiver) = mpsc::unbounded_channel();
    let service = service_fn(|request| {
        let (shared, sender) = (Arc::clone(shared), sender.clone());
        Box::pin(async move {
            match respond(&shared, request).await {
                Ok(response) => Ok::<_, Infallible>(response.map(Full::new)),
                Err(broken) => {
                    // The receiver outlives this future.
                    let _ = sender.send(broken);
                    pending().await
                }
            }
        })
    });
    let (reading, writing) = stream.stream.into_split();
    let io = join(Cursor::new(stream.read).chain(reading), writing);
    let mut connection = http1::Builder::new()
        .timer(TokioTimer::new())
        // Also closes a connection on which no request begins.
        .header_read_timeout(shared.settings.idle_timeout)
        .serve_connection(TokioIo::new(io), service);
    let broken = {
        let mut end = pin!(shutting_down.wait_for(|shutting_down| *shutting_down));
        let mut is_shutting_down = false;
        poll_fn(|context| {
            if !is_shutting_down && end.as_mut().poll(context).is_ready() {
                is_shutting_down = true;
                Pin::new(&mut connection).graceful_shutdown();
            }
            let ended = connection.poll_without_shutdown(context);
            match receiver.poll_recv(context) {
                Poll::Ready(Some(broken)) => Poll::Ready(Some(broken)),
                _ => ended.map(|_| None),
            }
        })
        .await?
    };
    let parts = connection.into_parts();
    let (reading, writing) = parts.io.into_inner().into_inner();
    let (before, reading) = reading.into_inner();
    let looked_at = usize::try_from(before.position()).ok()?;
    let unread = before.into_inner().slice(looked_at..);
    let stream = BufferedStream {
        stream: reading.reunite(writing).ok()?,
        read: [parts.read_buf, unread].concat().into(),
    };
    Some((stream, broken))
}

async fn respond(
    shared: &Shared,
    request: Request<Incoming>,
) -> Result<Response<Bytes>, BrokenExchange> {
    let (parts, body) = request.into_parts();
    let body = match read_body(body, shared.settings.idle_timeout).await {
        Ok(body) => body,
        Err(error) => return Ok(refused(shared, &parts, &*error)),
    };
    let last = is_last(&parts);
    let request = Request::from_parts(parts, body);
    if admin::is_admin_path(request.uri().path()) {
        return Ok(admin::respond(shared, &request));
    }
    let mut reply = shared.server.respond(&request);
    shared
        .log
        .responded(|| shared.server.now(), &request, &reply);
    if let Some(delay) = reply.delay {
        sleep(delay).await;
    }
    let Some(how) = reply.broken else {
        return Ok(reply.response);
    };
    if request.method() == Method::HEAD {
        reply.response.body_mut().clear();
    }
    Err(BrokenExchange {
        how,
        response: reply.response,
        last,
    })
}

/// Reads a body, as long as some of it arrives within each idle timeout.
async fn read_body(
    body: Incoming,
    idle_timeout: Duration,
) -> Result<Bytes, Box<dyn std::error::Error + Send + Sync>> {
    let mut body = Limited::new(body, MAX_BODY);
    let mut read = Vec::new();
    while let Some(frame) = timeout(idle_timeout, body.frame()).await? {
        if let Ok(data) = frame?.into_data() {
            read.extend_from_slice(&data);
        }
    }
    Ok(read.into())
}

/// Builds the response to a request whose body cannot be read.
fn refused(
    shared: &Shared,
    request: &Parts,
    error: &(dyn std::error::Error + 'static),
) -> Response<Bytes> {
    let (status, why) = if error.is::<LengthLimitError>() {
        let why = format!("the body is longer than {MAX_BODY} bytes");
        (StatusCode::PAYLOAD_TOO_LARGE, why)
    } else if error.is::<Elapsed>() {
        let why = "the rest of the body did not arrive".to_owned();
        (StatusCode::REQUEST_TIMEOUT, why)
    } else {
        (StatusCode::BAD_REQUEST, "cannot read the body".to_owned())
    };
    shared.log.refused(|| shared.server.now(), request, status);
    let mut response = Response::new(Bytes::from(why));
    *response.status_mut() = status;
    // What follows on this connection may be the rest of the body.
    let close = HeaderValue::from_static("close");
    response.headers_mut().insert(header::CONNECTION, close);
    response
}

/// Returns whether the connection ends with the response.
fn is_last(request: &Parts) -> bool {
    let connection = request.headers.get_all(header::CONNECTION).into_iter();
    let words: Vec<&str> = connection
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .collect();
    let says = |word: &str| words.iter().any(|it| it.trim().eq_ignore_ascii_case(word));
    match request.version {
        Version::HTTP_10 => !says("keep-alive"),
        _ => says("close"),
    }
}

impl BrokenExchange {
    /// Sends the broken response. Returns the connection if it stays usable.
    async fn perform(self, mut stream: BufferedStream) -> Option<BufferedStream> {
        let (chunks, end) = self.how.chunks(&head(&self.response), self.response.body());
        send_chunks(&mut stream.stream, chunks).await.ok()?;
        match end {
            End::Stay if !self.last => return Some(stream),
            End::Silence => wait_until_closed(&stream.stream).await,
            End::Reset => {
                let socket = SockRef::from(&stream.stream);
                // If this fails the connection is closed in the usual way.
                let _ = socket.set_linger(Some(Duration::ZERO));
            }
            End::Stay | End::Close => {}
        }
        None
    }
}

async fn send_chunks(stream: &mut TcpStream, chunks: Chunks) -> io::Result<()> {
    for (bytes, pause) in chunks {
        stream.write_all(&bytes).await?;
        if !pause.is_zero() {
            tokio::select! {
                () = sleep(pause) => {}
                () = wait_until_gone(stream) => return Err(io::ErrorKind::ConnectionAborted.into()),
            }
        }
    }
    Ok(())
}

/// Waits until the client has closed the connection; forever if it has sent unread bytes.
async fn wait_until_gone(stream: &TcpStream) {
    if let Ok(1..) = stream.peek(&mut [0]).await {
        pending::<()>().await;
    }
}

/// Discards what the client sends until it closes the connection.
async fn wait_until_closed(stream: &TcpStream) {
    let mut buffer = [0; 4096];
    while stream.readable().await.is_ok() {
        match stream.try_read(&mut buffer) {
            Ok(0) => return,
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => return,
            _ => {}
        }
    }
}
