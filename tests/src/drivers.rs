//! The three drivers of the core that are compared.

mod blocking;
mod memory;
mod reqwest;

use std::time::{Duration, SystemTime};

use pan123_mock::{MockPan123, Service};

use crate::clock::JumpClock;
use crate::play::World;
use crate::scenario::Scenario;
use crate::seen::{Seen, Told};

/// The service of a scenario on a socket, with a client's clock.
struct Stage {
    mock: MockPan123,
    clock: JumpClock,
}

/// Nobody listens there: no ordinary program is given this port.
const NOBODY: &str = "http://127.0.0.1:1";

impl Stage {
    fn new(scenario: &Scenario) -> Stage {
        let clock = JumpClock::new();
        let theirs = clock.clone();
        let builder = scenario.builder().clock(move || theirs.now().wall);
        let mock = builder.start_blocking();
        mock.service(|service| scenario.prepare(service));
        Stage { mock, clock }
    }

    fn base_url(&self, scenario: &Scenario) -> String {
        if scenario.reachable {
            self.mock.base_url()
        } else {
            NOBODY.to_owned()
        }
    }

    /// What is left to see when the client has done all.
    fn seen(&self, results: Vec<Told>) -> Seen {
        self.clock.until_idle();
        self.mock.service(|service| Seen::new(service, results))
    }
}

impl World for Stage {
    fn elsewhere(&self, act: fn(&mut Service, SystemTime)) {
        let now = self.clock.now().wall;
        self.mock.service(|service| act(service, now));
    }

    fn later(&self, by: Duration) {
        self.clock.advance(by);
    }

    fn ahead(&self, by: Duration) {
        self.mock.advance(by);
    }
}

/// A driver.
#[derive(Clone, Copy, Debug)]
pub struct Driver {
    /// What it is called.
    pub name: &'static str,
    /// The headers that its transport adds to each request, by name.
    pub adds: &'static [&'static str],
    /// Plays a scenario.
    pub play: fn(&Scenario) -> Seen,
}

/// All of them.
pub const DRIVERS: [Driver; 3] = [
    Driver {
        name: "pan123-async",
        adds: &["accept", "content-length", "host"],
        play: reqwest::play,
    },
    Driver {
        name: "pan123-blocking",
        adds: &["accept", "content-length", "host"],
        play: blocking::play,
    },
    Driver {
        name: "in memory",
        adds: &[],
        play: memory::play,
    },
];
