//! How far a request got before it failed, as far as its driver knows.

use std::error::Error;
use std::fmt;

type Source = Box<dyn Error + Send + Sync>;

/// A request that brought no usable answer, classed by how far it got. "Unknown" counts as "may have arrived".
#[derive(Debug)]
pub struct TransportError {
    kind: TransportErrorKind,
    source: Option<Source>,
}

/// How far a request got.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TransportErrorKind {
    /// No byte of it left: the name was not found, the connection refused, the TLS handshake not finished.
    NeverLeft,
    /// No byte of it left, since the server's certificate was refused.
    Certificate,
    /// The time ran out; it may have arrived.
    TimedOut,
    /// The connection broke, or anything else went wrong; it may have arrived.
    Interrupted,
    /// The answer's body was larger than allowed; it did arrive.
    BodyTooLarge,
    /// The answer came from another URL than the one asked, so redirects are not off; it did arrive.
    Redirected,
    /// The driver gave the request up; it may have arrived.
    GivenUp,
}

impl TransportError {
    /// For sure not one byte of the request left this machine towards the server's application.
    pub fn never_left(source: impl Into<Source>) -> TransportError {
        TransportError::new(TransportErrorKind::NeverLeft, Some(source.into()))
    }

    /// The server's certificate was refused, so nothing was sent.
    pub fn certificate(source: impl Into<Source>) -> TransportError {
        TransportError::new(TransportErrorKind::Certificate, Some(source.into()))
    }

    /// No connection was made, for this reason: [`certificate`](Self::certificate) if a text in its chain speaks of one, else
    /// [`never_left`](Self::never_left). HTTP clients do not tell the two apart in any better way.
    pub fn not_connected(source: impl Into<Source>) -> TransportError {
        let source = source.into();
        let about_certificate = |error: &dyn Error| {
            let text = error.to_string().to_lowercase();
            text.contains("certificate")
        };
        let mut cause: Option<&dyn Error> = Some(source.as_ref());
        while let Some(error) = cause {
            if about_certificate(error) {
                return TransportError::certificate(source);
            }
            cause = error.source();
        }
        TransportError::never_left(source)
    }

    /// The time ran out after something may have been sent.
    pub fn timed_out() -> TransportError {
        TransportError::new(TransportErrorKind::TimedOut, None)
    }

    /// The exchange broke at a point where something may have been sent. The right one when in doubt.
    pub fn interrupted(source: impl Into<Source>) -> TransportError {
        TransportError::new(TransportErrorKind::Interrupted, Some(source.into()))
    }

    /// The body of the answer was larger than [`Transmit::body_limit`](crate::Transmit::body_limit).
    pub fn body_too_large() -> TransportError {
        TransportError::new(TransportErrorKind::BodyTooLarge, None)
    }

    /// The answer came from another URL than the one asked.
    pub fn redirected() -> TransportError {
        TransportError::new(TransportErrorKind::Redirected, None)
    }

    pub(crate) fn given_up() -> TransportError {
        TransportError::new(TransportErrorKind::GivenUp, None)
    }

    /// The same failure with this text as its source.
    pub(crate) fn with_source_text(self, text: String) -> TransportError {
        TransportError::new(self.kind, Some(text.into()))
    }

    fn new(kind: TransportErrorKind, source: Option<Source>) -> TransportError {
        TransportError { kind, source }
    }

    /// How far the request got.
    pub fn kind(&self) -> TransportErrorKind {
        self.kind
    }

    /// Whether the server may have acted on the request.
    pub fn may_have_arrived(&self) -> bool {
        !matches!(
            self.kind,
            TransportErrorKind::NeverLeft | TransportErrorKind::Certificate
        )
    }
}

impl fmt::Display for TransportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            TransportErrorKind::NeverLeft => "the server could not be reached",
            TransportErrorKind::Certificate => "the server's certificate was refused",
            TransportErrorKind::TimedOut => "the time for the request ran out",
            TransportErrorKind::Interrupted => "the exchange was cut off",
            TransportErrorKind::BodyTooLarge => "the body of the answer is larger than allowed",
            TransportErrorKind::Redirected => {
                "the answer came from another URL: the HTTP client must not follow redirects"
            }
            TransportErrorKind::GivenUp => "the request was given up while it was out",
        })
    }
}

impl Error for TransportError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}
