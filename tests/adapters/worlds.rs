//! The service in memory, with clients of both adapters on a clock that jumps.

use pan123_mock::{CLIENT_ID, CLIENT_SECRET, Service, TaskScript};
use pan123_proto::TaskId;
use pan123_tests::carriers::Held;
use pan123_tests::clock::JumpClock;

pub(crate) struct World {
    pub(crate) clock: JumpClock,
    pub(crate) held: Held,
}

impl World {
    pub(crate) fn new(course: TaskScript) -> World {
        let clock = JumpClock::new();
        let service = Service::builder().default_script(course).service();
        World {
            held: Held::new(service, &clock),
            clock,
        }
    }

    pub(crate) fn client(&self) -> pan123_async::Client {
        let builder = pan123_async::Client::builder()
            .credentials(CLIENT_ID, CLIENT_SECRET)
            .seed(1)
            .transport(self.held.clone())
            .clock(self.clock.clone())
            .spawner(self.clock.clone());
        builder.build().expect("good settings")
    }

    pub(crate) fn blocking(&self) -> pan123_blocking::Client {
        let builder = pan123_blocking::Client::builder()
            .credentials(CLIENT_ID, CLIENT_SECRET)
            .seed(1)
            .transport(self.held.clone())
            .clock(self.clock.clone())
            .spawner(self.clock.clone());
        builder.build().expect("good settings")
    }
}

/// A task that nobody created.
pub(crate) fn task() -> TaskId {
    TaskId::new(7).expect("no zero")
}
