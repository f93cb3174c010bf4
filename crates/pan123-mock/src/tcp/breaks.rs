//! Faults of a single exchange.

use std::fmt;
use std::iter;
use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::service::serde_millis;

/// A fault that a [`BrokenWire`](super::BrokenWire) applies to one exchange.
///
/// ```
/// use std::time::Duration;
/// use pan123_mock::{Break, End, Flood, Point};
///
/// // The service acts, and its response is cut off in the middle of the body.
/// let cut = Break::response(Point::Body(20), End::Reset);
/// // The connection ends before the request's body is read, and the service does not act.
/// let unread = Break::request(Point::Head, End::Close);
/// let silent = Break::response(Point::Bytes(0), End::Silence).times(3);
/// let early_hints = Break::before("HTTP/1.1 103 Early Hints\r\n\r\n");
/// let endless = Break::flood(Flood::chunked(200 << 20));
/// let slow = Break::drip(Duration::from_secs(1));
/// ```
///
/// Servers that cannot break a connection use its [`wire_outcome`](Break::wire_outcome) instead.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Break {
    #[serde(rename = "what")]
    kind: Kind,
    end: End,
    #[serde(skip, default = "once")]
    times: usize,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    Nothing,
    Request(Point),
    Response(Point),
    Replace(#[serde(with = "text")] Bytes),
    Around {
        #[serde(with = "text")]
        before: Bytes,
        #[serde(with = "text")]
        after: Bytes,
    },
    Flood(Flood),
    Drip(#[serde(with = "serde_millis")] Duration),
}

fn once() -> usize {
    1
}

/// What a client observes of an exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum WireOutcome {
    /// It receives the response, perhaps slowly or with extra bytes.
    Responded,
    /// The connection ends before the response is complete.
    CutOff,
    /// It receives nothing, and the connection stays open.
    Silence,
    /// It receives a body of this many bytes instead of the response's.
    Flood(u64),
}

impl fmt::Display for WireOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Responded => f.write_str("responded"),
            Self::CutOff => f.write_str("cut off"),
            Self::Silence => f.write_str("silence"),
            Self::Flood(bytes) => write!(f, "a flood of {bytes} bytes"),
        }
    }
}

/// How far a message is read or sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Point {
    /// This many bytes from its start.
    Bytes(usize),
    /// All headers and none of the body.
    Head,
    /// All headers and this many bytes of the body.
    Body(usize),
    /// All but the last byte.
    AllButOne,
    /// The whole message.
    Whole,
}

/// What happens to the connection afterwards.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum End {
    /// It stays open for the next request.
    Stay,
    /// It is closed. If the client's bytes were not all read, the system sends a reset.
    Close,
    /// It is reset.
    Reset,
    /// It stays open, and nothing more is sent.
    Silence,
}

/// A body of spaces after the head of a successful response.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Flood {
    bytes: u64,
    chunked: bool,
    /// The pause between two bytes. If it is zero, bytes are sent as fast as they are read.
    #[serde(rename = "pause_ms", with = "serde_millis", default)]
    pause: Duration,
}

impl Flood {
    /// Sends a body with a `Content-Length`.
    pub fn with_length(bytes: u64) -> Flood {
        Flood {
            bytes,
            chunked: false,
            pause: Duration::ZERO,
        }
    }

    /// Sends a body in chunks.
    pub fn chunked(bytes: u64) -> Flood {
        Flood {
            chunked: true,
            ..Flood::with_length(bytes)
        }
    }

    /// Sends one byte at a time, with this pause after each.
    pub fn slow(self, pause: Duration) -> Flood {
        Flood { pause, ..self }
    }

    fn head(self) -> String {
        let framing = if self.chunked {
            "Transfer-Encoding: chunked".to_owned()
        } else {
            format!("Content-Length: {}", self.bytes)
        };
        format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n{framing}\r\n\r\n")
    }

    pub(super) fn chunks(self) -> impl Iterator<Item = Chunk> + Send + 'static {
        let chunk_size = if self.pause.is_zero() { 64 * 1024 } else { 1 };
        let mut left = self.bytes;
        let body = iter::from_fn(move || {
            let length = left.min(chunk_size);
            left -= length;
            (length > 0).then(|| (self.chunk(length), self.pause))
        });
        let end = self.chunked.then_some("0\r\n\r\n");
        let at_once = |text: Bytes| (text, Duration::ZERO);
        iter::once(at_once(self.head().into()))
            .chain(body)
            .chain(end.map(|end| at_once(end.into())))
    }

    fn chunk(self, length: u64) -> Bytes {
        let spaces = vec![b' '; usize::try_from(length).unwrap_or_default()];
        if self.chunked {
            let head = format!("{length:x}\r\n");
            [head.as_bytes(), &spaces, b"\r\n"].concat().into()
        } else {
            spaces.into()
        }
    }
}

/// Some bytes, and the pause after them.
pub(crate) type Chunk = (Bytes, Duration);

/// The bytes of a response in the pieces in which they are sent.
pub(crate) type Chunks = Box<dyn Iterator<Item = Chunk> + Send>;

impl Break {
    /// Does nothing: lets a request through before the next break.
    pub fn none() -> Break {
        Break::new(Kind::Nothing, End::Stay)
    }

    /// Reads the request up to this point. The service does not act on it.
    pub fn request(read: Point, end: End) -> Break {
        Break::new(Kind::Request(read), end)
    }

    /// Lets the service act, and sends its response up to this point.
    pub fn response(sent: Point, end: End) -> Break {
        Break::new(Kind::Response(sent), end)
    }

    /// Lets the service act, and sends these bytes instead of its response.
    pub fn replace(bytes: impl Into<Bytes>, end: End) -> Break {
        Break::new(Kind::Replace(bytes.into()), end)
    }

    /// Sends these bytes before the response.
    pub fn before(bytes: impl Into<Bytes>) -> Break {
        Break::around(bytes.into(), Bytes::new())
    }

    /// Sends these bytes after the response.
    pub fn after(bytes: impl Into<Bytes>) -> Break {
        Break::around(Bytes::new(), bytes.into())
    }

    /// Lets the service act, and sends this body instead of its response.
    pub fn flood(flood: Flood) -> Break {
        Break::new(Kind::Flood(flood), End::Close)
    }

    /// Sends the response byte by byte, with this pause after each.
    pub fn drip(pause: Duration) -> Break {
        Break::new(Kind::Drip(pause), End::Stay)
    }

    /// Breaks this many exchanges instead of one.
    pub fn times(mut self, times: usize) -> Break {
        self.times = times;
        self
    }

    fn around(before: Bytes, after: Bytes) -> Break {
        Break::new(Kind::Around { before, after }, End::Stay)
    }

    fn new(kind: Kind, end: End) -> Break {
        Break {
            kind,
            end,
            times: 1,
        }
    }

    /// Returns what a client observes, for servers that cannot break a connection: the model in memory, and wiremock.
    pub fn wire_outcome(&self) -> WireOutcome {
        match (&self.kind, self.end) {
            (Kind::Flood(flood), _) => WireOutcome::Flood(flood.bytes),
            (
                Kind::Nothing | Kind::Around { .. } | Kind::Drip(_) | Kind::Response(Point::Whole),
                _,
            ) => WireOutcome::Responded,
            (_, End::Silence) | (Kind::Request(_) | Kind::Response(_), End::Stay) => {
                WireOutcome::Silence
            }
            _ => WireOutcome::CutOff,
        }
    }

    pub(crate) fn count(&self) -> usize {
        self.times
    }

    /// Returns how far the request is read, if the service does not act on it.
    pub(crate) fn request_cut(&self) -> Option<(Point, End)> {
        match self.kind {
            Kind::Request(point) => Some((point, self.end)),
            _ => None,
        }
    }

    /// Returns the bytes to send for a response with this head and body, and what happens to the connection afterwards.
    pub(crate) fn chunks(&self, head: &[u8], body: &[u8]) -> (Chunks, End) {
        let whole = Bytes::from([head, body].concat());
        let at_once = |bytes: Bytes| -> Chunks { Box::new(iter::once((bytes, Duration::ZERO))) };
        let chunks = match &self.kind {
            Kind::Nothing => at_once(whole),
            Kind::Request(_) => at_once(Bytes::new()),
            Kind::Response(point) => at_once(whole.slice(..point.length(head.len(), whole.len()))),
            Kind::Replace(bytes) => at_once(bytes.clone()),
            Kind::Around { before, after } => at_once([before, &whole[..], after].concat().into()),
            Kind::Flood(flood) => Box::new(flood.chunks()),
            Kind::Drip(pause) => {
                let pause = *pause;
                let bytes = (0..whole.len()).map(move |at| (whole.slice(at..=at), pause));
                Box::new(bytes)
            }
        };
        (chunks, self.end)
    }
}

impl Point {
    pub(super) fn length(self, head: usize, whole: usize) -> usize {
        let bytes = match self {
            Point::Bytes(bytes) => bytes,
            Point::Head => head,
            Point::Body(bytes) => head.saturating_add(bytes),
            Point::AllButOne => whole.saturating_sub(1),
            Point::Whole => whole,
        };
        bytes.min(whole)
    }
}

/// Serializes bytes as a string.
mod text {
    use bytes::Bytes;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(bytes: &Bytes, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&String::from_utf8_lossy(bytes))
    }

    pub(super) fn deserialize<'a, D: Deserializer<'a>>(from: D) -> Result<Bytes, D::Error> {
        String::deserialize(from).map(Bytes::from)
    }
}
