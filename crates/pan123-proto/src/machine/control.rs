//! The events of a machine, and what its handles have requested.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Instant;

use event_listener::Event;

use super::{Signal, Wait};
use crate::error::Error;
use crate::ids::FileId;
use crate::wait::WaitReason;

#[derive(Debug, Default)]
pub(crate) struct Control {
    wake: Event,
    cancel: Event,
    stopped: AtomicBool,
    nudged: AtomicBool,
    /// The file id that a callback named. Some 32-bit targets have no atomic that could hold it.
    file_hint: Mutex<Option<FileId>>,
}

impl Control {
    pub(crate) fn listen(&self) -> Signal {
        Signal::new(self.wake.listen())
    }

    pub(crate) fn wake(&self) {
        self.wake.notify(usize::MAX);
    }

    /// Stops the machine before its next request; a request in flight goes on.
    pub(crate) fn end_after_request(&self) {
        self.stopped.store(true, Ordering::Release);
        self.wake();
    }

    /// Returns a signal that fires when the machine is stopped.
    pub(crate) fn cancelled(&self) -> Signal {
        Signal::new(self.cancel.listen())
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Acquire)
    }

    /// A backoff that only a stop ends early.
    pub(crate) fn backoff(&self, now: Instant, until: Instant) -> Result<Wait, Error> {
        let signal = self.listen();
        // Checked after listening: a stop in between would be missed otherwise.
        if self.is_stopped() {
            return Err(Error::Stopped);
        }
        Ok(Wait::new(now, until, signal, WaitReason::Backoff))
    }

    /// Whether there was a nudge since the last time this was asked.
    pub(crate) fn take_nudge(&self) -> bool {
        self.nudged.swap(false, Ordering::AcqRel)
    }

    /// The file id that a callback named.
    pub(crate) fn file_hint(&self) -> Option<FileId> {
        *self
            .file_hint
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a handle has requested something that a wait would miss.
    pub(crate) fn has_request(&self) -> bool {
        self.is_stopped() || self.nudged.load(Ordering::Acquire)
    }
}

/// Machines to wake.
#[derive(Debug, Default)]
pub(crate) struct Waiters {
    controls: Vec<Weak<Control>>,
    /// At this length those that are gone, or in it twice, are taken out.
    tidy_at: usize,
}

/// Fewer waiters are not worth the look.
const MIN_TIDY: usize = 32;

impl Waiters {
    /// Adds a machine. The signal is taken at once, so that nothing falls in between.
    pub(crate) fn add(&mut self, control: &Arc<Control>) -> Signal {
        if self.controls.len() >= self.tidy_at {
            self.tidy();
        }
        self.controls.push(Arc::downgrade(control));
        control.listen()
    }

    /// The list has doubled since the last time, so that a machine costs the same however many there are.
    fn tidy(&mut self) {
        self.controls.sort_unstable_by_key(Weak::as_ptr);
        self.controls.dedup_by(|one, other| one.ptr_eq(other));
        self.controls.retain(|control| control.strong_count() > 0);
        self.tidy_at = MIN_TIDY.max(self.controls.len() * 2);
    }

    pub(crate) fn and(mut self, other: Waiters) -> Waiters {
        self.controls.extend(other.controls);
        self
    }

    pub(crate) fn wake(self) {
        for control in self.controls.iter().filter_map(Weak::upgrade) {
            control.wake();
        }
    }
}

impl From<Weak<Control>> for Waiters {
    fn from(control: Weak<Control>) -> Waiters {
        Waiters {
            controls: vec![control],
            tidy_at: 0,
        }
    }
}

/// Stops a call from elsewhere.
///
/// A call that waits ends with [`Error::Stopped`]. A request in flight is abandoned; if it is not idempotent, the call ends with
/// [`Error::Ambiguous`]. A response that has arrived is still returned.
///
/// An async driver drops the request. `pan123-blocking` shuts its socket down, which ends a blocked read or write and a TLS
/// handshake, and ends the wait for a name lookup, but not a TCP connect: that ends after `connect_timeout`. Without its feature
/// `precise-connect-errors`, or with an agent or a transport of your own, the request ends after `request_timeout` at the latest. A
/// program that must end sooner makes its calls on a thread of their own and returns from `main` without joining it, or sets shorter
/// timeouts.
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
        self.control.cancel.notify(usize::MAX);
        self.control.wake();
    }

    pub(crate) fn set_file_hint(&self, file: FileId) {
        let hint = &self.control.file_hint;
        *hint.lock().unwrap_or_else(PoisonError::into_inner) = Some(file);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn list_of_waiters_holds_each_once_and_none_that_is_gone() {
        let mut waiters = Waiters::default();
        let stays = Arc::<Control>::default();
        for _ in 0..10_000 {
            drop(waiters.add(&stays));
            drop(waiters.add(&Arc::default()));
            assert!(waiters.controls.len() <= MIN_TIDY);
        }
        let others = [(); 100].map(|()| Arc::<Control>::default());
        let signals: Vec<_> = others.iter().map(|other| waiters.add(other)).collect();
        assert!(waiters.controls.len() < 200);
        waiters.wake();
        let now = crate::base::base();
        assert!(signals.into_iter().all(|signal| signal.wait_until(now)));
    }
}
