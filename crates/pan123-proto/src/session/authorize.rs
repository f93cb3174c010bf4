//! The first pair of a user, by a code.

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use super::ask::Ask;
use super::fetch::{DEADLINE, Ended, Fetch, Goal};
use super::{Identity, Session};
use crate::api::oauth::{TokenPair, check_redirect_uri};
use crate::call::Call;
use crate::control::Control;
use crate::error::{BuildError, Error};
use crate::machine::{Input, Machine, Now, Signal, Step, Wait, WaitReason};
use crate::token::Lease;

/// Exchanges a code for the first pair of tokens, and has it kept: see [`Session::authorize`].
///
/// It waits 120 s at the most for its turn, counted from its first [`resume`](Machine::resume), and as long for its answer.
/// Dropped before its end, it leaves the session as it was; a pair that was being saved is used.
#[must_use = "it does nothing until a driver resumes it"]
pub struct Authorize {
    session: Session,
    control: Arc<Control>,
    deadline: Option<Instant>,
    state: State,
}

enum State {
    /// Waits while somebody else fetches.
    Claiming(Box<Call<TokenPair>>),
    Fetching(Box<Fetch>),
    Ended,
}

impl Session {
    /// Exchanges the code that a user came back with from [`OAuth::authorize_url`](crate::OAuth::authorize_url) for the first
    /// pair of tokens, in place of any that the store has. The redirect URI is the one of that page.
    ///
    /// A code works once only: if its answer is lost, it is tried once more, and then the user has to authorise again.
    ///
    /// # Errors
    ///
    /// [`BuildError`] if the session has no OAuth, if the code is empty, or if the redirect URI is no address.
    pub fn authorize(&self, code: &str, redirect_uri: &str) -> Result<Authorize, BuildError> {
        let Identity::App(app) = &self.settings().identity else {
            return Err(BuildError::Setting {
                what: "the session to be authorised",
                given: "one without OAuth".to_owned(),
                allowed: "only the builder's `oauth` makes one that takes a code",
            });
        };
        if code.is_empty() {
            return Err(BuildError::Setting {
                what: "the code",
                given: "empty".to_owned(),
                allowed: "it must be the `code` that the user's browser came back to the redirect URI with",
            });
        }
        check_redirect_uri(redirect_uri)?;
        let call = self.call(&app.exchange(code, redirect_uri))?;
        Ok(Authorize {
            session: self.clone(),
            control: Arc::default(),
            deadline: None,
            state: State::Claiming(Box::new(call)),
        })
    }

    /// The right to fetch, or when and with what signal to ask for it again.
    fn claim(&self, control: &Arc<Control>, now: Instant) -> Result<Lease, (Instant, Signal)> {
        let lasts = self.first_lease();
        self.with_state(|state| {
            let lease = state.token.claim(now, lasts);
            lease.map_err(|until| (until, state.wait_for_token(control)))
        })
    }
}

impl Authorize {
    fn claim(&mut self, now: Now, deadline: Instant, call: Box<Call<TokenPair>>) -> Step<Ended> {
        match self.session.claim(&self.control, now.mono) {
            Ok(lease) => {
                let goal = Goal::Exchange(Ask::Pair(call));
                let fetch = Fetch::new(self.session.clone(), lease, goal, now);
                self.fetch(Box::new(fetch.until(deadline)), now, Input::Wake)
            }
            Err(_) if now.mono >= deadline => Step::Ready(Err(Error::Deadline { last: None })),
            Err((until, signal)) => {
                self.state = State::Claiming(call);
                let until = until.min(deadline);
                Step::Wait(Wait::new(now.mono, until, signal, WaitReason::Token))
            }
        }
    }

    fn fetch(&mut self, mut fetch: Box<Fetch>, now: Now, input: Input) -> Step<Ended> {
        let step = fetch.resume(now, input);
        if !matches!(step, Step::Ready(_)) {
            self.state = State::Fetching(fetch);
        }
        step
    }
}

impl Machine for Authorize {
    type Output = Result<(), Error>;

    fn resume(&mut self, now: Now, input: Input) -> Step<Result<(), Error>> {
        let deadline = *self.deadline.get_or_insert(now.mono + DEADLINE);
        match std::mem::replace(&mut self.state, State::Ended) {
            State::Claiming(call) => self.claim(now, deadline, call),
            State::Fetching(fetch) => self.fetch(fetch, now, input),
            State::Ended => Step::Ready(Err(Error::Finished)),
        }
    }
}

impl fmt::Debug for Authorize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state: &dyn fmt::Debug = match &self.state {
            State::Claiming(call) => call,
            State::Fetching(fetch) => fetch,
            State::Ended => &"ended",
        };
        f.debug_struct("Authorize")
            .field("state", state)
            .finish_non_exhaustive()
    }
}
