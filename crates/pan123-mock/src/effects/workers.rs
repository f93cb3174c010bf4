//! Threads that run queued jobs and end when none is left.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

type Job = Box<dyn FnOnce() + Send>;

/// Runs up to `max_threads` jobs at once and queues the rest.
pub(super) struct Workers {
    work: Arc<Mutex<Work>>,
    max_threads: usize,
}

#[derive(Default)]
struct Work {
    waiting: VecDeque<Job>,
    threads: usize,
}

impl Workers {
    pub(super) fn new(max_threads: usize) -> Self {
        Self {
            work: Arc::default(),
            max_threads,
        }
    }

    /// Runs a job now or when a thread is free. Returns false if no thread could be started.
    pub(super) fn run(&self, job: impl FnOnce() + Send + 'static) -> bool {
        let mut work = lock(&self.work);
        work.waiting.push_back(Box::new(job));
        if work.threads == self.max_threads {
            return true;
        }
        let shared = Arc::clone(&self.work);
        let thread = thread::Builder::new().name("pan123-mock effect".to_owned());
        if thread.spawn(move || run_jobs(&shared)).is_ok() {
            work.threads += 1;
        } else if work.threads == 0 {
            work.waiting.pop_back();
            return false;
        }
        true
    }

    /// Drops the queued jobs.
    #[cfg(feature = "program")]
    pub(super) fn clear(&self) {
        let waiting = std::mem::take(&mut lock(&self.work).waiting);
        drop(waiting);
    }
}

/// Runs jobs until the queue is empty.
fn run_jobs(work: &Mutex<Work>) {
    loop {
        let mut locked = lock(work);
        let Some(job) = locked.waiting.pop_front() else {
            locked.threads -= 1;
            return;
        };
        drop(locked);
        // A panicking job must not end the thread, which is counted.
        drop(catch_unwind(AssertUnwindSafe(job)));
    }
}

fn lock(work: &Mutex<Work>) -> MutexGuard<'_, Work> {
    work.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;

    const TIMEOUT: Duration = Duration::from_secs(30);

    #[test]
    fn a_panicking_job_does_not_end_its_thread() {
        let workers = Workers::new(1);
        let (sender, receiver) = mpsc::channel();
        assert!(workers.run(|| panic!("on purpose")));
        assert!(workers.run(move || {
            let _ = sender.send(());
        }));
        assert_eq!(receiver.recv_timeout(TIMEOUT), Ok(()));
    }

    #[test]
    fn jobs_beyond_the_limit_wait_and_all_of_them_run() {
        let workers = Workers::new(2);
        let (started, starts) = mpsc::channel();
        let mut ends = Vec::new();
        for number in 0..4 {
            let (end, ended) = mpsc::channel::<()>();
            let started = started.clone();
            assert!(workers.run(move || {
                let _ = started.send(number);
                let _ = ended.recv();
            }));
            ends.push(end);
        }
        let next = || starts.recv_timeout(TIMEOUT).unwrap();
        let mut first = [next(), next()];
        first.sort_unstable();
        assert_eq!(first, [0, 1]);
        assert_eq!(lock(&workers.work).threads, 2);
        assert_eq!(lock(&workers.work).waiting.len(), 2);
        for (end, expected) in ends.into_iter().zip([Some(2), Some(3), None, None]) {
            drop(end);
            if let Some(expected) = expected {
                assert_eq!(next(), expected);
            }
        }
    }
}
