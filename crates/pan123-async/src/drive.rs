//! The loop that drives a machine of the core: it carries out steps and decides nothing.

use std::fmt;
use std::future::{Future, poll_fn, ready};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{self, Poll, ready as or_pending};

use pan123_proto::{Detached, DriveGuard, Input, Machine, Signal, Step, Transmit};

use crate::clock::Clock;
use crate::store::{Keeper, Opened};
use crate::transport::Transport;

/// A future that can be kept and sent to another thread.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// What a drive needs.
#[derive(Clone)]
pub(crate) struct Context {
    pub(crate) transport: Arc<dyn Transport>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) keeper: Keeper,
}

/// A machine with the step that it is at. The step is kept here and not in the future that waits for it: dropping that
/// future loses nothing and repeats nothing.
pub(crate) struct Drive<M> {
    machine: M,
    context: Context,
    store: Opened,
    step: Option<BoxFuture<'static, Input>>,
}

impl<M: Machine> Drive<M> {
    pub(crate) fn new(machine: M, context: Context) -> Drive<M> {
        Drive {
            machine,
            context,
            store: Opened::default(),
            step: None,
        }
    }

    pub(crate) fn machine(&self) -> &M {
        &self.machine
    }

    pub(crate) fn machine_mut(&mut self) -> &mut M {
        &mut self.machine
    }

    /// Another machine around this one, which takes over the step that it is at.
    pub(crate) fn wrap<W>(self, wrap: impl FnOnce(M) -> W) -> Drive<W> {
        Drive {
            machine: wrap(self.machine),
            context: self.context,
            store: self.store,
            step: self.step,
        }
    }

    pub(crate) async fn next(&mut self) -> M::Output {
        let guard = self.context.clock.enter();
        self.next_under(guard).await
    }

    async fn next_under(&mut self, _guard: DriveGuard) -> M::Output {
        poll_fn(|waker| self.poll_next(waker)).await
    }

    pub(crate) fn poll_next(&mut self, waker: &mut task::Context<'_>) -> Poll<M::Output> {
        let mut input = Input::Wake;
        loop {
            if let Some(step) = &mut self.step {
                input = or_pending!(step.as_mut().poll(waker));
                self.step = None;
            }
            match self.machine.resume(self.context.clock.now(), input) {
                Step::Ready(output) => return Poll::Ready(output),
                step => self.step = Some(self.context.carry_out(step, &mut self.store)),
            }
            input = Input::Wake;
        }
    }
}

impl Context {
    fn carry_out<T>(&self, step: Step<T>, store: &mut Opened) -> BoxFuture<'static, Input> {
        match step {
            Step::Transmit(transmit) => self.transmit(transmit),
            Step::Wait(wait) => {
                let wait = self.clock.wait(wait);
                Box::pin(async move {
                    wait.await;
                    Input::Wake
                })
            }
            Step::Detach(refresh) => self.detach(refresh),
            Step::Store(op) => self.keeper.run(store, op),
            Step::Ready(_) => Box::pin(ready(Input::Wake)),
        }
    }

    fn transmit(&self, mut transmit: Transmit) -> BoxFuture<'static, Input> {
        let cancelled = transmit.cancelled.take();
        let span = transmit.span.clone();
        let transport = Arc::clone(&self.transport);
        Box::pin(async move {
            let mut answer = span.within(|| transport.send(transmit));
            let answer = poll_fn(|context| span.within(|| answer.as_mut().poll(context)));
            match unless(cancelled, pin!(answer)).await {
                Some(Ok(answer)) => Input::Response(answer),
                Some(Err(error)) => Input::Failed(error),
                None => Input::Wake,
            }
        })
    }

    /// Drives a machine to its end in a task of its own, which goes on if nobody waits any more; in place where there is no
    /// runtime. None if the runtime ends before.
    pub(crate) async fn outlive<M>(self, machine: M) -> Option<M::Output>
    where
        M: Machine<Output: Send> + Send + 'static,
    {
        let guard = self.clock.enter();
        let mut drive = Drive::new(machine, self);
        let work = async move { drive.next_under(guard).await };
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => runtime.spawn(work).await.ok(),
            Err(_) => Some(work.await),
        }
    }

    /// Runs a refresh as a task of its own, so that it outlives the caller; in place where there is no runtime.
    fn detach(&self, refresh: Detached) -> BoxFuture<'static, Input> {
        let guard = self.clock.enter();
        let mut drive = Drive::new(refresh, self.clone());
        Box::pin(async move {
            if let Ok(runtime) = tokio::runtime::Handle::try_current() {
                runtime.spawn(async move { drive.next_under(guard).await });
            } else {
                // In place, the caller's own guard stands for both.
                drop(guard);
                drive.next_under(DriveGuard::default()).await;
            }
            Input::Wake
        })
    }
}

/// The future's output, or none if the signal came before it.
async fn unless<F: Future>(signal: Option<Signal>, mut future: Pin<&mut F>) -> Option<F::Output> {
    let Some(mut signal) = signal else {
        return Some(future.await);
    };
    poll_fn(|context| match future.as_mut().poll(context) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending => Pin::new(&mut signal).poll(context).map(|()| None),
    })
    .await
}

impl<M: fmt::Debug> fmt::Debug for Drive<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.machine.fmt(f)
    }
}
