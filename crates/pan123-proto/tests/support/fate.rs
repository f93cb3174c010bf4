//! What a test may add to the world: it sees all that the drivers do, and disturbs them.

use std::time::{Duration, SystemTime};

use pan123_proto::{Input, StoreOp, StoreResult};

use super::actor::Turn;

/// What becomes of a `Refresh` that a caller won.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Plan {
    /// It runs apart from its caller.
    Detach,
    /// Its caller runs it and waits for it.
    InPlace,
    /// It is dropped before its first step.
    Drop,
    /// Nobody runs it and nobody drops it.
    Leak,
}

/// What a driver does with a step.
#[derive(Debug)]
pub(crate) enum Whim {
    /// What it should.
    Obey,
    /// What it should, but it comes back later than that.
    Late(Duration),
    /// A request goes out and a wait begins, but after this time it comes back with that.
    Instead(Duration, Input),
}

/// One actor is one machine with its driver; times are virtual ones since the start.
pub(crate) trait Fate {
    /// A driver is about to resume its machine with this.
    fn deliver(&mut self, at: Duration, wall: SystemTime, actor: usize, input: &Input);

    /// The machine answered with this.
    fn step(&mut self, at: Duration, actor: usize, turn: &Turn) -> Whim;

    /// The refresh that `caller` won goes its way, and as this actor if anybody drives it.
    fn refresh(&mut self, at: Duration, caller: usize, plan: Plan, actor: Option<usize>);

    /// The machine asked for this of the store that its driver opened, and gets this after so long; the driver's lock ends
    /// with it.
    fn store(&mut self, at: Duration, actor: usize, op: StoreOp) -> (Duration, StoreResult);

    /// The machine was dropped before its end.
    fn gone(&mut self, at: Duration, actor: usize);
}

/// Nothing special.
pub(crate) struct Uneventful;

impl Fate for Uneventful {
    fn deliver(&mut self, _: Duration, _: SystemTime, _: usize, _: &Input) {}

    fn step(&mut self, _: Duration, _: usize, _: &Turn) -> Whim {
        Whim::Obey
    }

    fn refresh(&mut self, _: Duration, _: usize, _: Plan, _: Option<usize>) {}

    fn store(&mut self, _: Duration, _: usize, op: StoreOp) -> (Duration, StoreResult) {
        (Duration::ZERO, op.unsupported())
    }

    fn gone(&mut self, _: Duration, _: usize) {}
}
