//! One answer of the service, and which faults there are to draw from.

use std::time::Duration;

use pan123_proto::TransportError;

use crate::chaos::tally::Fault;
use crate::support::Reply;

/// What an answer says to a client that reads it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Meaning {
    Good,
    /// Refused for the token, or at the token endpoint for the credentials.
    Refused,
    Limited(Duration),
    /// Refused for another reason, in an envelope or without one.
    Envelope,
    Bare,
    /// It may have been carried out or not.
    Doubtful(Duration),
}

/// One answer: what the client gets, what it means, and the token in it.
pub(crate) struct Served {
    pub(crate) reply: Reply,
    pub(crate) meaning: Meaning,
    /// Whether a token was made for this request.
    pub(crate) minted: Option<Minted>,
}

#[derive(Clone, Debug)]
pub(crate) struct Minted {
    pub(crate) value: String,
    /// Seconds of the service's calendar, counted from the start.
    pub(crate) expired_at: u64,
    pub(crate) date: Option<u64>,
}

pub(crate) fn served(reply: Reply, meaning: Meaning) -> Served {
    Served {
        reply,
        meaning,
        minted: None,
    }
}

/// No answer at all; what that means, the error says.
pub(crate) fn lost(error: TransportError) -> Served {
    served(Reply::failure(error), Meaning::Doubtful(Duration::ZERO))
}

pub(crate) const ON_THE_WAY: &[Fault] = &[
    Fault::Slow,
    Fault::SlowerThanTheTimeout,
    Fault::NeverLeft,
    Fault::NeverLeft,
    Fault::LostBefore,
    Fault::HungBefore,
    Fault::LostAfter,
    Fault::HungAfter,
    Fault::TooLarge,
    Fault::Redirected,
    Fault::BadCertificate,
];
pub(crate) const ANSWERS: &[Fault] = &[
    Fault::BadGateway,
    Fault::BadGatewayRetryAfter,
    Fault::RequestTimeout,
    Fault::Garbage,
    Fault::DataNull,
    Fault::NotFound,
    Fault::OtherCode,
    Fault::TooManyDownloads,
    Fault::Code401,
    Fault::Code401,
    Fault::Http401,
    Fault::Http401,
    Fault::Code429,
    Fault::Http429,
    Fault::Code42902,
    Fault::RetryAfterSeconds,
    Fault::RetryAfterDate,
    Fault::RetryAfterAbsurd,
    Fault::Late429,
];
pub(crate) const OF_TOKENS: &[Fault] = &[
    Fault::TokenServiceSlow,
    Fault::TokenService429,
    Fault::TokenService401,
    Fault::TokenBornExpired,
    Fault::TokenWithoutDate,
    Fault::TokenGarbage,
    Fault::TokenDataNull,
    Fault::BadGateway,
];
