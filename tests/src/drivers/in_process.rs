//! The service on wiremock, in the process of the test.

use std::time::Duration;

use pan123_mock::{BrokenWire, MockPan123, path};

use super::stage::Site;
use crate::clock::JumpClock;
use crate::door::Door;
use crate::scenario::Scenario;
use crate::seen::{Seen, Told};

/// A mock, and the way to it.
pub(super) struct InProcess {
    /// The way to the service, if it breaks.
    wire: Option<BrokenWire>,
    mock: MockPan123,
}

const PATHS: [&str; 4] = [
    path::ACCESS_TOKEN,
    path::USER_INFO,
    path::OFFLINE_DOWNLOAD,
    path::OFFLINE_PROGRESS,
];

/// Starts the service of a scenario, on this clock.
pub(super) fn start(scenario: &Scenario, clock: &JumpClock) -> InProcess {
    let theirs = clock.clone();
    let builder = scenario.builder().clock(move || theirs.true_time().wall);
    let mock = builder.start_blocking();
    let wire = (!scenario.broken.is_empty()).then(|| broken_wire(&mock, scenario));
    InProcess { wire, mock }
}

fn broken_wire(mock: &MockPan123, scenario: &Scenario) -> BrokenWire {
    let wire = BrokenWire::to(mock);
    for (path, broken) in &scenario.broken {
        let on_a_socket = broken.on_a_socket.clone();
        wire.break_next(path, on_a_socket.times(broken.times));
    }
    wire
}

impl Site for InProcess {
    fn base_url(&self) -> String {
        let wire = self.wire.as_ref().map(BrokenWire::base_url);
        wire.unwrap_or_else(|| self.mock.base_url())
    }

    fn visit(&self, visit: &mut dyn FnMut(&mut dyn Door)) {
        self.mock.service(|service| visit(service));
    }

    fn ahead(&self, by: Duration) {
        self.mock.advance(by);
    }

    fn seen(&self, results: Vec<Told>) -> Seen {
        let mut seen = self.mock.service(|service| Seen::new(service, results));
        if let Some(wire) = &self.wire {
            for path in PATHS {
                let unheard = wire.requests_to(path) - seen.count(path);
                if unheard > 0 {
                    seen.unheard.insert(path, unheard);
                }
            }
        }
        seen
    }
}
