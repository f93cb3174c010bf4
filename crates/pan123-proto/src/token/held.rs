//! The token that a session holds, and how long it is good for.

use std::time::{Duration, Instant};

use http::HeaderValue;

use super::{Lease, Source};
use crate::machine::later;

/// Tokens are replaced this long before their end, or after nine tenths of a short life.
const MARGIN: Duration = Duration::from_secs(600);
/// A shorter life than this is a mistake of somebody's clock: such a token is used until it is refused.
const LEAST_LIFE: Duration = Duration::from_secs(60);
/// A token as a request carries it, marked as sensitive. It never leaves the session as anything more than this snapshot.
#[derive(Clone, Debug)]
pub(crate) struct Bearer {
    pub(crate) header: HeaderValue,
    pub(crate) generation: u64,
}

/// A token that was issued, or kept from an earlier time.
pub(crate) struct Found {
    pub(crate) header: HeaderValue,
    /// How long it lives from that time on, if that is known.
    pub(crate) life: Option<Duration>,
    pub(crate) since: Instant,
    /// Just issued: if such a token is refused, it is in vain to ask for more of them.
    pub(crate) is_new: bool,
}

impl Found {
    /// Whether its life, if it is known, is more than a mistake of somebody's clock.
    pub(crate) fn has_credible_life(&self) -> bool {
        self.life.is_none_or(|life| life >= LEAST_LIFE)
    }
}

#[derive(Debug)]
pub(super) struct Held {
    pub(super) bearer: Bearer,
    pub(super) lease: Option<Lease>,
    pub(super) life: Option<Life>,
    pub(super) refused: bool,
    pub(super) proven: bool,
    /// When the store is to be tried again that did not take it.
    pub(super) save_at: Option<Instant>,
}

#[derive(Debug)]
pub(super) struct Life {
    pub(super) stale: Instant,
    pub(super) end: Instant,
}

impl Held {
    /// A given token is all there is: whether it is still good, only the service can say.
    pub(super) fn is_usable(&self, source: Source, now: Instant) -> bool {
        let ended = self.life.as_ref().is_some_and(|life| now >= life.end);
        source == Source::Given || (!self.refused && !ended)
    }

    /// Whether somebody has to see to it: to its end, or to where it is kept.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        self.is_stale(now) || self.save_at.is_some_and(|at| now >= at)
    }

    pub(super) fn is_stale(&self, now: Instant) -> bool {
        self.life.as_ref().is_some_and(|life| now >= life.stale)
    }
}

impl Life {
    pub(super) fn from(since: Instant, life: Duration) -> Life {
        Life {
            stale: later(since, life.saturating_sub(MARGIN.min(life / 10))),
            end: later(since, life),
        }
    }
}
