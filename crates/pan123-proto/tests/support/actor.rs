//! A machine of any kind as the world sees it: something to resume, with a place for what it brings.

use std::cell::RefCell;
use std::fmt::{self, Debug};
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::task::{Wake, Waker};
use std::time::Duration;

use pan123_proto::{Detached, Input, Machine, Now, Signal, Step, StoreOp, Transmit, Wait};

/// What machines have brought, each with the virtual time of it.
pub(crate) type Items<T> = Rc<RefCell<Vec<(Duration, T)>>>;

/// A step without its output, which is in the slot by then.
pub(crate) enum Turn {
    Transmit(Box<Transmit>),
    Wait(Wait),
    Refresh(Detached),
    Store(StoreOp),
    /// It brought something and goes on.
    Item,
    End,
}

pub(crate) trait Driven: Debug {
    fn resume(&mut self, now: Now, at: Duration, input: Input) -> Turn;
}

/// A machine and its slot.
pub(crate) struct Slotted<M: Machine> {
    pub(crate) machine: M,
    pub(crate) items: Items<M::Output>,
    /// Whether this output is the last one.
    pub(crate) is_last: fn(&M::Output) -> bool,
}

impl<M: Machine + Debug> Debug for Slotted<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.machine.fmt(f)
    }
}

impl<M: Machine + Debug> Driven for Slotted<M> {
    fn resume(&mut self, now: Now, at: Duration, input: Input) -> Turn {
        match self.machine.resume(now, input) {
            Step::Transmit(transmit) => Turn::Transmit(Box::new(transmit)),
            Step::Wait(wait) => Turn::Wait(wait),
            Step::Detach(refresh) => Turn::Refresh(refresh),
            Step::Store(op) => Turn::Store(op),
            Step::Ready(output) => {
                let is_last = (self.is_last)(&output);
                self.items.borrow_mut().push((at, output));
                if is_last { Turn::End } else { Turn::Item }
            }
        }
    }
}

/// An actor of the world.
#[derive(Debug)]
pub(crate) struct Actor {
    pub(crate) machine: Box<dyn Driven>,
    /// Counts its resumptions: what was due for an earlier one is void.
    pub(crate) turn: u64,
    /// What may wake it before it is due.
    pub(crate) signal: Option<Signal>,
    /// Who waits for the end of this one.
    pub(crate) parent: Option<usize>,
}

/// The slot of a machine in the world.
pub(crate) struct Outcome<T> {
    pub(crate) actor: usize,
    pub(crate) items: Items<T>,
}

impl<T> Outcome<T> {
    pub(crate) fn is_there(&self) -> bool {
        !self.items.borrow().is_empty()
    }

    /// The one output, and when it came.
    pub(crate) fn timed(&self) -> (Duration, T) {
        let mut items = self.items.borrow_mut();
        assert_eq!(items.len(), 1, "one output");
        items.remove(0)
    }

    pub(crate) fn get(&self) -> T {
        self.timed().1
    }

    /// All outputs so far, and when they came.
    pub(crate) fn all(&self) -> Vec<(Duration, T)> {
        std::mem::take(&mut *self.items.borrow_mut())
    }
}

/// Puts this actor on the list when its signal fires.
pub(crate) fn waker(actor: usize, woken: &Arc<Mutex<Vec<usize>>>) -> Waker {
    let woken = Arc::clone(woken);
    Waker::from(Arc::new(Flag { actor, woken }))
}

/// Notes whose signal fired.
struct Flag {
    actor: usize,
    woken: Arc<Mutex<Vec<usize>>>,
}

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.woken.lock().expect("one thread").push(self.actor);
    }
}
