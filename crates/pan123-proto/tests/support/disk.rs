//! The token store of all machines in a world: sessions on one disk stand for processes on one machine.

use std::cell::RefCell;
use std::fmt::Debug;
use std::rc::Rc;
use std::time::Duration;

use pan123_proto::{StoreOp, StoreResult, StoredToken};

use super::actor::Action;
use super::hooks::{Disturbance, Hooks};

/// How long an operation takes.
pub(crate) const DISK_TIME: Duration = Duration::from_millis(2);

type Fault = Box<dyn FnMut(&StoreOp) -> Option<StoreResult>>;

/// Clones are the same disk.
#[derive(Clone, Default)]
pub(crate) struct Disk(Rc<RefCell<Inner>>);

#[derive(Default)]
struct Inner {
    stored: Option<StoredToken>,
    /// The actor that holds the lock.
    holder: Option<usize>,
    ops: Vec<(&'static str, Duration)>,
    fault: Option<Fault>,
}

/// Fails the first `failing` saves of a new pair. Saving the first pair again, which proves that the store can save, succeeds.
pub(crate) fn first_saves(mut failing: usize) -> impl FnMut(&StoreOp) -> Option<StoreResult> {
    move |op| {
        let is_new = matches!(op, StoreOp::Save(token) if token.expose() != "access-1");
        let fails = is_new && failing > 0;
        failing -= usize::from(fails);
        fails.then(|| StoreResult::Failed("the disk is full".to_owned()))
    }
}

impl Disk {
    pub(crate) fn with_token(token: StoredToken) -> Disk {
        let disk = Disk::default();
        disk.0.borrow_mut().stored = Some(token);
        disk
    }

    /// Returns what `fault` returns, if anything: see [`first_saves`].
    pub(crate) fn failing(
        self,
        fault: impl FnMut(&StoreOp) -> Option<StoreResult> + 'static,
    ) -> Disk {
        self.0.borrow_mut().fault = Some(Box::new(fault));
        self
    }

    pub(crate) fn stored(&self) -> Option<StoredToken> {
        self.0.borrow().stored.clone()
    }

    /// The operations so far.
    pub(crate) fn ops(&self) -> Vec<&'static str> {
        let names = |ops: &[(&'static str, Duration)]| ops.iter().map(|(name, _)| *name).collect();
        names(&self.0.borrow().ops)
    }

    /// When an operation was requested.
    pub(crate) fn times(&self, name: &str) -> Vec<Duration> {
        let inner = self.0.borrow();
        let same = inner.ops.iter().filter(|(op, _)| *op == name);
        same.map(|(_, at)| *at).collect()
    }

    /// Stores a token on behalf of a process outside this world.
    pub(crate) fn put(&self, token: StoredToken) {
        self.0.borrow_mut().stored = Some(token);
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
            StoreOp::Prepare => "prepare",
            StoreOp::Unlock => "unlock",
            _ => "another",
        };
        inner.ops.push((name, at));
        if let Some(result) = inner.fault.as_mut().and_then(|fault| fault(&op)) {
            return result;
        }
        match op {
            StoreOp::Load => StoreResult::Loaded(inner.stored.clone()),
            StoreOp::Lock if inner.holder.is_some() => StoreResult::Busy,
            StoreOp::Lock => {
                inner.holder = Some(actor);
                StoreResult::Locked
            }
            StoreOp::Save(token) => {
                assert!(mine, "a token is saved under the lock");
                inner.stored = Some(token);
                StoreResult::Saved
            }
            StoreOp::Prepare => {
                assert!(mine && inner.stored.is_none(), "it is for an empty store");
                StoreResult::Prepared
            }
            StoreOp::Unlock => {
                assert!(mine, "only the holder unlocks");
                inner.holder = None;
                StoreResult::Unlocked
            }
            other => other.unsupported(),
        }
    }

    /// Releases the lock of an actor that is gone.
    fn close(&self, actor: usize) {
        let mine = |holder: &mut usize| *holder == actor;
        self.0.borrow_mut().holder.take_if(mine);
    }
}

/// Every driver uses this disk.
impl Hooks for Disk {
    fn step(&mut self, _: Duration, actor: usize, action: &Action, _: &dyn Debug) -> Disturbance {
        if let Action::End = action {
            self.close(actor);
        }
        Disturbance::None
    }

    fn store(&mut self, at: Duration, actor: usize, op: StoreOp) -> (Duration, StoreResult) {
        (DISK_TIME, self.run(at, actor, op))
    }

    fn dropped(&mut self, _: Duration, actor: usize) {
        self.close(actor);
    }
}
