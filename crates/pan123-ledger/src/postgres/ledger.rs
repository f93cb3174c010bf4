//! The ledgers in a database.

use std::fmt;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, channel, sync_channel};
use std::thread;
use std::time::Duration;

use pan123_proto::Account;
use pan123_proto::ledger::{
    Ledger, LedgerAnswer, LedgerFault, OpenLedger, SpilledTask, Transaction,
};

use super::settings::Settings;
use super::worker::{self, Worker};
use crate::files::{create_folder, is_full};
use crate::mounts::Mount;

/// How long dropping a handle waits for the server.
const GOODBYE: Duration = Duration::from_secs(2);

/// The ledgers in a [`Postgres`](super::Postgres) database, one for each account.
///
/// Each transaction is durable before its answer. A worker that is killed is taken over when its lease has lapsed, on its own machine at
/// once.
///
/// Each machine has a folder for what the server does not take: ids of tasks that were created while it is away. It is on a local disk,
/// is kept over restarts, and belongs to one account; several processes of the machine may share it. Nobody but its owner can read it.
///
/// The ledger remembers which server it is on, by the system identifier and the timeline. After a standby took over or a backup was
/// restored, nothing is sent before [`confirm_server`](PostgresLedger::confirm_server).
///
/// ```no_run
/// # fn open(session: &pan123_proto::Session) -> Result<(), Box<dyn std::error::Error>> {
/// use pan123_ledger::{Ledger, Postgres};
///
/// let database = Postgres::new("postgres://pan123@db.example.com/jobs")?;
/// let ledger = database.ledger("/var/lib/pan123/spill");
/// let ledger = ledger.open(&session.ledger_account())?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct PostgresLedger {
    settings: LedgerSettings,
}

#[derive(Clone)]
pub(super) struct LedgerSettings {
    pub(super) connection: Settings,
    pub(super) spill: PathBuf,
    pub(super) slots: usize,
    pub(super) lease: Duration,
    pub(super) callers_clock: bool,
}

/// Without the user and the password.
impl fmt::Debug for PostgresLedger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = &self.settings.connection.place;
        f.debug_struct("PostgresLedger")
            .field("server", &place.server)
            .field("schema", &place.schema)
            .field("spill", &self.settings.spill)
            .finish_non_exhaustive()
    }
}

impl PostgresLedger {
    pub(super) fn new(connection: Settings, spill: PathBuf) -> PostgresLedger {
        PostgresLedger {
            settings: LedgerSettings {
                connection,
                spill,
                slots: 64,
                lease: Duration::from_secs(30),
                callers_clock: false,
            },
        }
    }

    /// Sets how long a worker that shows no sign of life keeps its items, 30 s by default. All workers of a ledger have the same.
    pub fn lease(mut self, lease: Duration) -> PostgresLedger {
        self.settings.lease = lease;
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
        if folder.as_os_str().is_empty() {
            return Err(LedgerFault::Broken(
                "the folder of the spill has no name; give the path of a folder on a local disk"
                    .to_owned(),
            ));
        }
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
