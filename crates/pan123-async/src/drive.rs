//! The loop that runs a machine of the core: it performs steps and decides nothing.

use std::fmt;
use std::future::{Future, poll_fn, ready};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{self, Poll, ready as ready_or_pending};

use pan123_proto::{Detached, Input, Machine, Signal, Step, Transmit};
use tokio::runtime::Handle;

use crate::clock::Clock;
use crate::spawner::Spawner;
use crate::store::{OpenedStore, Pace, Store};
use crate::transport::Transport;

/// A boxed future that can be sent to another thread.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// What running a machine needs, shared by all machines of a client.
pub(crate) struct Context {
    pub(crate) transport: Arc<dyn Transport>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) spawner: Arc<dyn Spawner>,
    pub(crate) store: Store,
    pub(crate) pace: Pace,
}

/// A machine with its pending step. The step is kept here and not in the future that waits for it: dropping that future loses
/// nothing and repeats nothing.
pub(crate) struct Drive<M> {
    /// Dropped before the machine: it may be a guard.
    step: Option<BoxFuture<'static, Input>>,
    machine: M,
    context: Arc<Context>,
    store: OpenedStore,
}

impl<M: Machine> Drive<M> {
    pub(crate) fn new(machine: M, context: Arc<Context>) -> Drive<M> {
        Drive {
            machine,
            context,
            store: OpenedStore::default(),
            step: None,
        }
    }

    pub(crate) fn machine(&self) -> &M {
        &self.machine
    }

    pub(crate) fn machine_mut(&mut self) -> &mut M {
        &mut self.machine
    }

    /// Wraps the machine in another one, which takes over the pending step.
    pub(crate) fn wrap<W>(self, wrap: impl FnOnce(M) -> W) -> Drive<W> {
        Drive {
            machine: wrap(self.machine),
            context: self.context,
            store: self.store,
            step: self.step,
        }
    }

    /// Runs the machine to its output, and lets the rest of it go on apart if the future is dropped before.
    pub(crate) fn run(self) -> impl Future<Output = M::Output> {
        let mut run = Run {
            drive: Some(self),
            runtime: None,
        };
        poll_fn(move |waker| run.poll(waker))
    }

    /// Runs the machine to its next output.
    pub(crate) async fn next(&mut self) -> M::Output {
        poll_fn(|waker| self.poll_next(waker)).await
    }

    pub(crate) fn poll_next(&mut self, waker: &mut task::Context<'_>) -> Poll<M::Output> {
        let mut input = Input::Wake;
        loop {
            if let Some(step) = &mut self.step {
                input = ready_or_pending!(step.as_mut().poll(waker));
                self.step = None;
            }
            match self.machine.resume(self.context.clock.now(), input) {
                Step::Ready(output) => return Poll::Ready(output),
                step => self.step = Some(self.context.perform(step, &mut self.store)),
            }
            input = Input::Wake;
        }
    }
}

/// A machine that nothing but this future runs. What is left of it when it is dropped runs apart.
struct Run<M: Machine> {
    /// None once it is dropped.
    drive: Option<Drive<M>>,
    /// The runtime of the first poll: the future may be dropped outside of it.
    runtime: Option<Handle>,
}

impl<M: Machine> Run<M> {
    fn poll(&mut self, waker: &mut task::Context<'_>) -> Poll<M::Output> {
        if self.runtime.is_none() {
            self.runtime = Handle::try_current().ok();
        }
        match &mut self.drive {
            Some(drive) => drive.poll_next(waker),
            None => Poll::Pending,
        }
    }
}

impl<M: Machine> Drop for Run<M> {
    fn drop(&mut self) {
        let Some(drive) = self.drive.take() else {
            return;
        };
        let Some(detached) = drive.machine.detach() else {
            return;
        };
        let rest = Drive {
            machine: detached,
            context: drive.context,
            store: drive.store,
            step: drive.step,
        };
        // Without a runtime the rest is dropped, which the session reports.
        drop(rest.spawn(self.runtime.as_ref()));
    }
}

impl Drive<Detached> {
    /// Runs the machine apart from the caller. Returns the work if it cannot be started.
    fn spawn(mut self, runtime: Option<&Handle>) -> Result<(), BoxFuture<'static, ()>> {
        let context = Arc::clone(&self.context);
        context.spawn(Box::pin(async move { self.next().await }), runtime)
    }
}

impl Context {
    /// Runs work apart from the caller, on this runtime if there is one. Returns the work if it cannot be started.
    pub(crate) fn spawn(
        &self,
        work: BoxFuture<'static, ()>,
        runtime: Option<&Handle>,
    ) -> Result<(), BoxFuture<'static, ()>> {
        // A thread that ends has no context to enter.
        let ends = Handle::try_current().is_err_and(|error| error.is_thread_local_destroyed());
        let _entered = runtime.filter(|_| !ends).map(Handle::enter);
        self.spawner.spawn(work)
    }

    fn perform<T>(
        self: &Arc<Context>,
        step: Step<T>,
        store: &mut OpenedStore,
    ) -> BoxFuture<'static, Input> {
        match step {
            Step::Transmit(transmit) => self.transmit(transmit),
            Step::Wait(wait) => wake_after(self.clock.wait(wait)),
            Step::Detach(detached) => match Drive::new(detached, Arc::clone(self)).spawn(None) {
                Ok(()) => Box::pin(ready(Input::Wake)),
                Err(work) => wake_after(work),
            },
            Step::Store(op) => self.store.run(store, op),
            Step::Pace(op) => self.pace.run(op),
            Step::Ready(_) => Box::pin(ready(Input::Wake)),
        }
    }

    fn transmit(&self, mut transmit: Transmit) -> BoxFuture<'static, Input> {
        let cancelled = transmit.cancelled.take();
        let span = transmit.span.clone();
        let transport = Arc::clone(&self.transport);
        Box::pin(async move {
            let mut response = span.within(|| transport.send(transmit));
            let response = poll_fn(|waker| span.within(|| response.as_mut().poll(waker)));
            match unless(cancelled, pin!(response)).await {
                Some(Ok(response)) => Input::Response(response),
                Some(Err(error)) => Input::Failed(error),
                None => Input::Wake,
            }
        })
    }

    /// Runs a machine to its end apart from the caller, so that it goes on if the caller is dropped; in place where nothing can be
    /// spawned. None if the executor ends first.
    pub(crate) async fn spawn_detached<M>(self: Arc<Context>, machine: M) -> Option<M::Output>
    where
        M: Machine<Output: Send> + Send + 'static,
    {
        let spawner = Arc::clone(&self.spawner);
        let (sender, receiver) = tokio::sync::oneshot::channel();
        let mut drive = Drive::new(machine, self);
        let work = Box::pin(async move {
            // Nobody receives it if the caller was dropped.
            let _ = sender.send(drive.next().await);
        });
        if let Err(work) = spawner.spawn(work) {
            work.await;
        }
        receiver.await.ok()
    }
}

fn wake_after(work: BoxFuture<'static, ()>) -> BoxFuture<'static, Input> {
    Box::pin(async move {
        work.await;
        Input::Wake
    })
}

/// Returns the output of the future, or none if the signal fires first.
async fn unless<F: Future>(signal: Option<Signal>, mut future: Pin<&mut F>) -> Option<F::Output> {
    let Some(mut signal) = signal else {
        return Some(future.await);
    };
    poll_fn(|waker| match future.as_mut().poll(waker) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending => Pin::new(&mut signal).poll(waker).map(|()| None),
    })
    .await
}

impl<M: fmt::Debug> fmt::Debug for Drive<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.machine.fmt(f)
    }
}
