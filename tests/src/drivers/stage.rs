//! A service on a socket, and the time that it shares with a client.

use std::time::{Duration, SystemTime};

use super::Place;
use crate::clock::JumpClock;
use crate::door::Door;
use crate::play::World;
use crate::scenario::Scenario;
use crate::seen::{Seen, Told};

/// The service of a scenario, wherever it runs.
pub(super) trait Site {
    /// Where it listens.
    fn base_url(&self) -> String;

    /// Lets somebody else come to it.
    fn visit(&self, visit: &mut dyn FnMut(&mut dyn Door));

    /// Its clock goes ahead.
    fn ahead(&self, by: Duration);

    /// What it has seen.
    fn seen(&self, results: Vec<Told>) -> Seen;
}

/// A service with a client's clock.
pub(super) struct Stage {
    site: Box<dyn Site>,
    pub(super) clock: JumpClock,
}

/// Nobody listens there: no ordinary program is given this port.
const NOBODY: &str = "http://127.0.0.1:1";

impl Stage {
    pub(super) fn new(scenario: &Scenario, place: Place) -> Stage {
        let clock = JumpClock::new();
        let site = place.start(scenario, &clock);
        let now = clock.true_time().wall;
        site.visit(&mut |door| scenario.prepare(door, now));
        Stage { site, clock }
    }

    pub(super) fn base_url(&self, scenario: &Scenario) -> String {
        if scenario.reachable {
            self.site.base_url()
        } else {
            NOBODY.to_owned()
        }
    }

    /// What is left to see when the client has done all.
    pub(super) fn seen(&self, results: Vec<Told>) -> Seen {
        self.clock.until_idle();
        self.site.seen(results)
    }
}

impl World for Stage {
    fn elsewhere(&self, act: fn(&mut dyn Door, SystemTime)) {
        let now = self.clock.true_time().wall;
        self.site.visit(&mut |door| act(door, now));
    }

    fn later(&self, by: Duration) {
        self.clock.advance(by);
    }

    fn ahead(&self, by: Duration) {
        self.site.ahead(by);
    }

    fn calendar(&self, by: i64) {
        self.clock.set_calendar(by);
    }

    fn elapsed(&self) -> Duration {
        self.clock.elapsed()
    }

    fn settle(&self) {
        self.clock.until_idle();
    }
}
