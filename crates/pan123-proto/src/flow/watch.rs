//! Follows an offline download to its end: polls its progress at intervals that adapt to it.

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use crate::api::offline::GetDownloadProgress;
use crate::call::Call;
use crate::callback::{CallbackNotice, CallbackOutcome};
use crate::endpoint::Endpoint;
use crate::error::{BuildError, Error, ErrorKind, WatchError};
use crate::exchange::ExchangeSession;
use crate::ids::{FileId, TaskId};
use crate::machine::control::{CallHandle, Control};
use crate::machine::{Input, Machine, Now, Step, Wait, later};
use crate::policy::deadline::MIN_TIME;
use crate::policy::pacing::{Bound, Priority, Ticket};
use crate::policy::watch::{Judgement, WatchPolicy, Watched};
use crate::session::Session;
use crate::task::Progress;
use crate::wait::WaitReason;

/// Follows a task to its end. The first poll is immediate.
///
/// Each item is the progress, or a poll that failed. An `Err` is always the last item; after the last item comes `None`. While it
/// waits, a watch has no request in flight. [`to_end`](Watch::to_end) and [`to_file`](Watch::to_file) leave out the items and
/// return the result only.
///
/// ```
/// use pan123_proto::offline::{TaskStatus, WatchEvent, WatchPolicy};
/// use pan123_proto::{Input, Machine, Now, Session, Step, TaskId, http::Response};
/// # use std::time::{Instant, SystemTime};
///
/// let session = Session::builder().access_token("token").build()?;
/// let mut watch = session.watch(TaskId::new(394756)?, WatchPolicy::default());
/// let handle = watch.handle(); // stops it, or makes it poll at once, from elsewhere
///
/// // A driver, such as that of `pan123-async`, runs these steps.
/// # let now = Now { mono: Instant::now(), wall: SystemTime::UNIX_EPOCH };
/// let Step::Transmit(poll) = watch.resume(now, Input::Wake) else { unreachable!() };
/// let response = Response::new(r#"{"code":0,"data":{"process":100,"status":2}}"#.into());
/// let Step::Ready(Some(item)) = watch.resume(now, Input::Response(response)) else { unreachable!() };
/// assert!(matches!(item?, WatchEvent::Progress(progress) if progress.status == TaskStatus::Succeeded));
/// assert!(matches!(watch.resume(now, Input::Wake), Step::Ready(None)));
/// # drop((handle, poll));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "a watch does nothing until a driver resumes it"]
#[doc(alias = "进度")]
pub struct Watch {
    pub(super) session: Session,
    pub(super) control: Arc<Control>,
    policy: WatchPolicy,
    watched: Watched,
    state: State,
}

#[derive(Debug)]
enum State {
    /// Until this time; at once if none.
    Waiting(Option<Instant>),
    /// For the turn of the next poll, which is not built before: it takes several times the memory.
    Queued(Ticket),
    Polling(Box<Call<Progress>>),
    Ended,
}

type Item = Option<Result<WatchEvent, WatchError>>;

impl Session {
    /// Returns a watch that follows an offline download to its end.
    pub fn watch(&self, task: TaskId, policy: WatchPolicy) -> Watch {
        Watch {
            session: self.clone(),
            control: Arc::default(),
            policy,
            watched: Watched::new(task),
            state: State::Waiting(None),
        }
    }
}

/// An item of a watch.
#[derive(Debug)]
#[non_exhaustive]
pub enum WatchEvent {
    /// The progress of the task. With [`TaskStatus::Succeeded`](crate::offline::TaskStatus::Succeeded) it is the last item.
    Progress(Progress),
    /// A poll failed after its retries; the watch goes on.
    PollFailed(Error),
}

/// Stops a watch from elsewhere, or makes it poll at once.
#[derive(Clone, Debug)]
pub struct WatchHandle(CallHandle);

impl WatchHandle {
    /// Ends the watch with [`WatchError::Stopped`]. The task goes on.
    pub fn stop(&self) {
        self.0.stop();
    }

    /// Passes a callback to the watch: it polls at once, and returns the file id as a hint in
    /// [`Downloaded`](crate::offline::Downloaded). An unverified notice may name anyone's file.
    pub fn notify(&self, notice: &CallbackNotice) {
        if let CallbackOutcome::Succeeded { file: Some(file) } = notice.outcome {
            self.0.set_file_hint(file);
        }
        self.nudge();
    }

    /// Makes the watch poll now instead of at the end of its interval, such as for a callback on a signed URL whose body could not be
    /// read (`CallbackRefusal::id`, feature `callback-signing`).
    pub fn nudge(&self) {
        self.0.nudge();
    }
}

impl Watch {
    /// Returns the task that is watched.
    pub fn task(&self) -> TaskId {
        self.watched.task()
    }

    /// Returns the last progress seen, if any.
    pub fn last(&self) -> Option<Progress> {
        self.watched.last()
    }

    /// Returns a handle that stops or nudges the watch from elsewhere.
    pub fn handle(&self) -> WatchHandle {
        WatchHandle(CallHandle::new(&self.control))
    }

    /// Returns the file that a callback named: see [`WatchHandle::notify`].
    pub fn file_hint(&self) -> Option<FileId> {
        self.control.file_hint()
    }

    fn advance(&mut self, now: Now, input: Input) -> Step<Item> {
        let end = self.end(now.mono);
        let mut input = input;
        loop {
            match &mut self.state {
                State::Ended => return Step::Ready(None),
                State::Polling(call) => match call.move_queue_end(end).resume(now, input).ready() {
                    Ok(result) => {
                        self.state = State::Waiting(None);
                        return self.poll_ended(now.mono, result);
                    }
                    Err(step) => return step,
                },
                State::Waiting(until) => {
                    let until = until.unwrap_or(now.mono);
                    if let Some(step) = self.wait(now.mono, until, end) {
                        return step;
                    }
                    let class = GetDownloadProgress::RATE;
                    let ticket = self.session.ticket(class, Priority::Low);
                    self.state = State::Queued(ticket);
                }
                State::Queued(_) => {
                    if let Some(wait) = self.wait_for_turn(now.mono, end) {
                        return Step::Wait(wait);
                    }
                    if let Err(error) = self.poll(end) {
                        let error = self.watched.polls_error(error.into());
                        return self.end_with(error);
                    }
                    input = Input::Wake;
                }
            }
        }
    }

    /// Returns when the watch ends at the latest. It does not get closer while the shared pace is unavailable.
    fn end(&mut self, now: Instant) -> Instant {
        let unavailable = self.session.time_pace_unavailable(now);
        self.watched.stand_still(unavailable);
        self.watched.end(&self.policy, now)
    }

    /// Returns the next step before the next poll, or `None` when it is time to poll.
    fn wait(&mut self, now: Instant, until: Instant, end: Instant) -> Option<Step<Item>> {
        loop {
            if self.control.is_stopped() {
                return Some(self.end_with(self.watched.stopped_error()));
            }
            if now >= end {
                return Some(self.end_with(self.watched.deadline_error()));
            }
            if self.control.take_nudge() || now >= until {
                return None;
            }
            let signal = self.control.listen();
            // A stop or nudge between the checks above and `listen` would be missed otherwise.
            if !self.control.has_request() {
                let wait = Wait::new(now, until.min(end), signal, WaitReason::Poll);
                return Some(Step::Wait(wait));
            }
        }
    }

    /// Returns the wait for the turn of the next poll; none if it is time for its call, which also finds out that the watch is stopped or
    /// at its end.
    fn wait_for_turn(&mut self, now: Instant, end: Instant) -> Option<Wait> {
        let State::Queued(ticket) = &mut self.state else {
            return None;
        };
        let latest = end.checked_sub(MIN_TIME).filter(|latest| now < *latest)?;
        let bound = Bound::Slot(latest);
        let (until, signal) = self
            .session
            .wait_for_turn(ticket, now, bound, &self.control)?;
        // A stop between the last look and the signal would be missed otherwise.
        if self.control.is_stopped() {
            return None;
        }
        Some(Wait::new(now, until.min(end), signal, WaitReason::Pace))
    }

    /// Builds the call of the next poll, with the place in the queue that the watch has.
    fn poll(&mut self, end: Instant) -> Result<(), BuildError> {
        let poll = GetDownloadProgress::new(self.task());
        let mut call = self.session.call(&poll)?.polling(&self.control, end);
        if let State::Queued(ticket) = std::mem::replace(&mut self.state, State::Waiting(None)) {
            call = call.with_ticket(ticket);
        }
        self.state = State::Polling(Box::new(call));
        Ok(())
    }

    fn leave_queue(&mut self) {
        if let State::Queued(ticket) = &mut self.state {
            self.session.release(ticket);
        }
    }

    fn poll_ended(&mut self, now: Instant, result: Result<Progress, Error>) -> Step<Item> {
        let Watch {
            watched, policy, ..
        } = self;
        let error = match result {
            Ok(progress) => {
                match watched.answered(policy, now, progress) {
                    Ok(Judgement::Succeeded) => self.state = State::Ended,
                    Ok(Judgement::Running(wait)) => {
                        self.state = State::Waiting(Some(later(now, wait)));
                    }
                    Err(error) => return self.end_with(error),
                }
                return Step::Ready(Some(Ok(WatchEvent::Progress(progress))));
            }
            Err(error) => error,
        };
        let ending = match &error {
            Error::Stopped => watched.stopped_error(),
            _ if is_permanent(&error, &self.session) => watched.polls_error(error),
            _ => match watched.failed(policy, now, error.clone()) {
                Ok(wait) => {
                    self.state = State::Waiting(Some(later(now, wait)));
                    return Step::Ready(Some(Ok(WatchEvent::PollFailed(error))));
                }
                Err(ending) => ending,
            },
        };
        self.end_with(ending)
    }

    fn end_with(&mut self, error: WatchError) -> Step<Item> {
        self.leave_queue();
        self.state = State::Ended;
        Step::Ready(Some(Err(error)))
    }
}

/// Whether every further poll must fail, too: wrong credentials, or a rejected token that cannot be replaced.
fn is_permanent(error: &Error, session: &Session) -> bool {
    match error.kind() {
        ErrorKind::AuthorizationRequired | ErrorKind::Credentials | ErrorKind::Build => true,
        ErrorKind::Unauthorized => session.has_given_token(),
        _ => false,
    }
}

impl Machine for Watch {
    type Output = Item;

    fn resume(&mut self, now: Now, input: Input) -> Step<Item> {
        self.advance(now, input)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.leave_queue();
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch")
            .field("task", &self.task())
            .field("last", &self.last())
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}
