//! What all calls of one account share: the tokens, the limiter and the settings. The lock around them is here.

mod builder;
pub(crate) mod detached;

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use fastrand::Rng;

pub use builder::SessionBuilder;
pub use detached::DetachedCall;
use detached::DetachedCalls;

use crate::auth::oauth::Authorize;
use crate::auth::tokens::{Bearer, Lease, Look, Rejection, Restored, TokenRequest, Tokens};
use crate::auth::{self, AuthMethod, TokenSession};
use crate::endpoint::RateClass;
use crate::error::{BuildError, Error, SharedPaceError};
use crate::exchange::{ExchangeSession, Settings};
use crate::machine::control::{Control, Waiters};
use crate::machine::shared_pace::PaceOp;
use crate::machine::token_store::{Account, StoredToken};
use crate::machine::{Detached, Now, Signal};
use crate::policy::pacing::{
    Bound, Limiter, PaceStatus, Priority, Refusal, Ticket, Turn, UsedSlot,
};
use crate::wait::WaitReason;

/// One account at the service. Clones are the same session: they share the token and the pace.
///
/// ```
/// use pan123_proto::{Session, TaskId, offline::WatchPolicy, user::GetUserInfo};
///
/// let session = Session::builder().credentials("client id", "client secret").build()?;
/// let call = session.call(&GetUserInfo)?;
/// let watch = session.watch(TaskId::new(394756)?, WatchPolicy::default());
/// // A driver runs both: see the example at the root of the crate.
/// # drop((call, watch));
/// # Ok::<(), pan123_proto::BuildError>(())
/// ```
#[derive(Clone)]
pub struct Session {
    shared: Arc<Shared>,
    /// None in a token fetch, which nobody needs without a client, a call or a watch of the session.
    #[expect(dead_code, reason = "it acts when it is dropped")]
    in_use: Option<Arc<InUse>>,
}

/// Ends the token fetches of a session when its last user is dropped.
struct InUse {
    fetch_control: Arc<Control>,
}

impl Drop for InUse {
    fn drop(&mut self) {
        self.fetch_control.end_after_request();
    }
}

struct Shared {
    settings: Settings,
    auth_method: AuthMethod,
    uses_token_store: bool,
    connect_timeout: Duration,
    loopback_only: bool,
    /// Of all token fetches.
    fetch_control: Arc<Control>,
    state: Mutex<State>,
}

/// The mutable state. Code under its lock only computes: it sends, awaits, wakes and logs nothing.
struct State {
    tokens: Tokens,
    limiter: Limiter,
    rng: Rng,
    detached: DetachedCalls,
}

impl Session {
    /// Returns a builder.
    pub fn builder() -> SessionBuilder {
        SessionBuilder::default()
    }

    /// Returns the state of a rate class.
    pub fn pace(&self, class: RateClass, now: Instant) -> PaceStatus {
        self.with_state(|state| state.limiter.pace(class, now))
    }

    /// Returns whether requests are unencrypted and may therefore go to this machine only: a driver must not use a proxy.
    pub fn is_loopback_only(&self) -> bool {
        self.shared.loopback_only
    }

    /// Returns the timeout of one request, unless its call has less time left.
    pub fn request_timeout(&self) -> Duration {
        self.shared.settings.request_timeout
    }

    /// Returns the timeout for connecting. It is shorter than that of a request, so that a connection that cannot be made is
    /// known as such.
    pub fn connect_timeout(&self) -> Duration {
        let of_request = self.shared.settings.request_timeout;
        self.shared.connect_timeout.min(of_request * 9 / 10)
    }

    /// Returns the owner of the session's tokens; none if the session was given a token instead of credentials.
    pub fn account(&self) -> Option<Account> {
        TokenSession::account(self)
    }

    /// Returns the owner of a batch's items. A session that was given a token knows the service only.
    pub fn ledger_account(&self) -> Account {
        let service = || Account::new(self.shared.settings.base_url.as_str(), "");
        self.account().unwrap_or_else(service)
    }

    /// Takes a stored token, if the session needs one. Sends nothing.
    ///
    /// With a token store there is no need to call this: the session loads the token itself. Of an OAuth pair the refresh
    /// token is used even if the access token is [`Expired`](Restored::Expired), as long as the store holds no pair.
    ///
    /// # Errors
    ///
    /// [`Error::TokenStore`] if the token belongs to another account or is of another kind, [`Error::Build`] if a header cannot
    /// hold it.
    pub fn restore(&self, stored: &StoredToken, now: Now) -> Result<Restored, Error> {
        let token = self.read_stored(stored, now)?;
        Ok(self.with_tokens(|tokens| {
            let restored = match token {
                Some(token) => tokens.restore(token, now.mono),
                None => Restored::Expired,
            };
            if let Restored::Taken | Restored::Expired = restored
                && let Some(refresh_token) = stored.expose_refresh_token()
            {
                tokens.restore_pair(refresh_token);
            }
            restored
        }))
    }

    /// Returns why the newest token could not be saved, so that it is lost with this process; none if it was saved.
    pub fn token_store_fault(&self) -> Option<Error> {
        self.with_tokens(|tokens| tokens.save_fault().map(Error::TokenStore))
    }

    /// Exchanges the code with which a user came back from [`OAuth::authorize_url`](crate::OAuth::authorize_url) for the first
    /// token pair, which replaces any pair in the store. The redirect URI is the one of that page.
    ///
    /// A code works once: if its response is lost, it is sent once more, and then the user has to authorize again.
    ///
    /// # Errors
    ///
    /// [`BuildError`] if the session has no OAuth, if the code is empty, or if the redirect URI is invalid.
    pub fn authorize(&self, code: &str, redirect_uri: &str) -> Result<Authorize, BuildError> {
        Authorize::new(self.clone(), code, redirect_uri)
    }

    pub(crate) fn has_given_token(&self) -> bool {
        matches!(self.shared.auth_method, AuthMethod::Given)
    }

    /// Why the fetch in progress has not brought a token so far, if anything failed.
    pub(crate) fn fetch_failure(&self) -> Option<Error> {
        self.with_tokens(|tokens| tokens.fetch_failure())
    }

    pub(crate) fn prove_token(&self, bearer: &Bearer) {
        self.with_tokens(|tokens| tokens.prove(bearer));
    }

    /// Whether this token may still be sent.
    pub(crate) fn is_usable(&self, bearer: &Bearer, now: Instant) -> bool {
        self.with_tokens(|tokens| tokens.is_usable(bearer, now))
    }

    pub(crate) fn reject_token(
        &self,
        bearer: &Bearer,
        response: Option<Error>,
        now: Instant,
    ) -> Rejection {
        self.with_state(|state| {
            let rng = &mut state.rng;
            state.tokens.reject(bearer, response, now, rng)
        })
    }

    /// Decides whether a request may be sent now. The token is looked up with every step, so that a request that waited for its
    /// slot carries no stale one.
    pub(crate) fn admit(&self, request: &mut AdmissionRequest<'_>, now: Instant) -> Admission {
        self.with_state(|state| {
            let limiter = &mut state.limiter;
            let ticket = request
                .ticket
                .get_or_insert_with(|| limiter.ticket(request.class, request.priority));
            let bearer = match &mut request.token_since {
                None => None,
                Some(failures_seen) => {
                    let token_request = TokenRequest {
                        failures_seen: *failures_seen
                            .get_or_insert_with(|| state.tokens.failures()),
                        deadline: request.bound.deadline(),
                        lease: auth::initial_lease_duration(self),
                    };
                    match state.tokens.look(now, token_request) {
                        Look::Use(bearer) => Some(bearer),
                        Look::Fetch(lease) => return Admission::Fetch(lease),
                        Look::Fail(error) => return Admission::Fail(error),
                        Look::Wait(until) => {
                            let signal = state.tokens.wait(request.control);
                            return Admission::Wait(until, signal, WaitReason::Token);
                        }
                    }
                }
            };
            match limiter.turn(ticket, now, request.bound, request.control) {
                Turn::Now(slot) => Admission::Send(bearer, slot),
                Turn::Wait(until, signal) => Admission::Wait(until, signal, WaitReason::Pace),
                Turn::Reserve(op) => Admission::Reserve(op),
                Turn::TooLate(refusal) => Admission::SlotTooLate(refusal),
            }
        })
    }

    /// Returns until when, or until which signal, a request with this ticket can only wait for its turn; none if it is time to
    /// [`admit`](Session::admit) it, or if it has no token yet.
    pub(crate) fn wait_for_turn(
        &self,
        ticket: &mut Ticket,
        now: Instant,
        bound: Bound,
        control: &Arc<Control>,
    ) -> Option<(Instant, Signal)> {
        self.with_state(|state| {
            if !state.tokens.has_usable(now) {
                return None;
            }
            state.limiter.wait_for_turn(ticket, now, bound, control)
        })
    }

    /// Returns the machine that the lease gives the right to run.
    pub(crate) fn fetch_token(&self, lease: Lease, now: Now) -> Result<Detached, BuildError> {
        let unused = Session {
            shared: Arc::clone(&self.shared),
            in_use: None,
        };
        auth::fetch(&unused, lease, now)
    }

    /// How long the shared pace has been unavailable in all.
    pub(crate) fn time_pace_unavailable(&self, now: Instant) -> Duration {
        if !self.shared.settings.shares_pace {
            return Duration::ZERO;
        }
        self.with_state(|state| state.limiter.time_unavailable(now))
    }

    fn change_pace(&self, change: impl FnOnce(&mut Limiter) -> Waiters) {
        let waiters = self.with_state(|state| change(&mut state.limiter));
        waiters.wake();
    }

    fn with_state<R>(&self, work: impl FnOnce(&mut State) -> R) -> R {
        let mut state = self
            .shared
            .state
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let result = work(&mut state);
        drop(state);
        #[cfg(test)]
        tests::after_unlock();
        result
    }
}

impl ExchangeSession for Session {
    fn settings(&self) -> &Settings {
        &self.shared.settings
    }

    fn fork_rng(&self) -> Rng {
        self.with_state(|state| state.rng.fork())
    }

    fn ticket(&self, class: RateClass, priority: Priority) -> Ticket {
        self.with_state(|state| state.limiter.ticket(class, priority))
    }

    fn turn(
        &self,
        ticket: &mut Ticket,
        now: Instant,
        bound: Bound,
        control: &Arc<Control>,
    ) -> Turn {
        self.with_state(|state| state.limiter.turn(ticket, now, bound, control))
    }

    fn reserved(&self, ticket: &Ticket, now: Instant, wait: Duration) {
        self.change_pace(|limiter| limiter.reserved(ticket, now, wait));
    }

    fn not_reserved(&self, ticket: &Ticket, now: Instant, error: Option<SharedPaceError>) {
        self.change_pace(|limiter| limiter.not_reserved(ticket, now, error));
    }

    fn request_ended(&self, ticket: &mut Ticket) {
        self.change_pace(|limiter| limiter.request_ended(ticket));
    }

    fn release(&self, ticket: &mut Ticket) {
        self.change_pace(|limiter| limiter.release(ticket));
    }

    fn hold_off(
        &self,
        class: RateClass,
        sent: Instant,
        now: Instant,
        wait: Duration,
        cause: &Error,
    ) -> bool {
        self.with_state(|state| state.limiter.hold_off(class, sent, now, wait, cause))
    }

    fn time_held_off(&self, class: RateClass, now: Instant) -> Duration {
        self.with_state(|state| state.limiter.time_held_off(class, now))
    }

    fn pace_outage(&self) -> Option<Error> {
        self.with_state(|state| state.limiter.outage())
    }

    fn hold_off_cause(&self, class: RateClass) -> Option<Error> {
        self.with_state(|state| state.limiter.hold_off_cause(class))
    }
}

impl TokenSession for Session {
    fn auth_method(&self) -> &AuthMethod {
        &self.shared.auth_method
    }

    fn uses_token_store(&self) -> bool {
        self.shared.uses_token_store
    }

    fn fetch_control(&self) -> &Arc<Control> {
        &self.shared.fetch_control
    }

    fn with_tokens<R>(&self, work: impl FnOnce(&mut Tokens) -> R) -> R {
        self.with_state(|state| work(&mut state.tokens))
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("base_url", &self.shared.settings.base_url.as_str())
            .finish_non_exhaustive()
    }
}

/// What a call asks the session for before it sends.
pub(crate) struct AdmissionRequest<'a> {
    /// None before its first request: then it gets one.
    pub(crate) ticket: &'a mut Option<Ticket>,
    pub(crate) class: RateClass,
    pub(crate) priority: Priority,
    /// For a call that needs a token: how many fetches had failed when it began to wait for one. None before its first request.
    pub(crate) token_since: Option<&'a mut Option<u64>>,
    pub(crate) bound: Bound,
    pub(crate) control: &'a Arc<Control>,
}

/// The reply to an [`AdmissionRequest`].
#[derive(Debug)]
pub(crate) enum Admission {
    Send(Option<Bearer>, UsedSlot),
    Reserve(PaceOp),
    Fetch(Lease),
    Wait(Instant, Signal, WaitReason),
    SlotTooLate(Refusal),
    Fail(Error),
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::time::SystemTime;

    use http::Response;

    use super::*;
    use crate::api::user::GetUserInfo;
    use crate::base::base;
    use crate::machine::{Input, Machine, Step};

    type Hook = Box<dyn FnOnce()>;

    thread_local! {
        static AFTER_UNLOCK: RefCell<Option<Hook>> = RefCell::default();
    }

    /// Runs the hook of a test, once, right after the lock of a session is released.
    pub(super) fn after_unlock() {
        if let Some(hook) = AFTER_UNLOCK.take() {
            hook();
        }
    }

    #[test]
    fn fetch_that_ends_right_after_the_check_wakes_the_waiter() {
        let now = Now {
            mono: base(),
            wall: SystemTime::UNIX_EPOCH,
        };
        let session = Session::builder()
            .credentials("id", "secret")
            .build()
            .unwrap();
        let mut winner = session.call(&GetUserInfo).unwrap();
        let Step::Detach(mut fetch) = winner.resume(now, Input::Wake) else {
            panic!("the first caller fetches the token");
        };
        assert!(matches!(fetch.resume(now, Input::Wake), Step::Transmit(_)));

        let mut waiter = session.call(&GetUserInfo).unwrap();
        AFTER_UNLOCK.set(Some(Box::new(move || {
            let body = r#"{"code":0,"data":{"accessToken":"t"}}"#;
            let response = Response::new(body.into());
            assert!(matches!(
                fetch.resume(now, Input::Response(response)),
                Step::Ready(())
            ));
        })));
        let Step::Wait(wait) = waiter.resume(now, Input::Wake) else {
            panic!("the waiter looked while the token was being fetched");
        };
        let fired = wait.signal.wait_until(now.mono);
        assert!(
            fired,
            "the fetch ended between the check and the wait, and the waiter was not woken"
        );
    }
}
