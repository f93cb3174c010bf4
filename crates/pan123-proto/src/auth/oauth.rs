//! The life of a token pair that an app holds for one of its users.
//!
//! The first pair comes from a code ([`Authorize`]), every later one from the refresh token of the last ([`RefreshPair`]). Two
//! facts make it differ from a [developer's token](super::developer): a refresh token works once, so that it is sent only after the
//! store has proved that it can save, and the new pair is saved before it is used, and saved again if the store fails; and a
//! refresh revokes the access token at once, so that calls wait for its end.

mod app;
mod authorize;
pub(super) mod pairs;

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use http::StatusCode;
use jiff::Timestamp;
use secrecy::SecretString;

pub use app::OAuth;
use app::check_redirect_uri;
pub use authorize::Authorize;

use super::developer::is_about_credentials;
use super::fetch::{Fetch, no_answer, trace_fetched};
use super::tokens::{
    CREDENTIALS_PAUSE, FetchedToken, Lease, Look, TokenOrigin, TokenRequest, Tokens,
};
use super::{AuthMethod, TokenSession};
use crate::api::oauth::TokenPair;
use crate::error::{BuildError, CredentialsFault, Error, ErrorCode, TokenStoreError};
use crate::exchange::TypedExchange;
use crate::machine::token_store::{StoreOp, StoreResult, StoredToken};
use crate::machine::{Input, Machine, Now, Step};
use crate::trace;
use crate::wait::WaitReason;
use crate::wire::request::bearer;
use crate::wire::timestamp::ClockSkew;
use pairs::UnsavedPair;

/// The backoffs before a pair that the store did not take is saved again.
const SAVE_BACKOFFS: [Duration; 2] = [Duration::from_millis(100), Duration::from_millis(500)];
/// When it is saved again after those.
const SAVE_LATER: Duration = Duration::from_secs(60);

/// Decides what a call that needs a token does now.
pub(super) fn look(tokens: &mut Tokens, now: Instant, request: TokenRequest) -> Look {
    if let Some(leased) = tokens.leased().filter(|leased| leased.may_revoke_current) {
        // At some moment the current token is revoked, and nobody knows when.
        return Look::Wait(leased.until);
    }
    let Some(token) = tokens.usable(now) else {
        return tokens.fetch_or_wait(now, request);
    };
    let save_is_due = token.save_at.is_some_and(|at| now >= at);
    if (token.is_stale(now) || save_is_due) && tokens.may_fetch_early(now) {
        return Look::Fetch(tokens.lease(now, request.lease));
    }
    Look::Use(token.bearer.clone())
}

/// Fetches a pair: the next one by the refresh token of the last, or the first one by a code.
struct PairFetch<H: TokenSession> {
    fetch: Fetch<H>,
    goal: Goal<H>,
    state: State<H>,
    /// The refresh token of the stored pair.
    stored_refresh_token: Option<SecretString>,
    /// The refresh token that was sent.
    sent_refresh_token: Option<SecretString>,
    outcome: Result<(), Error>,
}

enum Goal<H: TokenSession> {
    /// The next pair. How that ends is reported to the calls that wait for a token.
    Refresh,
    /// The first pair, in place of any that is stored. How that ends is reported to the caller.
    RedeemCode(Option<Box<TypedExchange<TokenPair, H>>>),
}

enum State<H: TokenSession> {
    Start,
    /// Reads the stored pair without the lock.
    Loading,
    Locking,
    /// Another process holds the lock.
    Busy {
        until: Instant,
    },
    /// Reads the stored pair again, under the lock.
    LoadingLocked,
    /// The store proves that it can save, before what works once is sent.
    Proving(Box<Proof<H>>),
    Requesting(Box<TypedExchange<TokenPair, H>>),
    Saving(Box<Save>),
    /// The store did not take the pair; it is saved again.
    SaveBackoff {
        until: Instant,
        save: Box<Save>,
    },
    Unlocking,
    Ended,
}

/// A request that waits for the store's proof.
struct Proof<H: TokenSession> {
    request: Box<TypedExchange<TokenPair, H>>,
    /// Whether the present pair is saved again, as there is one.
    saves_pair: bool,
}

/// A pair that is being saved.
struct Save {
    /// What the session uses once it is saved; none if it uses it already.
    token: Option<FetchedToken>,
    stored: StoredToken,
    pair: UnsavedPair,
    failures: usize,
}

/// A state, and the step that leads to its input.
type Turn<H> = (State<H>, Step<Result<(), Error>>);

impl<H: TokenSession> PairFetch<H> {
    fn new(host: H, goal: Goal<H>, lease: Lease, now: Now) -> PairFetch<H> {
        PairFetch {
            fetch: Fetch::new(host, lease, now),
            goal,
            state: State::Start,
            stored_refresh_token: None,
            sent_refresh_token: None,
            outcome: Ok(()),
        }
    }

    fn redeems_code(&self) -> bool {
        matches!(self.goal, Goal::RedeemCode(_))
    }

    fn advance(&mut self, state: State<H>, now: Now, input: Input) -> Turn<H> {
        match state {
            State::Start if self.redeems_code() => lock(),
            State::Start => (State::Loading, Step::Store(StoreOp::Load)),
            State::Loading | State::LoadingLocked => self.loaded(now, input),
            State::Locking => match input {
                Input::Stored(StoreResult::Locked) => {
                    self.fetch.lock_taken(now);
                    self.set_may_revoke_current(true);
                    (State::LoadingLocked, Step::Store(StoreOp::Load))
                }
                Input::Stored(StoreResult::Busy) => self.lock_busy(now),
                other => self.fail(now, self.fetch.store_error(other)),
            },
            State::Busy { until } if now.mono < until => self.wait_for_lock(now, until),
            State::Busy { .. } => lock(),
            State::Proving(proof) => self.proved(now, *proof, input),
            State::Requesting(request) => self.request(now, request, input),
            State::Saving(save) => self.saved(now, save, input),
            State::SaveBackoff { until, save } if now.mono < until => {
                self.wait_to_save(now, until, save)
            }
            State::SaveBackoff { save, .. } => store(save),
            State::Unlocking | State::Ended => self.end(),
        }
    }

    /// Uses the stored pair if it helps; else takes the lock, or under the lock saves or requests a pair.
    fn loaded(&mut self, now: Now, input: Input) -> Turn<H> {
        let host = self.fetch.host.clone();
        let stored = match input {
            Input::Stored(StoreResult::Loaded(stored)) => stored,
            // A lost pair does not matter if another one is about to come, or is known.
            Input::Stored(StoreResult::Lost(_))
                if self.redeems_code()
                    || host.with_tokens(|tokens| tokens.has_newer_pair_than(None)) =>
            {
                None
            }
            other => return self.fail(now, self.fetch.store_error(other)),
        };
        let stored = stored.as_ref();
        let knows_newer = host.with_tokens(|tokens| tokens.has_newer_pair_than(stored));
        let needed = self.fetch.check_needed();
        match needed.and_then(|()| self.fetch.pick_stored(stored, now)) {
            Ok(Some(token)) if !knows_newer && !self.redeems_code() => {
                self.fetch.accept(token);
                self.unlock()
            }
            Ok(_) if !self.redeems_code() && self.fetch.backs_off(now) => self.unlock(),
            Ok(_) if !self.fetch.locked => lock(),
            Ok(_) => match self.unsaved_pair(stored, now) {
                Some(save) => store(save),
                None => match self.next_request(stored, now) {
                    Ok(request) => self.prove(stored, request),
                    Err(error) => self.fail(now, error),
                },
            },
            Err(error) => self.fail(now, error),
        }
    }

    /// The pair that the session uses already, if saving it is all that is left to do.
    fn unsaved_pair(&self, stored: Option<&StoredToken>, now: Now) -> Option<Box<Save>> {
        if self.redeems_code() {
            return None;
        }
        let (pair, stored) = self.fetch.host.with_tokens(|tokens| {
            let is_newer = tokens.has_newer_pair_than(stored);
            is_newer
                .then(|| tokens.take_unsaved_pair(now.mono))
                .flatten()
        })?;
        Some(Box::new(Save {
            token: None,
            stored,
            pair,
            failures: SAVE_BACKOFFS.len(),
        }))
    }

    /// The request for a pair, which may depend on the stored one.
    fn next_request(
        &mut self,
        stored: Option<&StoredToken>,
        now: Now,
    ) -> Result<Box<TypedExchange<TokenPair, H>>, Error> {
        let refresh_token = stored.and_then(StoredToken::expose_refresh_token);
        self.stored_refresh_token = refresh_token.map(SecretString::from);
        let host = self.fetch.host.clone();
        let AuthMethod::OAuth(app) = host.auth_method() else {
            return Err(BuildError::Credentials(CredentialsFault::Missing).into());
        };
        if let Goal::RedeemCode(request) = &mut self.goal {
            return request.take().ok_or(Error::Finished);
        }
        let (token, rejection) = host.with_tokens(|tokens| {
            let token = tokens.next_refresh_token(stored, app.first_refresh_token());
            let rejection = token
                .as_ref()
                .and_then(|token| tokens.refresh_token_rejection(token, now.mono));
            (token, rejection)
        });
        let token = token.ok_or(Error::AuthorizationRequired(None))?;
        if let Some(rejection) = rejection {
            return Err(Error::AuthorizationRequired(Some(rejection)));
        }
        let request = TypedExchange::new(host.clone(), &app.refresh(token.clone()))?;
        self.sent_refresh_token = Some(token);
        Ok(Box::new(request.controlled_by(host.fetch_control())))
    }

    /// Has the present pair saved again before the request is sent: a pair that nobody can save would be lost with this process.
    fn prove(
        &mut self,
        stored: Option<&StoredToken>,
        request: Box<TypedExchange<TokenPair, H>>,
    ) -> Turn<H> {
        let unsaved = (self.fetch.host).with_tokens(|tokens| tokens.unsaved_pair_beside(stored));
        let present = unsaved.filter(|_| !self.redeems_code());
        if let Some(pair) = &present {
            // From now on this is the stored pair.
            self.fetch.keep_secret(pair);
            self.stored_refresh_token = pair.expose_refresh_token().map(SecretString::from);
        }
        let present = present.or_else(|| stored.cloned());
        let proof = Proof {
            request,
            saves_pair: present.is_some(),
        };
        let op = present.map_or(StoreOp::Prepare, StoreOp::Save);
        (State::Proving(Box::new(proof)), Step::Store(op))
    }

    fn proved(&mut self, now: Now, proof: Proof<H>, input: Input) -> Turn<H> {
        let is_proof = match &input {
            Input::Stored(StoreResult::Saved) => proof.saves_pair,
            // A store that cannot tell is taken at its word.
            Input::Stored(StoreResult::Prepared | StoreResult::Unsupported) => !proof.saves_pair,
            _ => false,
        };
        if !is_proof {
            return self.fail(now, self.fetch.store_error(input));
        }
        self.request(now, proof.request, Input::Wake)
    }

    fn lock_busy(&mut self, now: Now) -> Turn<H> {
        let until = match self.fetch.lock_busy(now) {
            Ok(until) => until,
            Err(error) => return self.fail(now, error),
        };
        if self.fetch.is_first_busy() {
            self.set_may_revoke_current(false);
        }
        self.wait_for_lock(now, until)
    }

    /// While another process holds the lock nothing is sent, so that the current token stays valid.
    fn set_may_revoke_current(&self, may_revoke: bool) {
        let lease = self.fetch.lease;
        self.fetch
            .host
            .change_tokens(|tokens| tokens.set_may_revoke_current(lease, may_revoke));
    }

    fn wait_for_lock(&mut self, now: Now, until: Instant) -> Turn<H> {
        match self.fetch.wait_for_lock(now, until) {
            Ok(wait) => (State::Busy { until }, wait),
            Err(error) => self.fail(now, error),
        }
    }

    fn request(
        &mut self,
        now: Now,
        mut request: Box<TypedExchange<TokenPair, H>>,
        input: Input,
    ) -> Turn<H> {
        request.set_deadline(self.fetch.deadline(now));
        match request.resume(now, input).ready() {
            Ok(Ok(pair)) => self.issued(now, &pair),
            Ok(Err(error)) => self.fail(now, error),
            Err(step) => {
                self.fetch.note_failure(request.last_failure());
                (State::Requesting(request), step)
            }
        }
    }

    /// Has the new pair saved before any call uses it.
    fn issued(&mut self, now: Now, issued: &TokenPair) -> Turn<H> {
        let refresh_token = issued.expose_refresh_token();
        self.fetch.secrets.push(refresh_token);
        let pair = UnsavedPair::new(refresh_token, self.stored_refresh_token.take());
        let header = match bearer(issued.expose_access_token()) {
            Ok(header) => header,
            Err(error) => {
                let fault =
                    "the access token of the new pair cannot be sent, so the pair was not saved";
                let fault = TokenStoreError::lasting(fault);
                self.fetch
                    .host
                    .with_tokens(|tokens| tokens.note_saved(Some(fault), Some(pair)));
                return self.fail(now, error.into());
            }
        };
        let responded_at = self.fetch.responded_at(now);
        let expired_at = issued
            .expires_in()
            .and_then(|lifetime| responded_at.checked_add(lifetime))
            // An expiry that no calendar holds could not be saved.
            .filter(|end| Timestamp::try_from(*end).is_ok());
        let left = |end: SystemTime| end.duration_since(responded_at).unwrap_or_default();
        let token = FetchedToken {
            header,
            lifetime: expired_at.map(left),
            since: now.mono,
            origin: TokenOrigin::Issued,
        };
        let Some(account) = self.fetch.host.account() else {
            return self.fail(now, Error::AuthorizationRequired(None));
        };
        // An expiry that makes no sense is not saved: other processes too use the token until it is rejected.
        let expired_at = expired_at.filter(|_| token.has_credible_lifetime());
        let skew = ClockSkew::between(responded_at, now.wall);
        let access_token = issued.expose_access_token();
        let stored = StoredToken::new(account, access_token, expired_at, skew);
        store(Box::new(Save {
            token: Some(token),
            stored: stored.with_refresh_token(refresh_token),
            pair,
            failures: 0,
        }))
    }

    fn saved(&mut self, now: Now, mut save: Box<Save>, input: Input) -> Turn<H> {
        let new_token = save.token.as_ref().map(|token| &token.header);
        let fault = match input {
            Input::Stored(StoreResult::Saved) => None,
            other => {
                let token = new_token.or(self.fetch.replaces.as_ref());
                Some(self.fetch.store_fault(other, token))
            }
        };
        if let Some(fault) = &fault {
            trace::token_not_saved(fault);
            if let Some(backoff) = SAVE_BACKOFFS.get(save.failures) {
                save.failures += 1;
                return self.wait_to_save(now, now.mono + *backoff, save);
            }
        }
        self.end_saving(now.mono, *save, fault);
        self.unlock()
    }

    fn wait_to_save(&self, now: Now, until: Instant, save: Box<Save>) -> Turn<H> {
        let wait = self.fetch.wait_to_save(now, until);
        (State::SaveBackoff { until, save }, wait)
    }

    /// The session uses the token from now on. A pair that the store did not take is saved again later.
    fn end_saving(&self, now: Instant, save: Save, fault: Option<TokenStoreError>) {
        let lease = self.fetch.lease;
        let save_at = fault.is_some().then(|| now + SAVE_LATER);
        let pair = save.pair.with_token(save.stored);
        if let Some(token) = &save.token {
            trace_fetched(token);
        }
        self.fetch.host.change_tokens(|tokens| {
            tokens.note_saved(fault, Some(pair));
            match save.token {
                Some(token) => tokens.accept(lease, token),
                None => tokens.release(lease),
            }
            if let Some(token) = &mut tokens.current {
                token.save_at = save_at;
            }
        });
    }

    /// Reports the failure: of a refresh to the calls that wait for a token, of a code to its caller.
    fn fail(&mut self, now: Now, error: Error) -> Turn<H> {
        let lease = self.fetch.lease;
        let host = self.fetch.host.clone();
        if self.redeems_code() {
            trace::token_fetch_failed(&error);
            self.outcome = Err(error);
            host.change_tokens(|tokens| tokens.release(lease));
            return self.unlock();
        }
        if let Error::Stopped = error {
            // Nobody is left to tell.
            return self.unlock();
        }
        let error = self.explain_rejection(error, now.mono);
        trace::token_fetch_failed(&error);
        host.change_tokens(|tokens| {
            let needs_user = matches!(error, Error::AuthorizationRequired(_));
            if needs_user || is_about_credentials(&error) {
                tokens.reject_credentials(lease, error, now.mono);
            } else {
                tokens.fail_fetch(lease, error, now.mono);
            }
        });
        self.unlock()
    }

    /// A rejected refresh token is the user's to replace, and is not sent again for a while.
    fn explain_rejection(&mut self, error: Error, now: Instant) -> Error {
        if !is_rejected_refresh_token(&error) {
            return error;
        }
        let error = Arc::new(error);
        if let Some(token) = self.sent_refresh_token.take() {
            let until = now + CREDENTIALS_PAUSE;
            let error = Arc::clone(&error);
            self.fetch
                .host
                .with_tokens(|tokens| tokens.note_rejected_refresh_token(token, until, error));
        }
        Error::AuthorizationRequired(Some(error))
    }

    fn unlock(&mut self) -> Turn<H> {
        if self.fetch.locked {
            (State::Unlocking, Step::Store(StoreOp::Unlock))
        } else {
            self.end()
        }
    }

    fn end(&mut self) -> Turn<H> {
        let outcome = std::mem::replace(&mut self.outcome, Ok(()));
        (State::Ended, Step::Ready(outcome))
    }

    fn resume(&mut self, now: Now, input: Input) -> Step<Result<(), Error>> {
        self.fetch.begin_turn(now, &input);
        let state = std::mem::replace(&mut self.state, State::Ended);
        let (state, step) = self.advance(state, now, input);
        self.state = state;
        if matches!(self.state, State::Unlocking | State::Ended) {
            return step;
        }
        // A fetch that lost its lease sends nothing more; a pair that it has already is still saved.
        let renewed = self.fetch.renew_lease(now, &step);
        if !renewed && !matches!(self.state, State::Saving(_) | State::SaveBackoff { .. }) {
            self.state = State::Ended;
            return Step::Ready(if self.redeems_code() {
                Err(Error::Deadline {
                    last: None,
                    waiting_for: Some(WaitReason::Token),
                })
            } else {
                Ok(())
            });
        }
        step
    }
}

fn lock<H: TokenSession>() -> Turn<H> {
    (State::Locking, Step::Store(StoreOp::Lock))
}

fn store<H: TokenSession>(save: Box<Save>) -> Turn<H> {
    let op = StoreOp::Save(save.stored.clone());
    (State::Saving(save), Step::Store(op))
}

/// Whether the service will not take this refresh token, now or later. How it says so is documented nowhere: by the name of
/// RFC 6749, by a code or status that finds the request wrong, or by a text about the token. A blocked address, a wrong client
/// secret or an internal error say nothing about the token.
fn is_rejected_refresh_token(error: &Error) -> bool {
    match error {
        Error::Api(api) if api.may_pass() => false,
        Error::Api(api) => match api.code() {
            ErrorCode::InvalidGrant | ErrorCode::Unauthorized | ErrorCode::Other(400) => true,
            ErrorCode::Internal | ErrorCode::Other(_) => is_about_refresh_token(api.message()),
            _ => false,
        },
        Error::Http(response) => matches!(
            response.http_status(),
            StatusCode::BAD_REQUEST | StatusCode::UNAUTHORIZED
        ),
        _ => false,
    }
}

fn is_about_refresh_token(text: &str) -> bool {
    let text = text.to_lowercase();
    text.contains("refresh") && text.contains("token")
}

impl<H: TokenSession> Drop for PairFetch<H> {
    fn drop(&mut self) {
        let (lease, now) = (self.fetch.lease, self.fetch.last_seen);
        let host = self.fetch.host.clone();
        match std::mem::replace(&mut self.state, State::Ended) {
            State::Unlocking | State::Ended => {}
            State::Saving(save) | State::SaveBackoff { save, .. } => {
                // It is unknown whether it was saved.
                self.end_saving(now, *save, Some(no_answer()));
            }
            _ if self.redeems_code() => host.change_tokens(|tokens| tokens.release(lease)),
            _ => host.change_tokens(|tokens| tokens.abandon(lease, now)),
        }
    }
}

impl<H: TokenSession> fmt::Debug for PairFetch<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PairFetch")
            .field("fetch", &self.fetch)
            .field("redeems_code", &self.redeems_code())
            .finish_non_exhaustive()
    }
}

/// Fetches the next pair for all calls of a session.
///
/// If it is dropped, the lease goes to the next call at once.
pub(super) struct RefreshPair<H: TokenSession>(PairFetch<H>);

impl<H: TokenSession> RefreshPair<H> {
    pub(super) fn new(host: H, lease: Lease, now: Now) -> RefreshPair<H> {
        RefreshPair(PairFetch::new(host, Goal::Refresh, lease, now))
    }
}

impl<H: TokenSession> Machine for RefreshPair<H> {
    type Output = ();

    fn resume(&mut self, now: Now, input: Input) -> Step<()> {
        match self.0.resume(now, input).ready() {
            Ok(_) => Step::Ready(()),
            Err(step) => step,
        }
    }
}

impl<H: TokenSession> fmt::Debug for RefreshPair<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RefreshPair").field(&self.0).finish()
    }
}
