//! The drivers of the core that are compared, and the services that they are played against.

mod binary;
mod blocking;
mod in_process;
mod memory;
mod reqwest;
mod stage;

use crate::clock::JumpClock;
use crate::scenario::Scenario;
use crate::seen::Seen;

use stage::Site;

/// Starts the service of a scenario, whose time is that of the clock.
type Start = fn(&Scenario, &JumpClock) -> Box<dyn Site>;

/// A driver.
#[derive(Clone, Copy, Debug)]
pub struct Driver {
    /// What it is called.
    pub name: &'static str,
    /// The headers that its transport adds to each request, by name.
    pub adds: &'static [&'static str],
    play: fn(&Scenario, Start) -> Seen,
    start: Start,
}

impl Driver {
    /// Plays a scenario.
    pub fn play(&self, scenario: &Scenario) -> Seen {
        (self.play)(scenario, self.start)
    }
}

/// Over sockets, to the service in this process.
const ASYNC: Driver = Driver {
    name: "pan123-async",
    adds: &["accept", "content-length", "host"],
    play: reqwest::play,
    start: in_process::start,
};

const BLOCKING: Driver = Driver {
    name: "pan123-blocking",
    adds: &["accept", "content-length", "host"],
    play: blocking::play,
    start: in_process::start,
};

/// Asks the model of the service itself.
const IN_MEMORY: Driver = Driver {
    name: "in memory",
    adds: &[],
    play: memory::play,
    start: in_process::start,
};

/// One for each driver.
pub const DRIVERS: [Driver; 3] = [ASYNC, BLOCKING, IN_MEMORY];

/// Each driver with each face of the service: on wiremock, in memory, and as the program `pan123-mock`.
pub const FACES: [Driver; 5] = [
    ASYNC,
    BLOCKING,
    IN_MEMORY,
    Driver {
        name: "pan123-async with the program",
        start: binary::start,
        ..ASYNC
    },
    Driver {
        name: "pan123-blocking with the program",
        start: binary::start,
        ..BLOCKING
    },
];
