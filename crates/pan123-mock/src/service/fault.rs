//! Injected faults: what goes wrong, for which requests, and how often.

mod catalog;
mod json;

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::canned::CannedResponse;
use super::response::mix;

pub use catalog::FAULT_NAMES;

/// A fault that affects one or more of the next requests.
///
/// By default it affects one request to any path. Each request gets the first matching fault in the order of injection; a fault that has
/// been used up is removed.
///
/// ```
/// use pan123_mock::{CannedResponse, Fault, MockPan123, http, path};
///
/// let mock = MockPan123::start_blocking();
/// mock.fault(Fault::rate_limited().on(path::OFFLINE_DOWNLOAD).times(2));
/// mock.fault(Fault::reset().at_random(0.1).always()); // reproducible by seed
/// mock.fault(Fault::from(CannedResponse::raw(http::StatusCode::IM_A_TEAPOT, "")).always());
/// mock.clear_faults();
/// ```
///
/// As JSON, for the program `pan123-mock`: `{"fault": "rate_limited", "path": "…", "times": 2}`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(try_from = "json::FaultJson", into = "json::FaultJson")]
pub struct Fault {
    name: Option<Name>,
    response: CannedResponse,
    path: Option<String>,
    /// `None` means always.
    times: Option<usize>,
    chance: Option<f64>,
    /// The order of injection. It makes the random draws of faults independent.
    number: u64,
}

/// One of [`FAULT_NAMES`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Name(&'static str);

impl Fault {
    /// Limits the fault to requests to this path, whatever their method.
    pub fn on(mut self, path: impl Into<String>) -> Self {
        self.path = Some(path.into());
        self
    }

    /// Applies the fault this many times instead of once.
    pub fn times(mut self, times: usize) -> Self {
        self.times = Some(times);
        self
    }

    /// Applies the fault until [`clear_faults`](super::Service::clear_faults).
    pub fn always(mut self) -> Self {
        self.times = None;
        self
    }

    /// Applies the fault to this share of the matching requests, from 0 to 1. They are drawn from the seed of the service, so the same
    /// requests give the same result.
    pub fn at_random(mut self, chance: f64) -> Self {
        self.chance = Some(chance);
        self
    }

    /// Also delays the response.
    pub fn delay(mut self, delay: Duration) -> Self {
        self.response = self.response.delay(delay);
        self
    }
}

/// Converts a prepared response into a fault that is applied as often as the response says, on any path.
impl From<CannedResponse> for Fault {
    fn from(response: CannedResponse) -> Self {
        Self {
            name: None,
            path: None,
            times: Some(response.times),
            chance: None,
            number: 0,
            response,
        }
    }
}

/// The pending faults, in order.
#[derive(Debug, Default)]
pub(super) struct Faults {
    pending: Vec<Fault>,
    last_number: u64,
}

impl Faults {
    pub(super) fn add(&mut self, fault: Fault) {
        if fault.times != Some(0) {
            self.last_number += 1;
            let number = self.last_number;
            self.pending.push(Fault { number, ..fault });
        }
    }

    pub(super) fn clear(&mut self) {
        self.pending.clear();
    }

    pub(super) fn all(&self) -> &[Fault] {
        &self.pending
    }

    /// Picks the fault for request `number` of a service with this seed.
    pub(super) fn pick(&mut self, seed: u64, number: u64, path: &str) -> Option<CannedResponse> {
        let drawn = |fault: &Fault| unit_interval(mix(seed ^ fault.number.rotate_left(32), number));
        let applies = |fault: &Fault| {
            fault.path.as_deref().is_none_or(|only| only == path)
                && fault.chance.is_none_or(|chance| drawn(fault) < chance)
        };
        let index = self.pending.iter().position(applies)?;
        let fault = &mut self.pending[index];
        let response = fault.response.clone();
        if let Some(left) = &mut fault.times {
            *left -= 1;
            if *left == 0 {
                self.pending.remove(index);
            }
        }
        Some(response)
    }
}

/// Maps 53 of these bits, as many as an `f64` can hold, to a number from 0 to 1.
#[allow(clippy::cast_precision_loss, reason = "53 bits fit")]
fn unit_interval(bits: u64) -> f64 {
    (bits >> 11) as f64 / (1_u64 << 53) as f64
}

/// The name of a fault and its response.
type CatalogEntry = (&'static str, fn() -> CannedResponse);
