//! Follows an offline download to its end, by asking for its progress at a pace that suits it.

mod event;
mod policy;
mod to_end;

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

pub use event::{Downloaded, WatchEvent};
pub use policy::WatchPolicy;
pub use to_end::WatchToEnd;

use super::find_file::ExpectedFile;
use crate::api::offline::GetDownloadProgress;
use crate::call::Call;
use crate::callback::{CallbackNotice, CallbackOutcome};
use crate::error::WatchError;
use crate::error::{Error, ErrorKind};
use crate::ids::{FileId, TaskId};
use crate::machine::control::{CallHandle, Control};
use crate::machine::{Input, Machine, Now, Step, Wait, WaitReason, later};
use crate::session::Session;
use crate::task::{Progress, TaskStatus};

/// Stops a watch, or makes it ask at once.
#[derive(Clone, Debug)]
pub struct WatchHandle(CallHandle);

impl WatchHandle {
    /// Ends the watch with [`WatchError::Stopped`]. The task goes on.
    pub fn stop(&self) {
        self.0.stop();
    }

    /// Takes what a callback brought: keeps the file id for [`Downloaded`], and makes the watch ask at once. A notice that was
    /// not verified may be anybody's.
    pub fn notify(&self, notice: &CallbackNotice) {
        if let CallbackOutcome::Succeeded { file: Some(file) } = notice.outcome {
            self.0.set_file_hint(file);
        }
        self.nudge();
    }

    /// Makes the watch ask now and not at its next time.
    pub fn nudge(&self) {
        self.0.nudge();
    }
}

/// Follows one task: polls at once, tells what it saw, waits, and so on to the end.
///
/// Each item is the progress seen, or a poll that failed. An `Err` is always the last item; after the last there is only
/// `None`. While it waits, a watch holds no request.
#[must_use = "a watch does nothing until a driver resumes it"]
pub struct Watch {
    session: Session,
    control: Arc<Control>,
    task: TaskId,
    policy: WatchPolicy,
    started: Option<Instant>,
    interval: Duration,
    failed: u32,
    last: Option<Sighting>,
    state: State,
}

#[derive(Debug)]
enum State {
    Waiting(Option<Instant>),
    Polling(Box<Call<Progress>>),
    Ended,
}

/// The last good poll, and when what it saw was seen first.
#[derive(Clone, Copy, Debug)]
struct Sighting {
    progress: Progress,
    at: Instant,
    changed: Instant,
}

type Item = Option<Result<WatchEvent, WatchError>>;

impl Session {
    /// Returns a watch that follows an offline download to its end.
    pub fn watch(&self, task: TaskId, policy: WatchPolicy) -> Watch {
        Watch::new(self.clone(), task, policy)
    }
}

impl Watch {
    fn new(session: Session, task: TaskId, policy: WatchPolicy) -> Watch {
        Watch {
            session,
            control: Arc::default(),
            task,
            interval: policy.interval,
            policy,
            started: None,
            failed: 0,
            last: None,
            state: State::Waiting(None),
        }
    }

    /// The task that is followed.
    pub fn task(&self) -> TaskId {
        self.task
    }

    /// The last progress seen.
    pub fn last(&self) -> Option<Progress> {
        self.last.map(|sighting| sighting.progress)
    }

    /// A handle to stop or nudge the watch from elsewhere.
    pub fn handle(&self) -> WatchHandle {
        WatchHandle(CallHandle::new(&self.control))
    }

    /// The file that a callback named: see [`WatchHandle::notify`].
    pub fn file_hint(&self) -> Option<FileId> {
        self.control.file_hint()
    }

    /// The same watch, without the events on the way.
    pub fn to_end(self) -> WatchToEnd {
        WatchToEnd::new(self, None)
    }

    /// The same watch without the events on the way; after success the file is looked for, where a callback said first.
    pub fn to_file(self, target: ExpectedFile) -> WatchToEnd {
        WatchToEnd::new(self, Some(target))
    }

    fn advance(&mut self, now: Now, input: Input) -> Step<Item> {
        let started = *self.started.get_or_insert(now.mono);
        let end = later(started, self.policy.deadline);
        let mut input = input;
        loop {
            match &mut self.state {
                State::Ended => return Step::Ready(None),
                State::Polling(call) => match call.resume(now, input).ready() {
                    Ok(result) => {
                        self.state = State::Waiting(None);
                        return self.polled(now.mono, end, result);
                    }
                    Err(step) => return step,
                },
                State::Waiting(until) => {
                    let until = until.unwrap_or(now.mono);
                    if let Some(step) = self.wait(now.mono, until, end) {
                        return step;
                    }
                    let call = self.session.call(&GetDownloadProgress::new(self.task));
                    match call {
                        Ok(call) => {
                            let call = call.polling(&self.control, end);
                            self.state = State::Polling(Box::new(call));
                        }
                        Err(error) => return self.end(self.gave_up(error.into())),
                    }
                    input = Input::Wake;
                }
            }
        }
    }

    /// None when it is time for a poll.
    fn wait(&mut self, now: Instant, until: Instant, end: Instant) -> Option<Step<Item>> {
        loop {
            if self.control.is_stopped() {
                return Some(self.end(WatchError::Stopped {
                    task: self.task,
                    last: self.last(),
                }));
            }
            if now >= end {
                return Some(self.end(self.out_of_time()));
            }
            if self.control.take_nudge() || now >= until {
                return None;
            }
            let signal = self.control.listen();
            // A call between the checks above and the listening would be slept through.
            if !self.control.has_request() {
                let wait = Wait::new(now, until.min(end), signal, WaitReason::Poll);
                return Some(Step::Wait(wait));
            }
        }
    }

    fn polled(
        &mut self,
        now: Instant,
        end: Instant,
        result: Result<Progress, Error>,
    ) -> Step<Item> {
        match result {
            Ok(progress) => self.saw(now, end, progress),
            Err(Error::Stopped) => self.end(WatchError::Stopped {
                task: self.task,
                last: self.last(),
            }),
            Err(error) if is_for_good(&error, &self.session) => self.end(self.gave_up(error)),
            Err(error) => {
                // A slot that would come after the end of the watch is no failure of the poll.
                let no_slot = matches!(error, Error::RateLimited { last: None, .. });
                if now >= end || no_slot {
                    return self.end(self.out_of_time());
                }
                if self.is_stalled(now) {
                    return self.end(self.stalled());
                }
                self.failed += 1;
                if self.failed >= self.policy.max_failed_polls {
                    return self.end(self.gave_up(error));
                }
                self.rest(now, self.interval);
                Step::Ready(Some(Ok(WatchEvent::PollFailed(error))))
            }
        }
    }

    fn saw(&mut self, now: Instant, end: Instant, progress: Progress) -> Step<Item> {
        self.failed = 0;
        let before = self.last;
        let changed = match before {
            Some(before) if before.progress == progress => before.changed,
            _ => now,
        };
        self.last = Some(Sighting {
            progress,
            at: now,
            changed,
        });
        match progress.status {
            TaskStatus::Succeeded => {
                self.state = State::Ended;
            }
            TaskStatus::Failed => {
                return self.end(WatchError::DownloadFailed {
                    task: self.task,
                    last: progress,
                });
            }
            _ if now >= end => return self.end(self.out_of_time()),
            _ if self.is_stalled(now) => return self.end(self.stalled()),
            _ => {
                let near_end = before.and_then(|before| time_left(before, progress, now));
                let soon = near_end.map_or(self.interval, |left| {
                    self.interval.min(left.max(self.policy.interval))
                });
                self.rest(now, soon);
            }
        }
        Step::Ready(Some(Ok(WatchEvent::Progress(progress))))
    }

    fn rest(&mut self, now: Instant, interval: Duration) {
        self.state = State::Waiting(Some(later(now, interval)));
        let most = self.policy.max_interval.max(self.policy.interval);
        self.interval = (self.interval.saturating_mul(3) / 2).min(most);
    }

    fn end(&mut self, error: WatchError) -> Step<Item> {
        self.state = State::Ended;
        Step::Ready(Some(Err(error)))
    }

    fn out_of_time(&self) -> WatchError {
        WatchError::Deadline {
            task: self.task,
            last: self.last(),
        }
    }

    /// Whether nothing has changed for too long, or nothing was seen at all.
    fn is_stalled(&self, now: Instant) -> bool {
        let changed = self.last.map(|sighting| sighting.changed).or(self.started);
        changed.is_some_and(|at| now.saturating_duration_since(at) >= self.policy.stall_timeout)
    }

    fn stalled(&self) -> WatchError {
        WatchError::Stalled {
            task: self.task,
            last: self.last(),
        }
    }

    fn gave_up(&self, error: Error) -> WatchError {
        WatchError::Polls {
            task: self.task,
            last: self.last(),
            error: Box::new(error),
        }
    }
}

/// Whether no later poll can do better: wrong credentials, or a token that nobody replaces.
fn is_for_good(error: &Error, session: &Session) -> bool {
    match error.kind() {
        ErrorKind::AuthorizationRequired | ErrorKind::Credentials | ErrorKind::Build => true,
        ErrorKind::Unauthorized => session.has_given_token(),
        _ => false,
    }
}

/// When the task is done if it goes on as between the last two polls.
fn time_left(before: Sighting, progress: Progress, now: Instant) -> Option<Duration> {
    let gained = progress.percent - before.progress.percent;
    let seconds = now.saturating_duration_since(before.at).as_secs_f64();
    let left = (100.0 - progress.percent).max(0.0) * seconds / gained;
    (gained > 0.0)
        .then(|| Duration::try_from_secs_f64(left).ok())
        .flatten()
}

impl Machine for Watch {
    type Output = Item;

    fn resume(&mut self, now: Now, input: Input) -> Step<Item> {
        self.advance(now, input)
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch")
            .field("task", &self.task)
            .field("last", &self.last())
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}
