//! A request that waits for its turn before it is built.

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use super::Session;
use crate::endpoint::RateClass;
use crate::exchange::ExchangeSession;
use crate::machine::Signal;
use crate::machine::control::Control;
use crate::policy::pacing::{Bound, Priority, Ticket};

/// The place of a request in the queue of its class. It takes a fraction of the memory of a [`Call`](crate::Call).
pub(crate) struct Queued {
    session: Session,
    /// None once a call has taken it.
    ticket: Option<Ticket>,
}

impl Queued {
    pub(crate) fn new(session: &Session, class: RateClass, priority: Priority) -> Queued {
        Queued {
            session: session.clone(),
            ticket: Some(session.ticket(class, priority)),
        }
    }

    /// Returns until when, or until which signal, there is nothing to do but wait; none if it is time for the call.
    pub(crate) fn wait(
        &mut self,
        now: Instant,
        bound: Bound,
        control: &Arc<Control>,
    ) -> Option<(Instant, Signal)> {
        let ticket = self.ticket.as_mut()?;
        self.session.wait_for_turn(ticket, now, bound, control)
    }

    pub(crate) fn take_ticket(&mut self) -> Option<Ticket> {
        self.ticket.take()
    }
}

impl Drop for Queued {
    fn drop(&mut self) {
        if let Some(mut ticket) = self.ticket.take() {
            self.session.release(&mut ticket);
        }
    }
}

impl fmt::Debug for Queued {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Queued")
    }
}
