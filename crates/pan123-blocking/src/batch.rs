//! A batch as an iterator over its events.

use std::fmt;
use std::iter::FusedIterator;
use std::sync::Arc;

use pan123_proto::batch::{self, BatchEvent, BatchHandle, BatchReport, BatchStep, Job, LedgerJob};
use pan123_proto::ledger::NewItem;

use crate::drive::Context;
use crate::spawner::Work;

/// Submits downloads and follows them to their ends: see [`OfflineDownload::batch`](crate::OfflineDownload::batch).
///
/// It is an [`Iterator`] over what happens, whose `next` blocks until there is an event; it ends when the batch does. Each request runs
/// on a thread of its own. Nothing new is sent while nobody calls `next`, and after 30 s other workers on the ledger take the items
/// over; [`to_end`](Batch::to_end) leaves out the events.
///
/// Dropping it sends nothing more. Responses that are still awaited are recorded in the background, as long as the program runs; it
/// is better to [`stop`](BatchHandle::stop) the batch and to take its last events.
#[must_use = "a batch does nothing until it is iterated over"]
pub struct Batch {
    /// None once it is dropped.
    pump: Option<Pump>,
}

/// What drives the batch.
struct Pump {
    batch: batch::Batch,
    context: Context,
    items: Option<Items>,
    handle: BatchHandle,
    report: Option<BatchReport>,
}

pub(crate) type Items = Box<dyn Iterator<Item = NewItem> + Send>;

impl Batch {
    pub(crate) fn new(batch: batch::Batch, items: Items, context: Context) -> Batch {
        Batch {
            pump: Some(Pump {
                handle: batch.handle(),
                batch,
                context,
                items: Some(items),
                report: None,
            }),
        }
    }

    /// Runs the batch to its end and skips the events on the way.
    pub fn to_end(mut self) -> BatchReport {
        loop {
            if self.next().is_none()
                && let Some(report) = self.report()
            {
                return report.clone();
            }
        }
    }

    /// Returns how the batch ended, once its events have.
    pub fn report(&self) -> Option<&BatchReport> {
        self.pump.as_ref()?.report.as_ref()
    }

    /// Returns a handle that stops the batch, or passes callbacks to it, from elsewhere.
    #[doc(alias = "回调")]
    pub fn handle(&self) -> BatchHandle {
        self.pump().handle.clone()
    }

    fn pump(&self) -> &Pump {
        self.pump.as_ref().expect("it is there until it is dropped")
    }
}

impl Iterator for Batch {
    type Item = BatchEvent;

    fn next(&mut self) -> Option<BatchEvent> {
        self.pump.as_mut()?.next()
    }
}

/// After the last event there is only `None`.
impl FusedIterator for Batch {}

impl Drop for Batch {
    fn drop(&mut self) {
        let Some(mut pump) = self.pump.take().filter(|pump| pump.report.is_none()) else {
            return;
        };
        pump.batch.stop_at_once();
        let spawner = Arc::clone(&pump.context.spawner);
        let work = Work::new(move || while pump.next().is_some() {});
        if let Err(work) = spawner.spawn(work) {
            work.run();
        }
    }
}

impl Pump {
    fn next(&mut self) -> Option<BatchEvent> {
        if self.report.is_some() {
            return None;
        }
        loop {
            self.feed();
            match self.batch.next(self.context.clock.now()) {
                BatchStep::Start(job) => self.start(job),
                BatchStep::Ledger(job) => self.record(job),
                BatchStep::Event(event) => return Some(event),
                BatchStep::Wait(wait) => self.context.clock.wait(wait),
                BatchStep::Done(report) => {
                    self.report = Some(report);
                    return None;
                }
            }
        }
    }

    fn feed(&mut self) {
        let Some(items) = &mut self.items else {
            return;
        };
        for _ in 0..self.batch.room() {
            let Some(item) = items.next() else {
                self.batch.items_ended();
                self.items = None;
                return;
            };
            self.batch.add(item);
        }
    }

    fn start(&self, job: Job) {
        let (context, job) = (self.context.clone(), self.handle.guard(job));
        self.spawn(Work::new(move || context.drive(job)));
    }

    fn record(&self, job: LedgerJob) {
        let mut job = self.handle.guard_ledger(job);
        self.spawn(Work::new(move || job.run()));
    }

    fn spawn(&self, work: Work) {
        if let Err(work) = self.context.spawner.spawn(work) {
            work.run();
        }
    }
}

impl fmt::Debug for Batch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.pump().batch.fmt(f)
    }
}
