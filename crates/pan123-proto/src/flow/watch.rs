//! Follows an offline download to its end: polls its progress at intervals that adapt to it.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::api::offline::GetDownloadProgress;
use crate::call::Call;
use crate::callback::{CallbackNotice, CallbackOutcome};
use crate::error::{Error, ErrorKind, TransportErrorKind, WatchError};
use crate::ids::{FileId, TaskId};
use crate::machine::control::{CallHandle, Control};
use crate::machine::{Input, Machine, Now, Step, Wait, later};
use crate::policy::retry::doubled;
use crate::session::Session;
use crate::task::{Progress, TaskStatus};
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
    task: TaskId,
    policy: WatchPolicy,
    started: Option<Instant>,
    interval: Duration,
    /// How many polls in a row failed, without those that never left.
    failed_polls: u32,
    /// How many polls in a row never left.
    never_left: u32,
    unreachable: Observed,
    unchanged: Observed,
    last: Option<LastPoll>,
    /// How the last poll failed, if it did.
    failure: Option<Error>,
    state: State,
}

#[derive(Debug)]
enum State {
    /// Until this time; at once if none.
    Waiting(Option<Instant>),
    Polling(Box<Call<Progress>>),
    Ended,
}

/// The last poll that succeeded.
#[derive(Clone, Copy, Debug)]
struct LastPoll {
    progress: Progress,
    /// The last percentage that was known, and when.
    percent: Option<(f64, Instant)>,
}

/// How long something was seen to last: the time between looks, of which no more counts than `max` each. So neither polls that fail or
/// wait for their turn nor a suspended machine make it longer.
#[derive(Debug, Default)]
struct Observed {
    total: Duration,
    last_look: Option<Instant>,
}

impl Observed {
    fn begin(&mut self, now: Instant) {
        self.total = Duration::ZERO;
        self.last_look = Some(now);
    }

    fn look(&mut self, now: Instant, max: Duration) -> Duration {
        if let Some(last) = self.last_look.replace(now) {
            let span = now.saturating_duration_since(last);
            self.total = self.total.saturating_add(span.min(max));
        }
        self.total
    }
}

/// How long a watch waits at least after a poll that never left; it doubles with each further one.
const MIN_UNREACHABLE: Duration = Duration::from_secs(1);
const MAX_UNREACHABLE: Duration = Duration::from_secs(15);
/// More than a poll takes all of whose attempts time out while connecting.
const MAX_UNREACHABLE_SPAN: Duration = Duration::from_secs(120);

type Item = Option<Result<WatchEvent, WatchError>>;

impl Session {
    /// Returns a watch that follows an offline download to its end.
    pub fn watch(&self, task: TaskId, policy: WatchPolicy) -> Watch {
        Watch {
            session: self.clone(),
            control: Arc::default(),
            task,
            interval: policy.interval,
            policy,
            started: None,
            failed_polls: 0,
            never_left: 0,
            unreachable: Observed::default(),
            unchanged: Observed::default(),
            last: None,
            failure: None,
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

/// How often a watch polls, and when it gives up.
///
/// All watches of a session share 5 polls a second, the pace of their rate class, whatever their intervals: of 100 watches each polls
/// every 20 s, of 10,000 every 2,000 s. A callback makes its watch poll at its next turn, not at once. `Pacing::every` with
/// [`GetDownloadProgress::RATE`](crate::Endpoint::RATE) sets another pace.
///
/// ```
/// use std::time::Duration;
/// use pan123_proto::offline::WatchPolicy;
///
/// let policy = WatchPolicy::default()
///     .interval(Duration::from_secs(2)) // between the first polls
///     .max_interval(Duration::from_secs(60)) // between later ones
///     .stall_timeout(Duration::from_secs(3600)) // for slow sources
///     .deadline(Duration::from_secs(7 * 24 * 3600));
/// # drop(policy);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WatchPolicy {
    interval: Duration,
    max_interval: Duration,
    deadline: Duration,
    stall_timeout: Duration,
    unreachable_timeout: Duration,
    max_failed_polls: u32,
}

impl Default for WatchPolicy {
    fn default() -> WatchPolicy {
        WatchPolicy {
            interval: Duration::from_secs(1),
            max_interval: Duration::from_secs(15),
            deadline: Duration::from_secs(24 * 3600),
            stall_timeout: Duration::from_secs(30 * 60),
            unreachable_timeout: Duration::from_secs(30 * 60),
            max_failed_polls: 10,
        }
    }
}

impl WatchPolicy {
    /// Sets the interval between the first polls, 1 s by default. It grows by half after each poll, up to the maximum.
    pub fn interval(mut self, interval: Duration) -> WatchPolicy {
        self.interval = interval;
        self
    }

    /// Sets the maximum interval between two polls, 15 s by default.
    pub fn max_interval(mut self, interval: Duration) -> WatchPolicy {
        self.max_interval = interval;
        self
    }

    /// Sets how long the watch follows the task in all, 24 h by default.
    pub fn deadline(mut self, deadline: Duration) -> WatchPolicy {
        self.deadline = deadline;
        self
    }

    /// Sets how long percentage and status may be seen unchanged, 30 min by default.
    ///
    /// Only the time between two answered polls counts, and of each such time at most twice the maximum interval: polls that fail, or
    /// that wait for their turn among thousands of watches, are no sign of a stall. A percentage that the service does not tell is no
    /// change.
    pub fn stall_timeout(mut self, timeout: Duration) -> WatchPolicy {
        self.stall_timeout = timeout;
        self
    }

    /// Sets how long the service may be unreachable, 30 min by default, so that a router that restarts ends no watch.
    ///
    /// It counts from the last poll that left until one leaves again, and of the time between two polls at most 2 min, or twice the
    /// maximum interval if that is longer. Each poll that never left (the name did not resolve, the connection was refused, the TLS handshake failed) is a
    /// [`WatchEvent::PollFailed`], and does not count toward [`max_failed_polls`](WatchPolicy::max_failed_polls).
    pub fn unreachable_timeout(mut self, timeout: Duration) -> WatchPolicy {
        self.unreachable_timeout = timeout;
        self
    }

    /// Sets how many polls in a row may fail after their retries, 10 by default; 0 counts as 1. Polls that never left do not count.
    pub fn max_failed_polls(mut self, polls: u32) -> WatchPolicy {
        self.max_failed_polls = polls.max(1);
        self
    }
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
        self.task
    }

    /// Returns the last progress seen, if any.
    pub fn last(&self) -> Option<Progress> {
        self.last.map(|poll| poll.progress)
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
        let started = *self.started.get_or_insert_with(|| {
            self.unreachable.begin(now.mono);
            now.mono
        });
        let end = later(started, self.policy.deadline);
        let mut input = input;
        loop {
            match &mut self.state {
                State::Ended => return Step::Ready(None),
                State::Polling(call) => match call.resume(now, input).ready() {
                    Ok(result) => {
                        self.state = State::Waiting(None);
                        return self.poll_ended(now.mono, end, result);
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
                        Err(error) => return self.end_with(self.polls_error(error.into())),
                    }
                    input = Input::Wake;
                }
            }
        }
    }

    /// Returns the next step before the next poll, or `None` when it is time to poll.
    fn wait(&mut self, now: Instant, until: Instant, end: Instant) -> Option<Step<Item>> {
        loop {
            if self.control.is_stopped() {
                return Some(self.end_with(self.stopped_error()));
            }
            if now >= end {
                return Some(self.end_with(self.deadline_error()));
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

    fn poll_ended(
        &mut self,
        now: Instant,
        end: Instant,
        result: Result<Progress, Error>,
    ) -> Step<Item> {
        match result {
            Ok(progress) => self.poll_succeeded(now, end, progress),
            Err(Error::Stopped) => self.end_with(self.stopped_error()),
            Err(error) if is_permanent(&error, &self.session) => {
                self.end_with(self.polls_error(error))
            }
            Err(error) if now >= end || is_too_late(&error, now, end) => {
                // A slot after the end of the watch is not a failure of the poll.
                let failure = match error {
                    Error::QueueTooLong { .. } => self.failure.take().unwrap_or(error),
                    _ => error,
                };
                self.failure = Some(failure);
                self.end_with(self.deadline_error())
            }
            Err(error) => self.poll_failed(now, error),
        }
    }

    fn poll_failed(&mut self, now: Instant, error: Error) -> Step<Item> {
        let interval = if never_left(&error) {
            let max_span = self.max_span().max(MAX_UNREACHABLE_SPAN);
            let unreachable = self.unreachable.look(now, max_span);
            if unreachable >= self.policy.unreachable_timeout {
                return self.end_with(self.polls_error(error));
            }
            let backoff = doubled(MIN_UNREACHABLE, self.never_left, MAX_UNREACHABLE);
            self.never_left += 1;
            self.interval.max(backoff)
        } else {
            self.poll_left(now);
            self.failed_polls += 1;
            if self.failed_polls >= self.policy.max_failed_polls {
                return self.end_with(self.polls_error(error));
            }
            self.interval
        };
        self.schedule_poll(now, interval);
        self.failure = Some(error.clone());
        Step::Ready(Some(Ok(WatchEvent::PollFailed(error))))
    }

    fn poll_left(&mut self, now: Instant) {
        self.unreachable.begin(now);
        self.never_left = 0;
    }

    fn poll_succeeded(&mut self, now: Instant, end: Instant, progress: Progress) -> Step<Item> {
        self.poll_left(now);
        self.failed_polls = 0;
        self.failure = None;
        let before = self.last;
        let known = before.and_then(|before| before.percent);
        self.last = Some(LastPoll {
            progress,
            percent: progress.percent.map(|percent| (percent, now)).or(known),
        });
        let unchanged = if before.is_some_and(|before| !has_changed(&before, progress)) {
            self.unchanged.look(now, self.max_span())
        } else {
            self.unchanged.begin(now);
            Duration::ZERO
        };
        match progress.status {
            TaskStatus::Succeeded => {
                self.state = State::Ended;
            }
            TaskStatus::Failed => {
                return self.end_with(WatchError::DownloadFailed {
                    task: self.task,
                    last: progress,
                });
            }
            _ if now >= end => return self.end_with(self.deadline_error()),
            _ if unchanged >= self.policy.stall_timeout => {
                return self.end_with(self.stalled_error());
            }
            _ => {
                let left = known.and_then(|known| estimated_time_left(known, progress, now));
                let interval = left.map_or(self.interval, |left| {
                    self.interval.min(left.max(self.policy.interval))
                });
                self.schedule_poll(now, interval);
            }
        }
        Step::Ready(Some(Ok(WatchEvent::Progress(progress))))
    }

    /// Schedules the next poll after this interval, and lets the interval grow.
    fn schedule_poll(&mut self, now: Instant, interval: Duration) {
        self.state = State::Waiting(Some(later(now, interval)));
        self.interval = (self.interval.saturating_mul(3) / 2).min(self.max_interval());
    }

    fn max_interval(&self) -> Duration {
        self.policy.max_interval.max(self.policy.interval)
    }

    /// How much of the time between two polls is taken for observed.
    fn max_span(&self) -> Duration {
        self.max_interval().saturating_mul(2)
    }

    fn end_with(&mut self, error: WatchError) -> Step<Item> {
        self.state = State::Ended;
        Step::Ready(Some(Err(error)))
    }

    fn stopped_error(&self) -> WatchError {
        WatchError::Stopped {
            task: self.task,
            last: self.last(),
        }
    }

    fn deadline_error(&self) -> WatchError {
        WatchError::Deadline {
            task: self.task,
            last: self.last(),
            failure: self.failure.clone().map(Box::new),
        }
    }

    fn stalled_error(&self) -> WatchError {
        WatchError::Stalled {
            task: self.task,
            last: self.last(),
        }
    }

    fn polls_error(&self, error: Error) -> WatchError {
        WatchError::Polls {
            task: self.task,
            last: self.last(),
            error: Box::new(error),
        }
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

/// Whether a poll can only succeed after the end of its watch.
fn is_too_late(error: &Error, now: Instant, end: Instant) -> bool {
    match error {
        Error::QueueTooLong { .. } => true,
        Error::RateLimited { retry_after, .. } => later(now, *retry_after) >= end,
        _ => false,
    }
}

/// Whether not one byte of the last attempt was sent, or of the last attempt to fetch the token for it.
fn never_left(error: &Error) -> bool {
    matches!(error.root(), Error::Transport(error) if error.kind() == TransportErrorKind::NeverLeft)
}

/// Whether something was seen to change; a percentage that is unknown this time was not.
fn has_changed(before: &LastPoll, progress: Progress) -> bool {
    let known = before.percent.map(|(percent, _)| percent);
    before.progress.status != progress.status
        || (progress.percent.is_some() && progress.percent != known)
}

/// Estimates the time to completion from the speed since the last known percentage.
fn estimated_time_left(
    (before, at): (f64, Instant),
    progress: Progress,
    now: Instant,
) -> Option<Duration> {
    let percent = progress.percent?;
    let gained = percent - before;
    let seconds = now.saturating_duration_since(at).as_secs_f64();
    let left = (100.0 - percent) * seconds / gained;
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
