//! The life of a developer's token, from issue to rejection.
//!
//! - **Use.** Calls [`look`] for a token before each attempt. A usable one is sent; without one, one call gets the lease and has a
//!   [`FetchToken`] detached, and the others wait for its end.
//! - **Fetch.** With a token store, the stored token is loaded first: at start-up it saves an issue, and after a 401 another
//!   process may have stored a newer one. If it does not help, the store's lock is taken, the token is loaded again, and only
//!   then a new one is issued, saved, and used. So ten processes that start together issue one token.
//! - **Age.** Close to its expiry a token is stale: one call fetches the next one while the others go on with it, since an older
//!   token of a developer stays valid beside a new one.
//! - **Rejection.** A 401 ends a token for the whole session ([`Tokens::reject`]). At most two stored tokens in a row are tried,
//!   then one is issued. A call ends with the 401 of a token that was issued after its own first 401
//!   ([`Call`](crate::Call)). One push-out is replaced at once; before the next ones the session backs off
//!   ([`ReissueBackoff`](super::reissue::ReissueBackoff)), since other processes are pushing its tokens out.
//! - **Failure.** A failed fetch ends the calls that wait for it and pauses fetching, longer if the credentials were rejected.
//! - **End.** A fetch outlives the call that detached it, but not the session: when the last client, call and watch are dropped, it
//!   sends nothing more. A request in flight is awaited and its token saved, since it counts among the live ones of the client id.

use std::fmt;
use std::time::{Instant, SystemTime};

use http::StatusCode;

use super::TokenSession;
use super::fetch::{Fetch, trace_fetched};
use super::tokens::{FetchedToken, Lease, Look, TokenOrigin, TokenRequest, Tokens};
use crate::api::access_token::{IssueToken, IssuedToken};
use crate::error::{BuildError, Error, ErrorCode, TokenStoreError};
use crate::exchange::TypedExchange;
use crate::machine::token_store::{StoreOp, StoreResult, StoredToken};
use crate::machine::{Input, Machine, Now, Step};
use crate::trace;
use crate::wire::request::bearer;
use crate::wire::timestamp::ClockSkew;

/// Decides what a call that needs a token does now.
pub(super) fn look(tokens: &mut Tokens, now: Instant, request: TokenRequest) -> Look {
    let Some(token) = tokens.usable(now) else {
        return tokens.fetch_or_wait(now, request);
    };
    if token.is_stale(now) && tokens.may_fetch_early(now) {
        return Look::Fetch(tokens.lease(now, request.lease));
    }
    Look::Use(token.bearer.clone())
}

/// Fetches a token for all calls of a session: from the store, or else from the service.
///
/// If it is dropped, the lease goes to the next call at once.
pub(crate) struct FetchToken<H: TokenSession> {
    fetch: Fetch<H>,
    issue: TypedExchange<IssuedToken, H>,
    state: State,
}

enum State {
    Start,
    /// Reads the stored token without the lock.
    Loading,
    Locking,
    /// Another process holds the lock.
    Busy {
        until: Instant,
    },
    /// Reads the stored token again, under the lock.
    LoadingLocked,
    Issuing,
    Saving(FetchedToken),
    Unlocking,
    Ended,
}

/// A state, and the step that leads to its input.
type Turn = (State, Step<()>);

impl<H: TokenSession> FetchToken<H> {
    pub(crate) fn new(
        host: H,
        credentials: &IssueToken,
        lease: Lease,
        now: Now,
    ) -> Result<FetchToken<H>, BuildError> {
        let issue = TypedExchange::new(host.clone(), credentials)?;
        Ok(FetchToken {
            issue: issue.controlled_by(host.fetch_control()),
            fetch: Fetch::new(host, lease, now),
            state: State::Start,
        })
    }

    fn advance(&mut self, state: State, now: Now, input: Input) -> Turn {
        match state {
            State::Start if self.fetch.host.uses_token_store() => {
                (State::Loading, Step::Store(StoreOp::Load))
            }
            State::Start => self.issue_unless_backing_off(now),
            State::Loading => match input {
                // A driver without a store: the token lives as long as the session.
                Input::Stored(StoreResult::Unsupported) => self.issue_unless_backing_off(now),
                other => self.loaded(now, other),
            },
            State::Locking => match input {
                Input::Stored(StoreResult::Locked) => {
                    self.fetch.lock_taken(now);
                    (State::LoadingLocked, Step::Store(StoreOp::Load))
                }
                Input::Stored(StoreResult::Busy) => match self.fetch.lock_busy(now) {
                    Ok(until) => self.wait_for_lock(now, until),
                    Err(error) => self.fail(now, error),
                },
                other => self.fail(now, self.fetch.store_error(other)),
            },
            State::Busy { until } if now.mono < until => self.wait_for_lock(now, until),
            State::Busy { .. } => lock(),
            State::LoadingLocked => self.loaded(now, input),
            State::Issuing => self.issue(now, input),
            State::Saving(token) => self.saved(token, input),
            State::Unlocking | State::Ended => (State::Ended, Step::Ready(())),
        }
    }

    /// Uses the stored token if it helps; else takes the lock, or under the lock issues a token.
    fn loaded(&mut self, now: Now, input: Input) -> Turn {
        let stored = match input {
            Input::Stored(StoreResult::Loaded(stored)) => stored,
            // Another token can be had.
            Input::Stored(StoreResult::Lost(_)) => None,
            other => return self.fail(now, self.fetch.store_error(other)),
        };
        let needed = self.fetch.check_needed();
        match needed.and_then(|()| self.fetch.pick_stored(stored.as_ref(), now)) {
            Ok(Some(token)) => {
                self.fetch.accept(token);
                self.unlock()
            }
            Ok(None) if self.fetch.locked => self.issue(now, Input::Wake),
            Ok(None) if self.fetch.backs_off(now) => self.unlock(),
            Ok(None) => lock(),
            Err(error) => self.fail(now, error),
        }
    }

    fn issue_unless_backing_off(&mut self, now: Now) -> Turn {
        if self.fetch.backs_off(now) {
            return self.unlock();
        }
        self.issue(now, Input::Wake)
    }

    fn wait_for_lock(&mut self, now: Now, until: Instant) -> Turn {
        match self.fetch.wait_for_lock(now, until) {
            Ok(wait) => (State::Busy { until }, wait),
            Err(error) => self.fail(now, error),
        }
    }

    fn issue(&mut self, now: Now, input: Input) -> Turn {
        self.issue.set_deadline(self.fetch.deadline(now));
        match self.issue.resume(now, input).ready() {
            Ok(Ok(issued)) => self.issued(now, &issued),
            Ok(Err(error)) => self.fail(now, error),
            Err(step) => {
                self.fetch.note_failure(self.issue.last_failure());
                (State::Issuing, step)
            }
        }
    }

    /// Has the new token saved before any call uses it: a program that ends with its only call would lose it otherwise.
    fn issued(&mut self, now: Now, issued: &IssuedToken) -> Turn {
        let header = match bearer(issued.expose()) {
            Ok(header) => header,
            Err(error) => return self.fail(now, error.into()),
        };
        let responded_at = self.fetch.responded_at(now);
        let expired_at = issued.expired_at();
        let left = |end: SystemTime| end.duration_since(responded_at).unwrap_or_default();
        let token = FetchedToken {
            header,
            lifetime: expired_at.map(left),
            since: now.mono,
            origin: TokenOrigin::Issued,
        };
        let Some(account) = self.fetch.host.account().filter(|_| self.fetch.locked) else {
            self.fetch.accept(token);
            return self.unlock();
        };
        // An expiry that makes no sense is not saved: other processes too use the token until it is rejected.
        let expired_at = expired_at.filter(|_| token.has_credible_lifetime());
        let skew = ClockSkew::between(responded_at, now.wall);
        let stored = StoredToken::new(account, issued.expose(), expired_at, skew);
        (State::Saving(token), Step::Store(StoreOp::Save(stored)))
    }

    /// A token that could not be saved is used all the same, and the fault is reported once: saving is tried again with the next
    /// token.
    fn saved(&mut self, token: FetchedToken, input: Input) -> Turn {
        let fault = match input {
            Input::Stored(StoreResult::Saved) => None,
            other => Some(self.fetch.store_fault(other, Some(&token.header))),
        };
        if let Some(fault) = &fault {
            trace::token_not_saved(fault);
        }
        self.use_saved(token, fault);
        self.unlock()
    }

    fn use_saved(&self, token: FetchedToken, fault: Option<TokenStoreError>) {
        trace_fetched(&token);
        self.fetch.host.change_tokens(|tokens| {
            tokens.save_fault = fault;
            tokens.accept(self.fetch.lease, token);
        });
    }

    fn fail(&mut self, now: Now, error: Error) -> Turn {
        if let Error::Stopped = error {
            // Nobody is left to tell.
            return self.unlock();
        }
        trace::token_fetch_failed(&error);
        let lease = self.fetch.lease;
        self.fetch.host.change_tokens(|tokens| {
            if is_about_credentials(&error) {
                tokens.reject_credentials(lease, error, now.mono);
            } else {
                tokens.fail_fetch(lease, error, now.mono);
            }
        });
        self.unlock()
    }

    fn unlock(&self) -> Turn {
        if self.fetch.locked {
            (State::Unlocking, Step::Store(StoreOp::Unlock))
        } else {
            (State::Ended, Step::Ready(()))
        }
    }
}

fn lock() -> Turn {
    (State::Locking, Step::Store(StoreOp::Lock))
}

/// A request for a token carries none, so its 401 is about the credentials.
pub(super) fn is_about_credentials(error: &Error) -> bool {
    match error {
        Error::Api(api) => matches!(
            api.code(),
            ErrorCode::Unauthorized | ErrorCode::InvalidClient
        ),
        Error::Http(response) => response.http_status() == StatusCode::UNAUTHORIZED,
        _ => false,
    }
}

impl<H: TokenSession> Machine for FetchToken<H> {
    type Output = ();

    fn resume(&mut self, now: Now, input: Input) -> Step<()> {
        self.fetch.begin_turn(now, &input);
        let state = std::mem::replace(&mut self.state, State::Ended);
        let (state, step) = self.advance(state, now, input);
        self.state = state;
        if matches!(self.state, State::Unlocking | State::Ended) {
            return step;
        }
        // A fetch that lost its lease sends nothing more; a token that it has already is still saved.
        let renewed = self.fetch.renew_lease(now, &step);
        if !renewed && !matches!(self.state, State::Saving(_)) {
            self.state = State::Ended;
            return Step::Ready(());
        }
        step
    }
}

impl<H: TokenSession> Drop for FetchToken<H> {
    fn drop(&mut self) {
        let (lease, now) = (self.fetch.lease, self.fetch.last_seen);
        match std::mem::replace(&mut self.state, State::Ended) {
            State::Unlocking | State::Ended => {}
            State::Saving(token) => self.use_saved(token, None),
            _ => self
                .fetch
                .host
                .change_tokens(|tokens| tokens.abandon(lease, now)),
        }
    }
}

impl<H: TokenSession> fmt::Debug for FetchToken<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FetchToken")
            .field("fetch", &self.fetch)
            .field("issue", &self.issue)
            .finish_non_exhaustive()
    }
}
