//! The service in memory, with clients of both adapters on a clock that jumps.

use pan123_mock::{CLIENT_ID, CLIENT_SECRET, Service, TaskScript};
use pan123_proto::TaskId;

use crate::clock::JumpClock;
use crate::transports::ServiceTransport;

/// A service with a clock.
#[derive(Debug)]
pub struct Fixture {
    /// The clock of the service and of its clients.
    pub clock: JumpClock,
    /// The transport of the clients.
    pub transport: ServiceTransport,
}

macro_rules! build {
    ($builder:expr, $fixture:expr) => {
        $builder
            .credentials(CLIENT_ID, CLIENT_SECRET)
            .seed(1)
            .transport($fixture.transport.clone())
            .clock($fixture.clock.clone())
            .spawner($fixture.clock.clone())
            .build()
            .expect("good settings")
    };
}

impl Fixture {
    /// A service whose tasks follow this script.
    #[must_use]
    pub fn new(script: TaskScript) -> Fixture {
        let clock = JumpClock::new();
        let service = Service::builder().default_script(script).service();
        Fixture {
            transport: ServiceTransport::new(service, &clock),
            clock,
        }
    }

    /// A client of the async adapter, with a session of its own.
    ///
    /// # Panics
    ///
    /// Never: its settings are constants.
    #[must_use]
    pub fn client(&self) -> pan123_async::Client {
        build!(pan123_async::Client::builder(), self)
    }

    /// A client of the blocking adapter, with a session of its own.
    ///
    /// # Panics
    ///
    /// Never: its settings are constants.
    #[must_use]
    pub fn blocking(&self) -> pan123_blocking::Client {
        build!(pan123_blocking::Client::builder(), self)
    }
}

/// The id of a task that nobody created.
///
/// # Panics
///
/// Never: it is a constant.
#[must_use]
pub fn task() -> TaskId {
    TaskId::new(7).expect("no zero")
}
