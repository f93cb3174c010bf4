//! What the fetches of a developer's token and of an OAuth pair share: the lease, the deadline, and the lock of the store.

use std::fmt;
use std::time::{Duration, Instant, SystemTime};

use fastrand::Rng;
use http::HeaderValue;

use super::TokenSession;
use super::tokens::{FetchedToken, Lease};
use crate::error::{Error, TokenStoreError};
use crate::machine::control::Control;
use crate::machine::token_store::{StoreResult, StoredToken};
use crate::machine::{Input, Now, Step, Wait};
use crate::policy::retry::doubled;
use crate::trace;
use crate::wait::WaitReason;
use crate::wire::redaction::{Redactor, Secrets};
use crate::wire::response::date;

/// How long a fetch may wait for the store's lock, and then for the service.
pub(super) const FETCH_TIMEOUT: Duration = Duration::from_secs(120);
/// How much longer than its next step a lease lasts.
const LEASE_MARGIN: Duration = Duration::from_secs(10);
/// How long one operation of the store may take before the lease is lost.
const STORE_TIMEOUT: Duration = Duration::from_secs(30);
/// The longest backoff after the lock was busy for the first time; it doubles with each further time.
const INITIAL_BUSY_BACKOFF: Duration = Duration::from_millis(50);
const MAX_BUSY_BACKOFF: Duration = Duration::from_secs(1);

/// How long a lease lasts before its holder has done anything.
pub(crate) fn initial_lease_duration<H: TokenSession>(host: &H) -> Duration {
    host.settings().request_timeout + LEASE_MARGIN
}

/// A fetch in progress.
pub(super) struct Fetch<H: TokenSession> {
    pub(super) host: H,
    pub(super) lease: Lease,
    /// Whether the store's lock is held, so that a new token is saved.
    pub(super) locked: bool,
    /// The value of the token that the session had at the start: finding it in the store does not help.
    pub(super) replaces: Option<HeaderValue>,
    /// What the service's clock showed when it last responded.
    date: Option<SystemTime>,
    /// The tokens that were seen here.
    pub(super) secrets: Secrets,
    deadline: Option<Instant>,
    /// How often the lock was busy.
    busy: u32,
    /// The latest time known, for the drop.
    pub(super) last_seen: Instant,
    rng: Rng,
    control: Control,
}

impl<H: TokenSession> Fetch<H> {
    pub(super) fn new(host: H, lease: Lease, now: Now) -> Fetch<H> {
        // While the session backs off only the store is read, which is not worth a line each time.
        if !host.with_tokens(|tokens| tokens.backs_off(now.mono)) {
            trace::fetching_token();
        }
        Fetch {
            lease,
            locked: false,
            replaces: host.with_tokens(|tokens| tokens.current_value().cloned()),
            date: None,
            secrets: Secrets::default(),
            deadline: None,
            busy: 0,
            last_seen: now.mono,
            rng: host.fork_rng(),
            control: Control::default(),
            host,
        }
    }

    /// Notes the time, the start of the deadline and the date of a response.
    pub(super) fn begin_turn(&mut self, now: Now, input: &Input) {
        self.last_seen = now.mono;
        self.deadline(now);
        if let Input::Response(response) = input {
            self.date = date(response.headers());
        }
    }

    pub(super) fn deadline(&mut self, now: Now) -> Instant {
        *self.deadline.get_or_insert(now.mono + FETCH_TIMEOUT)
    }

    pub(super) fn set_deadline(&mut self, deadline: Instant) {
        self.deadline = Some(deadline);
    }

    /// What the service's clock showed when it responded, or the local one.
    pub(super) fn responded_at(&self, now: Now) -> SystemTime {
        self.date.unwrap_or(now.wall)
    }

    /// Extends the lease past this step. False if it was lost.
    pub(super) fn renew_lease<T>(&self, now: Now, step: &Step<T>) -> bool {
        let until = match step {
            Step::Transmit(transmit) => now.mono + transmit.timeout,
            Step::Wait(wait) => wait.until,
            Step::Store(_) | Step::Pace(_) => now.mono + STORE_TIMEOUT,
            Step::Detach(_) | Step::Ready(_) => now.mono,
        };
        self.host
            .with_tokens(|tokens| tokens.renew(self.lease, until + LEASE_MARGIN))
    }

    /// Keeps what failed for the calls that wait, while the fetch goes on.
    pub(super) fn note_failure(&self, error: Option<&Error>) {
        if let Some(error) = error {
            self.host
                .with_tokens(|tokens| tokens.note_fetch_failure(self.lease, error.clone()));
        }
    }

    /// The lock is held now. After a long wait for it there is still all the time that a response may take.
    pub(super) fn lock_taken(&mut self, now: Now) {
        self.locked = true;
        self.set_deadline(now.mono + FETCH_TIMEOUT);
    }

    /// Fails if nobody needs a token any more.
    pub(super) fn check_needed(&self) -> Result<(), Error> {
        if self.host.fetch_control().is_stopped() {
            return Err(Error::Stopped);
        }
        Ok(())
    }

    /// The lock is busy: returns when to try again, or fails at the deadline. Nothing is fetched without the lock.
    pub(super) fn lock_busy(&mut self, now: Now) -> Result<Instant, Error> {
        let deadline = self.deadline(now);
        let error = Error::TokenStore(self.lock_is_held());
        if now.mono >= deadline {
            return Err(error);
        }
        self.note_failure(Some(&error));
        let max = doubled(INITIAL_BUSY_BACKOFF, self.busy, MAX_BUSY_BACKOFF);
        self.busy += 1;
        // At least half of it, so that processes that wait for one lock do not spin.
        let backoff = max.mul_f64(0.5 + self.rng.f64() / 2.0);
        Ok((now.mono + backoff).min(deadline))
    }

    fn lock_is_held(&self) -> TokenStoreError {
        let whose = self.host.account();
        let whose = whose.map(|account| format!(" of {account}"));
        TokenStoreError::passing(format!(
            "another process holds the lock{}, and no token is fetched without it: try again, and look for a process that hangs if \
             it stays busy",
            whose.unwrap_or_default()
        ))
    }

    /// Whether the lock was never busy before.
    pub(super) fn is_first_busy(&self) -> bool {
        self.busy == 1
    }

    /// Waits for the lock as long as somebody needs a token.
    pub(super) fn wait_for_lock<T>(&self, now: Now, until: Instant) -> Result<Step<T>, Error> {
        let signal = self.host.fetch_control().listen();
        // Checked after listening: an end in between would be missed otherwise.
        self.check_needed()?;
        let wait = Wait::new(now.mono, until, signal, WaitReason::Store);
        Ok(Step::Wait(wait))
    }

    /// Waits to save a token, whether or not anybody still needs it here.
    pub(super) fn wait_to_save<T>(&self, now: Now, until: Instant) -> Step<T> {
        let signal = self.control.listen();
        Step::Wait(Wait::new(now.mono, until, signal, WaitReason::Store))
    }

    /// Returns the stored token if it helps: if it is valid, and not the one to be replaced.
    pub(super) fn pick_stored(
        &mut self,
        stored: Option<&StoredToken>,
        now: Now,
    ) -> Result<Option<FetchedToken>, Error> {
        let Some(stored) = stored else {
            return Ok(None);
        };
        self.keep_secret(stored);
        let token = self.host.read_stored(stored, now)?;
        let may_try = self.host.with_tokens(|tokens| tokens.may_try_stored());
        let replaces = self.replaces.as_ref();
        Ok(token.filter(|token| may_try && Some(&token.header) != replaces))
    }

    /// No error may quote this token from now on.
    pub(super) fn keep_secret(&mut self, token: &StoredToken) {
        self.secrets.push(token.expose());
        if let Some(token) = token.expose_refresh_token() {
            self.secrets.push(token);
        }
    }

    /// Whether no token is issued yet, because one after the other was rejected. The lease ends then.
    pub(super) fn backs_off(&self, now: Now) -> bool {
        let backs_off = self.host.with_tokens(|tokens| tokens.backs_off(now.mono));
        if backs_off {
            let has_store = self.host.uses_token_store();
            self.host
                .change_tokens(|tokens| tokens.back_off(self.lease, now.mono, has_store));
        }
        backs_off
    }

    /// The session uses this token from now on.
    pub(super) fn accept(&self, token: FetchedToken) {
        trace_fetched(&token);
        self.host
            .change_tokens(|tokens| tokens.accept(self.lease, token));
    }

    /// Turns the store's answer into an error without secrets; `token` is the one that the answer might quote.
    pub(super) fn store_fault(&self, input: Input, token: Option<&HeaderValue>) -> TokenStoreError {
        let redacted = |text: String| {
            let redactor = Redactor {
                session: &self.host.settings().secrets,
                flow: &self.secrets,
                token,
                ..Redactor::NOTHING
            };
            redactor.redact(&text)
        };
        match input {
            Input::Stored(StoreResult::Failed(text)) => TokenStoreError::lasting(redacted(text)),
            Input::Stored(StoreResult::Unavailable(text)) => {
                TokenStoreError::passing(redacted(text))
            }
            Input::Stored(StoreResult::Lost(text)) => TokenStoreError::lasting(format!(
                "{}, so the token pair that was there is lost, as after a power cut: restore it from a copy, or authorize again: \
                 have the user open the page of `OAuth::authorize_url`, and pass the code that comes back to `authorize`",
                redacted(text)
            )),
            Input::Stored(StoreResult::Unsupported) => TokenStoreError::lasting(
                "this driver has no token store, so a fetched token would be lost: use a client that has one",
            ),
            Input::Stored(_) => TokenStoreError::lasting(
                "it returned the result of another operation: this is a fault of its code",
            ),
            _ => no_answer(),
        }
    }

    pub(super) fn store_error(&self, input: Input) -> Error {
        Error::TokenStore(self.store_fault(input, self.replaces.as_ref()))
    }
}

/// The fault of a store that was asked and not waited for.
pub(super) fn no_answer() -> TokenStoreError {
    TokenStoreError::passing("it did not respond to an operation")
}

pub(super) fn trace_fetched(token: &FetchedToken) {
    let from = match token.origin {
        super::tokens::TokenOrigin::Stored => "the store",
        _ => "the service",
    };
    trace::token_fetched(from, token.lifetime);
}

impl<H: TokenSession> fmt::Debug for Fetch<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fetch")
            .field("lease", &self.lease)
            .field("locked", &self.locked)
            .finish_non_exhaustive()
    }
}
