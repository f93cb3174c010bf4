//! What all calls of one account share: the token, the pace and the settings. The only shell with a lock.

mod ask;
mod authorize;
mod builder;
mod fetch;
mod keep;
mod loose;
mod refresh;
mod rotate;
mod save;

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use fastrand::Rng;
use http::HeaderValue;
use serde::de::DeserializeOwned;

use ask::Ask;
pub use authorize::Authorize;
pub use builder::SessionBuilder;
use fetch::{Fetch, Goal, LEASE_MARGIN};
pub use keep::Restored;
use loose::{LoosePair, Spent};
pub use refresh::Refresh;

use crate::api::access_token::IssueToken;
use crate::api::oauth::OAuth;
use crate::api::offline::{Watch, WatchPolicy};
use crate::call::Call;
use crate::control::Control;
use crate::endpoint::{BaseUrl, Endpoint, RateClass};
use crate::error::{BuildError, CredentialsFault, Error};
use crate::ids::TaskId;
use crate::limit::{Limiter, Pace, Priority, Slot, Ticket};
use crate::machine::{Now, Signal, WaitReason};
use crate::retry::RetryPolicy;
use crate::scrub::Secrets;
use crate::token::{Bearer, Lease, Look, Patience, Token};

/// One account at the service. Clones are the same session: they share the token and the pace.
#[derive(Clone)]
pub struct Session {
    shared: Arc<Shared>,
}

struct Shared {
    settings: Settings,
    state: Mutex<State>,
}

/// What does not change.
pub(crate) struct Settings {
    pub(crate) base: BaseUrl,
    pub(crate) loopback_only: bool,
    pub(crate) user_agent: HeaderValue,
    pub(crate) retry: RetryPolicy,
    pub(crate) connect_timeout: Duration,
    pub(crate) request_timeout: Duration,
    pub(crate) call_timeout: Duration,
    pub(crate) body_limit: usize,
    pub(crate) too_many_downloads: String,
    pub(crate) identity: Identity,
    pub(crate) keeps_token: bool,
    pub(crate) secrets: Secrets,
}

/// How a session proves who it is.
#[derive(Debug)]
pub(crate) enum Identity {
    /// By a token of the user's.
    Given,
    /// By tokens that are issued to a developer.
    Developer(IssueToken),
    /// By tokens that are issued to an app for one of its users.
    App(OAuth),
}

/// What does. Arithmetic only is done under its lock: nothing is sent, awaited, woken or logged.
struct State {
    token: Token,
    limiter: Limiter,
    rng: Rng,
    waiting: Vec<Weak<Control>>,
    /// Why the newest token could not be kept.
    unsaved: Option<String>,
    /// The newest pair, if no store is known to have it.
    loose: Option<LoosePair>,
    /// The refresh token that was refused last.
    spent: Option<Spent>,
}

impl Session {
    /// Sets a session up.
    pub fn builder() -> SessionBuilder {
        SessionBuilder::default()
    }

    /// A call of this endpoint.
    ///
    /// # Errors
    ///
    /// [`BuildError`] if its request cannot be built.
    pub fn call<E: Endpoint>(&self, endpoint: &E) -> Result<Call<E::Response>, BuildError> {
        Call::new(self.clone(), endpoint)
    }

    /// A call of this endpoint whose `data` is read as a type of yours.
    ///
    /// # Errors
    ///
    /// [`BuildError`] if its request cannot be built.
    pub fn call_as<T: DeserializeOwned>(
        &self,
        endpoint: &impl Endpoint,
    ) -> Result<Call<T>, BuildError> {
        Call::new(self.clone(), endpoint)
    }

    /// Follows an offline download to its end.
    pub fn watch(&self, task: TaskId, policy: WatchPolicy) -> Watch {
        Watch::new(self.clone(), task, policy)
    }

    /// How a class of requests stands.
    pub fn pace(&self, class: RateClass, now: Instant) -> Pace {
        self.with_state(|state| state.limiter.pace(class, now))
    }

    /// Whether requests go unencrypted, and so to this machine only: a driver must send them through no proxy.
    pub fn is_loopback_only(&self) -> bool {
        self.settings().loopback_only
    }

    /// How long one request may take, unless its call has less time left.
    pub fn request_timeout(&self) -> Duration {
        self.settings().request_timeout
    }

    /// How long a connection may take to be made. Less than a request may take, so that a connection that is not made is
    /// known for one.
    pub fn connect_timeout(&self) -> Duration {
        let settings = self.settings();
        settings
            .connect_timeout
            .min(settings.request_timeout * 9 / 10)
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.shared.settings
    }

    pub(crate) fn has_given_token(&self) -> bool {
        matches!(self.settings().identity, Identity::Given)
    }

    /// A source of chance for one machine.
    pub(crate) fn fork_rng(&self) -> Rng {
        self.with_state(|state| state.rng.fork())
    }

    pub(crate) fn ticket(&self, class: RateClass, priority: Priority) -> Ticket {
        self.with_state(|state| state.limiter.ticket(class, priority))
    }

    pub(crate) fn release(&self, ticket: &Ticket) {
        self.with_state(|state| state.limiter.release(ticket));
    }

    pub(crate) fn hold_off(
        &self,
        class: RateClass,
        sent: Instant,
        now: Instant,
        wait: Duration,
    ) -> bool {
        self.with_state(|state| state.limiter.hold_off(class, sent, now, wait))
    }

    pub(crate) fn prove(&self, generation: u64) {
        self.with_state(|state| state.token.prove(generation));
    }

    /// Tells how many refreshes had failed before this refusal, which may count as one more.
    pub(crate) fn refuse(&self, generation: u64, error: Option<Error>, now: Instant) -> u64 {
        self.with_state(|state| {
            let failures = state.token.failures();
            state.token.refuse(generation, error, now);
            failures
        })
    }

    /// How many refreshes have failed so far.
    pub(crate) fn token_failures(&self) -> u64 {
        self.with_state(|state| state.token.failures())
    }

    /// Whether a request may go out now. The token is looked up first and again with every step, so that none goes stale
    /// while its request waits for a slot.
    pub(crate) fn admit(&self, asking: &Asking<'_>, now: Instant) -> Admission {
        self.with_state(|state| {
            let bearer = match asking.token_since {
                None => None,
                Some(seen) => match state.token.look(now, seen, asking.patience) {
                    Look::Use(bearer) => Some(bearer),
                    Look::Fetch(lease) => return Admission::Fetch(lease),
                    Look::Fail(error) => return Admission::Fail(error),
                    Look::Wait(until) => {
                        let signal = state.wait_for_token(asking.control);
                        return Admission::Wait(until, signal, WaitReason::Token);
                    }
                },
            };
            let deadline = asking.patience.deadline;
            match state.limiter.ask(asking.ticket, now, deadline) {
                Slot::Now => Admission::Send(bearer),
                Slot::At(at) => Admission::Wait(at, asking.control.listen(), WaitReason::Pace),
                Slot::TooLate(at) => Admission::TooLate(at),
            }
        })
    }

    /// How long a lease lasts before its holder has done anything.
    pub(crate) fn first_lease(&self) -> Duration {
        self.settings().request_timeout + LEASE_MARGIN
    }

    /// The fetch that a lease gives the right to.
    pub(crate) fn refresh(&self, lease: Lease, now: Now) -> Result<Refresh, BuildError> {
        let goal = match &self.settings().identity {
            Identity::Given => return Err(BuildError::Credentials(CredentialsFault::Missing)),
            Identity::Developer(credentials) => {
                Goal::Issue(Ask::Token(Box::new(self.call(credentials)?)))
            }
            Identity::App(_) => Goal::Rotate(None),
        };
        Ok(Refresh::new(Fetch::new(self.clone(), lease, goal, now)))
    }

    fn renew(&self, lease: Lease, until: Instant) -> bool {
        self.with_state(|state| state.token.renew(lease, until))
    }

    /// Changes the token, and wakes those who wait for it.
    fn change_token(&self, end: impl FnOnce(&mut Token)) {
        let waiting = self.with_state(|state| {
            end(&mut state.token);
            std::mem::take(&mut state.waiting)
        });
        for control in waiting.iter().filter_map(Weak::upgrade) {
            control.wake();
        }
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

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("base", &self.settings().base)
            .finish_non_exhaustive()
    }
}

impl State {
    /// The signal is taken under the lock that the check was made under: the end of a refresh cannot fall in between.
    fn wait_for_token(&mut self, control: &Arc<Control>) -> Signal {
        let me = Arc::downgrade(control);
        self.waiting
            .retain(|other| other.strong_count() > 0 && !other.ptr_eq(&me));
        self.waiting.push(me);
        control.listen()
    }
}

/// What a call asks the session for with every step.
pub(crate) struct Asking<'a> {
    pub(crate) ticket: &'a Ticket,
    /// For a call that needs a token: how many refreshes had failed when it began.
    pub(crate) token_since: Option<u64>,
    pub(crate) patience: Patience,
    pub(crate) control: &'a Arc<Control>,
}

/// The answer to it.
#[derive(Debug)]
pub(crate) enum Admission {
    Send(Option<Bearer>),
    Fetch(Lease),
    Wait(Instant, Signal, WaitReason),
    /// The slot would come then, past the deadline.
    TooLate(Instant),
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

    /// Runs what a test has put here, once, right after the lock of a session was given back.
    pub(super) fn after_unlock() {
        if let Some(hook) = AFTER_UNLOCK.take() {
            hook();
        }
    }

    #[test]
    fn the_end_of_a_refresh_right_after_the_check_wakes_the_waiter() {
        let now = Now {
            mono: base(),
            wall: SystemTime::UNIX_EPOCH,
        };
        let session = Session::builder()
            .credentials("id", "secret")
            .build()
            .unwrap();
        let mut winner = session.call(&GetUserInfo).unwrap();
        let Step::Refresh(mut refresh) = winner.resume(now, Input::Wake) else {
            panic!("the first caller fetches the token");
        };
        assert!(matches!(
            refresh.resume(now, Input::Wake),
            Step::Transmit(_)
        ));

        let mut waiter = session.call(&GetUserInfo).unwrap();
        // Takes its ticket and looks at the failures so far, so that the next lock is the one of the check.
        assert!(matches!(waiter.resume(now, Input::Wake), Step::Wait(_)));
        AFTER_UNLOCK.set(Some(Box::new(move || {
            let body = r#"{"code":0,"data":{"accessToken":"t"}}"#;
            let answer = Response::new(body.into());
            assert!(matches!(
                refresh.resume(now, Input::Response(answer)),
                Step::Ready(())
            ));
        })));
        let Step::Wait(wait) = waiter.resume(now, Input::Wake) else {
            panic!("the waiter looked while the token was being fetched");
        };
        let fired = wait.signal.wait_until(now.mono);
        assert!(
            fired,
            "the refresh ended between the check and the wait, and nobody was told"
        );
    }
}
