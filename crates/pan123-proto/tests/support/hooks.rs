//! What a test may add to the world: it observes everything the drivers do, and disturbs them.

use std::fmt::Debug;
use std::time::{Duration, SystemTime};

use pan123_proto::{Input, PaceOp, PaceResult, StoreOp, StoreResult};

use super::actor::Action;

/// What becomes of a machine that a caller detaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Plan {
    /// It runs apart from its caller.
    Detach,
    /// Its caller runs it and waits for it.
    InPlace,
    /// It is dropped before its first step.
    Drop,
    /// It is neither run nor dropped.
    Leak,
}

/// What a driver does with a step.
#[derive(Debug)]
pub(crate) enum Disturbance {
    None,
    /// The step is performed, but the machine is resumed later.
    Late(Duration),
    /// The step begins, but after this time the machine is resumed with this input instead.
    Instead(Duration, Input),
}

/// An actor is one machine with its driver; times are virtual and count from the start.
pub(crate) trait Hooks {
    /// A driver is about to resume its machine.
    fn deliver(&mut self, _: Duration, _: SystemTime, _actor: usize, _: &Input) {}

    /// The machine returned this.
    fn step(&mut self, _: Duration, _actor: usize, _: &Action, _: &dyn Debug) -> Disturbance {
        Disturbance::None
    }

    /// `caller` detached a machine, which runs as `actor` if it runs at all.
    fn detached(&mut self, _: Duration, _caller: usize, _: Plan, _actor: Option<usize>) {}

    /// The result of a store operation, and how long it takes. A lock of the actor ends with it.
    fn store(&mut self, _: Duration, _actor: usize, op: StoreOp) -> (Duration, StoreResult) {
        (Duration::ZERO, op.unsupported())
    }

    /// The result of an operation on the shared pace, and how long it takes.
    fn pace(&mut self, _: Duration, _actor: usize, op: PaceOp) -> (Duration, PaceResult) {
        (Duration::ZERO, op.unsupported())
    }

    /// The machine was dropped before its end.
    fn dropped(&mut self, _: Duration, _actor: usize) {}
}

pub(crate) struct NoHooks;

impl Hooks for NoHooks {}
