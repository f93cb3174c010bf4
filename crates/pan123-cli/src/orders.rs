//! What `pan123 download` orders, in a ledger: each once, whatever happens to the command.

use std::io;

use pan123_async::Download;
use pan123_async::proto::batch::ItemChange;
use pan123_async::proto::ledger::{
    Item, ItemId, ItemKey, ItemState, LedgerFault, LedgerOp, NewItem, OpenLedger,
};

use crate::display::Display;
use crate::failure::{Exit, Failure};
use crate::keys::key_of;
use crate::ledgers::{ask, find, read};
use crate::lists::Folder;

/// What a command has ordered, and how far it is.
#[derive(Debug)]
pub(crate) struct Orders {
    /// Whether to wait for the ends of the downloads, or only until they are created.
    wait: bool,
    open: Vec<Order>,
    exit: Exit,
    /// How many had ended before this command.
    ended_before: usize,
}

#[derive(Debug)]
struct Order {
    id: ItemId,
    key: ItemKey,
    /// Whether people know its task.
    is_told: bool,
}

impl Orders {
    pub(crate) fn new(wait: bool) -> Orders {
        Orders {
            wait,
            open: Vec::new(),
            exit: Exit::Success,
            ended_before: 0,
        }
    }

    pub(crate) fn wait(&self) -> bool {
        self.wait
    }

    /// Returns how the command ends, as far as it depends on the downloads.
    pub(crate) fn exit(&self) -> Exit {
        self.exit
    }

    /// Returns how many have not come as far as they should.
    pub(crate) fn left(&self) -> usize {
        self.open.len()
    }

    pub(crate) fn ended_before(&self) -> usize {
        self.ended_before
    }

    pub(crate) fn are_settled(&self) -> bool {
        self.open.is_empty()
    }

    /// Puts a download into the ledger, at the front of the queue. One that was ordered before is the same order, unless it has ended and
    /// is wanted `again`.
    pub(crate) fn place(
        &mut self,
        ledger: &mut dyn OpenLedger,
        download: Download,
        folder: Option<&Folder>,
        again: bool,
    ) -> Result<(), LedgerFault> {
        let mut last = None;
        let mut key = key_of(&download, folder, 1);
        for time in 2.. {
            let Some(found) = find(ledger, key.clone())? else {
                break;
            };
            last = Some((key, found));
            key = key_of(&download, folder, time);
        }
        let (id, key) = match last {
            Some((key, (id, item))) if !(again && item.state.is_ended()) => {
                self.ended_before += usize::from(item.state.is_ended());
                (id, key)
            }
            _ => {
                let items = vec![NewItem::new(key.clone(), download)];
                ask(ledger, LedgerOp::Add(items))?;
                let Some((id, _)) = find(ledger, key.clone())? else {
                    let text = "an item that was added is not there".to_owned();
                    return Err(LedgerFault::Broken(text));
                };
                (id, key)
            }
        };
        // Refused if it was sent already.
        ask(ledger, LedgerOp::Move(key.clone(), true))?;
        if self.open.iter().all(|order| order.id != id) {
            self.open.push(Order {
                id,
                key,
                is_told: false,
            });
        }
        Ok(())
    }

    /// Whether a change is to be shown: one of these orders that the ledger does not tell, or of any item whose task only the change
    /// names.
    pub(crate) fn wants(&self, key: &ItemKey, change: &ItemChange) -> bool {
        match change {
            ItemChange::Unrecorded(_) | ItemChange::Stray(_) => true,
            ItemChange::Progress(_) | ItemChange::PollFailed(_) | ItemChange::WillRetry { .. } => {
                self.open.iter().any(|order| order.key == *key)
            }
            _ => false,
        }
    }

    /// Reads all open orders again, and tells what is new.
    pub(crate) fn look(
        &mut self,
        ledger: &mut dyn OpenLedger,
        display: &mut Display,
    ) -> Result<(), Failure> {
        let mut at = 0;
        while at < self.open.len() {
            let item = read(ledger, self.open[at].id)?;
            if self.is_settled(at, item.as_ref(), display)? {
                self.open.remove(at);
            } else {
                at += 1;
            }
        }
        Ok(())
    }

    /// Reads one order again.
    pub(crate) fn look_at(
        &mut self,
        key: &ItemKey,
        ledger: &mut dyn OpenLedger,
        display: &mut Display,
    ) -> Result<(), Failure> {
        let Some(at) = self.open.iter().position(|order| order.key == *key) else {
            return Ok(());
        };
        let item = read(ledger, self.open[at].id)?;
        if self.is_settled(at, item.as_ref(), display)? {
            self.open.remove(at);
        }
        Ok(())
    }

    /// Tells what is new of an order. Returns whether it has come as far as it should.
    fn is_settled(
        &mut self,
        at: usize,
        item: Option<&Item>,
        display: &mut Display,
    ) -> io::Result<bool> {
        let Some(item) = item else {
            // Somebody removed it.
            self.exit = self.exit.max(Exit::Failed);
            return Ok(true);
        };
        let exit = match item.state {
            ItemState::Queued | ItemState::Claimed | ItemState::Intended => return Ok(false),
            ItemState::Running => {
                if !std::mem::replace(&mut self.open[at].is_told, true) {
                    display.state(item)?;
                }
                return Ok(!self.wait);
            }
            ItemState::Succeeded => Exit::Success,
            ItemState::Unconfirmed => Exit::Unconfirmed,
            _ if item.is_given_up() => Exit::TimedOut,
            _ => Exit::Failed,
        };
        self.exit = self.exit.max(exit);
        display.state(item)?;
        Ok(true)
    }
}
