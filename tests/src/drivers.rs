//! The three drivers of the core that are compared.

mod blocking;
mod memory;
mod reqwest;

use std::time::{Duration, SystemTime};

use pan123_mock::{BrokenWire, MockPan123, Service, path};

use crate::clock::JumpClock;
use crate::play::World;
use crate::scenario::Scenario;
use crate::seen::{Seen, Told};

/// The service of a scenario on a socket, with a client's clock.
struct Stage {
    /// The way to the service, if it breaks.
    wire: Option<BrokenWire>,
    mock: MockPan123,
    clock: JumpClock,
}

/// Nobody listens there: no ordinary program is given this port.
const NOBODY: &str = "http://127.0.0.1:1";

impl Stage {
    fn new(scenario: &Scenario) -> Stage {
        let clock = JumpClock::new();
        let theirs = clock.clone();
        let builder = scenario.builder().clock(move || theirs.true_time().wall);
        let mock = builder.start_blocking();
        let now = clock.true_time().wall;
        mock.service(|service| scenario.prepare(service, now));
        let wire = (!scenario.broken.is_empty()).then(|| broken_wire(&mock, scenario));
        Stage { wire, mock, clock }
    }

    fn base_url(&self, scenario: &Scenario) -> String {
        match &self.wire {
            _ if !scenario.reachable => NOBODY.to_owned(),
            Some(wire) => wire.base_url(),
            None => self.mock.base_url(),
        }
    }

    /// What is left to see when the client has done all.
    fn seen(&self, results: Vec<Told>) -> Seen {
        self.clock.until_idle();
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

const PATHS: [&str; 4] = [
    path::ACCESS_TOKEN,
    path::USER_INFO,
    path::OFFLINE_DOWNLOAD,
    path::OFFLINE_PROGRESS,
];

fn broken_wire(mock: &MockPan123, scenario: &Scenario) -> BrokenWire {
    let wire = BrokenWire::to(mock);
    for (path, broken) in &scenario.broken {
        let on_a_socket = broken.on_a_socket.clone();
        wire.break_next(path, on_a_socket.times(broken.times));
    }
    wire
}

impl World for Stage {
    fn elsewhere(&self, act: fn(&mut Service, SystemTime)) {
        let now = self.clock.true_time().wall;
        self.mock.service(|service| act(service, now));
    }

    fn later(&self, by: Duration) {
        self.clock.advance(by);
    }

    fn ahead(&self, by: Duration) {
        self.mock.advance(by);
    }

    fn calendar(&self, by: i64) {
        self.clock.set_calendar(by);
    }

    fn elapsed(&self) -> Duration {
        self.clock.elapsed()
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
