//! Scripts for tasks whose source is not fetched.

mod json;

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::tasks::TaskEnd;

/// What a task will do: either a list of steps, one per progress poll, of which the last repeats, or progress by the clock.
///
/// ```
/// use std::time::Duration;
/// use pan123_mock::TaskScript;
///
/// let smooth = TaskScript::succeeds_after(3);
/// let broken = TaskScript::fails_after(2, "下载失败");
/// // 13 is undocumented; 3 means retrying.
/// let odd = TaskScript::steps([(0.0, 13), (12.5, 3), (100.0, 2)]);
/// // Ends by the clock, even without polls.
/// let film = TaskScript::succeeds_within(Duration::from_secs(60)).size(700 << 20);
/// ```
///
/// As JSON, for the program `pan123-mock`: `{"succeeds_after": 3}`, `{"fails_after": 2, "reason": "下载失败"}`,
/// `{"steps": [[0, 13], [12.5, 3], [100, 2]]}`, `{"succeeds_within_ms": 60000, "size": 734003200}`, `{"fails_within_ms": 60000}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "json::TaskScriptJson", into = "json::TaskScriptJson")]
pub struct TaskScript {
    plan: Plan,
    reason: String,
    size: u64,
}

#[derive(Debug, Clone, PartialEq)]
enum Plan {
    /// Shared by all tasks of the script.
    Steps(Arc<[ScriptStep]>),
    ByPolls {
        polls: u32,
        succeeds: bool,
    },
    ByClock {
        takes: Duration,
        succeeds: bool,
    },
}

/// What one poll returns.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct ScriptStep {
    /// `process`: the percentage, from 0 to 100.
    pub percent: f64,
    /// `status`: 0 running, 1 failed, 2 succeeded, 3 retrying; any other number is sent unchanged.
    pub status: i64,
}

pub(crate) const RUNNING: i64 = 0;
pub(super) const FAILED: i64 = 1;
pub(super) const SUCCEEDED: i64 = 2;
pub(crate) const RETRYING: i64 = 3;

const DEFAULT_REASON: &str = "下载失败";
const DEFAULT_SIZE: u64 = 1 << 20;

impl TaskScript {
    /// Succeeds at poll number `polls`, counted from 1, and is running before.
    pub fn succeeds_after(polls: u32) -> Self {
        let succeeds = true;
        Self::new(Plan::ByPolls { polls, succeeds })
    }

    /// Fails at poll number `polls`, counted from 1, and is running before. Only the callback contains the reason.
    pub fn fails_after(polls: u32, reason: impl Into<String>) -> Self {
        let succeeds = false;
        Self::new(Plan::ByPolls { polls, succeeds }).reason(reason)
    }

    /// Succeeds after this time, whether or not it is polled.
    pub fn succeeds_within(takes: Duration) -> Self {
        let succeeds = true;
        Self::new(Plan::ByClock { takes, succeeds })
    }

    /// Fails after this time, whether or not it is polled.
    pub fn fails_within(takes: Duration, reason: impl Into<String>) -> Self {
        let succeeds = false;
        Self::new(Plan::ByClock { takes, succeeds }).reason(reason)
    }

    /// Runs at 50 percent until a test ends it with `end_task`.
    pub fn never_ends() -> Self {
        Self::steps([(50.0, RUNNING)])
    }

    /// Follows these steps of (percent, status). Without steps the task stays at its start.
    pub fn steps<S: Into<ScriptStep>>(steps: impl IntoIterator<Item = S>) -> Self {
        Self::new(Plan::Steps(steps.into_iter().map(Into::into).collect()))
    }

    /// Sets the reason in the callback of a failure.
    pub fn reason(mut self, reason: impl Into<String>) -> Self {
        self.reason = reason.into();
        self
    }

    /// Sets the size of the file of a success. The default is 1 MiB.
    pub fn size(mut self, bytes: u64) -> Self {
        self.size = bytes;
        self
    }

    fn new(plan: Plan) -> Self {
        Self {
            plan,
            reason: DEFAULT_REASON.to_owned(),
            size: DEFAULT_SIZE,
        }
    }

    /// Returns the step for the poll with this index, at this time after the creation of the task.
    pub(super) fn step(&self, index: usize, elapsed: Duration) -> ScriptStep {
        match &self.plan {
            Plan::Steps(steps) => steps
                .get(index)
                .or(steps.last())
                .copied()
                .unwrap_or(ScriptStep::new(0.0, RUNNING)),
            Plan::ByPolls { polls, succeeds } => by_polls(*polls, *succeeds, index),
            Plan::ByClock { takes, .. } => {
                let share = elapsed.as_secs_f64() / takes.as_secs_f64().max(f64::MIN_POSITIVE);
                // Rounds to hundredths.
                let percent = (share * 10_000.0).round() / 100.0;
                ScriptStep::new(percent.min(99.99), RUNNING)
            }
        }
    }

    /// Returns when the task ends by the clock, if it does.
    pub(super) fn ends_after(&self) -> Option<Duration> {
        match self.plan {
            Plan::Steps(_) | Plan::ByPolls { .. } => None,
            Plan::ByClock { takes, .. } => Some(takes),
        }
    }

    /// Returns how a task that ends by the clock ends.
    pub(super) fn result(&self) -> TaskEnd {
        match self.plan {
            Plan::ByClock {
                succeeds: false, ..
            } => TaskEnd::failed(self.reason.clone()),
            _ => TaskEnd::Succeeded { size: self.size },
        }
    }

    /// Returns the result of the task if this step ends it.
    pub(super) fn result_of(&self, step: ScriptStep) -> Option<TaskEnd> {
        match step.status {
            SUCCEEDED => Some(TaskEnd::Succeeded { size: self.size }),
            FAILED => Some(TaskEnd::failed(self.reason.clone())),
            _ => None,
        }
    }
}

impl Default for TaskScript {
    /// Returns 0, 50 and 100 percent: the third poll reports success.
    fn default() -> Self {
        Self::succeeds_after(3)
    }
}

impl ScriptStep {
    /// Creates a step of this percentage and status.
    pub const fn new(percent: f64, status: i64) -> Self {
        Self { percent, status }
    }
}

impl From<(f64, i64)> for ScriptStep {
    fn from((percent, status): (f64, i64)) -> Self {
        Self::new(percent, status)
    }
}

/// Returns the step for the poll with this index. The percentage rises evenly up to the last poll.
fn by_polls(polls: u32, succeeds: bool, index: usize) -> ScriptStep {
    let before = polls.saturating_sub(1);
    match u32::try_from(index) {
        Ok(done) if done < before => {
            let percent = 100.0 * f64::from(done) / f64::from(before);
            ScriptStep::new(percent, RUNNING)
        }
        _ if succeeds => ScriptStep::new(100.0, SUCCEEDED),
        _ => ScriptStep::new(0.0, FAILED),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn progress(script: &TaskScript, polls: usize) -> Vec<(f64, i64)> {
        (0..polls)
            .map(|index| script.step(index, Duration::ZERO))
            .map(|step| (step.percent, step.status))
            .collect()
    }

    #[test]
    fn script_ends_at_the_given_poll() {
        assert_eq!(progress(&TaskScript::succeeds_after(0), 1), [(100.0, 2)]);
        assert_eq!(progress(&TaskScript::succeeds_after(1), 1), [(100.0, 2)]);
        assert_eq!(
            progress(&TaskScript::fails_after(2, "no"), 3),
            [(0.0, 0), (0.0, 1), (0.0, 1)]
        );
    }

    #[test]
    fn unknown_statuses_are_passed_through_and_the_last_step_repeats() {
        let script = TaskScript::steps([(1.0, 13), (2.0, 3)]);
        assert_eq!(progress(&script, 3), [(1.0, 13), (2.0, 3), (2.0, 3)]);
    }

    #[test]
    fn script_without_steps_stays_at_the_start() {
        let none: [ScriptStep; 0] = [];
        assert_eq!(progress(&TaskScript::steps(none), 2), [(0.0, 0), (0.0, 0)]);
    }

    #[test]
    fn progress_by_the_clock_stays_below_100() {
        let script = TaskScript::succeeds_within(Duration::from_secs(80));
        let at = |seconds| script.step(0, Duration::from_secs(seconds));
        assert_eq!(at(0), ScriptStep::new(0.0, RUNNING));
        assert_eq!(at(30), ScriptStep::new(37.5, RUNNING));
        assert_eq!(at(8000), ScriptStep::new(99.99, RUNNING));
        assert_eq!(script.ends_after(), Some(Duration::from_secs(80)));
        assert_eq!(script.result(), TaskEnd::Succeeded { size: DEFAULT_SIZE });
        let at_once = TaskScript::fails_within(Duration::ZERO, "no");
        assert_eq!(at_once.step(0, Duration::ZERO).status, RUNNING);
        assert_eq!(at_once.result(), TaskEnd::failed("no"));
    }
}
