//! Where the machines of a world keep their token: all sessions on one disk stand for processes on one machine.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, SystemTime};

use pan123_proto::{Input, StoreOp, StoreResult, StoredToken};

use super::actor::Turn;
use super::fate::{Fate, Plan, Whim};

/// How long an operation takes.
pub(crate) const DISK_TIME: Duration = Duration::from_millis(2);

type Fault = Box<dyn FnMut(&StoreOp) -> Option<StoreResult>>;

/// Clones are the same disk.
#[derive(Clone, Default)]
pub(crate) struct Disk(Rc<RefCell<Inner>>);

#[derive(Default)]
struct Inner {
    kept: Option<StoredToken>,
    /// The actor that has the lock.
    holder: Option<usize>,
    done: Vec<(&'static str, Duration)>,
    fault: Option<Fault>,
}

/// So many saves fail, and no more.
pub(crate) fn first_saves(mut failing: usize) -> impl FnMut(&StoreOp) -> Option<StoreResult> {
    move |op| {
        let fails = matches!(op, StoreOp::Save(_)) && failing > 0;
        failing -= usize::from(fails);
        fails.then(|| StoreResult::Failed("the disk is full".to_owned()))
    }
}

impl Disk {
    pub(crate) fn keeping(token: StoredToken) -> Disk {
        let disk = Disk::default();
        disk.0.borrow_mut().kept = Some(token);
        disk
    }

    /// Answers with this instead, where it answers at all: see [`first_saves`].
    pub(crate) fn failing(
        self,
        fault: impl FnMut(&StoreOp) -> Option<StoreResult> + 'static,
    ) -> Disk {
        self.0.borrow_mut().fault = Some(Box::new(fault));
        self
    }

    pub(crate) fn kept(&self) -> Option<StoredToken> {
        self.0.borrow().kept.clone()
    }

    /// The operations so far.
    pub(crate) fn done(&self) -> Vec<&'static str> {
        let names =
            |done: &[(&'static str, Duration)]| done.iter().map(|(name, _)| *name).collect();
        names(&self.0.borrow().done)
    }

    /// When this was asked for.
    pub(crate) fn times(&self, name: &str) -> Vec<Duration> {
        let inner = self.0.borrow();
        let same = inner.done.iter().filter(|(done, _)| *done == name);
        same.map(|(_, at)| *at).collect()
    }

    /// Somebody else, who is no machine of this world, keeps this.
    pub(crate) fn put(&self, token: StoredToken) {
        self.0.borrow_mut().kept = Some(token);
    }

    pub(crate) fn is_locked(&self) -> bool {
        self.0.borrow().holder.is_some()
    }

    fn run(&self, at: Duration, actor: usize, op: StoreOp) -> StoreResult {
        let inner = &mut *self.0.borrow_mut();
        let mine = inner.holder == Some(actor);
        let name = match op {
            StoreOp::Load => "load",
            StoreOp::Lock => "lock",
            StoreOp::Save(_) => "save",
            StoreOp::Unlock => "unlock",
            _ => "another",
        };
        inner.done.push((name, at));
        if let Some(result) = inner.fault.as_mut().and_then(|fault| fault(&op)) {
            return result;
        }
        match op {
            StoreOp::Load => StoreResult::Loaded(inner.kept.clone()),
            StoreOp::Lock if inner.holder.is_some() => StoreResult::Busy,
            StoreOp::Lock => {
                inner.holder = Some(actor);
                StoreResult::Locked
            }
            StoreOp::Save(token) => {
                assert!(mine, "a token is saved under the lock");
                inner.kept = Some(token);
                StoreResult::Saved
            }
            StoreOp::Unlock => {
                assert!(mine, "who unlocks has the lock");
                inner.holder = None;
                StoreResult::Unlocked
            }
            other => other.unsupported(),
        }
    }

    /// Gives the lock of an actor that is gone back.
    fn close(&self, actor: usize) {
        let mine = |holder: &mut usize| *holder == actor;
        self.0.borrow_mut().holder.take_if(mine);
    }
}

/// The driver of every machine has this disk.
impl Fate for Disk {
    fn deliver(&mut self, _: Duration, _: SystemTime, _: usize, _: &Input) {}

    fn step(&mut self, _: Duration, actor: usize, turn: &Turn) -> Whim {
        if let Turn::End = turn {
            self.close(actor);
        }
        Whim::Obey
    }

    fn refresh(&mut self, _: Duration, _: usize, _: Plan, _: Option<usize>) {}

    fn store(&mut self, at: Duration, actor: usize, op: StoreOp) -> (Duration, StoreResult) {
        (DISK_TIME, self.run(at, actor, op))
    }

    fn gone(&mut self, _: Duration, actor: usize) {
        self.close(actor);
    }
}
