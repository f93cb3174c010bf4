//! A request whose outcome nobody knows.

use std::fmt;

use bytes::Bytes;
use http::Method;

use super::{Error, TransportErrorKind};
use crate::api::image_bed::ImageBedDownload;
use crate::api::offline::Download;
use crate::endpoint::Endpoint;

/// A request that must not be sent twice and may have been carried out: what was sent, and what went wrong then.
///
/// The service can neither list nor cancel offline downloads, so only the caller can decide whether a second one hurts.
pub struct Ambiguous {
    pub(crate) method: Method,
    pub(crate) path: &'static str,
    pub(crate) body: Bytes,
    pub(crate) cause: Box<Error>,
}

impl Ambiguous {
    /// The method that was sent.
    pub fn method(&self) -> &Method {
        &self.method
    }

    /// The path that was sent to.
    pub fn path(&self) -> &str {
        self.path
    }

    /// The body that was sent. It may hold secrets of yours, such as a callback URL.
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// How far it got.
    pub fn reach(&self) -> Reach {
        match &*self.cause {
            Error::Transport(error) => match error.kind() {
                TransportErrorKind::BodyTooLarge | TransportErrorKind::Redirected => {
                    Reach::Answered
                }
                _ => Reach::Sent,
            },
            _ => Reach::Answered,
        }
    }

    /// What went wrong.
    pub fn cause(&self) -> &Error {
        &self.cause
    }

    /// The download into the image bed that may have been created, read back from what was sent; none if the request was another.
    pub fn image_bed_download(&self) -> Option<ImageBedDownload> {
        let is_it = self.path == <ImageBedDownload as Endpoint>::PATH;
        is_it
            .then(|| serde_json::from_slice(&self.body).ok())
            .flatten()
    }

    fn advice(&self) -> &'static str {
        if self.path.contains("/offline/") {
            "the task may exist, and the service can neither list nor cancel offline downloads"
        } else {
            "what it makes may be there or on its way, so look before you ask again"
        }
    }

    /// The download that may have been created, read back from what was sent; none if the request was another.
    pub fn download(&self) -> Option<Download> {
        Download::read_back(self.path, &self.body)
    }
}

impl fmt::Debug for Ambiguous {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ambiguous")
            .field("method", &self.method)
            .field("path", &self.path)
            .field("reach", &self.reach())
            .field("body", &format_args!("[{} bytes]", self.body.len()))
            .field("download", &self.download())
            .field("cause", &self.cause)
            .finish()
    }
}

impl fmt::Display for Ambiguous {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "`{} {}` may have been carried out: {} ({}), so it is not sent again: {}",
            self.method,
            self.path,
            self.reach(),
            self.cause,
            self.advice()
        )
    }
}

/// How far a request got that may have been carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reach {
    /// Some or all of it was sent, and no whole answer came: nobody knows whether it arrived.
    Sent,
    /// It arrived: an answer came, which does not tell what became of it.
    Answered,
}

impl fmt::Display for Reach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Reach::Sent => "it was sent, and no whole answer came",
            Reach::Answered => "it was sent, and the answer does not tell what became of it",
        })
    }
}
