//! A job that is away from its batch.

use std::fmt;
use std::ops::{Deref, DerefMut};

use super::BatchHandle;
use super::job::Job;
use crate::machine::{Input, Machine, Now, Step};

/// A job that goes back to its batch when it is dropped: when it has run, when its driver gives it up, and when the thread or task that
/// runs it ends early. So the batch never waits for a job that is gone.
#[must_use = "a job must be run"]
pub struct JobGuard<J> {
    /// None once it is dropped.
    job: Option<J>,
    handle: BatchHandle,
    hand_back: fn(&BatchHandle, J),
}

impl<J> JobGuard<J> {
    pub(super) fn new(job: J, handle: BatchHandle, hand_back: fn(&BatchHandle, J)) -> JobGuard<J> {
        JobGuard {
            job: Some(job),
            handle,
            hand_back,
        }
    }
}

impl<J> Deref for JobGuard<J> {
    type Target = J;

    fn deref(&self) -> &J {
        self.job.as_ref().expect("it is there until it is dropped")
    }
}

impl<J> DerefMut for JobGuard<J> {
    fn deref_mut(&mut self) -> &mut J {
        self.job.as_mut().expect("it is there until it is dropped")
    }
}

impl Machine for JobGuard<Job> {
    type Output = ();

    fn resume(&mut self, now: Now, input: Input) -> Step<()> {
        (**self).resume(now, input)
    }
}

impl<J> Drop for JobGuard<J> {
    fn drop(&mut self) {
        if let Some(job) = self.job.take() {
            (self.hand_back)(&self.handle, job);
        }
    }
}

impl<J: fmt::Debug> fmt::Debug for JobGuard<J> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.job.fmt(f)
    }
}
