//! Where the time comes from.

use std::time::{Instant, SystemTime};

use pan123_proto::{Now, Wait};

use crate::drive::BoxFuture;

/// The clocks of a client and its waits. The default is [`SystemClock`]; tests can set their own.
///
/// ```
/// use std::sync::Mutex;
/// use std::time::{Duration, Instant, SystemTime};
///
/// use pan123_async::proto::{Now, Wait};
/// use pan123_async::context::{BoxFuture, Clock};
/// use pan123_async::Client;
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
///     fn wait(&self, wait: Wait) -> BoxFuture<'static, ()> {
///         let left = wait.until.saturating_duration_since(self.now().mono);
///         *self.ahead.lock().unwrap() += left;
///         Box::pin(async {})
///     }
/// }
///
/// let clock = JumpingClock::default();
/// let client = Client::builder().access_token("token").clock(clock).build()?;
/// # drop(client);
/// # Ok::<(), pan123_async::BuildError>(())
/// ```
pub trait Clock: Send + Sync + 'static {
    /// Reads both clocks.
    fn now(&self) -> Now;

    /// Waits until the time or the signal, whichever comes first.
    fn wait(&self, wait: Wait) -> BoxFuture<'static, ()>;
}

/// The clocks of the system, with tokio's timer.
///
/// # Panics
///
/// [`wait`](Clock::wait) panics if its future is polled outside a tokio runtime with its time driver enabled.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Now {
        Now {
            mono: Instant::now(),
            wall: SystemTime::now(),
        }
    }

    fn wait(&self, wait: Wait) -> BoxFuture<'static, ()> {
        let until = tokio::time::Instant::from_std(wait.until);
        Box::pin(async move {
            // Either end is the end: the machine looks for itself what has happened.
            let _ = tokio::time::timeout_at(until, wait.signal).await;
        })
    }
}
