//! A service on a socket, and the clock that it shares with a client.

use std::time::{Duration, SystemTime};

use super::Location;
use crate::clock::JumpClock;
use crate::observed::{Observed, Outcome};
use crate::run::Environment;
use crate::scenario::Scenario;
use crate::service_access::ServiceAccess;

/// The service of a scenario, wherever it runs.
pub(super) trait ServiceHost {
    /// The URL where it listens.
    fn base_url(&self) -> String;

    /// Gives access to the service past the client under test.
    fn visit(&self, visit: &mut dyn FnMut(&mut dyn ServiceAccess));

    /// Sets the service's clock forward.
    fn advance_service(&self, by: Duration);

    /// Returns what the service received, with these results.
    fn observed(&self, results: Vec<Outcome>) -> Observed;
}

/// A service with a client's clock.
pub(super) struct Setup {
    host: Box<dyn ServiceHost>,
    pub(super) clock: JumpClock,
}

/// An address where nothing listens: no ordinary program is given this port.
const UNREACHABLE: &str = "http://127.0.0.1:1";

impl Setup {
    pub(super) fn new(scenario: &Scenario, location: Location) -> Setup {
        let clock = JumpClock::new();
        let host = location.start(scenario, &clock);
        let now = clock.true_time().wall;
        host.visit(&mut |service| scenario.prepare(service, now));
        Setup { host, clock }
    }

    pub(super) fn base_url(&self, scenario: &Scenario) -> String {
        if scenario.reachable {
            self.host.base_url()
        } else {
            UNREACHABLE.to_owned()
        }
    }

    /// Returns what was observed once no call runs.
    pub(super) fn observed(&self, results: Vec<Outcome>) -> Observed {
        self.clock.until_idle();
        self.host.observed(results)
    }
}

impl Environment for Setup {
    fn visit_service(&self, act: fn(&mut dyn ServiceAccess, SystemTime)) {
        let now = self.clock.true_time().wall;
        self.host.visit(&mut |service| act(service, now));
    }

    fn advance(&self, by: Duration) {
        self.clock.advance(by);
    }

    fn advance_service(&self, by: Duration) {
        self.host.advance_service(by);
    }

    fn set_wall_clock(&self, by: i64) {
        self.clock.set_wall_clock(by);
    }

    fn elapsed(&self) -> Duration {
        self.clock.elapsed()
    }

    fn settle(&self) {
        self.clock.until_idle();
    }
}
