//! A machine in the crowd, and what must hold of it at every step.

use std::time::Duration;

use http::header::AUTHORIZATION;
use pan123_proto::offline::{
    CreatedDownload, Progress, TaskStatus, Watch, WatchEvent, WatchHandle, WatchToEnd,
};
use pan123_proto::user::{GetUserInfo, UserInfo};
use pan123_proto::{Call, CallHandle, Error, Machine as _, Now, Refresh, Transmit};

use super::Setup;
use super::input::FuzzInput;
use super::output::{Action, Output, action, output};
use crate::support::{download, progress, secs, task};

/// How long the fetch of a token may take.
const REFRESH_LIMIT: Duration = secs(120);
/// A create is not sent with less time left.
const MIN_TIME_FOR_ONCE: Duration = secs(1);
/// No two requests of a call are closer than this if the first was rate limited.
const MIN_HOLD_OFF: Duration = secs(1);

#[derive(Debug)]
enum Machine {
    Create(Box<Call<CreatedDownload>>),
    Poll(Box<Call<Progress>>),
    User(Box<Call<UserInfo>>),
    Watch(Box<Watch>),
    ToEnd(Box<WatchToEnd>),
    Refresh(Box<Refresh>),
}

#[derive(Debug)]
enum Handle {
    Call(CallHandle),
    Watch(WatchHandle),
    None,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Ready,
    Waiting(Duration),
    /// A request is in flight, until this time at most.
    InFlight(Duration),
    Over,
}

#[derive(Debug)]
pub(crate) struct Player {
    machine: Machine,
    handle: Handle,
    state: State,
    stopped: bool,
    began: Option<Duration>,
    limit: Duration,
    /// Nothing is sent before this.
    not_before: Duration,
    /// A create whose last request may have arrived.
    may_have_arrived: bool,
}

impl Player {
    pub(crate) fn begin(kind: u8, setup: &Setup) -> Player {
        let session = &setup.session;
        let watch = || session.watch(task(), setup.policy.clone());
        let (machine, handle, limit) = match kind {
            0 => {
                let call = session.call(&download()).expect("a good request");
                let handle = Handle::Call(call.handle());
                (Machine::Create(Box::new(call)), handle, setup.call_timeout)
            }
            1 => {
                let call = session.call(&progress()).expect("a good request");
                let handle = Handle::Call(call.handle());
                (Machine::Poll(Box::new(call)), handle, setup.call_timeout)
            }
            2 => {
                let call = session.call(&GetUserInfo).expect("a good request");
                let handle = Handle::Call(call.handle());
                (Machine::User(Box::new(call)), handle, setup.call_timeout)
            }
            3 => {
                let watch = watch();
                let handle = Handle::Watch(watch.handle());
                (
                    Machine::Watch(Box::new(watch)),
                    handle,
                    setup.watch_deadline,
                )
            }
            _ => {
                let watch = watch();
                let handle = Handle::Watch(watch.handle());
                let watch = Box::new(watch.to_end());
                (Machine::ToEnd(watch), handle, setup.watch_deadline)
            }
        };
        Player::new(machine, handle, limit)
    }

    pub(crate) fn refresh(refresh: Refresh) -> Player {
        Player::new(
            Machine::Refresh(Box::new(refresh)),
            Handle::None,
            REFRESH_LIMIT,
        )
    }

    fn new(machine: Machine, handle: Handle, limit: Duration) -> Player {
        Player {
            machine,
            handle,
            state: State::Ready,
            stopped: false,
            began: None,
            limit,
            not_before: Duration::ZERO,
            may_have_arrived: false,
        }
    }

    pub(crate) fn stop(&mut self) {
        match &self.handle {
            Handle::Call(handle) => handle.stop(),
            Handle::Watch(handle) => handle.stop(),
            Handle::None => return,
        }
        self.stopped = true;
    }

    pub(crate) fn nudge(&self) {
        if let Handle::Watch(handle) = &self.handle {
            handle.nudge();
        }
    }

    pub(crate) fn is_refresh(&self) -> bool {
        matches!(self.machine, Machine::Refresh(_))
    }

    pub(crate) fn is_over(&self) -> bool {
        self.state == State::Over
    }

    /// Whether a request of this one may still be on its way.
    pub(crate) fn is_in_flight(&self, now: Duration) -> bool {
        matches!(self.state, State::InFlight(until) if now < until)
    }

    /// When a wait of it ends.
    pub(crate) fn wakes_at(&self) -> Option<Duration> {
        match self.state {
            State::Waiting(until) => Some(until),
            _ => None,
        }
    }

    /// Its next step, checked.
    pub(crate) fn resume(
        &mut self,
        clocks: Now,
        now: Duration,
        input: FuzzInput,
        setup: &Setup,
    ) -> Action {
        let before = self.state;
        let action = self.step(clocks, input);
        let began = *self.began.get_or_insert(now);
        let left = (began + self.limit).saturating_sub(now);
        let answered = matches!(before, State::InFlight(_)).then_some(input);
        if let Some(input) = answered {
            let is_create = matches!(self.machine, Machine::Create(_));
            self.may_have_arrived = is_create && input.may_have_arrived();
            if input.is_rate_limited() {
                self.not_before = now + MIN_HOLD_OFF;
            }
        }
        match &action {
            Action::Transmit(transmit) => self.check_transmit(transmit, now, left, setup),
            Action::Wait(until) => {
                assert!(*until > now, "a wait for the past: {self:?}");
                assert!(
                    until.saturating_sub(now) <= left,
                    "a wait past the deadline: {self:?}"
                );
            }
            Action::Refresh(_) => assert!(setup.fetches && !self.is_refresh(), "{self:?}"),
            Action::Store | Action::Output(_) => {}
        }
        if before == State::Over {
            self.check_over(&action);
        } else if let Some(input) = answered {
            self.check_answered(&action, input);
        } else if self.stopped {
            assert!(
                matches!(action, Action::Output(_)),
                "stopped, and goes on: {self:?}"
            );
        }
        self.state = state_after(before, &action, now);
        if let Action::Output(Output::Progress(_) | Output::PollFailed(_)) = action {
            // The next poll is a call of its own.
            self.not_before = Duration::ZERO;
        }
        action
    }

    fn step(&mut self, now: Now, input: FuzzInput) -> Action {
        let input = input.input();
        match &mut self.machine {
            Machine::Create(call) => action(call.resume(now, input), |created| {
                output(created, |created| {
                    assert_eq!(created.task.get(), 9);
                    None
                })
            }),
            Machine::Poll(call) => action(call.resume(now, input), |polled| output(polled, Some)),
            Machine::User(call) => action(call.resume(now, input), |user| {
                output(user, |user| {
                    assert_eq!(user.uid, 1);
                    None
                })
            }),
            Machine::Watch(watch) => action(watch.resume(now, input), |item| match item {
                Some(Ok(WatchEvent::Progress(progress))) => Output::Progress(progress),
                Some(Ok(WatchEvent::PollFailed(error))) => Output::PollFailed(error),
                Some(Err(error)) => Output::Ended(error),
                _ => Output::Nothing,
            }),
            Machine::ToEnd(watch) => action(watch.resume(now, input), |end| match end {
                Ok(done) => Output::Done(Some(done.progress)),
                Err(error) => Output::Ended(error),
            }),
            Machine::Refresh(refresh) => {
                action(refresh.resume(now, input), |()| Output::Done(None))
            }
        }
    }

    fn check_transmit(&self, sent: &Transmit, now: Duration, left: Duration, setup: &Setup) {
        assert!(!sent.timeout.is_zero(), "{self:?}");
        assert!(sent.timeout <= left, "past the deadline: {self:?}");
        assert!(sent.timeout <= setup.request_timeout, "{self:?}");
        let bears_token = sent.request.headers().contains_key(AUTHORIZATION);
        assert_eq!(bears_token, !self.is_refresh(), "{self:?}");
        if let Machine::Create(_) = self.machine {
            assert!(!self.may_have_arrived, "created twice: {self:?}");
            assert!(left >= MIN_TIME_FOR_ONCE, "{self:?}");
        }
        // How the polls of this one went is not visible.
        if !matches!(self.machine, Machine::ToEnd(_)) {
            assert!(now >= self.not_before, "too soon after a 429: {self:?}");
        }
    }

    /// After its end a machine stays there.
    fn check_over(&self, action: &Action) {
        let Action::Output(output) = action else {
            panic!("it goes on after its end: {self:?}");
        };
        let stays = match self.machine {
            Machine::Create(_) | Machine::Poll(_) | Machine::User(_) => {
                matches!(output, Output::Failed(Error::Finished))
            }
            Machine::Watch(_) => matches!(output, Output::Nothing),
            Machine::ToEnd(_) | Machine::Refresh(_) => true,
        };
        assert!(stays, "after the end of {self:?}: {output:?}");
    }

    /// A lost create is reported with its download, a good response and a code as they were.
    fn check_answered(&self, action: &Action, input: FuzzInput) {
        let output = match action {
            Action::Output(output) => Some(output),
            _ => None,
        };
        let is_ambiguous = match output {
            Some(Output::Failed(Error::Ambiguous(ambiguous))) => {
                assert_eq!(ambiguous.download(), Some(download()));
                true
            }
            _ => false,
        };
        assert_eq!(is_ambiguous, self.may_have_arrived, "{input:?}: {self:?}");
        match (input, &self.machine, output) {
            (
                FuzzInput::Good { .. },
                Machine::Create(_) | Machine::User(_) | Machine::Refresh(_),
                _,
            ) => {
                assert!(matches!(output, Some(Output::Done(None))), "{self:?}");
            }
            (FuzzInput::Good { .. }, _, Some(Output::Done(seen))) => {
                assert_eq!(*seen, input.progress());
            }
            (FuzzInput::Good { .. }, _, Some(Output::Progress(seen))) => {
                assert_eq!(Some(*seen), input.progress());
            }
            (FuzzInput::Good { .. }, _, Some(Output::Ended(error))) => {
                assert_eq!(error.last(), input.progress());
            }
            (FuzzInput::Refusal { code, .. }, _, Some(Output::Failed(Error::Api(api)))) => {
                assert_eq!(api.number(), code);
            }
            _ => {}
        }
    }

    /// What it output, with its name.
    pub(crate) fn name_of(&self, output: &Output) -> String {
        let who = match self.machine {
            Machine::Create(_) => "create",
            Machine::Poll(_) => "progress",
            Machine::User(_) => "user",
            Machine::Watch(_) => "watch",
            Machine::ToEnd(_) => "watch to its end",
            Machine::Refresh(_) => "refresh",
        };
        format!("{who}: {}", output.name())
    }
}

fn state_after(before: State, action: &Action, now: Duration) -> State {
    match action {
        _ if before == State::Over => State::Over,
        Action::Transmit(transmit) => State::InFlight(now + transmit.timeout),
        Action::Wait(until) => State::Waiting(*until),
        Action::Refresh(_) | Action::Store | Action::Output(Output::PollFailed(_)) => State::Ready,
        Action::Output(Output::Progress(seen)) if seen.status != TaskStatus::Succeeded => {
            State::Ready
        }
        Action::Output(_) => State::Over,
    }
}
