//! The service in time, with its effects: what all of its servers share.

mod alarm;
mod time;

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;

use crate::effects::{Effects, Means};
use crate::service::{Effect, Outcome, Reply, Service};

use alarm::Alarm;
use time::Time;

pub(crate) use time::Clock;

/// A service, and what makes it go.
pub(crate) struct Face {
    state: Mutex<State>,
    changed: Condvar,
    clock: Clock,
    alarm: Alarm,
    effects: Effects,
}

struct State {
    service: Service,
    /// Which service it is, counted from 0: an effect of an earlier one has nothing to say to it.
    number: u64,
    time: Time,
}

impl Face {
    pub(crate) fn new(service: Service, clock: Clock, means: Means) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::new(State {
                service,
                number: 0,
                time: Time::default(),
            }),
            changed: Condvar::new(),
            clock,
            alarm: Alarm::default(),
            effects: Effects::new(means),
        })
    }

    /// The answer to a request, whose effects begin.
    pub(crate) fn answer(self: &Arc<Self>, request: &http::Request<Bytes>) -> Reply {
        let now = self.now();
        let Outcome { reply, effects } = self.update(|service| service.handle(now, request));
        self.carry_out(effects);
        reply
    }

    /// Looks into the service, or changes it.
    pub(crate) fn update<T>(self: &Arc<Self>, change: impl FnOnce(&mut Service) -> T) -> T {
        self.update_state(|state| change(&mut state.service))
    }

    /// The same, if the service with this number is still there.
    pub(crate) fn report<T>(
        self: &Arc<Self>,
        number: u64,
        change: impl FnOnce(&mut Service) -> T,
    ) -> Option<T> {
        self.update_state(|state| (state.number == number).then(|| change(&mut state.service)))
    }

    /// Changes the service at the present time, and lets happen what comes of it.
    pub(crate) fn act(
        self: &Arc<Self>,
        change: impl FnOnce(&mut Service, SystemTime) -> Vec<Effect>,
    ) {
        let now = self.now();
        let effects = self.update(|service| change(service, now));
        self.carry_out(effects);
    }

    /// Lets happen what has become due.
    pub(crate) fn settle(self: &Arc<Self>) {
        self.act(Service::due);
    }

    /// Puts another service in the place of this one. The time stays as it is.
    #[cfg(feature = "program")]
    pub(crate) fn replace(self: &Arc<Self>, service: Service) {
        self.update_state(|state| {
            state.service = service;
            state.number += 1;
        });
    }

    /// The time of the service.
    pub(crate) fn now(&self) -> SystemTime {
        let clock = self.clock.now();
        self.lock().time.at(clock)
    }

    /// Moves the clock of the service forward.
    pub(crate) fn advance(self: &Arc<Self>, by: Duration) {
        self.update_state(|state| state.time.advance(by));
        self.settle();
    }

    /// Stops the clock of the service at this time.
    pub(crate) fn stop_clock_at(self: &Arc<Self>, at: SystemTime) {
        self.update_state(|state| state.time.stop_at(at));
        self.settle();
    }

    /// The clock of the service runs on from where it was stopped.
    pub(crate) fn run_clock(self: &Arc<Self>) {
        let clock = self.clock.now();
        self.update_state(|state| state.time.run_from(clock));
    }

    pub(crate) fn wait_for<T>(
        &self,
        timeout: Duration,
        mut ready: impl FnMut(&Service) -> Option<T>,
    ) -> Option<T> {
        let deadline = Instant::now() + timeout;
        let mut state = self.lock();
        loop {
            if let Some(found) = ready(&state.service) {
                return Some(found);
            }
            let left = deadline.checked_duration_since(Instant::now())?;
            let waited = self.changed.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    pub(crate) fn effects(&self) -> &Effects {
        &self.effects
    }

    fn carry_out(self: &Arc<Self>, effects: Vec<Effect>) {
        if !effects.is_empty() {
            let number = self.lock().number;
            self.effects.carry_out(self, number, effects);
        }
    }

    fn update_state<T>(self: &Arc<Self>, change: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.lock();
        let result = change(&mut state);
        let due = state.service.next_due();
        let time = state.time;
        drop(state);
        self.changed.notify_all();
        // A clock that stands still, or that is somebody else's, comes to no time by itself.
        if self.clock.is_the_systems() && !time.is_stopped() {
            let now = || time.at(self.clock.now());
            let left = due.map(|due| due.duration_since(now()).unwrap_or_default());
            self.alarm.set(self, left);
        }
        result
    }

    /// A test that failed while it looked into the model must not fail every thread after it.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
