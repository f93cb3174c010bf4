//! A machine in the crowd, and what must hold of it at every step.

use std::fmt::Debug;
use std::time::Duration;

use http::header::AUTHORIZATION;
use pan123_proto::offline::{Progress, TaskStatus, WatchError, WatchEvent, WatchHandle};
use pan123_proto::user::GetUserInfo;
use pan123_proto::{CallHandle, Detached, Endpoint, Error, Input, Machine, Now, Step, Transmit};

use super::Setup;
use super::input::FuzzInput;
use crate::support::{download, elapsed, progress, secs, task};

const MAX_FETCH_TIME: Duration = secs(120);
/// A create is not sent with less time left.
const MIN_TIME_FOR_CREATE: Duration = secs(1);
/// After a 429, a call sends nothing for this long.
const MIN_HOLD_OFF: Duration = secs(1);

/// A step, with outputs of all machines as one type.
pub(crate) enum Action {
    Transmit(Box<Transmit>),
    Wait(Duration),
    Refresh(Detached),
    Store,
    Output(Output),
}

#[derive(Debug)]
pub(crate) enum Output {
    /// With the progress, if the machine is about one.
    Done(Option<Progress>),
    Progress(Progress),
    PollFailed(Error),
    Failed(Error),
    Ended(WatchError),
    Nothing,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Create,
    Progress,
    User,
    Watch,
    ToEnd,
    Fetch,
}

trait Subject: Debug {
    fn resume(&mut self, now: Now, input: Input) -> Action;
}

/// A machine, and what its output is in the common type.
#[derive(Debug)]
struct Mapped<M: Machine>(M, fn(M::Output) -> Output);

impl<M: Machine + Debug> Subject for Mapped<M>
where
    M::Output: Debug,
{
    fn resume(&mut self, now: Now, input: Input) -> Action {
        match self.0.resume(now, input) {
            Step::Transmit(transmit) => Action::Transmit(Box::new(transmit)),
            Step::Wait(wait) => Action::Wait(elapsed(wait.until)),
            Step::Detach(fetch) => Action::Refresh(fetch),
            Step::Store(_) => Action::Store,
            Step::Pace(_) => unreachable!("a session that shares no pace"),
            Step::Ready(output) => Action::Output((self.1)(output)),
        }
    }
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
    kind: Kind,
    machine: Box<dyn Subject>,
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
        fn output<T>(result: Result<T, Error>, progress: fn(T) -> Option<Progress>) -> Output {
            result.map_or_else(Output::Failed, |value| Output::Done(progress(value)))
        }
        let watch = || setup.session.watch(task(), setup.policy.clone());
        match kind {
            0 => Player::call(Kind::Create, setup, &download(), |created| {
                output(created, |created| {
                    assert_eq!(created.task.get(), 9);
                    None
                })
            }),
            1 => Player::call(Kind::Progress, setup, &progress(), |it| output(it, Some)),
            2 => Player::call(Kind::User, setup, &GetUserInfo, |user| {
                output(user, |user| {
                    assert_eq!(user.uid, 1);
                    None
                })
            }),
            3 => {
                let watch = watch();
                let handle = Handle::Watch(watch.handle());
                let watch = Mapped(watch, |item| match item {
                    Some(Ok(WatchEvent::Progress(progress))) => Output::Progress(progress),
                    Some(Ok(WatchEvent::PollFailed(error))) => Output::PollFailed(error),
                    Some(Err(error)) => Output::Ended(error),
                    _ => Output::Nothing,
                });
                Player::new(Kind::Watch, watch, handle, setup.watch_deadline)
            }
            _ => {
                let watch = watch();
                let handle = Handle::Watch(watch.handle());
                let watch = Mapped(watch.to_end(), |end| {
                    end.map_or_else(Output::Ended, |done| Output::Done(Some(done.progress)))
                });
                Player::new(Kind::ToEnd, watch, handle, setup.watch_deadline)
            }
        }
    }

    fn call<E: Endpoint<Response: Debug>>(
        kind: Kind,
        setup: &Setup,
        endpoint: &E,
        output: fn(Result<E::Response, Error>) -> Output,
    ) -> Player {
        let call = setup.session.call(endpoint).expect("a good request");
        let handle = Handle::Call(call.handle());
        Player::new(kind, Mapped(call, output), handle, setup.call_timeout)
    }

    pub(crate) fn fetch(fetch: Detached) -> Player {
        let fetch = Mapped(fetch, |()| Output::Done(None));
        Player::new(Kind::Fetch, fetch, Handle::None, MAX_FETCH_TIME)
    }

    fn new(kind: Kind, machine: impl Subject + 'static, handle: Handle, limit: Duration) -> Player {
        Player {
            kind,
            machine: Box::new(machine),
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

    pub(crate) fn is_fetch(&self) -> bool {
        self.kind == Kind::Fetch
    }

    pub(crate) fn is_over(&self) -> bool {
        self.state == State::Over
    }

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
        let action = self.machine.resume(clocks, input.input());
        let began = *self.began.get_or_insert(now);
        let left = (began + self.limit).saturating_sub(now);
        let was_in_flight = matches!(before, State::InFlight(_));
        if was_in_flight {
            self.may_have_arrived = self.kind == Kind::Create && input.may_have_arrived();
            if input.is_rate_limited() {
                self.not_before = now + MIN_HOLD_OFF;
            }
        }
        match &action {
            Action::Transmit(transmit) => self.check_transmit(transmit, now, left, setup),
            Action::Wait(until) => {
                assert!(*until > now, "a wait for the past: {self:?}");
                let is_in_time = until.saturating_sub(now) <= left;
                assert!(is_in_time, "a wait past the deadline: {self:?}");
            }
            Action::Refresh(_) => assert!(setup.fetches && !self.is_fetch(), "{self:?}"),
            Action::Store | Action::Output(_) => {}
        }
        if before == State::Over {
            self.check_over(&action);
        } else if was_in_flight {
            self.check_answered(&action, input);
        } else {
            let ends = matches!(action, Action::Output(_));
            assert!(ends || !self.stopped, "stopped, and goes on: {self:?}");
        }
        self.state = state_after(before, &action, now);
        if let Action::Output(Output::Progress(_) | Output::PollFailed(_)) = action {
            // The next poll is a call of its own.
            self.not_before = Duration::ZERO;
        }
        action
    }

    fn check_transmit(&self, sent: &Transmit, now: Duration, left: Duration, setup: &Setup) {
        assert!(!sent.timeout.is_zero(), "{self:?}");
        assert!(sent.timeout <= left, "past the deadline: {self:?}");
        assert!(sent.timeout <= setup.request_timeout, "{self:?}");
        let has_token = sent.request.headers().contains_key(AUTHORIZATION);
        assert_eq!(has_token, !self.is_fetch(), "{self:?}");
        assert!(!self.may_have_arrived, "created twice: {self:?}");
        assert!(
            self.kind != Kind::Create || left >= MIN_TIME_FOR_CREATE,
            "{self:?}"
        );
        // How the polls of `to_end` went is not visible.
        let is_in_time = now >= self.not_before || self.kind == Kind::ToEnd;
        assert!(is_in_time, "too soon after a 429: {self:?}");
    }

    /// After its end a machine stays there.
    fn check_over(&self, action: &Action) {
        let stays = match (self.kind, action) {
            (Kind::Create | Kind::Progress | Kind::User, Action::Output(output)) => {
                matches!(output, Output::Failed(Error::Finished))
            }
            (Kind::Watch, Action::Output(output)) => matches!(output, Output::Nothing),
            (Kind::ToEnd | Kind::Fetch, Action::Output(_)) => true,
            _ => false,
        };
        assert!(stays, "it goes on after its end: {self:?}");
    }

    /// A lost create is reported with its download, a good response and an error code as they were.
    fn check_answered(&self, action: &Action, input: FuzzInput) {
        let output = match action {
            Action::Output(output) => Some(output),
            _ => None,
        };
        let is_ambiguous = match output {
            Some(Output::Failed(Error::Ambiguous(ambiguous))) => {
                assert_eq!(ambiguous.request(), Some(download()));
                true
            }
            _ => false,
        };
        assert_eq!(is_ambiguous, self.may_have_arrived, "{input:?}: {self:?}");
        match (input, output) {
            (FuzzInput::Good { .. }, Some(Output::Done(None))) => {}
            (FuzzInput::Good { .. }, Some(output)) => {
                let seen = match output {
                    Output::Done(seen) => *seen,
                    Output::Progress(seen) => Some(*seen),
                    Output::Ended(error) => error.last(),
                    other => panic!("{other:?}: {self:?}"),
                };
                assert_eq!(seen, input.progress(), "{self:?}");
            }
            (FuzzInput::Good { .. }, None) => assert_eq!(self.kind, Kind::ToEnd, "{self:?}"),
            (FuzzInput::Refusal { code, .. }, Some(Output::Failed(Error::Api(api)))) => {
                assert_eq!(api.number(), code);
            }
            _ => {}
        }
    }

    /// The output with the name of the machine.
    pub(crate) fn name_of(&self, output: &Output) -> String {
        let who = match self.kind {
            Kind::Create => "create",
            Kind::Progress => "progress",
            Kind::User => "user",
            Kind::Watch => "watch",
            Kind::ToEnd => "watch to its end",
            Kind::Fetch => "refresh",
        };
        match output {
            Output::Done(_) => format!("{who}: done"),
            Output::Progress(seen) if seen.status.is_final() => format!("{who}: seen at its end"),
            Output::Progress(_) => format!("{who}: seen"),
            Output::PollFailed(error) => format!("{who}: missed {:?}", error.kind()),
            Output::Failed(error) => format!("{who}: {:?}", error.kind()),
            Output::Ended(error) => {
                let name = format!("{error:?}");
                format!(
                    "{who}: {}",
                    name.split([' ', '{']).next().unwrap_or_default()
                )
            }
            Output::Nothing => format!("{who}: nothing more"),
        }
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
