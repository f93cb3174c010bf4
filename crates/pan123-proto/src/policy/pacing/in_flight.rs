//! How many requests of a class are in flight at once, and the calls that wait for one of them to end.

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};

use super::lanes::MAX_HIGH_RUN;
use super::{Priority, Ticket, TicketId};
use crate::machine::Signal;
use crate::machine::control::{Control, Waiters};

/// Permits to send. Whoever waits for one is woken when a request ends.
#[derive(Debug)]
pub(super) struct InFlight {
    max: usize,
    count: usize,
    /// By ticket: those of older calls go first.
    high: BTreeMap<TicketId, Weak<Control>>,
    low: BTreeMap<TicketId, Weak<Control>>,
    /// How many calls of high priority were woken since the last one of low priority.
    high_run: usize,
}

/// What a ticket has of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Permit {
    #[default]
    None,
    Awaited,
    /// Its request may be in flight.
    Held,
}

impl InFlight {
    pub(super) fn new(max: usize) -> InFlight {
        InFlight {
            max,
            count: 0,
            high: BTreeMap::new(),
            low: BTreeMap::new(),
            high_run: 0,
        }
    }

    /// Whether a ticket may take a permit. A newcomer goes before nobody who waits.
    pub(super) fn may_take(&self, ticket: &Ticket) -> bool {
        match ticket.permit {
            Permit::Held => true,
            Permit::Awaited => self.count < self.max,
            Permit::None => self.count < self.max && self.high.is_empty() && self.low.is_empty(),
        }
    }

    pub(super) fn take(&mut self, ticket: &mut Ticket) {
        match std::mem::replace(&mut ticket.permit, Permit::Held) {
            Permit::Held => return,
            Permit::Awaited => drop(self.waiting(ticket).remove(&ticket.id)),
            Permit::None => {}
        }
        self.count += 1;
    }

    /// Registers a call that waits for a permit.
    pub(super) fn wait(&mut self, ticket: &mut Ticket, control: &Arc<Control>) -> Signal {
        ticket.permit = Permit::Awaited;
        let waiting = self.waiting(ticket);
        waiting.insert(ticket.id, Arc::downgrade(control));
        control.listen()
    }

    /// The ticket's request has ended, or its call waits no more. Returns the call to wake.
    pub(super) fn end(&mut self, ticket: &mut Ticket) -> Waiters {
        match std::mem::take(&mut ticket.permit) {
            Permit::None => return Waiters::default(),
            Permit::Held => self.count -= 1,
            Permit::Awaited => {
                let waited = self.waiting(ticket).remove(&ticket.id).is_some();
                if waited || self.count >= self.max {
                    return Waiters::default();
                }
                // It was woken, and leaves what it was woken for to the next.
            }
        }
        self.next_waiter()
            .map_or_else(Waiters::default, Waiters::from)
    }

    fn next_waiter(&mut self) -> Option<Weak<Control>> {
        let takes_high = self.low.is_empty() || self.high_run < MAX_HIGH_RUN;
        if takes_high && let Some((_, waiter)) = self.high.pop_first() {
            self.high_run += 1;
            return Some(waiter);
        }
        self.high_run = 0;
        self.low.pop_first().map(|(_, waiter)| waiter)
    }

    fn waiting(&mut self, ticket: &Ticket) -> &mut BTreeMap<TicketId, Weak<Control>> {
        match ticket.priority {
            Priority::High => &mut self.high,
            Priority::Low => &mut self.low,
        }
    }
}
