//! The drivers of the core that are compared, and the services that they are played against.

mod blocking;
mod in_process;
mod memory;
mod program;
mod reqwest;
mod stage;

use crate::clock::JumpClock;
use crate::scenario::Scenario;
use crate::seen::Seen;

use stage::Site;

/// A client of an adapter, each of whose calls counts as running on its clock.
#[derive(Clone, Debug)]
pub struct ClockedClient<C> {
    /// The client. Its own methods do not count.
    pub client: C,
    /// The clock that the client was built with.
    pub clock: JumpClock,
}

/// A driver.
#[derive(Clone, Copy, Debug)]
pub struct Driver {
    /// What it is called.
    pub name: &'static str,
    /// The headers that its transport adds to each request, by name.
    pub adds: &'static [&'static str],
    play: fn(&Scenario, Place) -> Seen,
    place: Place,
}

impl Driver {
    /// Plays a scenario.
    pub fn play(&self, scenario: &Scenario) -> Seen {
        (self.play)(scenario, self.place)
    }
}

/// Where the service of a scenario runs.
#[derive(Clone, Copy, Debug)]
enum Place {
    /// In the process of the test.
    Here,
    /// As the program at this path.
    Program(&'static str),
}

impl Place {
    /// Starts the service, whose time is that of the clock.
    fn start(self, scenario: &Scenario, clock: &JumpClock) -> Box<dyn Site> {
        match self {
            Place::Here => Box::new(in_process::start(scenario, clock)),
            Place::Program(path) => Box::new(program::start(path, scenario, clock)),
        }
    }
}

/// Over sockets.
const ASYNC: Driver = Driver {
    name: "pan123-async",
    adds: &["accept", "content-length", "host"],
    play: reqwest::play,
    place: Place::Here,
};

const BLOCKING: Driver = Driver {
    name: "pan123-blocking",
    adds: &["accept", "content-length", "host"],
    play: blocking::play,
    place: Place::Here,
};

/// Asks the model of the service itself.
const IN_MEMORY: Driver = Driver {
    name: "in memory",
    adds: &[],
    play: memory::play,
    place: Place::Here,
};

/// One for each driver.
pub const DRIVERS: [Driver; 3] = [ASYNC, BLOCKING, IN_MEMORY];

/// Each driver with each face of the service: on wiremock, in memory, and as the program `pan123-mock` at this path.
pub const fn faces(program: &'static str) -> [Driver; 5] {
    [
        ASYNC,
        BLOCKING,
        IN_MEMORY,
        Driver {
            name: "pan123-async with the program",
            place: Place::Program(program),
            ..ASYNC
        },
        Driver {
            name: "pan123-blocking with the program",
            place: Place::Program(program),
            ..BLOCKING
        },
    ]
}
