//! Between any two polls, of the batch or of a job, something is dropped.

use std::mem;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use futures_core::Stream;
use pan123_async::Batch;
use pan123_async::context::{BoxFuture, Spawner};
use pan123_proto::ledger::{ItemState, MemoryLedger};
use pan123_tests::clock::JumpClock;
use pan123_tests::fixture::Fixture;
use pan123_tests::watchdog::Watchdog;

use super::setup::{client, count, fixture, go_on, items, items_of, sent_once};

/// What is dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Loss {
    /// The batch. What it leaves behind runs.
    Batch,
    /// The batch, and then all jobs.
    Everything,
    /// The jobs, as by a runtime that is shut down. The batch goes on.
    Jobs,
}

/// Keeps what is spawned for the test to poll.
#[derive(Clone)]
struct Tasks {
    clock: JumpClock,
    spawned: Arc<Mutex<Vec<BoxFuture<'static, ()>>>>,
    refuses: bool,
}

impl Spawner for Tasks {
    fn spawn(&self, work: BoxFuture<'static, ()>) -> Result<(), BoxFuture<'static, ()>> {
        if self.refuses {
            return Err(work);
        }
        let running = self.clock.enter();
        self.lock().push(Box::pin(async move {
            let _running = running;
            work.await;
        }));
        Ok(())
    }
}

impl Tasks {
    fn lock(&self) -> MutexGuard<'_, Vec<BoxFuture<'static, ()>>> {
        self.spawned.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self) -> Vec<BoxFuture<'static, ()>> {
        mem::take(&mut *self.lock())
    }

    /// Polls each task once, as long as the closure wants it.
    fn poll_each(&self, mut wanted: impl FnMut() -> bool) {
        let mut context = Context::from_waker(Waker::noop());
        let mut left = Vec::new();
        for mut task in self.take() {
            if !wanted() || task.as_mut().poll(&mut context).is_pending() {
                left.push(task);
            }
        }
        left.append(&mut self.lock());
        *self.lock() = left;
    }
}

/// More polls than two items need.
const MAX_POLLS: usize = 20_000;

/// A batch whose driver is the test.
struct Run {
    fixture: Fixture,
    ledger: MemoryLedger,
    tasks: Tasks,
    /// How many polls were made.
    polls: usize,
}

impl Run {
    fn new(refuses: bool) -> Run {
        let (fixture, ledger) = fixture();
        fixture.transport.delay_polls(1);
        let tasks = Tasks {
            clock: fixture.clock.clone(),
            spawned: Arc::default(),
            refuses,
        };
        Run {
            fixture,
            ledger,
            tasks,
            polls: 0,
        }
    }

    fn batch(&self) -> Batch {
        let builder = pan123_async::Client::builder();
        let offline = client!(builder, self.fixture, self.tasks.clone()).offline_download();
        offline.batch(&self.ledger, items(2)).expect("a ledger")
    }

    /// Polls the batch and its jobs in turn, this many times at most. Returns whether the batch has ended.
    fn poll(&mut self, batch: &mut Batch, polls: usize) -> bool {
        let mut context = Context::from_waker(Waker::noop());
        let _running = self.fixture.clock.enter();
        while self.polls < polls {
            self.polls += 1;
            assert!(self.polls < MAX_POLLS, "it never ends: {batch:?}");
            let polled = Pin::new(&mut *batch).poll_next(&mut context);
            if matches!(polled, Poll::Ready(None)) {
                return true;
            }
            let made = &mut self.polls;
            self.tasks.poll_each(|| {
                *made += 1;
                *made <= polls
            });
        }
        false
    }

    fn finish_tasks(&mut self) {
        while !self.tasks.lock().is_empty() {
            self.polls += 1;
            assert!(self.polls < MAX_POLLS, "what is left never ends");
            self.tasks.poll_each(|| true);
        }
    }
}

/// Polls this many times, drops something, and returns how many items are running and unconfirmed then; none if the batch had ended.
fn lose(loss: Loss, refuses: bool, polls: usize) -> Option<[usize; 2]> {
    let context = (loss, refuses, polls);
    let mut run = Run::new(refuses);
    let mut batch = run.batch();
    if run.poll(&mut batch, polls) {
        return None;
    }
    if loss == Loss::Jobs {
        drop(run.tasks.take());
        assert!(run.poll(&mut batch, MAX_POLLS));
        drop(batch);
    } else {
        drop(batch);
        if loss == Loss::Everything {
            drop(run.tasks.take());
        }
        run.finish_tasks();
    }
    let Run {
        fixture, ledger, ..
    } = run;
    assert_eq!(fixture.clock.running(), 0, "{context:?}");
    let before = items_of(&fixture, &ledger);
    if loss == Loss::Batch && !refuses {
        let recorded = sent_once(&fixture, context);
        let open = count(&before, ItemState::Queued) + count(&before, ItemState::Claimed);
        assert_eq!(before.len() - open, recorded, "{context:?}: {before:?}");
        assert_eq!(count(&before, ItemState::Unconfirmed), 0, "{context:?}");
    }
    let report = go_on(&fixture, &ledger);
    let items = items_of(&fixture, &ledger);
    let unconfirmed = count(&items, ItemState::Unconfirmed);
    let succeeded = count(&items, ItemState::Succeeded);
    assert_eq!(
        succeeded + unconfirmed,
        items.len(),
        "{context:?}: {items:?}"
    );
    assert_eq!(report.unconfirmed(), unconfirmed as u64);
    let sent = sent_once(&fixture, context);
    assert!(
        (succeeded..=items.len()).contains(&sent),
        "{context:?}: {items:?}"
    );
    if loss == Loss::Jobs {
        assert_eq!(
            sent,
            items.len(),
            "{context:?}: unconfirmed, and never sent"
        );
    }
    Some([count(&before, ItemState::Running), unconfirmed])
}

fn lose_everywhere(loss: Loss, refuses: bool) -> [usize; 2] {
    let _watched = Watchdog::watch(move || format!("{loss:?}, {refuses}"));
    let all = (0..).map_while(|polls| lose(loss, refuses, polls));
    all.fold([0, 0], |sum, met| [sum[0] + met[0], sum[1] + met[1]])
}

#[test]
fn batch_may_be_dropped_at_any_poll_and_what_it_sent_is_recorded() {
    let [running, unconfirmed] = lose_everywhere(Loss::Batch, false);
    assert!(running > 0 && unconfirmed == 0, "{running}, {unconfirmed}");
}

#[test]
fn batch_and_its_jobs_may_be_dropped_at_any_poll_and_nothing_is_sent_twice() {
    for refuses in [false, true] {
        let [running, unconfirmed] = lose_everywhere(Loss::Everything, refuses);
        assert!(running > 0 && unconfirmed > 0, "{running}, {unconfirmed}");
    }
}

#[test]
fn jobs_may_be_dropped_at_any_poll_and_the_batch_goes_on() {
    let [_, unconfirmed] = lose_everywhere(Loss::Jobs, false);
    assert!(unconfirmed > 0);
}
