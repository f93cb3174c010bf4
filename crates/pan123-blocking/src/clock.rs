//! Where the time comes from.

use std::time::{Instant, SystemTime};

use pan123_proto::{Now, Wait};

/// The clocks of a client. The system's are the default; tests bring their own.
pub trait Clock: Send + Sync + 'static {
    /// One reading of both clocks.
    fn now(&self) -> Now;

    /// Blocks until the time or the signal, whichever comes first.
    fn wait(&self, wait: Wait);
}

/// The clocks of the system.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Now {
        Now {
            mono: Instant::now(),
            wall: SystemTime::now(),
        }
    }

    fn wait(&self, wait: Wait) {
        wait.signal.wait_until(wait.until);
    }
}
