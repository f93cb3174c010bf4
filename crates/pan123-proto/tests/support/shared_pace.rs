//! A shared pace in virtual time.

use std::cell::RefCell;
use std::collections::HashMap;
use std::ops::Range;
use std::rc::Rc;
use std::time::Duration;

use fastrand::Rng;
use pan123_proto::{ClassPace, PaceOp, PaceResult};

use super::hooks::Hooks;
use super::{gaps, millis};

/// How long an operation of the shared pace takes, there and back.
pub(crate) const ROUND_TRIP: Duration = millis(4);

/// What sessions share; clones are the same.
#[derive(Clone, Default)]
pub(crate) struct PaceStore(Rc<RefCell<Rows>>);

#[derive(Default)]
struct Rows {
    classes: HashMap<&'static str, ClassPace>,
    ops: Vec<(Duration, PaceOp)>,
    /// When it answers nothing.
    down: Vec<Range<Duration>>,
    jitter: Option<Rng>,
}

impl PaceStore {
    pub(crate) fn down(self, from: Duration, until: Duration) -> PaceStore {
        self.0.borrow_mut().down.push(from..until);
        self
    }

    /// Operations take up to four times as long, at random.
    pub(crate) fn jitter(self, rng: Rng) -> PaceStore {
        self.0.borrow_mut().jitter = Some(rng);
        self
    }

    /// The operations so far, with when they were asked for.
    pub(crate) fn ops(&self) -> Vec<(Duration, PaceOp)> {
        self.0.borrow().ops.clone()
    }

    /// Answers an operation, and after which time.
    pub(crate) fn answer(&self, now: Duration, op: &PaceOp) -> (Duration, PaceResult) {
        let mut rows = self.0.borrow_mut();
        rows.ops.push((now, op.clone()));
        if rows.down.iter().any(|down| down.contains(&now)) {
            let refused = PaceResult::Unavailable("connection refused".to_owned());
            return (ROUND_TRIP, refused);
        }
        let round_trip = match &mut rows.jitter {
            Some(rng) => ROUND_TRIP.mul_f64(rng.f64() * 4.0),
            None => ROUND_TRIP,
        };
        let class = rows.classes.entry(op.class().name()).or_default();
        (round_trip, class.run(now + round_trip / 2, op))
    }
}

impl Hooks for PaceStore {
    fn pace(&mut self, now: Duration, _: usize, op: PaceOp) -> (Duration, PaceResult) {
        self.answer(now, &op)
    }
}

/// The least time between two requests, but for the differences of round trips.
pub(crate) fn least_gap(times: &[Duration]) -> Duration {
    let least = gaps(times).into_iter().min();
    least
        .unwrap_or(Duration::MAX)
        .saturating_add(ROUND_TRIP * 4)
}
