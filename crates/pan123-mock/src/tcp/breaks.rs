//! Kind goes wrong with one exchange, as data.

use std::fmt;
use std::iter;
use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::service::serde_millis;

/// Kind a [`BrokenWire`](super::BrokenWire) does to one exchange.
///
/// ```
/// use std::time::Duration;
/// use pan123_mock::{Break, End, Flood, Point};
///
/// // The service acts, and its answer is cut off in the middle of the body.
/// let cut = Break::response(Point::Body(20), End::Reset);
/// // The connection ends before the request's body is read: the service hears nothing.
/// let unheard = Break::request(Point::Head, End::Close);
/// let silent = Break::response(Point::Bytes(0), End::Silence).times(3);
/// let early_hints = Break::before("HTTP/1.1 103 Early Hints\r\n\r\n");
/// let endless = Break::flood(Flood::chunked(200 << 20));
/// let slow = Break::drip(Duration::from_secs(1));
/// ```
///
/// Kind a server of the mock that cannot break its connections makes of it is its [`fate`](Break::wire_outcome).
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
    ApiResponse(Point),
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

/// Kind becomes of an exchange, as its client sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum WireOutcome {
    /// The answer comes, in spite of all.
    Responded,
    /// The connection ends before all of the answer has come.
    CutOff,
    /// Nothing comes, and the connection stays open.
    Silence,
    /// A body of so many bytes comes in place of the answer's.
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

/// How far something comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Point {
    /// So many bytes from its beginning.
    Bytes(usize),
    /// All headers, and nothing of the body.
    Head,
    /// All headers, and so many bytes of the body.
    Body(usize),
    /// All but the last byte.
    AllButOne,
    /// All of it.
    Whole,
}

/// Kind becomes of the connection after that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum End {
    /// The next request may come.
    Stay,
    /// It is closed. Kind the client sent and nobody read makes the system turn that into a reset.
    Close,
    /// It is reset.
    Reset,
    /// It stays open, and nothing more is said.
    Silence,
}

/// A body of blanks after the head of a good answer.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Flood {
    bytes: u64,
    chunked: bool,
    /// Between two bytes; without one they come as fast as they are taken.
    #[serde(rename = "pause_ms", with = "serde_millis", default)]
    pause: Duration,
}

impl Flood {
    /// With a `Content-Length` that says how long it is.
    pub fn with_length(bytes: u64) -> Flood {
        Flood {
            bytes,
            chunked: false,
            pause: Duration::ZERO,
        }
    }

    /// In chunks.
    pub fn chunked(bytes: u64) -> Flood {
        Flood {
            chunked: true,
            ..Flood::with_length(bytes)
        }
    }

    /// One byte at a time, with this pause after each.
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
        let blanks = vec![b' '; usize::try_from(length).unwrap_or_default()];
        if self.chunked {
            let head = format!("{length:x}\r\n");
            [head.as_bytes(), &blanks, b"\r\n"].concat().into()
        } else {
            blanks.into()
        }
    }
}

/// Some bytes, and the pause after them.
pub(crate) type Chunk = (Bytes, Duration);

/// All that is sent of an answer, piece by piece.
pub(crate) type Chunks = Box<dyn Iterator<Item = Chunk> + Send>;

impl Break {
    /// Nothing: lets a request through before the next break.
    pub fn none() -> Break {
        Break::new(Kind::Nothing, End::Stay)
    }

    /// The request is read as far as this, and the service hears nothing of it.
    pub fn request(read: Point, end: End) -> Break {
        Break::new(Kind::Request(read), end)
    }

    /// The service acts and answers, and the answer is sent as far as this.
    pub fn response(sent: Point, end: End) -> Break {
        Break::new(Kind::ApiResponse(sent), end)
    }

    /// The service acts, and these bytes are sent instead of its answer.
    pub fn replace(bytes: impl Into<Bytes>, end: End) -> Break {
        Break::new(Kind::Replace(bytes.into()), end)
    }

    /// These bytes are sent before the answer.
    pub fn before(bytes: impl Into<Bytes>) -> Break {
        Break::around(bytes.into(), Bytes::new())
    }

    /// These bytes are sent after the answer.
    pub fn after(bytes: impl Into<Bytes>) -> Break {
        Break::around(Bytes::new(), bytes.into())
    }

    /// The service acts, and this is sent instead of its answer.
    pub fn flood(flood: Flood) -> Break {
        Break::new(Kind::Flood(flood), End::Close)
    }

    /// The answer comes byte by byte, with this pause after each.
    pub fn drip(pause: Duration) -> Break {
        Break::new(Kind::Drip(pause), End::Stay)
    }

    /// Breaks this many exchanges in a row instead of one.
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

    /// Kind a client sees of it, for a server that cannot break its connections: the model in memory, and wiremock.
    pub fn wire_outcome(&self) -> WireOutcome {
        match (&self.kind, self.end) {
            (Kind::Flood(flood), _) => WireOutcome::Flood(flood.bytes),
            (
                Kind::Nothing
                | Kind::Around { .. }
                | Kind::Drip(_)
                | Kind::ApiResponse(Point::Whole),
                _,
            ) => WireOutcome::Responded,
            (_, End::Silence) | (Kind::Request(_) | Kind::ApiResponse(_), End::Stay) => {
                WireOutcome::Silence
            }
            _ => WireOutcome::CutOff,
        }
    }

    pub(crate) fn count(&self) -> usize {
        self.times
    }

    /// How far the request is read, if the service is not to hear of it.
    pub(crate) fn request_cut(&self) -> Option<(Point, End)> {
        match self.kind {
            Kind::Request(point) => Some((point, self.end)),
            _ => None,
        }
    }

    /// Kind is sent of an answer with this head and body, and how the connection goes on.
    pub(crate) fn chunks(&self, head: &[u8], body: &[u8]) -> (Chunks, End) {
        let whole = Bytes::from([head, body].concat());
        let at_once = |bytes: Bytes| -> Chunks { Box::new(iter::once((bytes, Duration::ZERO))) };
        let chunks = match &self.kind {
            Kind::Nothing => at_once(whole),
            Kind::Request(_) => at_once(Bytes::new()),
            Kind::ApiResponse(point) => {
                at_once(whole.slice(..point.length(head.len(), whole.len())))
            }
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

/// Bytes as a text, for what is sent in place of an answer is one.
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
