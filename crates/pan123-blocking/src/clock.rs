//! Where the time comes from.

use std::time::{Instant, SystemTime};

use pan123_proto::{Now, Wait};

/// The clocks of a client and its waits. The default is [`SystemClock`]; tests can set their own.
///
/// ```
/// use std::sync::Mutex;
/// use std::time::{Duration, Instant, SystemTime};
///
/// use pan123_blocking::proto::{Now, Wait};
/// use pan123_blocking::context::Clock;
/// use pan123_blocking::Client;
///
/// /// Does not wait, but moves its time forward.
/// #[derive(Default)]
/// struct JumpingClock {
///     ahead: Mutex<Duration>,
/// }
///
/// impl Clock for JumpingClock {
///     fn now(&self) -> Now {
///         let ahead = *self.ahead.lock().unwrap();
///         Now { mono: Instant::now() + ahead, wall: SystemTime::now() + ahead }
///     }
///
///     fn wait(&self, wait: Wait) {
///         let left = wait.until.saturating_duration_since(self.now().mono);
///         *self.ahead.lock().unwrap() += left;
///     }
/// }
///
/// let clock = JumpingClock::default();
/// let client = Client::builder().access_token("token").clock(clock).build()?;
/// # drop(client);
/// # Ok::<(), pan123_blocking::BuildError>(())
/// ```
pub trait Clock: Send + Sync + 'static {
    /// Reads both clocks.
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
