//! When to poll a task again, and when to give up: pure functions of what the polls brought.

use std::fmt;
use std::hash::Hash;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::error::{Error, TransportErrorKind, WatchError};
use crate::ids::TaskId;
use crate::machine::later;
use crate::policy::deadline::MIN_TIME;
use crate::policy::poll_schedule::PollSchedule;
use crate::policy::retry::doubled;
use crate::task::{Progress, TaskStatus};

/// How often a watch polls, and when it gives up.
///
/// All watches of a session share 5 polls a second, the pace of their rate class, whatever their intervals: of 100 watches each polls
/// every 20 s, of 10,000 every 2,000 s. A callback makes its watch poll at its next turn, not at once. `Pacing::every` with
/// [`GetDownloadProgress::RATE`](crate::Endpoint::RATE) sets another pace. Clones of a policy share its memory.
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
#[derive(Clone, Default)]
pub struct WatchPolicy(Option<Arc<Limits>>);

/// What a policy sets. A million watches share one copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    pub(crate) interval: Duration,
    max_interval: Duration,
    deadline: Duration,
    stall_timeout: Duration,
    unreachable_timeout: Duration,
    max_failed_polls: u32,
}

const DEFAULT: &Limits = &Limits {
    interval: Duration::from_secs(1),
    max_interval: Duration::from_secs(15),
    deadline: Duration::from_secs(24 * 3600),
    stall_timeout: Duration::from_secs(30 * 60),
    unreachable_timeout: Duration::from_secs(30 * 60),
    max_failed_polls: 10,
};

impl WatchPolicy {
    /// Sets the interval between the first polls, 1 s by default. It grows by half after each poll, up to the maximum.
    pub fn interval(self, interval: Duration) -> WatchPolicy {
        self.with(|limits| limits.interval = interval)
    }

    /// Sets the maximum interval between two polls, 15 s by default.
    pub fn max_interval(self, interval: Duration) -> WatchPolicy {
        self.with(|limits| limits.max_interval = interval)
    }

    /// Sets how long the watch follows the task in all, 24 h by default.
    pub fn deadline(self, deadline: Duration) -> WatchPolicy {
        self.with(|limits| limits.deadline = deadline)
    }

    /// Sets how long percentage and status may be seen unchanged, 30 min by default.
    ///
    /// Only the time between two answered polls counts, and of each such time at most twice the maximum interval: polls that fail, or
    /// that wait for their turn among thousands of watches, are no sign of a stall. A percentage that the service does not tell is no
    /// change.
    pub fn stall_timeout(self, timeout: Duration) -> WatchPolicy {
        self.with(|limits| limits.stall_timeout = timeout)
    }

    /// Sets how long the service may be unreachable, 30 min by default, so that a router that restarts ends no watch.
    ///
    /// It counts from the first poll that never left (the name did not resolve, the connection was refused, the TLS handshake failed)
    /// until one leaves again, and of the time between two polls at most 2 min. Until then the watch polls at least every 15 s, whatever
    /// its intervals. Each such poll is a [`WatchEvent::PollFailed`](crate::offline::WatchEvent::PollFailed), and does not count toward
    /// [`max_failed_polls`](WatchPolicy::max_failed_polls).
    pub fn unreachable_timeout(self, timeout: Duration) -> WatchPolicy {
        self.with(|limits| limits.unreachable_timeout = timeout)
    }

    /// Sets how many polls in a row may fail after their retries, 10 by default; 0 counts as 1. Polls that never left do not count.
    pub fn max_failed_polls(self, polls: u32) -> WatchPolicy {
        self.with(|limits| limits.max_failed_polls = polls.max(1))
    }

    pub(crate) fn limits(&self) -> &Limits {
        self.0.as_deref().unwrap_or(DEFAULT)
    }

    fn with(mut self, change: impl FnOnce(&mut Limits)) -> WatchPolicy {
        let limits = self.0.get_or_insert_with(|| Arc::new(DEFAULT.clone()));
        change(Arc::make_mut(limits));
        self
    }
}

impl PartialEq for WatchPolicy {
    fn eq(&self, other: &WatchPolicy) -> bool {
        self.limits() == other.limits()
    }
}

impl Eq for WatchPolicy {}

impl fmt::Debug for WatchPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("WatchPolicy").field(self.limits()).finish()
    }
}

impl WatchPolicy {
    /// Returns the schedule of the polls of many tasks.
    pub(crate) fn poll_schedule<K: Copy + Eq + Hash + Ord>(&self) -> PollSchedule<K> {
        PollSchedule::new(self.limits().interval, self.max_interval_between_polls())
    }

    pub(crate) fn max_interval_between_polls(&self) -> Duration {
        self.limits().max_interval.max(self.limits().interval)
    }

    /// How much of the time between two polls is taken for observed.
    fn max_span(&self) -> Duration {
        self.max_interval_between_polls().saturating_mul(2)
    }
}

/// What was seen of a task, judged by the limits of a [`WatchPolicy`].
#[derive(Debug)]
pub(crate) struct Watched {
    task: TaskId,
    /// When the watch ends at the latest; none before it begins.
    end: Option<Instant>,
    /// The last reading of the clock that runs while no poll can be sent.
    stood_still: Duration,
    /// The wait before the next poll, unless there is a reason for another one; none before the first poll has ended.
    interval: Option<Duration>,
    /// How many polls in a row failed, without those that never left.
    failed_polls: u32,
    /// Boxed, like the failure: few watches have one, and there may be a million of them.
    unreachable: Option<Box<Unreachable>>,
    unchanged: Observed,
    last: Option<LastPoll>,
    /// How the last poll failed, if it did.
    failure: Option<Box<Error>>,
}

/// The polls since one last left.
#[derive(Debug, Default)]
struct Unreachable {
    polls: u32,
    time: Observed,
}

/// What an answered poll tells of a task.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Judgement {
    Succeeded,
    /// It goes on, and is polled again after this time.
    Running(Duration),
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

/// How long a watch waits after a poll that never left, which costs the service nothing; it doubles with each further one.
const MIN_UNREACHABLE: Duration = Duration::from_secs(1);
const MAX_UNREACHABLE: Duration = Duration::from_secs(15);
/// More than a poll takes all of whose attempts time out while connecting.
const MAX_UNREACHABLE_SPAN: Duration = Duration::from_secs(120);

impl Watched {
    pub(crate) fn new(task: TaskId) -> Watched {
        Watched {
            task,
            end: None,
            stood_still: Duration::ZERO,
            interval: None,
            failed_polls: 0,
            unreachable: None,
            unchanged: Observed::default(),
            last: None,
            failure: None,
        }
    }

    pub(crate) fn task(&self) -> TaskId {
        self.task
    }

    /// Returns when the watch ends at the latest, counted from the first time that this is asked.
    pub(crate) fn end(&mut self, policy: &WatchPolicy, now: Instant) -> Instant {
        *self
            .end
            .get_or_insert_with(|| later(now, policy.limits().deadline))
    }

    /// Takes the reading of a clock that runs while no poll can be sent. The deadline stands still meanwhile.
    pub(crate) fn stand_still(&mut self, clock: Duration) {
        let passed = clock.saturating_sub(self.stood_still);
        self.stood_still = clock;
        self.end = self.end.map(|end| later(end, passed));
    }

    pub(crate) fn last(&self) -> Option<Progress> {
        self.last.map(|poll| poll.progress)
    }

    /// Takes the answer to a poll.
    pub(crate) fn answered(
        &mut self,
        policy: &WatchPolicy,
        now: Instant,
        progress: Progress,
    ) -> Result<Judgement, WatchError> {
        let end = self.end(policy, now);
        self.poll_left();
        self.failed_polls = 0;
        self.failure = None;
        let before = self.last;
        let known = before.and_then(|before| before.percent);
        self.last = Some(LastPoll {
            progress,
            percent: progress.percent.map(|percent| (percent, now)).or(known),
        });
        let unchanged = if before.is_some_and(|before| !has_changed(&before, progress)) {
            self.unchanged.look(now, policy.max_span())
        } else {
            self.unchanged.begin(now);
            Duration::ZERO
        };
        match progress.status {
            TaskStatus::Succeeded => Ok(Judgement::Succeeded),
            TaskStatus::Failed => Err(WatchError::DownloadFailed {
                task: self.task,
                last: progress,
            }),
            _ if now >= end => Err(self.deadline_error()),
            _ if unchanged >= policy.limits().stall_timeout => Err(WatchError::Stalled {
                task: self.task,
                last: self.last(),
            }),
            _ => {
                let left = known.and_then(|known| estimated_time_left(known, progress, now));
                let interval = self.next_interval(policy);
                let wait = left.map_or(interval, |left| {
                    interval.min(left.max(policy.limits().interval))
                });
                Ok(Judgement::Running(wait))
            }
        }
    }

    /// Takes the failure of a poll. Returns how long to wait before the next one.
    pub(crate) fn failed(
        &mut self,
        policy: &WatchPolicy,
        now: Instant,
        error: Error,
    ) -> Result<Duration, WatchError> {
        let end = self.end(policy, now);
        if now >= end || is_too_late(&error, now, end) {
            // A slot after the end of the watch is not a failure of the poll.
            if !matches!(error, Error::QueueTooLong { .. }) || self.failure.is_none() {
                self.failure = Some(Box::new(error));
            }
            return Err(self.deadline_error());
        }
        if matches!(
            error.root(),
            Error::SharedPace(_) | Error::QueueTooLong { .. }
        ) {
            // Nothing was polled, and the end has moved since the poll was queued.
            self.failure = Some(Box::new(error));
            return Ok(self.next_interval(policy));
        }
        let wait = if never_left(&error) {
            let unreachable = self.unreachable.get_or_insert_default();
            if unreachable.time.look(now, MAX_UNREACHABLE_SPAN)
                >= policy.limits().unreachable_timeout
            {
                return Err(self.polls_error(error));
            }
            unreachable.polls += 1;
            doubled(MIN_UNREACHABLE, unreachable.polls - 1, MAX_UNREACHABLE)
        } else {
            self.poll_left();
            self.failed_polls += 1;
            if self.failed_polls >= policy.limits().max_failed_polls {
                return Err(self.polls_error(error));
            }
            let interval = self.next_interval(policy);
            interval.max(error.retry_after().unwrap_or_default())
        };
        self.failure = Some(Box::new(error));
        Ok(wait)
    }

    /// Returns the interval, and lets it grow.
    fn next_interval(&mut self, policy: &WatchPolicy) -> Duration {
        let interval = self.interval.unwrap_or(policy.limits().interval);
        let longer = (interval.saturating_mul(3) / 2).min(policy.max_interval_between_polls());
        self.interval = Some(longer);
        interval
    }

    fn poll_left(&mut self) {
        self.unreachable = None;
    }

    pub(crate) fn stopped_error(&self) -> WatchError {
        WatchError::Stopped {
            task: self.task,
            last: self.last(),
        }
    }

    pub(crate) fn deadline_error(&self) -> WatchError {
        WatchError::Deadline {
            task: self.task,
            last: self.last(),
            failure: self.failure.clone(),
        }
    }

    pub(crate) fn polls_error(&self, error: Error) -> WatchError {
        WatchError::Polls {
            task: self.task,
            last: self.last(),
            error: Box::new(error),
        }
    }
}

/// Whether a poll can only succeed after the end of its watch.
fn is_too_late(error: &Error, now: Instant, end: Instant) -> bool {
    match error {
        Error::QueueTooLong { retry_after, .. } => {
            later(now, retry_after.saturating_add(MIN_TIME)) >= end
        }
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
