//! How a task goes when nobody really fetches anything.

/// The course of a task: what each progress poll is told, one step a poll; the last step stays.
///
/// ```
/// use pan123_mock::Course;
///
/// let smooth = Course::succeeds_after(3);
/// let broken = Course::fails_after(2, "下载失败");
/// // 13 is a status that the documentation does not know; 3 is a retry.
/// let odd = Course::steps([(0.0, 13), (12.5, 3), (100.0, 2)]);
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Course {
    steps: Vec<Step>,
    reason: String,
}

/// What one poll is told.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Step {
    /// `process`: percent from 0 to 100.
    pub percent: f64,
    /// `status`: 0 running, 1 failed, 2 succeeded, 3 retrying; any other number is sent as it is.
    pub status: i64,
}

pub(super) const RUNNING: i64 = 0;
pub(super) const FAILED: i64 = 1;
pub(super) const SUCCEEDED: i64 = 2;

impl Course {
    /// Running until the poll number `polls`, counted from 1, which is told of the success.
    pub fn succeeds_after(polls: u32) -> Self {
        let last = Step::new(100.0, SUCCEEDED);
        Self::steps(running(polls).chain([last]))
    }

    /// Running until the poll number `polls`, counted from 1, which is told of the failure. The reason goes into the callback; a
    /// poll is never told one.
    pub fn fails_after(polls: u32, reason: impl Into<String>) -> Self {
        let last = Step::new(0.0, FAILED);
        Self::steps(running(polls).chain([last])).reason(reason)
    }

    /// Running at 50 percent for ever, or until the test ends it with `fetch_ended`.
    pub fn never_ends() -> Self {
        Self::steps([(50.0, RUNNING)])
    }

    /// Steps of your own as (percent, status). Without any the task never starts.
    pub fn steps<S: Into<Step>>(steps: impl IntoIterator<Item = S>) -> Self {
        Self {
            steps: steps.into_iter().map(Into::into).collect(),
            reason: "下载失败".to_owned(),
        }
    }

    /// The reason in the callback of a failure.
    pub fn reason(mut self, reason: impl Into<String>) -> Self {
        self.reason = reason.into();
        self
    }

    /// The step that the poll with this index is told.
    pub(super) fn step(&self, index: usize) -> Step {
        self.steps
            .get(index)
            .or(self.steps.last())
            .copied()
            .unwrap_or(Step::new(0.0, RUNNING))
    }

    pub(super) fn failure(&self) -> &str {
        &self.reason
    }
}

impl Default for Course {
    /// 0, 50, 100 percent: the third poll is told of the success.
    fn default() -> Self {
        Self::succeeds_after(3)
    }
}

impl Step {
    /// A step at `percent` with the number of a status.
    pub const fn new(percent: f64, status: i64) -> Self {
        Self { percent, status }
    }
}

impl From<(f64, i64)> for Step {
    fn from((percent, status): (f64, i64)) -> Self {
        Self::new(percent, status)
    }
}

/// The steps before the one of the poll number `polls`, evenly on the way from 0 to 100.
fn running(polls: u32) -> impl Iterator<Item = Step> {
    let before = polls.saturating_sub(1);
    (0..before).map(move |done| {
        let percent = 100.0 * f64::from(done) / f64::from(before);
        Step::new(percent, RUNNING)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(course: &Course, polls: usize) -> Vec<(f64, i64)> {
        (0..polls)
            .map(|index| course.step(index))
            .map(|step| (step.percent, step.status))
            .collect()
    }

    #[test]
    fn the_default_succeeds_within_three_polls_and_stays_there() {
        let expected = [(0.0, 0), (50.0, 0), (100.0, 2), (100.0, 2)];
        assert_eq!(told(&Course::default(), 4), expected);
    }

    #[test]
    fn the_end_is_told_to_the_poll_that_was_named() {
        assert_eq!(told(&Course::succeeds_after(0), 1), [(100.0, 2)]);
        assert_eq!(told(&Course::succeeds_after(1), 1), [(100.0, 2)]);
        assert_eq!(
            told(&Course::fails_after(2, "no"), 3),
            [(0.0, 0), (0.0, 1), (0.0, 1)]
        );
    }

    #[test]
    fn unknown_numbers_are_told_as_they_are() {
        let course = Course::steps([(1.0, 13), (2.0, 3)]);
        assert_eq!(told(&course, 3), [(1.0, 13), (2.0, 3), (2.0, 3)]);
    }

    #[test]
    fn a_course_without_steps_stays_at_the_start() {
        let none: [Step; 0] = [];
        assert_eq!(told(&Course::steps(none), 2), [(0.0, 0), (0.0, 0)]);
    }
}
