//! A ledger in PostgreSQL.

mod fault;
mod schema;
mod server;
mod session;
mod settings;
mod statement;
mod table;
#[cfg(test)]
mod tests;
mod tls;
mod worker;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, channel, sync_channel};
use std::thread;
use std::time::Duration;

use pan123_proto::Account;
use pan123_proto::ledger::{
    Ledger, LedgerAnswer, LedgerFault, OpenLedger, SpilledTask, Transaction,
};

use crate::files::{create_folder, is_full};
use crate::mounts::Mount;
use settings::Settings;
use worker::Worker;

/// How long dropping a handle waits for the server.
const GOODBYE: Duration = Duration::from_secs(2);

/// A ledger in a PostgreSQL database, which several machines may share. One database holds the ledgers of several accounts.
///
/// Each transaction is durable before its answer: a server with `fsync` or `synchronous_commit` off is refused. Times are those of the
/// server, so the clocks of the machines may differ. A worker that is killed is taken over when its lease has lapsed, on its own
/// machine at once. Connections that are lost are made anew.
///
/// Connect to the server itself, or through a pool that keeps a session together: prepared statements and settings are per session.
///
/// Each machine has a folder for what the server does not take: ids of tasks that were created while it is away. It is on a local disk,
/// is kept over restarts, and belongs to one account; several processes of the machine may share it. Nobody but its owner can read it.
///
/// The ledger remembers which server it is on, by the system identifier and the timeline. After a standby took over or a backup was
/// restored, nothing is sent before [`confirm_server`](PostgresLedger::confirm_server).
///
/// ```no_run
/// # fn open(session: &pan123_proto::Session) -> Result<(), Box<dyn std::error::Error>> {
/// use pan123_ledger::{Ledger, PostgresLedger};
///
/// let ledger = PostgresLedger::new("postgres://pan123@db.example.com/jobs", "/var/lib/pan123/spill")?
///     .password(std::env::var("PGPASSWORD")?);
/// let ledger = ledger.open(&session.ledger_account())?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct PostgresLedger {
    settings: Settings,
}

/// Without the user and the password.
impl fmt::Debug for PostgresLedger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresLedger")
            .field("server", &self.settings.place.server)
            .field("schema", &self.settings.place.schema)
            .field("spill", &self.settings.spill)
            .finish_non_exhaustive()
    }
}

impl PostgresLedger {
    /// The ledger in the database of a connection string, `postgres://USER@HOST:PORT/DATABASE` or `host=… user=… dbname=…`, with the
    /// folder of this machine, which is created when the ledger is first opened.
    ///
    /// # Errors
    ///
    /// [`LedgerFault::Broken`] if the connection string is not understood. The error does not quote it.
    pub fn new(server: &str, spill: impl Into<PathBuf>) -> Result<PostgresLedger, LedgerFault> {
        let settings = Settings::new(server, &spill.into())?;
        Ok(PostgresLedger { settings })
    }

    /// Sets the password, if the connection string has none.
    pub fn password(mut self, password: impl AsRef<[u8]>) -> PostgresLedger {
        self.settings.config.password(password);
        self
    }

    /// Sets the schema that the tables are in, `pan123` by default. It is created if it is missing and the role may do so.
    ///
    /// # Errors
    ///
    /// [`LedgerFault::Broken`] unless it has 1 to 63 lower-case letters, digits and underscores.
    pub fn schema(mut self, name: impl Into<String>) -> Result<PostgresLedger, LedgerFault> {
        let name = name.into();
        settings::check_schema(&name)?;
        self.settings.place.schema = name;
        Ok(self)
    }

    /// Trusts the certificates in this PEM file, such as that of your own authority, in place of those that browsers trust.
    ///
    /// # Errors
    ///
    /// [`LedgerFault::Broken`] if the file holds no certificate.
    pub fn root_certificates(
        mut self,
        file: impl AsRef<Path>,
    ) -> Result<PostgresLedger, LedgerFault> {
        self.settings.tls = tls::of_file(file.as_ref())?;
        Ok(self)
    }

    /// Sets how long a worker that shows no sign of life keeps its items, 30 s by default. All workers of a ledger have the same.
    pub fn lease(mut self, lease: Duration) -> PostgresLedger {
        self.settings.lease = lease;
        self
    }

    /// Sets how long the server may take for an answer, 15 s by default. A transaction waits two thirds of that for the others, then the
    /// ledger is busy.
    pub fn timeout(mut self, timeout: Duration) -> PostgresLedger {
        self.settings.timeout = timeout;
        self
    }

    /// Sets how many task ids the worker's file can keep while the server is away, 64 by default. No more creates are on their way at
    /// once.
    pub fn spill_slots(mut self, slots: usize) -> PostgresLedger {
        self.settings.slots = slots.max(1);
        self
    }

    /// Takes the time from the transactions instead of the server: for tests that bring their own time. All workers must do so.
    pub fn callers_clock(mut self) -> PostgresLedger {
        self.settings.callers_clock = true;
        self
    }

    /// Lets the account's ledger be used on the server on which it is now, although it was on another one, or on an earlier state of
    /// this one. One machine does so for all of them.
    ///
    /// Creates that the server does not know of would be sent again: compare the ledger with the account's files before.
    ///
    /// # Errors
    ///
    /// [`LedgerFault`] if the ledger cannot be opened for another reason.
    pub fn confirm_server(&self, account: &Account) -> Result<(), LedgerFault> {
        self.create_folder()?;
        let (settings, account) = (self.settings.clone(), account.clone());
        // The caller may be on a thread of a runtime, which must not start another.
        let confirming = spawn(move || worker::confirm(&settings, &account))?;
        confirming.join().unwrap_or_else(|_| Err(thread_ended()))
    }

    fn create_folder(&self) -> Result<(), LedgerFault> {
        let folder = &self.settings.spill;
        create_folder(folder).map_err(|error| {
            let text = format!(
                "the folder {} for task ids cannot be created: {error}",
                folder.display()
            );
            if is_full(&error) {
                LedgerFault::Full(text)
            } else {
                LedgerFault::Broken(text)
            }
        })?;
        self.check_mount()
    }

    /// Locks tell which workers of this machine are alive, so the folder is on a disk of its own.
    fn check_mount(&self) -> Result<(), LedgerFault> {
        let folder = &self.settings.spill;
        let mount = folder.canonicalize().ok();
        let mount = mount.and_then(|folder| Mount::of(&folder));
        match mount.filter(Mount::is_network) {
            None => Ok(()),
            Some(Mount { kind, .. }) => Err(LedgerFault::Broken(format!(
                "the folder {} for task ids is on a network file system ({kind}), where locks may have no effect; choose one on a local disk",
                folder.display()
            ))),
        }
    }
}

impl Ledger for PostgresLedger {
    fn open(&self, account: &Account) -> Result<Box<dyn OpenLedger>, LedgerFault> {
        self.create_folder()?;
        let (settings, account) = (self.settings.clone(), account.clone());
        let (ask, asked) = channel();
        let (tell, told) = sync_channel(1);
        let (leave, left) = sync_channel(1);
        spawn(move || match Worker::open(settings, &account) {
            Ok(worker) => {
                drop(tell.send(Ok(worker.spill_room())));
                serve(worker, &asked);
                let _ = leave.send(());
            }
            Err(fault) => drop(tell.send(Err(fault))),
        })?;
        let room = told.recv().unwrap_or_else(|_| Err(thread_ended()))?;
        Ok(Box::new(Opened {
            ask: Some(ask),
            left,
            room,
        }))
    }
}

fn spawn<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<thread::JoinHandle<T>, LedgerFault> {
    let thread = thread::Builder::new().name("pan123-ledger".to_owned());
    thread
        .spawn(work)
        .map_err(|error| LedgerFault::Down(format!("no thread can be started: {error}")))
}

fn thread_ended() -> LedgerFault {
    LedgerFault::Broken("the thread of the connection has ended; open the ledger again".to_owned())
}

enum Ask {
    Run(
        Transaction,
        SyncSender<(Result<Vec<LedgerAnswer>, LedgerFault>, usize)>,
    ),
    Spill(SpilledTask, SyncSender<(Result<(), LedgerFault>, usize)>),
}

/// Answers until nobody can ask any more.
fn serve(mut worker: Worker, asked: &Receiver<Ask>) {
    for ask in asked {
        match ask {
            Ask::Run(transaction, answer) => {
                let result = worker.run(transaction);
                drop(answer.send((result, worker.spill_room())));
            }
            Ask::Spill(task, answer) => {
                let result = worker.spill(task);
                drop(answer.send((result, worker.spill_room())));
            }
        }
    }
    worker.leave();
}

struct Opened {
    /// None when it is dropped.
    ask: Option<Sender<Ask>>,
    left: Receiver<()>,
    room: usize,
}

impl Opened {
    fn ask<T>(
        &mut self,
        ask: impl FnOnce(SyncSender<(Result<T, LedgerFault>, usize)>) -> Ask,
    ) -> Result<T, LedgerFault> {
        let (answer, answered) = sync_channel(1);
        let sent = self.ask.as_ref().map(|to| to.send(ask(answer)));
        if !matches!(sent, Some(Ok(()))) {
            return Err(thread_ended());
        }
        let (result, room) = answered.recv().map_err(|_| thread_ended())?;
        self.room = room;
        result
    }
}

impl OpenLedger for Opened {
    fn run(&mut self, transaction: Transaction) -> Result<Vec<LedgerAnswer>, LedgerFault> {
        self.ask(|answer| Ask::Run(transaction, answer))
    }

    fn spill_room(&self) -> usize {
        self.room
    }

    fn spill(&mut self, task: SpilledTask) -> Result<(), LedgerFault> {
        self.ask(|answer| Ask::Spill(task, answer))
    }
}

/// Waits until the worker has given up what it holds, but not for a server that does not answer.
impl Drop for Opened {
    fn drop(&mut self) {
        self.ask = None;
        match self.left.recv_timeout(GOODBYE) {
            Ok(()) | Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {}
        }
    }
}
