//! A ledger in an SQLite file.

mod schema;
mod spill;
mod table;

use std::fmt;
use std::fs::{self, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use pan123_proto::Account;
use pan123_proto::ledger::{
    Ledger, LedgerAnswer, LedgerFault, LedgerOp, OpenLedger, SpilledTask, Terms, Transaction,
    WorkerId, run,
};
use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior};

use spill::WorkerFile;
use table::Rows;

/// How long a transaction waits for those of other processes, in tries with a random pause.
const MAX_TRIES: u32 = 500;
const MAX_PAUSE_MILLIS: u64 = 20;

/// A ledger in an SQLite file, which several processes of one machine may share.
///
/// Each transaction is durable before its answer: the file is in WAL mode with `synchronous = FULL`. Beside it are SQLite's own
/// `-wal` and `-shm`, and one file for each worker, `-worker-<number>`, by whose lock the others see at once that the worker is gone,
/// and which keeps task ids that the ledger does not take. All of them are readable by their owner only. Do not put it on a network
/// file system: SQLite's locks do not work there, so it is refused if that can be seen.
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

    fn fault(&self, what: &str, error: &impl fmt::Display) -> LedgerFault {
        LedgerFault::Broken(format!("{} {what}: {error}", self.path.display()))
    }

    /// Creates the file, if there is none, for its owner only.
    fn create_file(&self) -> Result<(), LedgerFault> {
        let path = &self.path;
        let refuse = |what: &str| {
            Err(LedgerFault::Broken(format!(
                "{} {what}; give the path of a file",
                path.display()
            )))
        };
        if path.file_name().is_none() {
            return refuse("is no file name");
        }
        match fs::metadata(path) {
            Ok(found) if found.is_dir() => return refuse("is a directory"),
            Ok(found) if !found.is_file() => return refuse("is a device, a pipe or a socket"),
            _ => {}
        }
        if let Some(directory) = path
            .parent()
            .filter(|parent| !parent.as_os_str().is_empty())
        {
            create_directory(directory)
                .map_err(|error| self.fault("has no folder, which cannot be created", &error))?;
        }
        match private(OpenOptions::new().write(true).create_new(true)).open(path) {
            Ok(_) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            Err(error) => Err(self.fault("cannot be created", &error)),
        }
    }

    fn connect(&self) -> Result<Connection, LedgerFault> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connect = || {
            let connection = Connection::open_with_flags(&self.path, flags)?;
            connection.busy_timeout(Duration::ZERO)?;
            Ok(connection)
        };
        connect().map_err(|error| self.open_fault(&error))
    }

    /// Says why the file cannot be used as a ledger.
    fn open_fault(&self, error: &rusqlite::Error) -> LedgerFault {
        let path = self.path.display();
        match error.sqlite_error_code() {
            Some(ErrorCode::NotADatabase) => LedgerFault::Broken(format!(
                "{path} is not a ledger, but a file of another kind, and is left as it is; choose another path"
            )),
            Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => {
                LedgerFault::Broken(format!(
                    "{path} cannot be written: make the file and its folder writable, or choose another path ({error})"
                ))
            }
            Some(ErrorCode::DiskFull) => LedgerFault::Full(format!("{path}: {error}")),
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
                LedgerFault::Busy(format!("{path}: {error}"))
            }
            _ => self.fault("cannot be opened", error),
        }
    }
}

impl Ledger for SqliteLedger {
    fn open(&self, account: &Account) -> Result<Box<dyn OpenLedger>, LedgerFault> {
        self.create_file()?;
        let connection = self.connect()?;
        schema::prepare(self, &connection, account)?;
        let worker = schema::register(self, &connection)?;
        let file = WorkerFile::create(&self.path, worker, self.slots)?;
        Ok(Box::new(Opened {
            ledger: self.clone(),
            connection,
            worker,
            file,
            broken: None,
        }))
    }
}

struct Opened {
    ledger: SqliteLedger,
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
        let created = created_in(&transaction);
        let result = self
            .transact(transaction)
            .map_err(|error| self.fault(&error));
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
    fn transact(&mut self, transaction: Transaction) -> Result<Vec<LedgerAnswer>, rusqlite::Error> {
        let now = transaction.now_millis();
        let claims = |op: &LedgerOp| matches!(op, LedgerOp::Claim { .. });
        let may_take_over = transaction.ops.iter().any(claims);
        let sql = begin(&self.connection)?;
        let mut rows = Rows::new(&sql, &self.ledger.path, self.ledger.lease);
        if may_take_over {
            // What a dead worker kept aside counts before its items are taken over.
            for (worker, tasks) in rows.kept_by_the_dead(self.worker)? {
                let ops = tasks.into_iter().map(|task| LedgerOp::Created {
                    item: task.item,
                    fence: task.fence,
                    task: task.task,
                });
                let kept = Transaction::new(transaction.now, ops.collect());
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

    fn fault(&self, error: &rusqlite::Error) -> LedgerFault {
        let text = format!("{}: {error}", self.ledger.path.display());
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => LedgerFault::Busy(text),
            Some(ErrorCode::DiskFull) => LedgerFault::Full(text),
            Some(
                ErrorCode::SystemIoFailure
                | ErrorCode::DatabaseCorrupt
                | ErrorCode::NotADatabase
                | ErrorCode::CannotOpen
                | ErrorCode::ReadOnly,
            ) => LedgerFault::Broken(text),
            _ => LedgerFault::Down(text),
        }
    }
}

/// Begins a transaction that writes. SQLite's own wait for other processes is unfair, so it tries again itself, after random pauses.
fn begin(connection: &Connection) -> Result<rusqlite::Transaction<'_>, rusqlite::Error> {
    let mut tries = 0;
    loop {
        match rusqlite::Transaction::new_unchecked(connection, TransactionBehavior::Immediate) {
            Err(error) if is_busy(&error) && tries < MAX_TRIES => {
                tries += 1;
                thread::sleep(Duration::from_millis(fastrand::u64(1..=MAX_PAUSE_MILLIS)));
            }
            begun => return begun,
        }
    }
}

fn is_busy(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked)
    )
}

/// The tasks that a transaction records as created.
fn created_in(transaction: &Transaction) -> Vec<SpilledTask> {
    let ops = transaction.ops.iter();
    ops.filter_map(|op| match *op {
        LedgerOp::Created { item, fence, task } => Some(SpilledTask::new(item, fence, task)),
        _ => None,
    })
    .collect()
}

/// Restricts a file that is created to its owner.
fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
    options
}

fn create_directory(path: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.recursive(true).create(path)
}

/// A file beside the ledger.
fn sibling(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}
