//! One connection: its requests are answered by hyper, and where an exchange is to break, it is taken away from hyper and broken.

use std::convert::Infallible;
use std::future::{pending, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode, Version, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::{mpsc, watch};
use tokio::task::spawn_blocking;
use tokio::time::sleep;

use super::admin;
use super::server::Shared;
use crate::tcp::{Break, Connection, End, head};

/// No body of this service is nearly as long.
const MOST_BODY: usize = 16 << 20;

/// Serves a connection to its end.
pub(super) async fn serve(stream: TcpStream, shared: Arc<Shared>, ending: watch::Receiver<bool>) {
    let mut next = Some(stream);
    while let Some(stream) = next {
        next = match until_broken(stream, &shared, ending.clone()).await {
            Some((stream, exchange)) => exchange.happen(stream).await,
            None => None,
        };
    }
}

/// An exchange that breaks when its answer is sent.
struct Broken {
    how: Break,
    answer: Response<Bytes>,
    /// Whether the client has no more to ask.
    last: bool,
}

/// Answers requests until the connection ends; or gives it back when an exchange is to break.
async fn until_broken(
    stream: TcpStream,
    shared: &Arc<Shared>,
    mut ending: watch::Receiver<bool>,
) -> Option<(TcpStream, Broken)> {
    let (tell, mut told) = mpsc::unbounded_channel();
    let service = service_fn(|request| {
        let (shared, tell) = (Arc::clone(shared), tell.clone());
        Box::pin(async move {
            match answer(&shared, request).await {
                Ok(answer) => Ok::<_, Infallible>(answer.map(Full::new)),
                Err(broken) => {
                    // It is waited for.
                    let _ = tell.send(broken);
                    pending().await
                }
            }
        })
    });
    let mut connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    let broken = {
        let mut end = pin!(ending.wait_for(|ending| *ending));
        let mut is_ending = false;
        poll_fn(|context| {
            if !is_ending && end.as_mut().poll(context).is_ready() {
                is_ending = true;
                Pin::new(&mut connection).graceful_shutdown();
            }
            let ended = connection.poll_without_shutdown(context);
            match told.poll_recv(context) {
                Poll::Ready(Some(broken)) => Poll::Ready(Some(broken)),
                _ => ended.map(|_| None),
            }
        })
        .await?
    };
    Some((connection.into_parts().io.into_inner(), broken))
}

async fn answer(shared: &Shared, request: Request<Incoming>) -> Result<Response<Bytes>, Broken> {
    let (mut parts, body) = request.into_parts();
    let Ok(body) = Limited::new(body, MOST_BODY).collect().await else {
        let mut refused = Response::new(Bytes::from_static(b"the body is cut off, or too long"));
        *refused.status_mut() = StatusCode::PAYLOAD_TOO_LARGE;
        return Ok(refused);
    };
    let last = is_last(&parts);
    parts.headers = copied(&parts.headers);
    let body = Bytes::copy_from_slice(&body.to_bytes());
    let request = Request::from_parts(parts, body);
    if admin::is_meant(request.uri().path()) {
        return Ok(admin::answer(shared, &request));
    }
    let reply = shared.face.answer(&request);
    shared.log.answered(shared.face.now(), &request, &reply);
    if let Some(delay) = reply.delay {
        sleep(delay).await;
    }
    match reply.broken {
        None => Ok(reply.response),
        Some(how) => Err(Broken {
            how,
            answer: reply.response,
            last,
        }),
    }
}

/// The same in memory of their own: a header of hyper's keeps all that was read with it, and requests are kept.
fn copied(headers: &HeaderMap) -> HeaderMap {
    let pairs = headers.iter().filter_map(|(name, value)| {
        let name = HeaderName::from_bytes(name.as_str().as_bytes()).ok()?;
        Some((name, HeaderValue::from_bytes(value.as_bytes()).ok()?))
    });
    let mut copied = HeaderMap::with_capacity(headers.len());
    for (name, value) in pairs {
        copied.append(name, value);
    }
    copied
}

/// Whether the client wants the connection to end with the answer.
fn is_last(request: &Parts) -> bool {
    let connection = request.headers.get(header::CONNECTION);
    let is = |word: &str| {
        connection.is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(word.as_bytes()))
    };
    match request.version {
        Version::HTTP_10 => !is("keep-alive"),
        _ => is("close"),
    }
}

impl Broken {
    /// Gives the connection back if it goes on.
    async fn happen(self, stream: TcpStream) -> Option<TcpStream> {
        let stream = stream.into_std().ok()?;
        // It may take its time, and block.
        let happened = spawn_blocking(move || self.block(stream)).await;
        let (stream, end) = happened.ok()?.ok()??;
        stream.set_nonblocking(true).ok()?;
        let stream = TcpStream::from_std(stream).ok()?;
        if end == End::Silence {
            until_closed(&stream).await;
            return None;
        }
        Some(stream)
    }

    fn block(self, stream: std::net::TcpStream) -> io::Result<Option<(std::net::TcpStream, End)>> {
        stream.set_nonblocking(false)?;
        let mut connection = Connection::of(stream);
        let end = match self.how.unheard() {
            Some((_, end)) => end,
            None => self
                .how
                .send(&mut connection, &head(&self.answer), self.answer.body()),
        };
        match end {
            End::Stay if self.last => Ok(None),
            End::Stay | End::Silence => Ok(connection.into_stream().map(|stream| (stream, end))),
            End::Reset => {
                connection.reset();
                Ok(None)
            }
            End::Close => Ok(None),
        }
    }
}

/// Reads over what comes until then.
async fn until_closed(stream: &TcpStream) {
    let mut buffer = [0; 4096];
    while stream.readable().await.is_ok() {
        match stream.try_read(&mut buffer) {
            Ok(0) => return,
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => return,
            _ => {}
        }
    }
}
