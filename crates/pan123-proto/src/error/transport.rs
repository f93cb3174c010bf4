//! How far a request got before it failed, as far as its driver can tell.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

type Source = Box<dyn Error + Send + Sync>;

/// A request without a usable response, classed by how far it got. When in doubt, it "may have arrived".
#[derive(Clone, Debug)]
pub struct TransportError {
    kind: TransportErrorKind,
    source: Option<Arc<dyn Error + Send + Sync>>,
}

/// How far a request got.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TransportErrorKind {
    /// No byte of it was sent: the name did not resolve, the connection was refused, or the TLS handshake failed.
    NeverLeft,
    /// No byte of it was sent, because the server's certificate was rejected.
    Certificate,
    /// The request timed out; it may have arrived.
    TimedOut,
    /// The connection broke, or something else went wrong; it may have arrived.
    Interrupted,
    /// The response body is larger than allowed; the request has arrived.
    BodyTooLarge,
    /// The response came from another URL, so redirects are not disabled; the request has arrived.
    Redirected,
    /// The driver abandoned the request; it may have arrived.
    Abandoned,
}

impl TransportError {
    /// Not one byte of the request was sent to the server's application. Use it only when that is certain.
    pub fn never_left(source: impl Into<Source>) -> TransportError {
        TransportError::new(TransportErrorKind::NeverLeft, Some(source.into()))
    }

    /// The server's certificate was rejected, so nothing was sent.
    pub fn certificate(source: impl Into<Source>) -> TransportError {
        TransportError::new(TransportErrorKind::Certificate, Some(source.into()))
    }

    /// The connection failed: [`certificate`](Self::certificate) if a text in the chain of the error mentions one, else
    /// [`never_left`](Self::never_left). HTTP clients offer no better way to tell the two apart.
    pub fn not_connected(source: impl Into<Source>) -> TransportError {
        let source = source.into();
        let mentions_certificate = |error: &dyn Error| {
            let text = error.to_string().to_lowercase();
            text.contains("certificate")
        };
        let mut cause: Option<&dyn Error> = Some(source.as_ref());
        while let Some(error) = cause {
            if mentions_certificate(error) {
                return TransportError::certificate(source);
            }
            cause = error.source();
        }
        TransportError::never_left(source)
    }

    /// The request timed out after something may have been sent.
    pub fn timed_out() -> TransportError {
        TransportError::new(TransportErrorKind::TimedOut, None)
    }

    /// The exchange broke when something may have been sent. Use it when in doubt.
    pub fn interrupted(source: impl Into<Source>) -> TransportError {
        TransportError::new(TransportErrorKind::Interrupted, Some(source.into()))
    }

    /// The response body is larger than [`Transmit::body_limit`](crate::Transmit::body_limit).
    pub fn body_too_large() -> TransportError {
        TransportError::new(TransportErrorKind::BodyTooLarge, None)
    }

    /// The response came from another URL than the one requested.
    pub fn redirected() -> TransportError {
        TransportError::new(TransportErrorKind::Redirected, None)
    }

    /// The driver abandoned the request because [`Transmit::cancelled`](crate::Transmit::cancelled) fired; it may have arrived.
    pub fn abandoned() -> TransportError {
        TransportError::new(TransportErrorKind::Abandoned, None)
    }

    /// The same failure with this text as its source.
    pub(crate) fn with_source_text(self, text: String) -> TransportError {
        TransportError::new(self.kind, Some(text.into()))
    }

    fn new(kind: TransportErrorKind, source: Option<Source>) -> TransportError {
        TransportError {
            kind,
            source: source.map(Arc::from),
        }
    }

    /// Returns how far the request got.
    pub fn kind(&self) -> TransportErrorKind {
        self.kind
    }

    /// Returns whether the server may have acted on the request.
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
            TransportErrorKind::Certificate => "the server's certificate was rejected",
            TransportErrorKind::TimedOut => "the request timed out",
            TransportErrorKind::Interrupted => "the connection was interrupted",
            TransportErrorKind::BodyTooLarge => "the response body is larger than allowed",
            TransportErrorKind::Redirected => {
                "the response came from another URL: the HTTP client must not follow redirects"
            }
            TransportErrorKind::Abandoned => "the request was abandoned in flight",
        })
    }
}

impl Error for TransportError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}
