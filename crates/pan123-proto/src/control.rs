//! The one event of a machine, and what its handles have asked for.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use event_listener::Event;

use crate::error::Error;
use crate::ids::FileId;
use crate::machine::{Signal, Wait, WaitReason};

#[derive(Debug, Default)]
pub(crate) struct Control {
    awake: Event,
    stop: Event,
    stopped: AtomicBool,
    nudged: AtomicBool,
    /// The file that a callback named; zero for none.
    file_hint: AtomicU64,
}

impl Control {
    pub(crate) fn listen(&self) -> Signal {
        Signal::new(self.awake.listen())
    }

    pub(crate) fn wake(&self) {
        self.awake.notify(usize::MAX);
    }

    /// Fires when the machine is stopped.
    pub(crate) fn cancelled(&self) -> Signal {
        Signal::new(self.stop.listen())
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Acquire)
    }

    /// A wait that only a stop ends sooner.
    pub(crate) fn pause(&self, now: Instant, until: Instant) -> Result<Wait, Error> {
        let signal = self.listen();
        // A stop between a check before and the listening would be slept through.
        if self.is_stopped() {
            return Err(Error::Stopped);
        }
        Ok(Wait::new(now, until, signal, WaitReason::Backoff))
    }

    /// Whether there was a nudge since the last time this was asked.
    pub(crate) fn take_nudge(&self) -> bool {
        self.nudged.swap(false, Ordering::AcqRel)
    }

    /// The file that a callback named.
    pub(crate) fn file_hint(&self) -> Option<FileId> {
        FileId::new(self.file_hint.load(Ordering::Acquire)).ok()
    }

    /// Whether a handle has asked for something that a wait would sleep through.
    pub(crate) fn is_called(&self) -> bool {
        self.is_stopped() || self.nudged.load(Ordering::Acquire)
    }
}

/// Stops a call from elsewhere.
///
/// A call that waits ends with [`Error::Stopped`](crate::Error::Stopped). A request that is out is dropped by an async
/// driver, and ends after its timeout at the latest with a blocking one; if it must not be sent twice, the call ends
/// [`Error::Ambiguous`](crate::Error::Ambiguous). An answer that came is given all the same.
#[derive(Clone)]
pub struct CallHandle {
    control: Arc<Control>,
}

impl CallHandle {
    pub(crate) fn new(control: &Arc<Control>) -> CallHandle {
        CallHandle {
            control: Arc::clone(control),
        }
    }

    /// Stops the call at its next step.
    pub fn stop(&self) {
        self.control.stopped.store(true, Ordering::Release);
        self.control.stop.notify(usize::MAX);
        self.control.wake();
    }

    pub(crate) fn hint(&self, file: FileId) {
        self.control.file_hint.store(file.get(), Ordering::Release);
    }

    pub(crate) fn nudge(&self) {
        self.control.nudged.store(true, Ordering::Release);
        self.control.wake();
    }
}

impl fmt::Debug for CallHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallHandle")
            .field("stopped", &self.control.is_stopped())
            .finish_non_exhaustive()
    }
}
