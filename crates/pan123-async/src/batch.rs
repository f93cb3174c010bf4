//! A batch as a stream of its events.

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{self, Poll};

use futures_core::Stream;
use pan123_proto::batch::{self, BatchEvent, BatchHandle, BatchReport, BatchStep, Job, LedgerJob};
use pan123_proto::ledger::NewItem;
use tokio::runtime::Handle;

use crate::drive::{BoxFuture, Context, Drive};

/// Submits downloads and follows them to their ends: see [`OfflineDownload::batch`](crate::OfflineDownload::batch).
///
/// It is a [`Stream`] of what happens, which ends when the batch does. Each request runs as a task of its own. Nothing new is sent
/// while nobody awaits [`next`](Batch::next), and after 30 s other workers on the ledger take the items over; [`to_end`](Batch::to_end)
/// leaves out the events. Dropping the future of `next`, as `select!` does, loses nothing and repeats nothing.
///
/// Dropping it sends nothing more. Responses that are still awaited are recorded in the background, as long as the runtime runs; it
/// is better to [`stop`](BatchHandle::stop) the batch and to take its last events.
///
/// # Panics
///
/// Like those of the [`Client`](crate::Client), its futures may panic if they are polled outside a tokio runtime.
#[must_use = "a batch does nothing until `next` or `to_end` is awaited"]
pub struct Batch {
    /// None once it is dropped.
    pump: Option<Pump>,
}

/// What drives the batch.
struct Pump {
    batch: batch::Batch,
    context: Arc<Context>,
    items: Option<Items>,
    handle: BatchHandle,
    wait: Option<BoxFuture<'static, ()>>,
    /// What could not be spawned: it runs here, before anything else.
    in_place: Option<BoxFuture<'static, ()>>,
    report: Option<BatchReport>,
    /// The runtime of the first poll: the batch may be dropped outside of it.
    runtime: Option<Handle>,
}

pub(crate) type Items = Pin<Box<dyn Stream<Item = NewItem> + Send>>;

/// An iterator as a stream that is always ready.
pub(crate) struct Ready<I>(pub(crate) I);

impl<I: Iterator + Unpin> Stream for Ready<I> {
    type Item = I::Item;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut task::Context<'_>) -> Poll<Option<I::Item>> {
        Poll::Ready(self.0.next())
    }
}

impl Batch {
    pub(crate) fn new(batch: batch::Batch, items: Items, context: Arc<Context>) -> Batch {
        Batch {
            pump: Some(Pump {
                handle: batch.handle(),
                batch,
                context,
                items: Some(items),
                wait: None,
                in_place: None,
                report: None,
                runtime: None,
            }),
        }
    }

    /// Returns the next event, or `None` when the batch has ended.
    pub async fn next(&mut self) -> Option<BatchEvent> {
        poll_fn(|waker| self.poll(waker)).await
    }

    /// Runs the batch to its end and skips the events on the way.
    pub async fn to_end(mut self) -> BatchReport {
        loop {
            if self.next().await.is_none()
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

    fn poll(&mut self, waker: &mut task::Context<'_>) -> Poll<Option<BatchEvent>> {
        match &mut self.pump {
            Some(pump) => pump.poll_next(waker),
            None => Poll::Ready(None),
        }
    }
}

impl Stream for Batch {
    type Item = BatchEvent;

    fn poll_next(
        mut self: Pin<&mut Self>,
        waker: &mut task::Context<'_>,
    ) -> Poll<Option<BatchEvent>> {
        self.poll(waker)
    }
}

impl Drop for Batch {
    fn drop(&mut self) {
        let Some(mut pump) = self.pump.take().filter(|pump| pump.report.is_none()) else {
            return;
        };
        pump.batch.stop_at_once();
        pump.wait = None;
        let context = Arc::clone(&pump.context);
        let runtime = pump.runtime.clone();
        let rest = async move { while poll_fn(|waker| pump.poll_next(waker)).await.is_some() {} };
        // Without a runtime the rest is dropped: what may have been sent is unconfirmed for the next batch.
        drop(context.spawn(Box::pin(rest), runtime.as_ref()));
    }
}

impl Pump {
    fn poll_next(&mut self, waker: &mut task::Context<'_>) -> Poll<Option<BatchEvent>> {
        if self.runtime.is_none() {
            self.runtime = Handle::try_current().ok();
        }
        if self.report.is_some() {
            return Poll::Ready(None);
        }
        loop {
            if let Some(work) = &mut self.in_place {
                task::ready!(work.as_mut().poll(waker));
                self.in_place = None;
            }
            self.feed(waker);
            if let Some(wait) = &mut self.wait {
                task::ready!(wait.as_mut().poll(waker));
                self.wait = None;
                continue;
            }
            match self.batch.next(self.context.clock.now()) {
                BatchStep::Start(job) => self.start(job),
                BatchStep::Ledger(job) => self.record(job),
                BatchStep::Event(event) => return Poll::Ready(Some(event)),
                BatchStep::Wait(wait) => self.wait = Some(self.context.clock.wait(wait)),
                BatchStep::Done(report) => {
                    self.report = Some(report);
                    return Poll::Ready(None);
                }
            }
        }
    }

    fn feed(&mut self, waker: &mut task::Context<'_>) {
        let Some(items) = &mut self.items else {
            return;
        };
        for _ in 0..self.batch.room() {
            match items.as_mut().poll_next(waker) {
                Poll::Ready(Some(item)) => self.batch.add(item),
                Poll::Ready(None) => {
                    self.batch.items_ended();
                    self.items = None;
                    self.wait = None;
                    return;
                }
                Poll::Pending => return,
            }
            self.wait = None;
        }
    }

    fn start(&mut self, job: Job) {
        let mut drive = Drive::new(self.handle.guard(job), Arc::clone(&self.context));
        self.spawn(Box::pin(async move { drive.next().await }));
    }

    fn record(&mut self, job: LedgerJob) {
        let mut job = self.handle.guard_ledger(job);
        let mut run = move || job.run();
        self.spawn(Box::pin(async move {
            match Handle::try_current() {
                Ok(runtime) => drop(runtime.spawn_blocking(run).await),
                Err(_) => run(),
            }
        }));
    }

    /// Runs work apart; in place where nothing can be spawned.
    fn spawn(&mut self, work: BoxFuture<'static, ()>) {
        self.in_place = self.context.spawn(work, None).err();
    }
}

impl fmt::Debug for Batch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.pump().batch.fmt(f)
    }
}
