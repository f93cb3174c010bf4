//! Faults on demand: what goes wrong, with which requests, and how often.

mod named;
mod written;

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::answer::scrambled;
use super::canned::Canned;

pub use named::FAULTS;

/// Something that goes wrong with the next requests, or with some of them.
///
/// Without more words it is for one request, whatever its path. Each request meets the first fault that is for it, in the order in which
/// they were set; a fault that has happened often enough is gone.
///
/// ```
/// use pan123_mock::{Canned, Fault, MockPan123, http, path};
///
/// let mock = MockPan123::start_blocking();
/// mock.fault(Fault::rate_limited().on(path::OFFLINE_DOWNLOAD).times(2));
/// mock.fault(Fault::reset().at_random(0.1).for_ever()); // drawn from the seed
/// mock.fault(Fault::from(Canned::raw(http::StatusCode::IM_A_TEAPOT, "")).for_ever());
/// mock.clear_faults();
/// ```
///
/// In the program `pan123-mock` they have the same names: `{"fault": "rate_limited", "path": "…", "times": 2}`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(try_from = "written::Written", into = "written::Written")]
pub struct Fault {
    name: Option<Name>,
    answer: Canned,
    path: Option<String>,
    /// None: for ever.
    times: Option<usize>,
    chance: Option<f64>,
    /// In the order in which they were set: what is drawn for one does not hang on the others.
    number: u64,
}

/// One of [`FAULTS`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Name(&'static str);

impl Fault {
    /// Only with requests to this path, whatever their method.
    pub fn on(mut self, path: impl Into<String>) -> Self {
        self.path = Some(path.into());
        self
    }

    /// So many times instead of once.
    pub fn times(mut self, times: usize) -> Self {
        self.times = Some(times);
        self
    }

    /// Again and again, until [`clear_faults`](super::Service::clear_faults).
    pub fn for_ever(mut self) -> Self {
        self.times = None;
        self
    }

    /// Only with this share of the requests that it is for, from 0 to 1. Which ones is drawn from the seed of the service, so it is the
    /// same again with the same requests.
    pub fn at_random(mut self, chance: f64) -> Self {
        self.chance = Some(chance);
        self
    }

    /// Holds the answer back, too.
    pub fn delay(mut self, delay: Duration) -> Self {
        self.answer = self.answer.delay(delay);
        self
    }
}

/// As often as the prepared answer says, whatever the path.
impl From<Canned> for Fault {
    fn from(answer: Canned) -> Self {
        Self {
            name: None,
            path: None,
            times: Some(answer.times),
            chance: None,
            number: 0,
            answer,
        }
    }
}

/// The faults that are set, in order.
#[derive(Debug, Default)]
pub(super) struct Faults {
    set: Vec<Fault>,
    last: u64,
}

impl Faults {
    pub(super) fn set(&mut self, fault: Fault) {
        if fault.times != Some(0) {
            self.last += 1;
            let number = self.last;
            self.set.push(Fault { number, ..fault });
        }
    }

    pub(super) fn clear(&mut self) {
        self.set.clear();
    }

    pub(super) fn all(&self) -> &[Fault] {
        &self.set
    }

    /// What the `number`-th request of a service with this seed meets.
    pub(super) fn meet(&mut self, seed: u64, number: u64, path: &str) -> Option<Canned> {
        let drawn = |fault: &Fault| share(scrambled(seed ^ fault.number.rotate_left(32), number));
        let is_for = |fault: &Fault| {
            fault.path.as_deref().is_none_or(|only| only == path)
                && fault.chance.is_none_or(|chance| drawn(fault) < chance)
        };
        let met = self.set.iter().position(is_for)?;
        let fault = &mut self.set[met];
        let answer = fault.answer.clone();
        if let Some(left) = &mut fault.times {
            *left -= 1;
            if *left == 0 {
                self.set.remove(met);
            }
        }
        Some(answer)
    }
}

/// These bits as a number from 0 to 1: the 53 of them that a double has room for.
#[allow(clippy::cast_precision_loss, reason = "53 bits fit")]
fn share(bits: u64) -> f64 {
    (bits >> 11) as f64 / (1_u64 << 53) as f64
}

/// A fault by its name.
type Named = (&'static str, fn() -> Canned);
