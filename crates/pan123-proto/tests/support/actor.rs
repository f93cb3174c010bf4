//! A machine of any kind as the world sees it: something to resume, with a slot for its outputs.

use std::cell::RefCell;
use std::fmt::{self, Debug};
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::task::{Wake, Waker};
use std::time::Duration;

use pan123_proto::{Detached, Input, Machine, Now, PaceOp, Signal, Step, StoreOp, Transmit, Wait};

/// Outputs, each with its virtual time.
pub(crate) type Items<T> = Rc<RefCell<Vec<(Duration, T)>>>;

/// A step without its output, which is in the slot.
pub(crate) enum Action {
    Transmit(Box<Transmit>),
    Wait(Wait),
    Detach(Detached),
    Store(StoreOp),
    Pace(PaceOp),
    /// An output that is not the last.
    Item,
    End,
}

pub(crate) trait Driven: Debug {
    fn resume(&mut self, now: Now, at: Duration, input: Input) -> Action;
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
    fn resume(&mut self, now: Now, at: Duration, input: Input) -> Action {
        match self.machine.resume(now, input) {
            Step::Transmit(transmit) => Action::Transmit(Box::new(transmit)),
            Step::Wait(wait) => Action::Wait(wait),
            Step::Detach(detached) => Action::Detach(detached),
            Step::Store(op) => Action::Store(op),
            Step::Pace(op) => Action::Pace(op),
            Step::Ready(output) => {
                let is_last = (self.is_last)(&output);
                self.items.borrow_mut().push((at, output));
                if !is_last {
                    return Action::Item;
                }
                let after = self.machine.resume(now, Input::Wake);
                assert!(matches!(after, Step::Ready(_)), "after its end: {self:?}");
                Action::End
            }
        }
    }
}

/// An actor of the world.
#[derive(Debug)]
pub(crate) struct Actor {
    pub(crate) machine: Box<dyn Driven>,
    /// Counts its resumptions: inputs due for an earlier one are void.
    pub(crate) resumption: u64,
    /// May wake it before it is due.
    pub(crate) signal: Option<Signal>,
    /// The actor that waits for the end of this one.
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

    /// The only output, and its time.
    pub(crate) fn timed(&self) -> (Duration, T) {
        let mut items = self.items.borrow_mut();
        assert_eq!(items.len(), 1, "one output");
        items.remove(0)
    }

    pub(crate) fn get(&self) -> T {
        self.timed().1
    }

    /// All outputs so far, with their times.
    pub(crate) fn all(&self) -> Vec<(Duration, T)> {
        std::mem::take(&mut *self.items.borrow_mut())
    }
}

/// Puts this actor on the list when its signal fires.
pub(crate) fn waker(actor: usize, woken: &Arc<Mutex<Vec<usize>>>) -> Waker {
    let woken = Arc::clone(woken);
    Waker::from(Arc::new(Flag { actor, woken }))
}

struct Flag {
    actor: usize,
    woken: Arc<Mutex<Vec<usize>>>,
}

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.woken.lock().expect("one thread").push(self.actor);
    }
}
