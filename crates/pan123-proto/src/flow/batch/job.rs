//! One request of a batch, which its driver runs beside others.

use std::fmt;

use crate::api::file::Entry;
use crate::api::offline::CreatedDownload;
use crate::call::{Call, GateEvent, GatedCall};
use crate::error::Error;
use crate::flow::find_named::FindNamed;
use crate::ledger::ItemId;
use crate::machine::{Detached, Input, Machine, Now, Step};
use crate::task::Progress;

/// A request of a batch: a machine to run, and to hand back to [`Batch::finish`](super::Batch::finish) when it is ready.
///
/// Many of them may run at once. Each must be handed back, even one that its driver gave up.
#[must_use = "a job must be run and handed back"]
pub struct Job {
    pub(super) id: u64,
    pub(super) item: ItemId,
    pub(super) work: Work,
    pub(super) outcome: Option<Outcome>,
    /// Whether its driver handed it back before it was ready.
    pub(super) is_given_up: bool,
}

pub(super) enum Work {
    Create(Box<GatedCall<CreatedDownload>>),
    Poll(Box<Call<Progress>>),
    Confirm(Box<Call<Entry>>),
    /// For several items.
    Find(Box<FindNamed>),
}

pub(super) enum Outcome {
    /// The create has its token and its slot, and asks whether it may send.
    AtGate,
    Created(Result<CreatedDownload, Error>),
    Polled(Result<Progress, Error>),
    Confirmed(Result<Box<Entry>, Error>),
    Found(Result<Vec<Option<Entry>>, Error>),
}

impl Job {
    pub(super) fn new(id: u64, item: ItemId, work: Work) -> Job {
        Job {
            id,
            item,
            work,
            outcome: None,
            is_given_up: false,
        }
    }

    /// What came of it. A driver that gave it up has dropped its request: what was not sent until now never is.
    pub(super) fn take_outcome(&mut self, now: Now) -> Outcome {
        loop {
            if let Some(outcome) = self.outcome.take() {
                return outcome;
            }
            self.is_given_up = true;
            match &self.work {
                Work::Create(call) => call.handle().stop(),
                Work::Poll(_) => return Outcome::Polled(Err(Error::Stopped)),
                Work::Confirm(_) => return Outcome::Confirmed(Err(Error::Stopped)),
                Work::Find(_) => return Outcome::Found(Err(Error::Stopped)),
            }
            drop(self.resume(now, Input::Wake));
        }
    }
}

impl Machine for Job {
    type Output = ();

    fn resume(&mut self, now: Now, input: Input) -> Step<()> {
        let step = match &mut self.work {
            Work::Create(call) => call.resume(now, input).map(|event| match event {
                GateEvent::AtGate => Outcome::AtGate,
                GateEvent::Ended(result) => Outcome::Created(result),
            }),
            Work::Poll(call) => call.resume(now, input).map(Outcome::Polled),
            Work::Confirm(call) => call
                .resume(now, input)
                .map(|result| Outcome::Confirmed(result.map(Box::new))),
            Work::Find(find) => find.resume(now, input).map(Outcome::Found),
        };
        step.map(|outcome| self.outcome = Some(outcome))
    }

    fn detach(self) -> Option<Detached> {
        match self.work {
            Work::Create(call) => call.detach(),
            Work::Poll(_) | Work::Confirm(_) | Work::Find(_) => None,
        }
    }
}

impl fmt::Debug for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Job");
        shown.field("item", &self.item);
        match &self.work {
            Work::Create(call) => shown.field("create", call),
            Work::Poll(call) => shown.field("poll", call),
            Work::Confirm(call) => shown.field("confirm", call),
            Work::Find(find) => shown.field("find", find),
        };
        shown.finish_non_exhaustive()
    }
}
