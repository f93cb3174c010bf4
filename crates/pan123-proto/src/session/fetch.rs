//! Fetching a token: one caller at a time, outliving whoever asked for it. Where the session keeps its token, a kept one
//! is looked for first, and a new one is asked for under the store's lock only.

use std::fmt;
use std::time::{Duration, Instant, SystemTime};

use fastrand::Rng;
use http::HeaderValue;
use secrecy::SecretString;

use super::Session;
use super::ask::{Ask, Issued, is_about_credentials};
use super::loose::LoosePair;
use super::save::Save;
use crate::answer::date;
use crate::control::Control;
use crate::endpoint::bearer;
use crate::error::{BuildError, Error};
use crate::machine::{Input, Now, Step, Wait, WaitReason};
use crate::retry::doubled;
use crate::scrub::{Scrub, Secrets};
use crate::store::{ClockSkew, StoreOp, StoreResult, StoredToken};
use crate::token::{Found, Lease};
use crate::trace;

/// How long a fetch may take with all its waits and attempts.
pub(super) const DEADLINE: Duration = Duration::from_secs(120);
/// How much longer than the next step a lease lasts.
pub(super) const LEASE_MARGIN: Duration = Duration::from_secs(10);
/// How long a store may take for one operation before the lease is lost.
const STORE_TIME: Duration = Duration::from_secs(30);
/// The longest pause after the lock was busy for the first time; it doubles with each one.
const BUSY_PAUSE: Duration = Duration::from_millis(50);
const MOST_BUSY_PAUSE: Duration = Duration::from_secs(1);

/// How a fetch ended. Only an exchange fails here: how others fail is told to those who wait for the token.
pub(super) type Ended = Result<(), Error>;

/// What is to be had.
#[derive(Debug)]
pub(super) enum Goal {
    /// A token for a developer's credentials, if none is kept.
    Issue(Ask),
    /// The pair after the one that is kept, which its refresh token is asked for with.
    Rotate(Option<Ask>),
    /// The first pair of a user, whatever is kept.
    Exchange(Ask),
}

pub(super) struct Fetch {
    pub(super) session: Session,
    pub(super) lease: Lease,
    /// None after the end.
    pub(super) goal: Option<Goal>,
    /// Whether its end is told to who asked for it, and to nobody else.
    exchanges: bool,
    outcome: Ended,
    stage: Stage,
    /// Whether the lock is held, and a new token goes to the store.
    locked: bool,
    /// What the session held when the fetch began: finding the same in the store is no help.
    pub(super) worn: Option<HeaderValue>,
    /// The refresh token that is kept.
    pub(super) kept: Option<SecretString>,
    /// The refresh token that is asked with.
    pub(super) asked_with: Option<SecretString>,
    /// The tokens that were seen here.
    secrets: Secrets,
    deadline: Option<Instant>,
    /// How often the lock was busy.
    busy: u32,
    /// The latest time known, for the drop.
    seen: Instant,
    /// What the service's clock showed when it answered last.
    date: Option<SystemTime>,
    rng: Rng,
    pub(super) control: Control,
}

pub(super) enum Stage {
    Begin,
    /// Reads the kept token, first without the lock and then under it.
    Looking,
    Locking,
    /// Somebody else has the lock.
    Queueing(Instant),
    Asking,
    Saving(Save),
    /// The store did not take a pair, and is to be asked again.
    Resting(Instant, Save),
    Unlocking,
    Ended,
}

/// A stage, and the step that leads to its input.
pub(super) type Turn = (Stage, Step<Ended>);

impl Fetch {
    pub(super) fn new(session: Session, lease: Lease, goal: Goal, now: Now) -> Fetch {
        trace::refresh_begins();
        Fetch {
            lease,
            exchanges: matches!(goal, Goal::Exchange(_)),
            goal: Some(goal),
            outcome: Ok(()),
            stage: Stage::Begin,
            locked: false,
            worn: session.with_state(|state| state.token.held().cloned()),
            kept: None,
            asked_with: None,
            secrets: Secrets::default(),
            deadline: None,
            busy: 0,
            seen: now.mono,
            date: None,
            rng: session.fork_rng(),
            control: Control::default(),
            session,
        }
    }

    /// Bounds it by a deadline that began to count elsewhere.
    pub(super) fn until(mut self, deadline: Instant) -> Fetch {
        self.deadline = Some(deadline);
        self
    }

    pub(super) fn resume(&mut self, now: Now, input: Input) -> Step<Ended> {
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
            Step::Refresh(_) | Step::Ready(_) => now.mono,
        };
        let renewed = self.session.renew(self.lease, until + LEASE_MARGIN);
        if !renewed && !matches!(self.stage, Stage::Saving(_) | Stage::Resting(..)) {
            self.stage = Stage::Ended;
            return Step::Ready(if self.exchanges {
                Err(Error::Deadline { last: None })
            } else {
                Ok(())
            });
        }
        step
    }

    fn advance(&mut self, stage: Stage, now: Now, input: Input) -> Turn {
        match stage {
            Stage::Begin if self.exchanges => lock(),
            Stage::Begin if self.session.settings().keeps_token => look(),
            Stage::Begin => self.ask(now, Input::Wake),
            Stage::Looking => self.judge(now, input),
            Stage::Locking => match input {
                Input::Stored(StoreResult::Locked) => {
                    self.locked = true;
                    self.spare(false);
                    // Whoever waited long for the lock has all the time that an answer may take.
                    self.deadline = Some(now.mono + DEADLINE);
                    look()
                }
                Input::Stored(StoreResult::Busy) => self.queue(now),
                other => self.end_by_store(now, other),
            },
            Stage::Queueing(until) if now.mono < until => self.stand_by(now, until),
            Stage::Queueing(_) => lock(),
            Stage::Asking => self.ask(now, input),
            Stage::Saving(save) => self.saved(now, save, input),
            Stage::Resting(until, save) if now.mono < until => self.rest(now, until, save),
            Stage::Resting(_, save) => save.step(),
            Stage::Unlocking | Stage::Ended => (Stage::Ended, Step::Ready(self.outcome())),
        }
    }

    /// What the store has.
    fn judge(&mut self, now: Now, input: Input) -> Turn {
        let kept = match input {
            Input::Stored(StoreResult::Loaded(kept)) => kept,
            Input::Stored(StoreResult::Unsupported)
                if !self.locked && matches!(self.goal, Some(Goal::Issue(_))) =>
            {
                return self.ask(now, Input::Wake);
            }
            other => return self.end_by_store(now, other),
        };
        match self.find_in(kept.as_ref(), now) {
            Ok(Some(found)) if !self.exchanges => self.end(now, Ok(found)),
            Ok(_) if !self.locked => lock(),
            Ok(_) => match self.left_to_save(kept.as_ref(), now.mono) {
                Some(save) => save.step(),
                None => match self.prepare(kept.as_ref(), now) {
                    Ok(()) => self.ask(now, Input::Wake),
                    Err(error) => self.end(now, Err(error)),
                },
            },
            Err(error) => self.end(now, Err(error)),
        }
    }

    /// A kept token that helps.
    fn find_in(&mut self, kept: Option<&StoredToken>, now: Now) -> Result<Option<Found>, Error> {
        let newer = self.session.has_newer_than(kept);
        let Some(kept) = kept else { return Ok(None) };
        self.secrets.push(kept.expose());
        self.secrets
            .push(kept.expose_refresh_token().unwrap_or_default());
        let found = self.session.find_in(kept, now)?;
        let worn = self.worn.as_ref();
        Ok(found.filter(|found| !newer && Some(&found.header) != worn))
    }

    fn queue(&mut self, now: Now) -> Turn {
        let deadline = self.deadline(now);
        if now.mono >= deadline {
            let text = "its lock is held by somebody else all the time, and no token is fetched without it";
            return self.end(now, Err(Error::TokenStore(text.to_owned())));
        }
        if self.busy == 0 {
            self.spare(true);
        }
        let most = doubled(BUSY_PAUSE, self.busy, MOST_BUSY_PAUSE);
        self.busy += 1;
        // Never at once, so that processes that wait for one lock do not spin.
        let pause = most.mul_f64(0.5 + self.rng.f64() / 2.0);
        self.stand_by(now, (now.mono + pause).min(deadline))
    }

    /// While the lock is somebody else's nothing is sent, and the old token, if it lives, is good for all.
    fn spare(&self, spares: bool) {
        let lease = self.lease;
        self.session
            .change_token(|token| token.set_ends_held(lease, !spares));
    }

    fn stand_by(&self, now: Now, until: Instant) -> Turn {
        (Stage::Queueing(until), self.wait_for_store(now, until))
    }

    pub(super) fn wait_for_store(&self, now: Now, until: Instant) -> Step<Ended> {
        let signal = self.control.listen();
        Step::Wait(Wait::new(now.mono, until, signal, WaitReason::Store))
    }

    /// Asks the service for a new token.
    fn ask(&mut self, now: Now, input: Input) -> Turn {
        let deadline = self.deadline(now);
        if let Input::Response(answer) = &input {
            self.date = date(answer.headers());
        }
        let Some(Goal::Issue(ask) | Goal::Exchange(ask) | Goal::Rotate(Some(ask))) = &mut self.goal
        else {
            return (Stage::Ended, Step::Ready(self.outcome()));
        };
        match ask.resume(deadline, now, input) {
            Ok(Ok(issued)) => self.keep(now, &issued),
            Ok(Err(error)) => self.end(now, Err(error)),
            Err(step) => (Stage::Asking, step),
        }
    }

    /// Has a new token saved before anybody goes on: a program that ends with its only call would lose it otherwise.
    fn keep(&mut self, now: Now, issued: &Issued) -> Turn {
        let answered = self.date.unwrap_or(now.wall);
        let expired_at = issued.expired_at(answered);
        let left = |end: SystemTime| end.duration_since(answered).unwrap_or_default();
        let pair = issued.expose_refresh_token().map(|token| {
            self.secrets.push(token);
            LoosePair::new(token, self.kept.take())
        });
        let Some(header) = bearer(issued.expose()) else {
            let what = "access token";
            if pair.is_some() {
                let fault =
                    "the access token of the new pair cannot be sent, so that it was not kept";
                self.session.note_kept(Some(fault.to_owned()), pair);
            }
            return self.end(now, Err(BuildError::Header { what }.into()));
        };
        let found = Found {
            header,
            life: expired_at.map(left),
            since: now.mono,
            is_new: true,
        };
        let account = self.session.account().filter(|_| self.locked);
        let Some(account) = account else {
            return self.end(now, Ok(found));
        };
        // A life that makes no sense is not kept: the token is used until it is refused, by others too.
        let expired_at = expired_at.filter(|_| found.has_credible_life());
        let skew = ClockSkew::between(answered, now.wall);
        let mut token = StoredToken::new(account, issued.expose(), expired_at, skew);
        if let Some(refresh_token) = issued.expose_refresh_token() {
            token = token.with_refresh_token(refresh_token);
        }
        Save::new(found, token, pair).step()
    }

    /// Tells the session how the fetch ended, and gives the lock back.
    pub(super) fn end(&mut self, now: Now, result: Result<Found, Error>) -> Turn {
        let (lease, exchanges) = (self.lease, self.exchanges);
        let rotates = matches!(self.goal.take(), Some(Goal::Rotate(_)));
        let result = result.map_err(|error| {
            if rotates {
                self.told_of_rotation(error, now.mono)
            } else {
                error
            }
        });
        trace::refresh_ended(result.as_ref());
        let outcome = &mut self.outcome;
        self.session.change_token(|token| match result {
            Ok(found) => token.accept(lease, found),
            Err(error) if exchanges => {
                token.release(lease);
                *outcome = Err(error);
            }
            Err(error) => {
                let credentials = is_about_credentials(&error);
                token.fail(lease, error, credentials, now.mono);
            }
        });
        self.give_back()
    }

    pub(super) fn give_back(&mut self) -> Turn {
        if self.locked {
            (Stage::Unlocking, Step::Store(StoreOp::Unlock))
        } else {
            (Stage::Ended, Step::Ready(self.outcome()))
        }
    }

    fn outcome(&mut self) -> Ended {
        std::mem::replace(&mut self.outcome, Ok(()))
    }

    fn end_by_store(&mut self, now: Now, input: Input) -> Turn {
        let fault = self.store_fault(input, self.worn.as_ref());
        self.end(now, Err(Error::TokenStore(fault)))
    }

    /// Why the store did not do what it was asked for, without these tokens.
    pub(super) fn store_fault(&self, input: Input, token: Option<&HeaderValue>) -> String {
        let scrub = Scrub {
            session: &self.session.settings().secrets,
            request: &self.secrets,
            token,
        };
        match input {
            Input::Stored(StoreResult::Failed(text)) => scrub.text(text),
            Input::Stored(StoreResult::Unsupported) => {
                "this driver keeps nothing, and what is fetched would be lost with it".to_owned()
            }
            Input::Stored(_) => "it answered something else than it was asked for".to_owned(),
            _ => NO_ANSWER.to_owned(),
        }
    }

    fn deadline(&mut self, now: Now) -> Instant {
        *self.deadline.get_or_insert(now.mono + DEADLINE)
    }
}

pub(super) const NO_ANSWER: &str = "it was asked for something and gave no answer";

fn look() -> Turn {
    (Stage::Looking, Step::Store(StoreOp::Load))
}

fn lock() -> Turn {
    (Stage::Locking, Step::Store(StoreOp::Lock))
}

impl Drop for Fetch {
    fn drop(&mut self) {
        let (lease, now) = (self.lease, self.seen);
        match std::mem::replace(&mut self.stage, Stage::Ended) {
            Stage::Unlocking | Stage::Ended => {}
            Stage::Saving(save) | Stage::Resting(_, save) => {
                self.abandon_saving(now, save);
            }
            _ if self.exchanges => self.session.change_token(|token| token.release(lease)),
            _ => self.session.change_token(|token| token.abandon(lease, now)),
        }
    }
}

impl fmt::Debug for Fetch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fetch")
            .field("lease", &self.lease)
            .field("goal", &self.goal)
            .field("locked", &self.locked)
            .finish_non_exhaustive()
    }
}
