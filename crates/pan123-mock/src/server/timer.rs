//! Wakes the server when something is due.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::thread;
use std::time::{Duration, Instant};

use super::Server;

/// Makes a server process what is due, on a thread that starts with the first use and ends when this is dropped.
#[derive(Default)]
pub(super) struct Timer {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    next: Option<Instant>,
    started: bool,
    stopped: bool,
}

impl Timer {
    /// Sets the delay until the next event, if there is one.
    pub(super) fn set(&self, server: &Arc<Server>, delay: Option<Duration>) {
        let next = delay.and_then(|delay| Instant::now().checked_add(delay));
        let mut state = self.shared.lock();
        if nearly_equal(state.next, next) {
            return;
        }
        state.next = next;
        let started = std::mem::replace(&mut state.started, true);
        drop(state);
        if started {
            self.shared.changed.notify_all();
        } else {
            self.start(Arc::downgrade(server));
        }
    }

    fn start(&self, server: Weak<Server>) {
        let shared = Arc::clone(&self.shared);
        let thread = thread::Builder::new().name("pan123-mock timer".to_owned());
        let spawned = thread.spawn(move || {
            while shared.wait_for_next() {
                let Some(server) = server.upgrade() else {
                    return;
                };
                // A panic must not end the thread.
                drop(catch_unwind(AssertUnwindSafe(|| server.settle())));
            }
        });
        // Without a thread the next request processes what is due. The next call tries again to start one.
        if spawned.is_err() {
            *self.shared.lock() = State::default();
        }
    }
}

/// Compares two instants computed from the same event at different moments, which differ slightly.
fn nearly_equal(one: Option<Instant>, other: Option<Instant>) -> bool {
    match (one, other) {
        (None, None) => true,
        (Some(one), Some(other)) => {
            let (earlier, later) = (one.min(other), one.max(other));
            later.duration_since(earlier) < Duration::from_millis(1)
        }
        _ => false,
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        self.shared.lock().stopped = true;
        self.shared.changed.notify_all();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Blocks until the next event. Returns false once stopped.
    fn wait_for_next(&self) -> bool {
        let mut state = self.lock();
        while !state.stopped {
            let waited = match state.next {
                None => self.changed.wait(state).map_err(PoisonError::into_inner),
                Some(next) => match next.checked_duration_since(Instant::now()) {
                    Some(delay) if !delay.is_zero() => {
                        let waited = self.changed.wait_timeout(state, delay);
                        Ok(waited.unwrap_or_else(PoisonError::into_inner).0)
                    }
                    _ => {
                        state.next = None;
                        return true;
                    }
                },
            };
            state = waited.unwrap_or_else(|state| state);
        }
        false
    }
}
