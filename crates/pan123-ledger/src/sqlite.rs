//! A ledger in an SQLite file.

mod fault;
mod place;
mod schema;
mod statement;
mod table;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use pan123_proto::Account;
use pan123_proto::ledger::{
    Ledger, LedgerAnswer, LedgerFault, LedgerOp, OpenLedger, SpilledTask, Terms, Transaction,
    WorkerId, run,
};
use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use crate::files::Identity;
use crate::spill::{self, LedgerName, WorkerFile};
use fault::RowError;
use table::Rows;

/// How long a transaction waits for those of other processes, in tries with a random pause.
const MAX_TRIES: u32 = 500;
const MAX_PAUSE_MILLIS: u64 = 20;

/// A ledger in an SQLite file, which several processes of one machine may share.
///
/// Each transaction is durable before its answer: the file is in WAL mode with `synchronous = FULL`. Beside it are SQLite's own
/// `-wal` and `-shm`, and one file for each worker, `-worker-<number>`, by whose lock the others see at once that the worker is gone,
/// and which keeps task ids that the ledger does not take. All of them are readable by their owner only, and none of them may be
/// deleted while the ledger is in use.
///
/// Opening fails, and leaves everything as it is, if the path holds something else or the ledger of another account, and where
/// processes cannot share it: on a network file system, as far as that can be seen, with several hard links, or mounted alone. One
/// process writes at a time; the others wait for a few seconds, then they are told that the ledger is busy.
#[derive(Clone, Debug)]
pub struct SqliteLedger {
    path: PathBuf,
    lease: Duration,
    slots: usize,
}

impl SqliteLedger {
    /// The ledger in the file at this path, which is created when it is first opened.
    pub fn new(path: impl Into<PathBuf>) -> SqliteLedger {
        SqliteLedger {
            path: path.into(),
            lease: Duration::from_secs(30),
            slots: 64,
        }
    }

    /// Sets how long a worker that is alive but shows no sign of it, such as a suspended process, keeps its items, 30 s by default.
    pub fn lease(mut self, lease: Duration) -> SqliteLedger {
        self.lease = lease;
        self
    }

    /// Sets how many task ids the worker's file can keep if the disk is full, 64 by default. No more creates are on their way at once.
    pub fn spill_slots(mut self, slots: usize) -> SqliteLedger {
        self.slots = slots.max(1);
        self
    }

    /// Returns the path of the file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Opens the ledger, or fails at once if another process keeps it busy.
    fn open_worker(&self, path: &Path, account: &Account) -> Result<Opened, LedgerFault> {
        let sql = |error: rusqlite::Error| fault::of_open(path, &error);
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags).map_err(sql)?;
        connection.busy_timeout(Duration::ZERO).map_err(sql)?;
        connection.set_prepared_statement_cache_capacity(64);
        schema::prepare(path, &connection)?;
        place::restrict(path);
        let immediate = TransactionBehavior::Immediate;
        let transaction =
            rusqlite::Transaction::new_unchecked(&connection, immediate).map_err(sql)?;
        let number = schema::enter(path, &transaction, account)?;
        let worker = schema::register(&transaction).map_err(sql)?;
        let name = LedgerName { path, number };
        // The others do not look for it before the end of this transaction.
        let file = WorkerFile::create(name, worker, self.slots)?;
        let known = schema::workers(&transaction).map_err(sql)?;
        spill::remove_leftovers(name, |other| other < worker && !known.contains(&other));
        transaction.commit().map_err(sql)?;
        let identity = Identity::of(path);
        let identity = identity.map_err(|error| was_replaced(path, &error))?;
        Ok(Opened {
            path: path.to_owned(),
            identity,
            lease: self.lease,
            number,
            connection,
            worker,
            file,
            broken: None,
        })
    }
}

impl Ledger for SqliteLedger {
    fn open(&self, account: &Account) -> Result<Box<dyn OpenLedger>, LedgerFault> {
        let path = place::prepare(&self.path)?;
        let mut tries = 0;
        loop {
            match self.open_worker(&path, account) {
                Err(LedgerFault::Busy(_)) if pause(&mut tries) => {}
                opened => return Ok(Box::new(opened?)),
            }
        }
    }
}

struct Opened {
    path: PathBuf,
    identity: Identity,
    lease: Duration,
    /// The number of the ledger.
    number: u64,
    connection: Connection,
    worker: WorkerId,
    file: WorkerFile,
    /// Why the handle is of no more use.
    broken: Option<LedgerFault>,
}

impl OpenLedger for Opened {
    fn run(&mut self, transaction: Transaction) -> Result<Vec<LedgerAnswer>, LedgerFault> {
        if let Some(fault) = &self.broken {
            return Err(fault.clone());
        }
        let created = spill::created_in(&transaction);
        let result = self.check_file().and_then(|()| {
            let result = self.transact(transaction);
            result.map_err(|error| fault::of_transaction(&self.path, &error))
        });
        match &result {
            Ok(_) => self.file.forget(&created),
            Err(fault @ LedgerFault::Broken(_)) => self.broken = Some(fault.clone()),
            Err(_) => {}
        }
        result
    }

    fn spill_room(&self) -> usize {
        self.file.room()
    }

    fn spill(&mut self, task: SpilledTask) -> Result<(), LedgerFault> {
        self.file.keep(task)
    }
}

impl Opened {
    /// A file that was deleted, moved or replaced while it is in use keeps nothing that its name would find again.
    fn check_file(&self) -> Result<(), LedgerFault> {
        match Identity::of(&self.path) {
            Ok(identity) if identity == self.identity => Ok(()),
            Ok(_) => Err(was_replaced(&self.path, &"another file has its name")),
            Err(error) => Err(was_replaced(&self.path, &error)),
        }
    }

    fn transact(&mut self, transaction: Transaction) -> Result<Vec<LedgerAnswer>, RowError> {
        let now = transaction.now_millis();
        let ops = &transaction.ops;
        // Readers keep nobody from writing.
        let reads = |op: &LedgerOp| matches!(op, LedgerOp::Counts | LedgerOp::List(_));
        let behavior = if ops.iter().all(reads) {
            TransactionBehavior::Deferred
        } else {
            TransactionBehavior::Immediate
        };
        let looks_for_dead =
            |op: &LedgerOp| matches!(op, LedgerOp::Claim { .. } | LedgerOp::Settle { .. });
        let looks_for_dead = ops.iter().any(looks_for_dead);
        let ledger = LedgerName {
            path: &self.path,
            number: self.number,
        };
        let sql = begin(&self.connection, behavior)?;
        let mut rows = Rows::new(&sql, ledger, self.lease);
        if looks_for_dead {
            // What a dead worker kept aside counts before its items are taken over, and before anybody settles them.
            for (worker, tasks) in rows.kept_by_the_dead(self.worker)? {
                let kept = Transaction::new(transaction.now, spill::replay(&tasks));
                run(&mut rows, Terms::new(worker, now), kept)?;
            }
        }
        let answers = run(&mut rows, Terms::new(self.worker, now), transaction)?;
        let dead = rows.into_dead();
        sql.commit()?;
        for file in dead {
            file.remove();
        }
        Ok(answers)
    }
}

fn was_replaced(path: &Path, why: &dyn std::fmt::Display) -> LedgerFault {
    LedgerFault::Broken(format!(
        "{} was deleted, moved or replaced while it is in use ({why}); put it back, with the files beside it, and start again",
        path.display()
    ))
}

/// Begins a transaction. SQLite's own wait for other processes is unfair, so it tries again itself, after random pauses.
fn begin(
    connection: &Connection,
    behavior: TransactionBehavior,
) -> Result<rusqlite::Transaction<'_>, rusqlite::Error> {
    let mut tries = 0;
    loop {
        match rusqlite::Transaction::new_unchecked(connection, behavior) {
            Err(error) if fault::is_busy(&error) && pause(&mut tries) => {}
            begun => return begun,
        }
    }
}

/// Pauses before another try; returns false if there were enough.
fn pause(tries: &mut u32) -> bool {
    *tries += 1;
    if *tries > MAX_TRIES {
        return false;
    }
    thread::sleep(Duration::from_millis(fastrand::u64(1..=MAX_PAUSE_MILLIS)));
    true
}
