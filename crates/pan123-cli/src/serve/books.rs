//! The ledger, the notes beside it, and the mirror of both: each change is durable before the mirror shows it.
//!
//! All of it blocks as long as a disk does, or a server.

mod others;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use pan123_async::NewItem;
use pan123_async::proto::Account;
use pan123_async::proto::ledger::{
    Counts, Item, ItemId, ItemState, Ledger, LedgerAnswer, LedgerFault, LedgerOp, ListItems,
    OpenLedger, Refusal, Transaction,
};

use super::mirror::{Entry, Mirror};
use super::names::{self, FoundFile, NameStore, Note};
use super::rpc::{Gid, GidPrefix, Notification, RpcError};
use crate::failure::{Failure, text_of_fault};
use crate::ledgers::Store;

/// How many items are read or changed in one transaction.
const CHUNK: usize = 500;

/// The states of items that have ended.
const ENDED: [ItemState; 3] = [ItemState::Succeeded, ItemState::Failed, ItemState::Dropped];

/// What other tasks read meanwhile.
pub(super) type Shared = Arc<Mutex<Mirror>>;

pub(super) struct Books {
    store: Arc<Store>,
    account: Account,
    /// None after a fault that ended the use of the handle.
    ledger: Option<Box<dyn OpenLedger>>,
    names: Box<dyn NameStore>,
    mirror: Shared,
    /// How many times in a row the totals were others than the mirror's.
    disagreements: u32,
    /// What other replicas did that sockets are to hear of.
    news: Vec<(Notification, Gid)>,
}

impl From<LedgerFault> for RpcError {
    fn from(fault: LedgerFault) -> RpcError {
        RpcError::new(text_of_fault(&fault))
    }
}

pub(super) fn lock(mirror: &Mutex<Mirror>) -> MutexGuard<'_, Mirror> {
    mirror.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Books {
    /// Opens the ledger and reads it. What a killed program was about to send is unconfirmed from now on.
    pub(super) fn open(store: Arc<Store>, account: &Account) -> Result<Books, Failure> {
        // Its folder exists once it is open.
        drop(store.open(account)?);
        let (names, notes) = names::open(&store, account)?;
        let mut books = Books {
            ledger: Some(store.open(account)?),
            account: account.clone(),
            store,
            names,
            mirror: Arc::new(Mutex::new(Mirror::new(notes))),
            disagreements: 0,
            news: Vec::new(),
        };
        let take_over = LedgerOp::Claim {
            create: 0,
            follow: 0,
        };
        books.run(vec![take_over])?;
        books.read_new()?;
        let notes = lock(&books.mirror).tidy_notes().clone();
        books.names.keep_only(&notes)?;
        Ok(books)
    }

    pub(super) fn mirror(&self) -> &Shared {
        &self.mirror
    }

    fn handle(&mut self) -> Result<&mut Box<dyn OpenLedger>, LedgerFault> {
        match &mut self.ledger {
            Some(ledger) => Ok(ledger),
            empty => Ok(empty.insert(self.store.open(&self.account)?)),
        }
    }

    /// Asks the ledger. A handle that is of no more use is opened anew the next time, if that may help.
    fn ask<T>(
        &mut self,
        ask: impl FnOnce(&mut dyn OpenLedger) -> Result<T, LedgerFault>,
    ) -> Result<T, LedgerFault> {
        let result = ask(&mut **self.handle()?);
        if self.is_shared() && result.as_ref().is_err_and(LedgerFault::is_final) {
            self.ledger = None;
        }
        result
    }

    fn run(&mut self, ops: Vec<LedgerOp>) -> Result<Vec<LedgerAnswer>, LedgerFault> {
        self.ask(|ledger| ledger.run(Transaction::new(SystemTime::now(), ops)))
    }

    fn list(&mut self, list: ListItems) -> Result<Vec<(ItemId, Item)>, LedgerFault> {
        self.ask(|ledger| ledger.list(SystemTime::now(), list))
    }

    pub(super) fn counts(&mut self) -> Result<Counts, LedgerFault> {
        self.ask(|ledger| ledger.counts(SystemTime::now()))
    }

    /// Returns a secret of all that work on the ledger, this one if there is none yet; none if each has its own.
    pub(super) fn shared_secret(
        &mut self,
        name: &str,
        secret: &str,
    ) -> Result<Option<String>, RpcError> {
        self.names.shared_secret(name, secret)
    }

    // Reading.

    /// Reads the items that were added since the last one.
    pub(super) fn read_new(&mut self) -> Result<(), LedgerFault> {
        loop {
            let after = lock(&self.mirror).last_id();
            let page = self.list(ListItems::first(CHUNK).after(after))?;
            let is_last = page.len() < CHUNK;
            let mut mirror = lock(&self.mirror);
            for (id, item) in page {
                mirror.put(id, item);
            }
            if is_last {
                return Ok(());
            }
        }
    }

    /// Reads an item again.
    pub(super) fn read_again(&mut self, gid: Gid) -> Result<Option<Entry>, LedgerFault> {
        let id = lock(&self.mirror).get(gid).map(|entry| entry.id);
        match id {
            Some(id) if self.is_shared() => self.hear_again(gid, id)?,
            Some(id) => self.read_all(&[(gid, id)])?,
            None => self.read_new()?,
        }
        Ok(lock(&self.mirror).get(gid).cloned())
    }

    /// Reads items again.
    fn read_all(&mut self, items: &[(Gid, ItemId)]) -> Result<(), LedgerFault> {
        for chunk in items.chunks(CHUNK) {
            let ops = chunk.iter().map(|(_, id)| read(*id)).collect();
            let answers = self.run(ops)?;
            for ((gid, id), answer) in chunk.iter().zip(answers) {
                self.take(*gid, *id, answer);
            }
        }
        Ok(())
    }

    fn take(&mut self, gid: Gid, id: ItemId, answer: LedgerAnswer) {
        let LedgerAnswer::Page(page) = answer else {
            return;
        };
        let mut mirror = lock(&self.mirror);
        match page.into_iter().next().filter(|(found, _)| *found == id) {
            Some((id, item)) => mirror.put(id, item),
            None => mirror.remove(gid),
        }
    }

    /// Reads what other programs changed, if the totals say that they did.
    pub(super) fn check(&mut self) -> Result<(), RpcError> {
        if self.is_shared() {
            return self.look_at_others();
        }
        let counts = self.counts()?;
        if lock(&self.mirror).agrees_with(&counts) {
            self.disagreements = 0;
            return Ok(());
        }
        self.disagreements += 1;
        // The first time, the events of a change may be on their way.
        if self.disagreements < 2 {
            return Ok(());
        }
        self.disagreements = 0;
        let unsettled = lock(&self.mirror).unsettled();
        self.read_all(&unsettled)?;
        Ok(self.read_new()?)
    }

    // Changing.

    pub(super) fn find(&mut self, prefix: &GidPrefix) -> Result<(Gid, Entry), RpcError> {
        self.read_others(prefix)?;
        lock(&self.mirror)
            .find(prefix)
            .map(|(gid, entry)| (gid, entry.clone()))
    }

    /// Adds an item, and carries out an operation with it.
    pub(super) fn add(
        &mut self,
        gid: Gid,
        item: NewItem,
        note: Note,
        then: Option<LedgerOp>,
    ) -> Result<(), RpcError> {
        if !self.names.add(gid, &note)? {
            return Err(not_unique(gid));
        }
        let ops: Vec<_> = [LedgerOp::Add(vec![item])]
            .into_iter()
            .chain(then)
            .collect();
        let mut answers = self.run(ops.clone());
        // It may have been added. Nobody else adds one of this GID, since the note is this one's.
        let is_again = self.is_shared() && matches!(answers, Err(LedgerFault::Down(_)));
        if is_again {
            answers = self.run(ops);
        }
        let added = answers.map_err(|fault| not_added(gid, &fault))?;
        let is_added = |added: &LedgerAnswer| match added {
            LedgerAnswer::Added(count) => *count == 1 || is_again,
            _ => false,
        };
        if !added.first().is_some_and(is_added) {
            return Err(not_unique(gid));
        }
        lock(&self.mirror).set_note(gid, note);
        match self.read_new() {
            // It is added, and seen once the server is back.
            Err(_) if self.is_shared() => Ok(()),
            read => Ok(read?),
        }
    }

    /// Makes a GID another name of an item.
    pub(super) fn add_alias(&mut self, gid: Gid, of: Gid) -> Result<(), RpcError> {
        let note = Note {
            alias_of: Some(of),
            number: lock(&self.mirror).names(of).len(),
            ..Note::default()
        };
        self.set_note(gid, note)
    }

    pub(super) fn set_note(&mut self, gid: Gid, note: Note) -> Result<(), RpcError> {
        self.names.set(gid, &note)?;
        lock(&self.mirror).set_note(gid, note);
        Ok(())
    }

    /// Notes the file of a download.
    pub(super) fn set_file(&mut self, gid: Gid, file: FoundFile) -> Result<(), RpcError> {
        let note = lock(&self.mirror).set_file(gid, file);
        self.names.set(gid, &note)
    }

    /// Carries out an operation on an item, and returns how the ledger refused it, if it did.
    pub(super) fn change(
        &mut self,
        entry: &Entry,
        op: LedgerOp,
    ) -> Result<Option<Refusal>, RpcError> {
        let answers = self.run(vec![op, read(entry.id)])?;
        let mut answers = answers.into_iter();
        let answer = answers.next();
        if let Some(page) = answers.next() {
            self.take(entry.gid, entry.id, page);
        }
        match answer {
            Some(LedgerAnswer::Done) => Ok(None),
            Some(LedgerAnswer::Refused(refusal)) => Ok(Some(refusal)),
            // Its task has ended meanwhile.
            _ => Ok(Some(Refusal::State(entry.state()))),
        }
    }

    /// Leaves an ended item out of lists. Returns how the ledger refused it, if it did.
    pub(super) fn hide(&mut self, entry: &Entry) -> Result<Option<Refusal>, RpcError> {
        let note = Note {
            hidden: true,
            ..lock(&self.mirror).note(entry.gid)
        };
        let refused = self.change(entry, LedgerOp::Hide(entry.key().clone()))?;
        if self.is_shared() && refused.is_none() {
            self.names.set(entry.gid, &note)?;
        }
        Ok(refused)
    }

    /// Carries out an operation on each of many items, as far as the ledger takes it. Returns the changed ones.
    pub(super) fn change_all(
        &mut self,
        entries: &[Entry],
        op: impl Fn(&Entry) -> LedgerOp,
    ) -> Result<Vec<Gid>, RpcError> {
        let mut changed = Vec::new();
        for chunk in entries.chunks(CHUNK) {
            let ops = chunk.iter().map(&op).collect();
            let answers = self.run(ops)?;
            let done = chunk
                .iter()
                .zip(answers)
                .filter(|(_, answer)| *answer == LedgerAnswer::Done);
            changed.extend(done.map(|(entry, _)| entry.gid));
            let ids: Vec<_> = chunk.iter().map(|entry| (entry.gid, entry.id)).collect();
            self.read_all(&ids)?;
        }
        Ok(changed)
    }

    /// Leaves all ended items out of lists.
    pub(super) fn hide_ended(&mut self) -> Result<(), RpcError> {
        for state in ENDED {
            loop {
                let page = self.list(ListItems::first(CHUNK).state(state))?;
                if page.is_empty() {
                    break;
                }
                let ops = page.into_iter().map(|(_, item)| LedgerOp::Hide(item.key));
                self.run(ops.collect())?;
            }
        }
        lock(&self.mirror).purge();
        self.names.purged()
    }
}

pub(super) fn not_unique(gid: Gid) -> RpcError {
    RpcError::new(format!("GID {gid} is not unique."))
}

/// Nobody is told that it was added, although it may have been.
fn not_added(gid: Gid, fault: &LedgerFault) -> RpcError {
    let text = text_of_fault(fault);
    RpcError::new(match fault {
        LedgerFault::Down(_) => {
            format!("{text}. Look for GID {gid} before you add it again: it may have been added")
        }
        _ => text,
    })
}

/// Reads one item.
fn read(id: ItemId) -> LedgerOp {
    LedgerOp::List(one(id))
}

fn one(id: ItemId) -> ListItems {
    let before = ItemId(id.0.saturating_sub(1));
    ListItems::first(1).after(before).with_hidden()
}

#[cfg(test)]
mod tests {
    use pan123_async::{Download, ItemKey};

    use super::*;

    #[test]
    fn what_a_dead_worker_was_about_to_send_is_unconfirmed_before_anybody_calls() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = Store::file(folder.path().join("ledger.db"));
        let account = Account::new("http://127.0.0.1/", "client id");
        let download = Download::new("http://source.example/a").unwrap();
        let key = ItemKey::new("00000000000000a1").unwrap();
        {
            let mut worker = ledger.open(&account).unwrap();
            let mut run = |op| {
                let transaction = Transaction::new(SystemTime::now(), vec![op]);
                worker.run(transaction).unwrap().remove(0)
            };
            run(LedgerOp::Add(vec![NewItem::new(key, download.clone())]));
            let claim = LedgerOp::Claim {
                create: 1,
                follow: 0,
            };
            let LedgerAnswer::Claimed(claimed) = run(claim) else {
                panic!("nothing is claimed");
            };
            let (item, fence) = (claimed.to_create[0].0, claimed.to_create[0].1.fence);
            run(LedgerOp::Intend { item, fence });
        }
        let books = Books::open(Arc::new(ledger), &account).unwrap();
        let like = lock(books.mirror()).unconfirmed_like(&download);
        assert_eq!(like, Gid::parse("00000000000000a1"));
    }
}
