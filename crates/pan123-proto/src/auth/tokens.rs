//! The tokens of a session as its calls share them: which one is used, who may fetch another, and when nobody may.
//!
//! Pure arithmetic under the session's lock. A token leaves as a snapshot, [`Bearer`]. The decisions that differ by flow are in
//! [`developer`](super::developer), [`oauth`](super::oauth) and [`given`](super::given).

use std::sync::Arc;
use std::time::{Duration, Instant};

use fastrand::Rng;
use http::HeaderValue;

use super::given::GivenToken;
use super::oauth::pairs::Pairs;
use super::reissue::ReissueBackoff;
use super::{developer, oauth};
use crate::error::{Error, TokenStoreError};
use crate::machine::control::{Control, Waiters};
use crate::machine::{Signal, later};
use crate::policy::retry::doubled;
use crate::wire::response::MAX_RETRY_AFTER;

/// After this many fetches in a row that were dropped, each of which may have issued a token, fetching pauses.
const MAX_DROPS: u32 = 2;
/// After this many stored tokens in a row that were rejected, the next token is issued and not taken from the store.
const MAX_REJECTED_STORED: u32 = 2;
/// How long rejected credentials are not tried again.
pub(super) const CREDENTIALS_PAUSE: Duration = Duration::from_secs(60);
const DROPS_PAUSE: Duration = Duration::from_secs(30);
const MIN_FAILURE_PAUSE: Duration = Duration::from_secs(1);
const MAX_FAILURE_PAUSE: Duration = Duration::from_secs(30);
/// How often the store is read, for a call that waits, while no rejected token is replaced by a newly issued one.
const STORE_READ_PAUSE: Duration = Duration::from_secs(1);
/// A lease that is seen later than this after its end: its holder had no chance to renew it, or nobody has asked for a token since.
const LONG_OVERDUE: Duration = Duration::from_secs(1);
/// How long a long overdue lease goes on after it is seen.
const OVERDUE_GRACE: Duration = Duration::from_secs(10);
/// A token is stale this long before it expires, or in the last tenth of a short lifetime.
const STALE_MARGIN: Duration = Duration::from_secs(600);
/// A shorter lifetime is taken for a wrong clock: such a token is used until it is rejected.
const MIN_LIFETIME: Duration = Duration::from_secs(60);

/// Where a token came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TokenOrigin {
    /// The user of this crate supplied it.
    Given,
    /// It was loaded from the token store, or restored.
    Stored,
    /// The service issued it to this session.
    Issued,
}

/// A token as a request carries it, marked as sensitive.
#[derive(Clone, Debug)]
pub(crate) struct Bearer {
    pub(crate) header: HeaderValue,
    /// Which token of the session this is; later ones have greater numbers.
    pub(crate) generation: u64,
    pub(crate) origin: TokenOrigin,
}

impl Bearer {
    /// Whether a call ends with the 401 of this token, given the newest token of the session at the call's first 401.
    ///
    /// Final is the 401 of a token that was issued after the call's first 401: no further token would fare better. A given token is
    /// all there is. After a stored one, another may be stored or issued.
    pub(crate) fn rejection_is_final(&self, newest_at_first: u64) -> bool {
        match self.origin {
            TokenOrigin::Given => true,
            TokenOrigin::Stored => false,
            TokenOrigin::Issued => self.generation > newest_at_first,
        }
    }
}

/// A token that was loaded or issued.
pub(crate) struct FetchedToken {
    pub(crate) header: HeaderValue,
    /// The remaining lifetime, counted from `since`, if it is known.
    pub(crate) lifetime: Option<Duration>,
    pub(crate) since: Instant,
    pub(crate) origin: TokenOrigin,
}

impl FetchedToken {
    /// Whether its lifetime, if it is known, is more than the error of a wrong clock.
    pub(crate) fn has_credible_lifetime(&self) -> bool {
        self.lifetime
            .is_none_or(|lifetime| lifetime >= MIN_LIFETIME)
    }
}

/// The right to fetch a token. Later ones have greater numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Lease(u64);

/// What a call needs a token for, and how long it can wait.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TokenRequest {
    /// How many fetches had failed when the call began to wait: a later failure ends it.
    pub(crate) failures_seen: u64,
    pub(crate) deadline: Instant,
    /// How long a lease lasts if its holder shows no sign of life.
    pub(crate) lease: Duration,
}

/// The reply to a call that needs a token.
#[derive(Debug)]
pub(crate) enum Look {
    /// Send with this token.
    Use(Bearer),
    /// Fetch a token: nobody else does.
    Fetch(Lease),
    /// A token is being fetched, or fetching pauses: look again at this time at the latest.
    Wait(Instant),
    /// There will be no token.
    Fail(Error),
}

/// What the session knows when a token is rejected.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rejection {
    /// The newest token of the session.
    pub(crate) newest: u64,
    /// How many fetches had failed so far.
    pub(crate) failures: u64,
    /// How long no other token is issued in its place.
    pub(crate) backoff: Option<Duration>,
}

#[derive(Debug)]
pub(crate) struct Tokens {
    flow: Flow,
    /// The newest token.
    pub(super) current: Option<Token>,
    generation: u64,
    leases: u64,
    leased: Option<Leased>,
    pause: Option<Pause>,
    /// How many fetches have failed so far.
    failures: u64,
    failures_in_a_row: u32,
    drops: u32,
    rejected_stored: u32,
    reissue: ReissueBackoff,
    waiters: Waiters,
    /// Why the newest token could not be saved.
    pub(super) save_fault: Option<TokenStoreError>,
    /// OAuth: pairs that only this session knows.
    pub(super) pairs: Pairs,
}

#[derive(Debug)]
enum Flow {
    Given(GivenToken),
    Developer,
    OAuth,
}

/// The newest token and its state.
#[derive(Debug)]
pub(super) struct Token {
    pub(super) bearer: Bearer,
    /// The lease under which it was fetched.
    lease: Option<Lease>,
    lifetime: Option<Lifetime>,
    rejected: bool,
    /// When the store that did not save it is tried again.
    pub(super) save_at: Option<Instant>,
}

#[derive(Debug)]
struct Lifetime {
    stale: Instant,
    expired: Instant,
}

impl Token {
    pub(super) fn is_usable(&self, now: Instant) -> bool {
        let is_expired = |lifetime: &Lifetime| now >= lifetime.expired;
        !self.rejected && !self.lifetime.as_ref().is_some_and(is_expired)
    }

    /// Whether it is time to replace it while it is still usable.
    pub(super) fn is_stale(&self, now: Instant) -> bool {
        let is_stale = |lifetime: &Lifetime| now >= lifetime.stale;
        self.lifetime.as_ref().is_some_and(is_stale)
    }
}

/// A lease, and how long it lasts if its holder shows no sign of life.
///
/// After a suspend that the monotonic clock counts, a lease may be long overdue while the driver still awaits the request of its
/// holder. So a call that finds it long overdue does not take it at once: the holder has ten seconds to resume. A driver that is
/// paused for longer loses the lease, and then two requests for a token may be in flight.
#[derive(Debug)]
pub(super) struct Leased {
    lease: Lease,
    pub(super) until: Instant,
    /// Whether it was found long overdue and goes on for a last time.
    in_grace: bool,
    /// OAuth: whether a new pair may be on its way, which revokes the current one.
    pub(super) may_revoke_current: bool,
    /// How the fetch last failed, while it goes on.
    failure: Option<Arc<Error>>,
}

/// A time in which nobody fetches a token.
#[derive(Debug)]
struct Pause {
    until: Instant,
    cause: PauseCause,
}

#[derive(Debug)]
enum PauseCause {
    Credentials(Arc<Error>),
    Failed(Arc<Error>),
    Dropped,
    /// The store has nothing newer, and no rejected token is replaced yet by a newly issued one.
    Reissue,
}

/// What a failed fetch is for a call.
fn token_error(failure: &Arc<Error>) -> Error {
    match &**failure {
        Error::TokenStore(error) => Error::TokenStore(error.clone()),
        _ => Error::Token(Arc::clone(failure)),
    }
}

/// Operations for calls.
impl Tokens {
    pub(crate) fn given(header: HeaderValue) -> Tokens {
        Tokens::new(Flow::Given(GivenToken::new(header)))
    }

    pub(crate) fn developer() -> Tokens {
        Tokens::new(Flow::Developer)
    }

    pub(crate) fn oauth() -> Tokens {
        Tokens::new(Flow::OAuth)
    }

    fn new(flow: Flow) -> Tokens {
        Tokens {
            flow,
            current: None,
            generation: 0,
            leases: 0,
            leased: None,
            pause: None,
            failures: 0,
            failures_in_a_row: 0,
            drops: 0,
            rejected_stored: 0,
            reissue: ReissueBackoff::default(),
            waiters: Waiters::default(),
            save_fault: None,
            pairs: Pairs::default(),
        }
    }

    /// How many fetches have failed so far.
    pub(crate) fn failures(&self) -> u64 {
        self.failures
    }

    /// Why the newest token could not be saved.
    pub(crate) fn save_fault(&self) -> Option<TokenStoreError> {
        self.save_fault.clone()
    }

    /// Why the fetch in progress has not brought a token so far, if anything failed.
    pub(crate) fn fetch_failure(&self) -> Option<Error> {
        let failure = self.leased.as_ref()?.failure.as_ref()?;
        Some(token_error(failure))
    }

    /// Decides what a call that needs a token does now.
    pub(crate) fn look(&mut self, now: Instant, request: TokenRequest) -> Look {
        self.end_overdue_lease(now);
        match &self.flow {
            Flow::Given(token) => token.look(),
            Flow::Developer => developer::look(self, now, request),
            Flow::OAuth => oauth::look(self, now, request),
        }
    }

    /// Whether a call would get a token at once.
    pub(crate) fn has_usable(&self, now: Instant) -> bool {
        matches!(self.flow, Flow::Given(_)) || self.usable(now).is_some()
    }

    /// Registers a call that waits for a token. The signal is taken under the lock under which the call looked, so that the end
    /// of the fetch cannot fall in between.
    pub(crate) fn wait(&mut self, control: &Arc<Control>) -> Signal {
        self.waiters.add(control)
    }

    pub(super) fn take_waiters(&mut self) -> Waiters {
        std::mem::take(&mut self.waiters)
    }

    /// Whether this token may still be sent: it is the newest one, valid, and no refresh may be revoking it.
    pub(crate) fn is_usable(&self, bearer: &Bearer, now: Instant) -> bool {
        if let Flow::Given(_) = self.flow {
            return true;
        }
        let may_be_revoked = self
            .leased
            .as_ref()
            .is_some_and(|leased| leased.may_revoke_current);
        self.usable(now)
            .is_some_and(|token| token.bearer.generation == bearer.generation && !may_be_revoked)
    }

    /// The service accepted this token. A late response does not revive a rejected one.
    pub(crate) fn prove(&mut self, bearer: &Bearer) {
        let is_current =
            |token: &Token| token.bearer.generation == bearer.generation && !token.rejected;
        if self.current.as_ref().is_some_and(is_current) {
            self.rejected_stored = 0;
        }
    }

    /// The service rejected this token: it is never used again. A late response does not touch a newer token.
    pub(crate) fn reject(
        &mut self,
        bearer: &Bearer,
        response: Option<Error>,
        now: Instant,
        rng: &mut Rng,
    ) -> Rejection {
        let mut rejection = Rejection {
            newest: self.generation,
            failures: self.failures,
            backoff: None,
        };
        let Some(token) = &mut self.current else {
            return rejection;
        };
        if token.bearer.generation != bearer.generation || token.rejected {
            return rejection;
        }
        token.rejected = true;
        if token.bearer.origin == TokenOrigin::Stored {
            self.rejected_stored += 1;
        }
        self.reissue.rejected(response, now, rng);
        rejection.backoff = self.reissue.end(now).map(|end| end - now);
        rejection
    }
}

/// Operations shared by the flows.
impl Tokens {
    pub(super) fn leased(&self) -> Option<&Leased> {
        self.leased.as_ref()
    }

    pub(super) fn usable(&self, now: Instant) -> Option<&Token> {
        self.current.as_ref().filter(|token| token.is_usable(now))
    }

    /// Whether a token may be fetched while the current one is still usable.
    pub(super) fn may_fetch_early(&self, now: Instant) -> bool {
        self.leased.is_none() && self.pause.as_ref().is_none_or(|pause| now >= pause.until)
    }

    /// Without a usable token, a call fetches one, waits for the one who does, or fails.
    pub(super) fn fetch_or_wait(&mut self, now: Instant, request: TokenRequest) -> Look {
        match self.pause.as_ref().filter(|pause| now < pause.until) {
            Some(Pause {
                cause: PauseCause::Credentials(error),
                ..
            }) => {
                return Look::Fail(match &**error {
                    Error::AuthorizationRequired(rejected) => {
                        Error::AuthorizationRequired(rejected.clone())
                    }
                    _ => Error::Credentials(Arc::clone(error)),
                });
            }
            Some(Pause {
                cause: PauseCause::Failed(error),
                until,
            }) if self.failures > request.failures_seen || *until > request.deadline => {
                return Look::Fail(token_error(error));
            }
            Some(Pause {
                cause: PauseCause::Reissue,
                until,
            }) => {
                return match self.reissue.end(now) {
                    Some(end) if end > request.deadline => Look::Fail(self.reissue.error(end, now)),
                    _ => Look::Wait(*until),
                };
            }
            Some(pause) => return Look::Wait(pause.until),
            None => {}
        }
        match &self.leased {
            Some(leased) => Look::Wait(leased.until),
            None => Look::Fetch(self.lease(now, request.lease)),
        }
    }

    pub(super) fn lease(&mut self, now: Instant, lasts: Duration) -> Lease {
        self.leases += 1;
        let lease = Lease(self.leases);
        self.leased = Some(Leased {
            lease,
            until: now + lasts,
            in_grace: false,
            may_revoke_current: matches!(self.flow, Flow::OAuth),
            failure: None,
        });
        lease
    }
}

/// Operations for fetches.
impl Tokens {
    /// Takes the lease for a reason of its own, whatever the current token and any pause; or returns when the present lease ends.
    pub(super) fn claim(&mut self, now: Instant, lasts: Duration) -> Result<Lease, Instant> {
        self.end_overdue_lease(now);
        match &self.leased {
            Some(leased) => Err(leased.until),
            None => Ok(self.lease(now, lasts)),
        }
    }

    /// Extends the lease. False if it was lost, so that its holder sends nothing more.
    pub(super) fn renew(&mut self, lease: Lease, until: Instant) -> bool {
        match &mut self.leased {
            Some(leased) if leased.lease == lease => {
                leased.until = until;
                leased.in_grace = false;
                true
            }
            _ => false,
        }
    }

    /// The fetch failed once and goes on: a call whose deadline passes meanwhile ends with this as its cause.
    pub(super) fn note_fetch_failure(&mut self, lease: Lease, error: Error) {
        if let Some(leased) = &mut self.leased
            && leased.lease == lease
        {
            leased.failure = Some(Arc::new(error));
        }
    }

    /// OAuth: whether a new pair may be on its way, which revokes the current one.
    pub(super) fn set_may_revoke_current(&mut self, lease: Lease, may_revoke: bool) {
        if let Some(leased) = &mut self.leased
            && leased.lease == lease
        {
            leased.may_revoke_current = may_revoke && matches!(self.flow, Flow::OAuth);
        }
    }

    /// The value of the newest token, whatever its state.
    pub(super) fn current_value(&self) -> Option<&HeaderValue> {
        self.current.as_ref().map(|token| &token.bearer.header)
    }

    /// Whether the newest token must be replaced, because of its age or because it was rejected.
    pub(super) fn must_replace_current(&self, now: Instant) -> bool {
        let must_replace = |token: &Token| token.rejected || token.is_stale(now);
        self.current.as_ref().is_none_or(must_replace)
    }

    /// Whether the current token was rejected and may not be replaced yet by a newly issued one.
    pub(super) fn backs_off(&self, now: Instant) -> bool {
        self.reissue_end(now).is_some()
    }

    fn reissue_end(&self, now: Instant) -> Option<Instant> {
        let is_rejected = self.current.as_ref().is_some_and(|token| token.rejected);
        self.reissue.end(now).filter(|_| is_rejected)
    }

    /// Ends a fetch that would have issued a token while the session backs off. If there is a store, it is read again soon:
    /// another process may save a token.
    pub(super) fn back_off(&mut self, lease: Lease, now: Instant, has_store: bool) {
        if let Some(end) = self.reissue_end(now)
            && self.end_lease(lease)
        {
            let read_store = has_store.then(|| now + STORE_READ_PAUSE);
            self.pause = Some(Pause {
                until: read_store.map_or(end, |at| at.min(end)),
                cause: PauseCause::Reissue,
            });
        }
    }

    /// Whether a stored token may be tried once more, or the next one has to be issued.
    pub(super) fn may_try_stored(&self) -> bool {
        self.rejected_stored < MAX_REJECTED_STORED
    }

    /// Takes a token that was stored, if no usable one is there and it was not rejected before.
    pub(crate) fn restore(&mut self, token: FetchedToken, now: Instant) -> Restored {
        match &self.current {
            _ if matches!(self.flow, Flow::Given(_)) => Restored::NotNeeded,
            Some(current) if current.is_usable(now) => Restored::NotNeeded,
            Some(current) if current.rejected && current.bearer.header == token.header => {
                Restored::Rejected
            }
            _ => {
                self.set_current(token, None);
                Restored::Taken
            }
        }
    }

    /// Takes a token that was fetched. One that arrives after its lease was lost is taken only if no newer one is there.
    pub(super) fn accept(&mut self, lease: Lease, token: FetchedToken) {
        let is_newer = |current: &Token| current.lease > Some(lease);
        if !self.end_lease(lease) && self.current.as_ref().is_some_and(is_newer) {
            return;
        }
        self.pause = None;
        self.failures_in_a_row = 0;
        self.drops = 0;
        self.set_current(token, Some(lease));
    }

    /// The fetch failed because the credentials were rejected: for a while nobody tries them again.
    pub(super) fn reject_credentials(&mut self, lease: Lease, error: Error, now: Instant) {
        // Another process may store a pair at any time, and looking for one costs the service nothing.
        let pause = match error {
            Error::AuthorizationRequired(_) => MIN_FAILURE_PAUSE,
            _ => CREDENTIALS_PAUSE,
        };
        self.fail(lease, now + pause, PauseCause::Credentials(Arc::new(error)));
    }

    /// The fetch failed for a reason that may pass: those who wait fail with it, and for a while nobody tries again.
    pub(super) fn fail_fetch(&mut self, lease: Lease, error: Error, now: Instant) {
        let pause = doubled(MIN_FAILURE_PAUSE, self.failures_in_a_row, MAX_FAILURE_PAUSE);
        let requested = error.retry_after().unwrap_or_default();
        let pause = pause.max(requested.min(MAX_RETRY_AFTER));
        self.fail(lease, now + pause, PauseCause::Failed(Arc::new(error)));
    }

    /// Ends a lease with nothing fetched and nothing learned.
    pub(super) fn release(&mut self, lease: Lease) {
        self.end_lease(lease);
    }

    /// The fetch was dropped, and may have issued a token: the next call may try, but not again and again.
    pub(super) fn abandon(&mut self, lease: Lease, now: Instant) {
        if self.end_lease(lease) {
            self.note_drop(now);
        }
    }

    fn set_current(&mut self, token: FetchedToken, lease: Option<Lease>) {
        if token.origin == TokenOrigin::Issued {
            self.rejected_stored = 0;
            if self.current.as_ref().is_some_and(|token| token.rejected) {
                self.reissue.replaced(token.since);
            }
        }
        let lifetime = token.lifetime.filter(|_| token.has_credible_lifetime());
        let lifetime = lifetime.map(|lifetime| Lifetime {
            stale: later(
                token.since,
                lifetime.saturating_sub(STALE_MARGIN.min(lifetime / 10)),
            ),
            expired: later(token.since, lifetime),
        });
        self.generation += 1;
        self.current = Some(Token {
            bearer: Bearer {
                header: token.header,
                generation: self.generation,
                origin: token.origin,
            },
            lease,
            lifetime,
            rejected: false,
            save_at: None,
        });
    }

    fn fail(&mut self, lease: Lease, until: Instant, cause: PauseCause) {
        if !self.end_lease(lease) {
            return;
        }
        self.drops = 0;
        self.failures_in_a_row = self.failures_in_a_row.saturating_add(1);
        self.note_failure(until, cause);
    }

    fn end_lease(&mut self, lease: Lease) -> bool {
        let is_mine = |leased: &mut Leased| leased.lease == lease;
        self.leased.take_if(is_mine).is_some()
    }

    /// A lease without a sign of life until its end counts as dropped.
    fn end_overdue_lease(&mut self, now: Instant) {
        let Some(leased) = self.leased.as_mut().filter(|leased| now >= leased.until) else {
            return;
        };
        if !leased.in_grace && now > leased.until + LONG_OVERDUE {
            leased.in_grace = true;
            leased.until = now + OVERDUE_GRACE;
            return;
        }
        let until = leased.until;
        self.leased = None;
        self.note_drop(until);
    }

    fn note_drop(&mut self, now: Instant) {
        self.drops += 1;
        if self.drops >= MAX_DROPS {
            self.drops = 0;
            self.pause = Some(Pause {
                until: now + DROPS_PAUSE,
                cause: PauseCause::Dropped,
            });
        }
    }

    fn note_failure(&mut self, until: Instant, cause: PauseCause) {
        self.failures += 1;
        self.pause = Some(Pause { until, cause });
    }
}

/// What a session did with a token that was stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Restored {
    /// It is used from now on.
    Taken,
    /// It has expired, or expires too soon to be of use.
    Expired,
    /// The service has rejected it to this session before.
    Rejected,
    /// The session has a usable token.
    NotNeeded,
}

#[cfg(test)]
mod tests;
