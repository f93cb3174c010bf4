//! The drivers of the core that are compared, and the services that they run against.

mod blocking;
mod in_process;
mod memory;
mod program;
mod reqwest;
mod setup;

use crate::clock::JumpClock;
use crate::observed::Observed;
use crate::scenario::Scenario;

use setup::ServiceHost;

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
    /// Its name in reports.
    pub name: &'static str,
    /// The headers that its transport adds to each request, by name.
    pub adds: &'static [&'static str],
    run: fn(&Scenario, Location) -> Observed,
    location: Location,
}

impl Driver {
    /// Runs a scenario.
    #[must_use]
    pub fn run(&self, scenario: &Scenario) -> Observed {
        (self.run)(scenario, self.location)
    }
}

/// Where the service of a scenario runs.
#[derive(Clone, Copy, Debug)]
enum Location {
    /// In the process of the test.
    Here,
    /// As the program `pan123-mock`, which the worker at this path is, too.
    Program(&'static str),
}

impl Location {
    /// Starts the service, whose time is that of the clock.
    fn start(self, scenario: &Scenario, clock: &JumpClock) -> Box<dyn ServiceHost> {
        match self {
            Location::Here => Box::new(in_process::start(scenario, clock)),
            Location::Program(path) => Box::new(program::start(path, scenario, clock)),
        }
    }
}

/// Over sockets.
const ASYNC: Driver = Driver {
    name: "pan123-async",
    adds: &["accept", "connection", "content-length", "host"],
    run: reqwest::run,
    location: Location::Here,
};

const BLOCKING: Driver = Driver {
    name: "pan123-blocking",
    adds: &["accept", "connection", "content-length", "host"],
    run: blocking::run,
    location: Location::Here,
};

/// Calls the model of the service directly.
const IN_MEMORY: Driver = Driver {
    name: "in memory",
    adds: &[],
    run: memory::run,
    location: Location::Here,
};

/// The drivers.
pub const DRIVERS: [Driver; 3] = [ASYNC, BLOCKING, IN_MEMORY];

/// Each driver, and the adapters also against the program `pan123-mock`, which the worker at this path is, too.
#[must_use]
pub const fn drivers_with_program(worker: &'static str) -> [Driver; 5] {
    [
        ASYNC,
        BLOCKING,
        IN_MEMORY,
        Driver {
            name: "pan123-async with the program",
            location: Location::Program(worker),
            ..ASYNC
        },
        Driver {
            name: "pan123-blocking with the program",
            location: Location::Program(worker),
            ..BLOCKING
        },
    ]
}
