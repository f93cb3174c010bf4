//! The service with its clock and effects, shared by all front ends.

mod clock;
mod timer;

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;

use crate::effects::{Effects, NetworkSettings};
use crate::service::{Effect, Reply, Service};

use clock::ClockOffset;
use timer::Timer;

pub(crate) use clock::Clock;

/// A service with a clock, a timer and its effects.
pub(crate) struct Server {
    state: Mutex<State>,
    changed: Condvar,
    clock: Clock,
    timer: Timer,
}

struct State {
    service: Service,
    /// The effects of the current service.
    effects: Arc<Effects>,
    clock_offset: ClockOffset,
}

impl Server {
    pub(crate) fn new(service: Service, clock: Clock, network: NetworkSettings) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::new(State {
                service,
                effects: Arc::new(Effects::new(network)),
                clock_offset: ClockOffset::default(),
            }),
            changed: Condvar::new(),
            clock,
            timer: Timer::default(),
        })
    }

    /// Handles a request and starts its effects.
    pub(crate) fn respond(self: &Arc<Self>, request: &http::Request<Bytes>) -> Reply {
        let clock = self.clock.now();
        let (handled, effects) = self.update_state(|state| {
            let now = state.clock_offset.at(clock);
            (
                state.service.handle(now, request),
                Arc::clone(&state.effects),
            )
        });
        effects.run(self, handled.effects);
        handled.reply
    }

    /// Reads or changes the service.
    pub(crate) fn update<T>(self: &Arc<Self>, change: impl FnOnce(&mut Service) -> T) -> T {
        self.update_state(|state| change(&mut state.service))
    }

    /// Changes the service at the current time and starts the resulting effects.
    pub(crate) fn act(
        self: &Arc<Self>,
        change: impl FnOnce(&mut Service, SystemTime) -> Vec<Effect>,
    ) {
        self.act_for(None, change);
    }

    /// Does the same, but only if `caller` belongs to the current service. Returns whether it does.
    pub(crate) fn act_for(
        self: &Arc<Self>,
        caller: Option<&Arc<Effects>>,
        change: impl FnOnce(&mut Service, SystemTime) -> Vec<Effect>,
    ) -> bool {
        let clock = self.clock.now();
        let due = self.update_state(|state| {
            let is_current = caller.is_none_or(|caller| Arc::ptr_eq(caller, &state.effects));
            is_current.then(|| {
                let now = state.clock_offset.at(clock);
                (change(&mut state.service, now), Arc::clone(&state.effects))
            })
        });
        due.is_some_and(|(due, effects)| {
            effects.run(self, due);
            true
        })
    }

    /// Processes what is due.
    pub(crate) fn settle(self: &Arc<Self>) {
        self.act(Service::run_due);
    }

    /// Replaces the service and shuts down its effects. The clock is not changed.
    #[cfg(feature = "program")]
    pub(crate) fn replace(self: &Arc<Self>, service: Service) {
        let old = self.update_state(|state| {
            state.service = service;
            let next = Arc::new(state.effects.fresh());
            std::mem::replace(&mut state.effects, next)
        });
        old.shut_down();
    }

    /// Shuts down the effects.
    #[cfg(feature = "program")]
    pub(crate) fn shut_down(&self) {
        let effects = Arc::clone(&self.lock().effects);
        effects.shut_down();
    }

    /// Returns the time of the service.
    pub(crate) fn now(&self) -> SystemTime {
        let clock = self.clock.now();
        self.lock().clock_offset.at(clock)
    }

    /// Moves the clock of the service forward.
    pub(crate) fn advance(self: &Arc<Self>, by: Duration) {
        self.update_state(|state| state.clock_offset.advance(by));
        self.settle();
    }

    /// Stops the clock of the service at this time.
    pub(crate) fn stop_clock_at(self: &Arc<Self>, at: SystemTime) {
        self.update_state(|state| state.clock_offset.stop_at(at));
        self.settle();
    }

    /// Lets the clock of the service run on from where it was stopped.
    pub(crate) fn resume_clock(self: &Arc<Self>) {
        let clock = self.clock.now();
        self.update_state(|state| state.clock_offset.run_from(clock));
    }

    pub(crate) fn wait_for<T>(
        &self,
        timeout: Duration,
        mut ready: impl FnMut(&Service) -> Option<T>,
    ) -> Option<T> {
        // `None` waits forever.
        let deadline = Instant::now().checked_add(timeout);
        let mut state = self.lock();
        loop {
            if let Some(found) = ready(&state.service) {
                return Some(found);
            }
            state = match deadline {
                None => self
                    .changed
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner),
                Some(deadline) => {
                    let left = deadline.checked_duration_since(Instant::now())?;
                    let waited = self.changed.wait_timeout(state, left);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
    }

    fn update_state<T>(self: &Arc<Self>, change: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.lock();
        let result = change(&mut state);
        // A stopped clock and a caller's clock advance only when the test says so.
        if self.clock.is_system() && !state.clock_offset.is_stopped() {
            let due = state.service.next_due();
            let left = due.map(|due| {
                let now = state.clock_offset.at(self.clock.now());
                due.duration_since(now).unwrap_or_default()
            });
            // Under the lock, so that the last change sets the timer.
            self.timer.set(self, left);
        }
        drop(state);
        self.changed.notify_all();
        result
    }

    /// A test that panics while it holds the lock must not poison it for other threads.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
