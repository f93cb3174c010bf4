//! Fetching a token: one caller at a time, outliving whoever asked for it. Where the session keeps its token, a kept one
//! is looked for first, and a new one is issued under the store's lock only.

use std::fmt;
use std::time::{Duration, Instant, SystemTime};

use fastrand::Rng;
use http::{HeaderValue, StatusCode};

use super::Session;
use crate::answer::date;
use crate::api::access_token::IssuedToken;
use crate::call::Call;
use crate::control::Control;
use crate::endpoint::bearer;
use crate::error::{BuildError, Error, ErrorCode};
use crate::machine::{Input, Machine, Now, Step, Wait, WaitReason};
use crate::scrub::Scrub;
use crate::store::{Skew, StoreOp, StoreResult, StoredToken};
use crate::token::{Found, Lease};
use crate::trace;

/// How long a fetch may take with all its waits and attempts.
const DEADLINE: Duration = Duration::from_secs(120);
/// How much longer than the next step a lease lasts.
pub(crate) const LEASE_MARGIN: Duration = Duration::from_secs(10);
/// How long a store may take for one operation before the lease is lost.
const STORE_TIME: Duration = Duration::from_secs(30);
/// The longest pause after the lock was busy for the first time; it doubles with each one.
const BUSY_PAUSE: Duration = Duration::from_millis(50);
const MOST_BUSY_PAUSE: Duration = Duration::from_secs(1);

/// The fetch of a token, won by one caller for all: see [`Step::Refresh`].
///
/// Dropped before its end, it gives the right to fetch to the next caller at once.
pub struct Refresh {
    session: Session,
    lease: Lease,
    /// None after the end.
    call: Option<Box<Call<IssuedToken>>>,
    stage: Stage,
    /// Whether the lock is held, and a new token goes to the store.
    locked: bool,
    /// What the session held when the fetch began: finding the same in the store is no help.
    worn: Option<HeaderValue>,
    deadline: Option<Instant>,
    /// How often the lock was busy.
    busy: u32,
    /// The latest time known, for the drop.
    seen: Instant,
    /// What the service's clock showed when it answered last.
    date: Option<SystemTime>,
    rng: Rng,
    control: Control,
}

enum Stage {
    Begin,
    /// Reads the kept token, first without the lock and then under it.
    Looking,
    Locking,
    /// Somebody else has the lock.
    Queueing(Instant),
    Issuing,
    Saving(Found),
    Unlocking,
    Ended,
}

/// A stage, and the step that leads to its input.
type Turn = (Stage, Step<()>);

impl Refresh {
    pub(super) fn new(
        session: Session,
        lease: Lease,
        call: Call<IssuedToken>,
        now: Now,
    ) -> Refresh {
        trace::refresh_begins();
        Refresh {
            lease,
            call: Some(Box::new(call)),
            stage: Stage::Begin,
            locked: false,
            worn: session.with_state(|state| state.token.held().cloned()),
            deadline: None,
            busy: 0,
            seen: now.mono,
            date: None,
            rng: session.fork_rng(),
            control: Control::default(),
            session,
        }
    }

    fn advance(&mut self, stage: Stage, now: Now, input: Input) -> Turn {
        match stage {
            Stage::Begin if self.session.settings().keeps_token => look(),
            Stage::Begin => self.issue(now, Input::Wake),
            Stage::Looking => self.judge(now, input),
            Stage::Locking => match input {
                Input::Stored(StoreResult::Locked) => {
                    self.locked = true;
                    look()
                }
                Input::Stored(StoreResult::Busy) => self.queue(now),
                other => self.end_by_store(now, other),
            },
            Stage::Queueing(until) if now.mono < until => self.wait(now, until),
            Stage::Queueing(_) => lock(),
            Stage::Issuing => self.issue(now, input),
            Stage::Saving(found) => {
                let fault = match input {
                    Input::Stored(StoreResult::Saved) => None,
                    other => Some(self.store_fault(other, Some(&found.header))),
                };
                if let Some(fault) = &fault {
                    trace::token_not_kept(fault);
                }
                self.session.note_saved(fault);
                self.end(now, Ok(found))
            }
            Stage::Unlocking | Stage::Ended => (Stage::Ended, Step::Ready(())),
        }
    }

    /// What the store has.
    fn judge(&mut self, now: Now, input: Input) -> Turn {
        let kept = match input {
            Input::Stored(StoreResult::Loaded(kept)) => kept,
            Input::Stored(StoreResult::Unsupported) if !self.locked => {
                return self.issue(now, Input::Wake);
            }
            other => return self.end_by_store(now, other),
        };
        let found = kept.map_or(Ok(None), |kept| self.session.find_in(&kept, now));
        let worn = self.worn.as_ref();
        match found.map(|found| found.filter(|found| Some(&found.header) != worn)) {
            Ok(Some(found)) => self.end(now, Ok(found)),
            Ok(None) if self.locked => self.issue(now, Input::Wake),
            Ok(None) => lock(),
            Err(error) => self.end(now, Err(error)),
        }
    }

    fn queue(&mut self, now: Now) -> Turn {
        let deadline = self.deadline(now);
        if now.mono >= deadline {
            let text = "its lock is held by somebody else all the time, and no token is fetched without it";
            return self.end(now, Err(Error::TokenStore(text.to_owned())));
        }
        let doubled = 1_u32.checked_shl(self.busy).unwrap_or(u32::MAX);
        let most = BUSY_PAUSE.saturating_mul(doubled).min(MOST_BUSY_PAUSE);
        self.busy += 1;
        // Never at once, so that processes that wait for one lock do not spin.
        let pause = most.mul_f64(0.5 + self.rng.f64() / 2.0);
        self.wait(now, (now.mono + pause).min(deadline))
    }

    fn wait(&self, now: Now, until: Instant) -> Turn {
        let wait = Wait::new(now.mono, until, self.control.listen(), WaitReason::Store);
        (Stage::Queueing(until), Step::Wait(wait))
    }

    /// Asks the service for a new token.
    fn issue(&mut self, now: Now, input: Input) -> Turn {
        let deadline = self.deadline(now);
        if let Input::Response(answer) = &input {
            self.date = date(answer.headers());
        }
        let Some(call) = &mut self.call else {
            return (Stage::Ended, Step::Ready(()));
        };
        call.set_deadline(deadline);
        match call.resume(now, input).ready() {
            Ok(Ok(token)) => self.keep(now, &token),
            Ok(Err(error)) => self.end(now, Err(error)),
            Err(step) => (Stage::Issuing, step),
        }
    }

    /// Has a new token saved before anybody goes on: a program that ends with its only call would lose it otherwise.
    fn keep(&mut self, now: Now, token: &IssuedToken) -> Turn {
        let issued_at = self.date.unwrap_or(now.wall);
        let left = |end: SystemTime| end.duration_since(issued_at).unwrap_or_default();
        let life = token.expired_at().map(left);
        let Some(header) = bearer(token.expose()) else {
            let what = "access token";
            return self.end(now, Err(BuildError::Header { what }.into()));
        };
        let found = Found {
            header,
            life,
            is_new: true,
        };
        let account = self.session.account().filter(|_| self.locked);
        let Some(account) = account else {
            return self.end(now, Ok(found));
        };
        // A life that makes no sense is not kept: the token is used until it is refused, by others too.
        let expired_at = token.expired_at().filter(|_| found.has_credible_life());
        let skew = Skew::between(issued_at, now.wall);
        let kept = StoredToken::new(account, token.expose(), expired_at, skew);
        (Stage::Saving(found), Step::Store(StoreOp::Save(kept)))
    }

    /// Tells the session how the fetch ended, and gives the lock back.
    fn end(&mut self, now: Now, result: Result<Found, Error>) -> Turn {
        let lease = self.lease;
        self.call = None;
        trace::refresh_ended(result.as_ref());
        self.session.end_refresh(|token| match result {
            Ok(found) => token.accept(lease, found, now.mono),
            Err(error) => {
                let credentials = is_about_credentials(&error);
                token.fail(lease, error, credentials, now.mono);
            }
        });
        if self.locked {
            (Stage::Unlocking, Step::Store(StoreOp::Unlock))
        } else {
            (Stage::Ended, Step::Ready(()))
        }
    }

    fn end_by_store(&mut self, now: Now, input: Input) -> Turn {
        let fault = self.store_fault(input, self.worn.as_ref());
        self.end(now, Err(Error::TokenStore(fault)))
    }

    /// Why the store did not do what it was asked for, without this token.
    fn store_fault(&self, input: Input, token: Option<&HeaderValue>) -> String {
        let scrub = Scrub {
            session: &self.session.settings().secrets,
            token,
            ..Scrub::NOTHING
        };
        match input {
            Input::Stored(StoreResult::Failed(text)) => scrub.text(text),
            Input::Stored(_) => "it answered something else than it was asked for".to_owned(),
            _ => "it was asked for something and gave no answer".to_owned(),
        }
    }

    fn deadline(&mut self, now: Now) -> Instant {
        *self.deadline.get_or_insert(now.mono + DEADLINE)
    }
}

fn look() -> Turn {
    (Stage::Looking, Step::Store(StoreOp::Load))
}

fn lock() -> Turn {
    (Stage::Locking, Step::Store(StoreOp::Lock))
}

impl Machine for Refresh {
    type Output = ();

    fn resume(&mut self, now: Now, input: Input) -> Step<()> {
        self.seen = now.mono;
        // Counts from the first step, whatever comes first.
        self.deadline(now);
        let stage = std::mem::replace(&mut self.stage, Stage::Ended);
        let (stage, step) = self.advance(stage, now, input);
        self.stage = stage;
        if matches!(self.stage, Stage::Unlocking | Stage::Ended) {
            return step;
        }
        let until = match &step {
            Step::Transmit(transmit) => now.mono + transmit.timeout,
            Step::Wait(wait) => wait.until,
            Step::Store(_) => now.mono + STORE_TIME,
            Step::Refresh(_) | Step::Ready(()) => now.mono,
        };
        let renewed = self.session.renew(self.lease, until + LEASE_MARGIN);
        if !renewed && !matches!(self.stage, Stage::Saving(_)) {
            self.stage = Stage::Ended;
            return Step::Ready(());
        }
        step
    }
}

impl Drop for Refresh {
    fn drop(&mut self) {
        let (lease, now) = (self.lease, self.seen);
        match std::mem::replace(&mut self.stage, Stage::Ended) {
            Stage::Unlocking | Stage::Ended => {}
            Stage::Saving(found) => {
                self.session
                    .end_refresh(|token| token.accept(lease, found, now));
            }
            _ => self.session.end_refresh(|token| token.abandon(lease, now)),
        }
    }
}

impl fmt::Debug for Refresh {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Refresh")
            .field("lease", &self.lease)
            .field("call", &self.call)
            .field("locked", &self.locked)
            .finish_non_exhaustive()
    }
}

/// The token endpoint asks for no token, so that its 401 is about the credentials.
fn is_about_credentials(error: &Error) -> bool {
    match error {
        Error::Api(api) => api.code() == ErrorCode::Unauthorized,
        Error::Http(answer) => answer.http_status() == StatusCode::UNAUTHORIZED,
        _ => false,
    }
}
