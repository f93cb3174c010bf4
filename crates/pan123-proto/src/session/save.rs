//! What a fetch brought goes to the store. A pair cannot be had again, so that the store is asked more than once.

use std::time::{Duration, Instant};

use super::fetch::{Fetch, Goal, NO_ANSWER, Stage, Turn};
use super::loose::LoosePair;
use crate::machine::{Input, Now, Step};
use crate::store::{StoreOp, StoreResult, StoredToken};
use crate::token::Found;
use crate::trace;

/// The pauses before a pair that the store did not take is saved again at once.
const PAUSES: [Duration; 2] = [Duration::from_millis(100), Duration::from_millis(500)];
/// The time until it is saved again after that.
const LATER: Duration = Duration::from_secs(60);

/// What is being saved.
pub(super) struct Save {
    /// What the session uses from then on; none if it uses it already.
    found: Option<Found>,
    token: StoredToken,
    pair: Option<LoosePair>,
    failures: usize,
}

impl Save {
    pub(super) fn new(found: Found, token: StoredToken, pair: Option<LoosePair>) -> Save {
        Save {
            found: Some(found),
            token,
            pair,
            failures: 0,
        }
    }

    pub(super) fn step(self) -> Turn {
        let op = StoreOp::Save(self.token.clone());
        (Stage::Saving(self), Step::Store(op))
    }
}

impl Fetch {
    /// The pair that the session uses already, if a place for it is all that is missing.
    pub(super) fn left_to_save(&self, kept: Option<&StoredToken>, now: Instant) -> Option<Save> {
        let rotates = matches!(self.goal, Some(Goal::Rotate(_)));
        let newer = rotates && self.session.has_newer_than(kept);
        let (pair, token) = newer.then(|| self.session.take_loose(now)).flatten()?;
        Some(Save {
            found: None,
            token,
            pair: Some(pair),
            failures: PAUSES.len(),
        })
    }

    pub(super) fn saved(&mut self, now: Now, save: Save, input: Input) -> Turn {
        let header = save.found.as_ref().map(|found| &found.header);
        let fault = match input {
            Input::Stored(StoreResult::Saved) => None,
            other => Some(self.store_fault(other, header.or(self.worn.as_ref()))),
        };
        if let Some(fault) = &fault {
            trace::token_not_kept(fault);
            if save.pair.is_some()
                && let Some(pause) = PAUSES.get(save.failures)
            {
                let failures = save.failures + 1;
                return self.rest(now, now.mono + *pause, Save { failures, ..save });
            }
        }
        self.end_saving(now.mono, save, fault);
        self.give_back()
    }

    pub(super) fn rest(&self, now: Now, until: Instant, save: Save) -> Turn {
        (Stage::Resting(until, save), self.wait_for_store(now, until))
    }

    /// Nobody knows whether it was kept.
    pub(super) fn abandon_saving(&self, now: Instant, save: Save) {
        let fault = save.pair.is_some().then(|| NO_ANSWER.to_owned());
        self.end_saving(now, save, fault);
    }

    /// Tells the session what to use, and when a pair that the store did not take is saved again.
    fn end_saving(&self, now: Instant, save: Save, fault: Option<String>) {
        let lease = self.lease;
        let again = (fault.is_some() && save.pair.is_some()).then(|| now + LATER);
        let pair = save.pair.map(|pair| pair.with_token(save.token));
        self.session.note_kept(fault, pair);
        if let Some(found) = &save.found {
            trace::refresh_ended(Ok(found));
        }
        self.session.change_token(|token| {
            match save.found {
                Some(found) => token.accept(lease, found),
                None => token.release(lease),
            }
            token.save_at(again);
        });
    }
}
