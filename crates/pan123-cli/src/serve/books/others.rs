//! What other replicas do to a ledger that machines share: read at intervals, and before anything is decided by it.

use std::collections::BTreeMap;
use std::mem::take;

use pan123_async::proto::ledger::{Item, ItemId, ItemState, LedgerFault, ListItems};

use super::{Books, CHUNK, lock};
use crate::serve::mirror::Entry;
use crate::serve::rpc::{Gid, GidPrefix, Notification, RpcError, Status};

/// The states of items that may change by themselves, in the order in which an item passes through them.
const MOVING: [ItemState; 4] = [
    ItemState::Claimed,
    ItemState::Intended,
    ItemState::Running,
    ItemState::Unconfirmed,
];
/// The states of items that wait.
const WAITING: [ItemState; 2] = [ItemState::Queued, ItemState::Paused];
/// A longer queue is read less often.
const MAX_OFTEN: usize = 5_000;
/// How often a long queue is read, in looks.
const SELDOM: u32 = 15;

impl Books {
    /// Whether other replicas use the ledger, too.
    pub(in crate::serve) fn is_shared(&self) -> bool {
        self.names.is_shared()
    }

    /// Takes what sockets are to hear of.
    pub(in crate::serve) fn take_news(&mut self) -> Vec<(Notification, Gid)> {
        take(&mut self.news)
    }

    /// Reads what others changed.
    pub(super) fn look_at_others(&mut self) -> Result<(), RpcError> {
        self.disagreements = (self.disagreements + 1) % SELDOM;
        let is_short = lock(&self.mirror).open() <= MAX_OFTEN;
        self.read_added()?;
        if is_short || self.disagreements == 0 {
            self.read_states(&WAITING)?;
        }
        self.read_states(&MOVING)
    }

    /// Reads the whole queue, before it is put into another order.
    pub(in crate::serve) fn read_queue(&mut self) -> Result<(), RpcError> {
        if !self.is_shared() {
            return Ok(());
        }
        self.read_added()?;
        self.read_states(&WAITING)?;
        self.read_states(&MOVING)
    }

    /// Reads what was added, and what is unconfirmed, before something is added.
    pub(in crate::serve) fn read_before_adding(&mut self) -> Result<(), RpcError> {
        if !self.is_shared() {
            return Ok(());
        }
        self.read_added()?;
        self.read_states(&[ItemState::Unconfirmed])
    }

    fn read_added(&mut self) -> Result<(), RpcError> {
        let changed = self.names.changed()?;
        let mut mirror = lock(&self.mirror);
        if changed.is_purged {
            mirror.purge();
        }
        for (gid, note) in changed.notes {
            let is_ended = |entry: &Entry| {
                entry.status().is_stopped() && entry.state() != ItemState::Unconfirmed
            };
            let is_left_out = note.hidden && mirror.get(gid).is_some_and(is_ended);
            mirror.set_note(gid, note);
            if is_left_out {
                mirror.remove(gid);
            }
        }
        drop(mirror);
        Ok(self.read_new()?)
    }

    /// Reads the item of a GID, unless it has ended.
    pub(in crate::serve) fn read_others(&mut self, prefix: &GidPrefix) -> Result<(), RpcError> {
        if !self.is_shared() {
            return Ok(());
        }
        let found = lock(&self.mirror)
            .find(prefix)
            .map(|(_, entry)| (entry.gid, entry.id, entry.status().is_stopped()));
        match found {
            Ok((_, _, true)) => Ok(()),
            Ok((gid, id, false)) => Ok(self.hear_again(gid, id)?),
            // Another replica may have just added it.
            Err(_) => self.read_added(),
        }
    }

    /// Reads all items in these states, and again those that were in one of them.
    fn read_states(&mut self, states: &[ItemState]) -> Result<(), RpcError> {
        let mut before: BTreeMap<Gid, ItemId> = {
            let mirror = lock(&self.mirror);
            let unsettled = mirror.unsettled().into_iter();
            unsettled
                .filter(|(gid, _)| {
                    let entry = mirror.get(*gid);
                    entry.is_some_and(|entry| states.contains(&entry.state()))
                })
                .collect()
        };
        for &state in states {
            let mut wanted = ListItems::first(CHUNK).state(state);
            loop {
                let page = self.list(wanted)?;
                let Some((last, _)) = page.last() else {
                    break;
                };
                wanted = wanted.after(*last);
                for (id, item) in page {
                    before.remove(&Gid::of_key(&item.key));
                    self.hear(id, item);
                }
            }
        }
        for (gid, id) in before {
            self.hear_again(gid, id)?;
        }
        Ok(())
    }

    /// Reads an item again, and notes what sockets have to hear.
    pub(super) fn hear_again(&mut self, gid: Gid, id: ItemId) -> Result<(), LedgerFault> {
        match self.list(super::one(id))?.into_iter().next() {
            Some((found, item)) if found == id => self.hear(id, item),
            _ => {
                lock(&self.mirror).remove(gid);
                self.news.push((Notification::Stop, gid));
            }
        }
        Ok(())
    }

    /// Takes an item as it is now, and notes what sockets have to hear.
    fn hear(&mut self, id: ItemId, item: Item) {
        let gid = Gid::of_key(&item.key);
        let mut mirror = lock(&self.mirror);
        let before = mirror.get(gid).map(Entry::status);
        mirror.put(id, item);
        let after = mirror.get(gid).map(Entry::status);
        drop(mirror);
        let news = news_of(before, after).iter();
        self.news.extend(news.map(|&news| (news, gid)));
    }
}

/// What sockets hear of an item that was so before, and is so now.
fn news_of(before: Option<Status>, after: Option<Status>) -> &'static [Notification] {
    use Notification::{Complete, Error, Pause, Start, Stop};
    let (Some(before), Some(after)) = (before, after) else {
        return &[];
    };
    if before == after || before.is_stopped() {
        return &[];
    }
    match (before, after) {
        (_, Status::Active) => &[Start],
        (Status::Active, Status::Complete) => &[Complete],
        (_, Status::Complete) => &[Start, Complete],
        (_, Status::Error) => &[Error],
        (_, Status::Removed) => &[Stop],
        (_, Status::Paused) => &[Pause],
        (_, Status::Waiting) => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_hear_of_each_change_of_another_replica() {
        use Notification::{Complete, Error, Pause, Start, Stop};
        use Status as S;
        for (before, after, expected) in [
            (S::Waiting, S::Active, &[Start][..]),
            (S::Active, S::Complete, &[Complete]),
            (S::Waiting, S::Complete, &[Start, Complete]),
            (S::Active, S::Waiting, &[]),
            (S::Waiting, S::Paused, &[Pause]),
            (S::Paused, S::Waiting, &[]),
            (S::Active, S::Error, &[Error]),
            (S::Active, S::Removed, &[Stop]),
            (S::Active, S::Active, &[]),
            (S::Error, S::Complete, &[]),
        ] {
            let news = news_of(Some(before), Some(after));
            assert_eq!(news, expected, "{before:?} {after:?}");
        }
        assert_eq!(news_of(None, Some(S::Active)), []);
        assert_eq!(news_of(Some(S::Active), None), []);
    }
}
