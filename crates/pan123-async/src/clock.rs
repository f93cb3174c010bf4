//! Where the time comes from.

use std::time::{Instant, SystemTime};

use pan123_proto::{Now, Wait};

use crate::drive::BoxFuture;

/// The clocks of a client. The system's are the default; tests bring their own.
pub trait Clock: Send + Sync + 'static {
    /// One reading of both clocks.
    fn now(&self) -> Now;

    /// Waits until the time or the signal, whichever comes first.
    fn wait(&self, wait: Wait) -> BoxFuture<'static, ()>;
}

/// The clocks of the system, with tokio's timer.
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
