//! What wakes a service that has something to do by itself.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::thread;
use std::time::{Duration, Instant};

use super::Face;

/// Lets a face settle when its time has come, on a thread that there is from the first time on. Dropped, it ends that thread.
#[derive(Default)]
pub(super) struct Alarm {
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
    watched: bool,
    over: bool,
}

impl Alarm {
    /// So much time is left; none, if nothing is to happen by itself.
    pub(super) fn set(&self, face: &Arc<Face>, left: Option<Duration>) {
        let next = left.and_then(|left| Instant::now().checked_add(left));
        let mut state = self.shared.lock();
        if is_about(state.next, next) {
            return;
        }
        state.next = next;
        let watched = std::mem::replace(&mut state.watched, true);
        drop(state);
        if watched {
            self.shared.changed.notify_all();
        } else {
            self.watch(Arc::downgrade(face));
        }
    }

    fn watch(&self, face: Weak<Face>) {
        let shared = Arc::clone(&self.shared);
        let thread = thread::Builder::new().name("pan123-mock alarm".to_owned());
        let spawned = thread.spawn(move || {
            while shared.until_next() {
                let Some(face) = face.upgrade() else {
                    return;
                };
                // What fails once must not end all that is to come.
                drop(catch_unwind(AssertUnwindSafe(|| face.settle())));
            }
        });
        // Without a thread a request settles what is due, only later; the next time another one is tried for.
        if spawned.is_err() {
            *self.shared.lock() = State::default();
        }
    }
}

/// Whether nothing has changed: one time, seen from two moments, is never quite the same.
fn is_about(one: Option<Instant>, other: Option<Instant>) -> bool {
    match (one, other) {
        (None, None) => true,
        (Some(one), Some(other)) => {
            let (earlier, later) = (one.min(other), one.max(other));
            later.duration_since(earlier) < Duration::from_millis(1)
        }
        _ => false,
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        self.shared.lock().over = true;
        self.shared.changed.notify_all();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Blocks until the next time has come. False when it is over.
    fn until_next(&self) -> bool {
        let mut state = self.lock();
        while !state.over {
            let waited = match state.next {
                None => self.changed.wait(state).map_err(PoisonError::into_inner),
                Some(next) => match next.checked_duration_since(Instant::now()) {
                    Some(left) if !left.is_zero() => {
                        let waited = self.changed.wait_timeout(state, left);
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
