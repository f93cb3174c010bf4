//! The service on wiremock, in the process of the test.

use std::time::Duration;

use pan123_mock::{BrokenWire, MockPan123, path};

use super::setup::ServiceHost;
use crate::clock::JumpClock;
use crate::observed::{Observed, Outcome};
use crate::scenario::Scenario;
use crate::service_access::ServiceAccess;

/// A mock and its address.
pub(super) struct InProcess {
    /// The proxy in front of the mock that breaks exchanges, if the scenario has one.
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
        let wire_break = broken.wire_break.clone();
        wire.break_next(path, wire_break.times(broken.times));
    }
    wire
}

impl ServiceHost for InProcess {
    fn base_url(&self) -> String {
        let wire = self.wire.as_ref().map(BrokenWire::base_url);
        wire.unwrap_or_else(|| self.mock.base_url())
    }

    fn visit(&self, visit: &mut dyn FnMut(&mut dyn ServiceAccess)) {
        self.mock.service(|service| visit(service));
    }

    fn advance_service(&self, by: Duration) {
        self.mock.advance(by);
    }

    fn observed(&self, results: Vec<Outcome>) -> Observed {
        let mut observed = self.mock.service(|service| Observed::new(service, results));
        if let Some(wire) = &self.wire {
            for path in PATHS {
                let unreceived = wire.requests_to(path) - observed.count(path);
                if unreceived > 0 {
                    observed.unreceived.insert(path, unreceived);
                }
            }
        }
        observed
    }
}
