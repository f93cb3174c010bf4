//! The life of a session's token: fresh, usable, leased, refused, failed. Pure: the session wraps the lock around it.

mod held;

use std::sync::Arc;
use std::time::{Duration, Instant};

use http::HeaderValue;

use crate::error::Error;
use crate::retry::{MOST_RETRY_AFTER, doubled};
use crate::session::Restored;

pub(crate) use held::{Bearer, Found};
use held::{Held, Life};

/// After this many refreshes that were dropped, each of which may have made a token, there is a pause.
const MOST_DROPS: u32 = 2;
/// After this many new tokens in a row that were refused unused, there is a pause.
const MOST_BARREN: u32 = 2;
/// How long refused credentials are not tried again.
pub(crate) const CREDENTIALS_PAUSE: Duration = Duration::from_secs(60);
const DROPS_PAUSE: Duration = Duration::from_secs(30);
const BARREN_PAUSE: Duration = Duration::from_secs(30);
const FAILURE_PAUSE: Duration = Duration::from_secs(1);
const MOST_FAILURE_PAUSE: Duration = Duration::from_secs(30);

/// The right to fetch a token. Later ones have greater numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Lease(u64);

/// The answer to a caller who needs a token.
#[derive(Debug)]
pub(crate) enum Look {
    /// Send with this one.
    Use(Bearer),
    /// Fetch one: nobody else does.
    Fetch(Lease),
    /// Somebody fetches one, or there is a pause: ask again at this time at the latest.
    Wait(Instant),
    /// There will be none: this is why.
    Fail(Error),
}

/// Where a session's tokens come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// The user gave one; there is no other.
    Given,
    /// They are issued for credentials; an older one lives on beside a new one.
    Issued,
    /// They are issued in pairs, for the refresh token of the last one; a new one ends the older one at once.
    Rotated,
}

#[derive(Debug)]
pub(crate) struct Token {
    source: Source,
    held: Option<Held>,
    generation: u64,
    leases: u64,
    leased: Option<Leased>,
    pause: Option<Pause>,
    /// How many refreshes have failed so far: who waited tells by it whether one failed meanwhile.
    failures: u64,
    failures_in_a_row: u32,
    drops: u32,
    barren: u32,
}

#[derive(Debug)]
struct Leased {
    lease: Lease,
    until: Instant,
    /// Whether a new token may be on its way that ends the one that is held.
    ends_held: bool,
}

/// A time in which nobody fetches a token.
#[derive(Debug)]
struct Pause {
    until: Instant,
    why: Why,
}

#[derive(Debug)]
enum Why {
    Credentials(Arc<Error>),
    Failed(Arc<Error>),
    Dropped,
}

impl Token {
    pub(crate) fn given(header: HeaderValue) -> Token {
        let mut token = Token::to_come(Source::Given);
        token.hold(header, None, false, None);
        token
    }

    /// None yet; one has to be fetched.
    pub(crate) fn to_come(source: Source) -> Token {
        Token {
            source,
            held: None,
            generation: 0,
            leases: 0,
            leased: None,
            pause: None,
            failures: 0,
            failures_in_a_row: 0,
            drops: 0,
            barren: 0,
        }
    }

    /// How many refreshes have failed so far.
    pub(crate) fn failures(&self) -> u64 {
        self.failures
    }

    /// What a caller does now, who has been waiting since `seen` refreshes had failed.
    pub(crate) fn look(&mut self, now: Instant, seen: u64, patience: Patience) -> Look {
        self.end_overdue_lease(now);
        if let Some(leased) = self.leased.as_ref().filter(|leased| leased.ends_held) {
            // From one moment on the old one is dead, and nobody knows which.
            return Look::Wait(leased.until);
        }
        if let Some(held) = &self.held
            && held.is_usable(self.source, now)
        {
            return if held.is_due(now) && self.leased.is_none() && !self.is_paused(now) {
                Look::Fetch(self.lease(now, patience.lease))
            } else {
                Look::Use(held.bearer.clone())
            };
        }
        match self.pause.as_ref().filter(|pause| now < pause.until) {
            Some(Pause {
                why: Why::Credentials(error),
                ..
            }) => {
                return Look::Fail(match &**error {
                    Error::AuthorizationRequired(refused) => {
                        Error::AuthorizationRequired(refused.clone())
                    }
                    _ => Error::Credentials(Arc::clone(error)),
                });
            }
            Some(Pause {
                why: Why::Failed(error),
                until,
            }) if self.failures > seen || *until > patience.deadline => {
                return Look::Fail(Error::Token(Arc::clone(error)));
            }
            Some(pause) => return Look::Wait(pause.until),
            None => {}
        }
        match &self.leased {
            Some(leased) => Look::Wait(leased.until),
            None => Look::Fetch(self.lease(now, patience.lease)),
        }
    }

    /// The right to fetch for a reason of one's own, whatever is held and in any pause; or until when somebody else has it.
    pub(crate) fn claim(&mut self, now: Instant, lease: Duration) -> Result<Lease, Instant> {
        self.end_overdue_lease(now);
        match &self.leased {
            Some(leased) => Err(leased.until),
            None => Ok(self.lease(now, lease)),
        }
    }

    /// Whether a new token may be on its way that ends the one that is held, as far as this kind of token is ended by another.
    pub(crate) fn set_ends_held(&mut self, lease: Lease, ends_held: bool) {
        if let Some(leased) = &mut self.leased
            && leased.lease == lease
        {
            leased.ends_held = ends_held && self.source == Source::Rotated;
        }
    }

    /// Whether the token that is held has to be replaced, by its age or because it was refused.
    pub(crate) fn is_worn(&self, now: Instant) -> bool {
        let worn = |held: &Held| held.refused || held.is_stale(now);
        self.held.as_ref().is_none_or(worn)
    }

    /// The token that is held is to be saved at this time, or is saved.
    pub(crate) fn save_at(&mut self, at: Option<Instant>) {
        if let Some(held) = &mut self.held {
            held.save_at = at;
        }
    }

    /// Gives a lease back with nothing fetched and nothing learned.
    pub(crate) fn release(&mut self, lease: Lease) {
        self.end_lease(lease);
    }

    /// The lease goes on until then. False if it was lost meanwhile, so that its holder sends nothing more.
    pub(crate) fn renew(&mut self, lease: Lease, until: Instant) -> bool {
        match &mut self.leased {
            Some(leased) if leased.lease == lease => {
                leased.until = until;
                true
            }
            _ => false,
        }
    }

    /// The token that is held, whatever became of it.
    pub(crate) fn held(&self) -> Option<&HeaderValue> {
        self.held.as_ref().map(|held| &held.bearer.header)
    }

    /// A token from elsewhere, taken only if none is there that can be used, and never one that was refused.
    pub(crate) fn restore(&mut self, found: Found, now: Instant) -> Restored {
        match &self.held {
            Some(held) if held.is_usable(self.source, now) => Restored::NotNeeded,
            Some(held) if held.refused && held.bearer.header == found.header => Restored::Refused,
            _ => {
                self.hold_found(found, None);
                Restored::Taken
            }
        }
    }

    /// A token that was fetched. One that comes after its lease was lost is taken only if no newer one is there.
    pub(crate) fn accept(&mut self, lease: Lease, found: Found) {
        let newer = |held: &Held| held.lease > Some(lease);
        if !self.end_lease(lease) && self.held.as_ref().is_some_and(newer) {
            return;
        }
        self.pause = None;
        self.failures_in_a_row = 0;
        self.drops = 0;
        self.hold_found(found, Some(lease));
    }

    /// The fetch failed: those who wait are told, and nobody tries for a while.
    pub(crate) fn fail(&mut self, lease: Lease, error: Error, credentials: bool, now: Instant) {
        if !self.end_lease(lease) {
            return;
        }
        self.drops = 0;
        let (pause, why) = if credentials {
            // Somebody may keep another pair at any time, and to look for it costs the service nothing.
            let pause = match error {
                Error::AuthorizationRequired(_) => FAILURE_PAUSE,
                _ => CREDENTIALS_PAUSE,
            };
            (pause, Why::Credentials(Arc::new(error)))
        } else {
            let pause = doubled(FAILURE_PAUSE, self.failures_in_a_row, MOST_FAILURE_PAUSE);
            let asked = error.retry_after().unwrap_or_default();
            let pause = pause.max(asked.min(MOST_RETRY_AFTER));
            (pause, Why::Failed(Arc::new(error)))
        };
        self.failures_in_a_row = self.failures_in_a_row.saturating_add(1);
        self.note_failure(now + pause, why);
    }

    /// The fetch was dropped, and may have made a token. The next caller may try, but not without end.
    pub(crate) fn abandon(&mut self, lease: Lease, now: Instant) {
        if self.end_lease(lease) {
            self.note_drop(now);
        }
    }

    /// The service refused this generation: it is never used again. A late answer does not touch a newer one.
    pub(crate) fn refuse(&mut self, generation: u64, error: Option<Error>, now: Instant) {
        let Some(held) = &mut self.held else { return };
        if held.bearer.generation != generation || held.refused {
            return;
        }
        held.refused = true;
        if held.proven {
            return;
        }
        self.barren += 1;
        if let Some(error) = error
            && self.source != Source::Given
            && self.barren >= MOST_BARREN
        {
            let why = Why::Failed(Arc::new(Error::Unauthorized(Box::new(error))));
            self.note_failure(now + BARREN_PAUSE, why);
        }
    }

    /// The service accepted this generation.
    pub(crate) fn prove(&mut self, generation: u64) {
        if let Some(held) = &mut self.held
            && held.bearer.generation == generation
        {
            held.proven = true;
            self.barren = 0;
        }
    }

    fn hold_found(&mut self, found: Found, lease: Option<Lease>) {
        let life = found.life.filter(|_| found.has_credible_life());
        let life = life.map(|life| Life::from(found.since, life));
        self.hold(found.header, life, !found.is_new, lease);
    }

    fn hold(
        &mut self,
        header: HeaderValue,
        life: Option<Life>,
        proven: bool,
        lease: Option<Lease>,
    ) {
        self.generation += 1;
        self.held = Some(Held {
            bearer: Bearer {
                header,
                generation: self.generation,
            },
            lease,
            life,
            refused: false,
            proven,
            save_at: None,
        });
    }

    fn lease(&mut self, now: Instant, lasts: Duration) -> Lease {
        self.leases += 1;
        let lease = Lease(self.leases);
        self.leased = Some(Leased {
            lease,
            until: now + lasts,
            ends_held: self.source == Source::Rotated,
        });
        lease
    }

    fn end_lease(&mut self, lease: Lease) -> bool {
        let mine = |leased: &mut Leased| leased.lease == lease;
        self.leased.take_if(mine).is_some()
    }

    /// A lease without a sign of life for so long was dropped.
    fn end_overdue_lease(&mut self, now: Instant) {
        if let Some(leased) = self.leased.take_if(|leased| now >= leased.until) {
            self.note_drop(leased.until);
        }
    }

    fn note_drop(&mut self, now: Instant) {
        self.drops += 1;
        if self.drops >= MOST_DROPS {
            self.drops = 0;
            self.pause = Some(Pause {
                until: now + DROPS_PAUSE,
                why: Why::Dropped,
            });
        }
    }

    fn note_failure(&mut self, until: Instant, why: Why) {
        self.failures += 1;
        self.pause = Some(Pause { until, why });
    }

    fn is_paused(&self, now: Instant) -> bool {
        self.pause.as_ref().is_some_and(|pause| now < pause.until)
    }
}

/// How long a caller waits, and how long a lease that it gets lasts without a sign of life.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    pub(crate) deadline: Instant,
    pub(crate) lease: Duration,
}

#[cfg(test)]
mod tests;
