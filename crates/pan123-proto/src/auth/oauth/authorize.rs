//! The first pair of a user, for a code.

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use super::{Goal, PairFetch, check_redirect_uri};
use crate::api::oauth::TokenPair;
use crate::auth::fetch::{FETCH_TIMEOUT, initial_lease_duration};
use crate::auth::{AuthMethod, TokenSession};
use crate::error::{BuildError, Error};
use crate::exchange::TypedExchange;
use crate::machine::control::Control;
use crate::machine::{Input, Machine, Now, Step, Wait};
use crate::wait::WaitReason;

/// Exchanges a code for the first token pair and has it saved: see [`Session::authorize`](crate::Session::authorize).
///
/// It waits at most 120 s for the end of another fetch, counted from its first [`resume`](Machine::resume), and as long for the
/// response. If it is dropped before its end, the session stays as it was; a pair that was being saved is used.
#[must_use = "it does nothing until a driver resumes it"]
pub struct Authorize(Box<dyn AuthorizeMachine>);

trait AuthorizeMachine: Machine<Output = Result<(), Error>> + fmt::Debug + Send + Sync {}

impl<M: Machine<Output = Result<(), Error>> + fmt::Debug + Send + Sync> AuthorizeMachine for M {}

impl Authorize {
    /// # Errors
    ///
    /// [`BuildError`] if the session has no OAuth, if the code is empty or cannot be meant as it was given, or if the redirect URI is invalid.
    pub(crate) fn new<H: TokenSession>(
        host: H,
        code: &str,
        redirect_uri: &str,
    ) -> Result<Authorize, BuildError> {
        let AuthMethod::OAuth(app) = host.auth_method() else {
            return Err(BuildError::Setting {
                what: "the session to authorize",
                given: "one without OAuth".to_owned(),
                allowed: "only a session built with `oauth` takes a code",
            });
        };
        check_redirect_uri(redirect_uri)?;
        let request = TypedExchange::new(host.clone(), &app.exchange(code, redirect_uri))?;
        Ok(Authorize(Box::new(RedeemCode {
            host,
            control: Arc::default(),
            deadline: None,
            state: State::Claiming(Box::new(request)),
        })))
    }
}

impl Machine for Authorize {
    type Output = Result<(), Error>;

    fn resume(&mut self, now: Now, input: Input) -> Step<Result<(), Error>> {
        self.0.resume(now, input)
    }
}

impl fmt::Debug for Authorize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Authorize").field(&self.0).finish()
    }
}

struct RedeemCode<H: TokenSession> {
    host: H,
    control: Arc<Control>,
    deadline: Option<Instant>,
    state: State<H>,
}

enum State<H: TokenSession> {
    /// Waits while a token is being fetched otherwise.
    Claiming(Box<TypedExchange<TokenPair, H>>),
    Fetching(Box<PairFetch<H>>),
    Ended,
}

impl<H: TokenSession> RedeemCode<H> {
    fn claim(
        &mut self,
        now: Now,
        deadline: Instant,
        request: Box<TypedExchange<TokenPair, H>>,
    ) -> Step<Result<(), Error>> {
        let lasts = initial_lease_duration(&self.host);
        let claimed = self.host.with_tokens(|tokens| {
            let lease = tokens.claim(now.mono, lasts);
            lease.map_err(|until| (until, tokens.wait(&self.control), tokens.fetch_failure()))
        });
        match claimed {
            Ok(lease) => {
                let goal = Goal::RedeemCode(Some(request));
                let mut fetch = PairFetch::new(self.host.clone(), goal, lease, now);
                fetch.fetch.set_deadline(deadline);
                self.fetch(Box::new(fetch), now, Input::Wake)
            }
            Err((_, _, failure)) if now.mono >= deadline => Step::Ready(Err(Error::Deadline {
                last: failure.map(Box::new),
                waiting_for: Some(WaitReason::Token),
            })),
            Err((until, signal, _)) => {
                self.state = State::Claiming(request);
                let until = until.min(deadline);
                Step::Wait(Wait::new(now.mono, until, signal, WaitReason::Token))
            }
        }
    }

    fn fetch(
        &mut self,
        mut fetch: Box<PairFetch<H>>,
        now: Now,
        input: Input,
    ) -> Step<Result<(), Error>> {
        let step = fetch.resume(now, input);
        if !matches!(step, Step::Ready(_)) {
            self.state = State::Fetching(fetch);
        }
        step
    }
}

impl<H: TokenSession> Machine for RedeemCode<H> {
    type Output = Result<(), Error>;

    fn resume(&mut self, now: Now, input: Input) -> Step<Result<(), Error>> {
        let deadline = *self.deadline.get_or_insert(now.mono + FETCH_TIMEOUT);
        match std::mem::replace(&mut self.state, State::Ended) {
            State::Claiming(request) => self.claim(now, deadline, request),
            State::Fetching(fetch) => self.fetch(fetch, now, input),
            State::Ended => Step::Ready(Err(Error::Finished)),
        }
    }
}

impl<H: TokenSession> fmt::Debug for RedeemCode<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.state {
            State::Claiming(request) => f.debug_tuple("Claiming").field(request).finish(),
            State::Fetching(fetch) => f.debug_tuple("Fetching").field(fetch).finish(),
            State::Ended => f.write_str("Ended"),
        }
    }
}
