//! The tables of the file, and what kind of file it is.

use std::path::Path;

use pan123_proto::Account;
use pan123_proto::ledger::{
    Head, LedgerFault, LineError, WorkerId, check_header_line, header_line,
};
use rusqlite::types::Type;
use rusqlite::{Connection, Error, Transaction, TransactionBehavior, params};

use super::fault;
use super::statement;

/// "p123" in ASCII: tells a ledger from other SQLite files.
const APPLICATION: i32 = 0x7031_3233;
/// A file of another version is refused.
const VERSION: i32 = 1;

pub(super) const TABLES: &str = "
CREATE TABLE head (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    ledger INTEGER NOT NULL,
    account TEXT NOT NULL,
    head TEXT NOT NULL
) STRICT;
CREATE TABLE items (
    id INTEGER PRIMARY KEY,
    key TEXT NOT NULL UNIQUE,
    download TEXT NOT NULL,
    state TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    failures INTEGER NOT NULL,
    task INTEGER,
    other_tasks TEXT,
    file INTEGER,
    reason TEXT,
    intended_at INTEGER NOT NULL,
    not_before INTEGER NOT NULL,
    position INTEGER NOT NULL,
    fence INTEGER NOT NULL,
    owner INTEGER NOT NULL,
    noticed INTEGER NOT NULL,
    hidden INTEGER NOT NULL
) STRICT;
CREATE INDEX items_queued ON items (position, not_before) WHERE state = 'queued';
CREATE INDEX items_delayed ON items (not_before) WHERE state = 'queued' AND not_before > 0;
CREATE INDEX items_held ON items (owner) WHERE state IN ('claimed', 'intended', 'running');
CREATE INDEX items_noticed ON items (owner) WHERE noticed = 1;
CREATE INDEX items_unconfirmed ON items (intended_at) WHERE state = 'unconfirmed';
CREATE INDEX items_resting ON items (state) WHERE state IN ('paused', 'unconfirmed', 'failed', 'dropped');
CREATE TABLE workers (
    id INTEGER PRIMARY KEY,
    beat_at INTEGER,
    lapsed INTEGER NOT NULL
) STRICT;
";

/// Makes the connection durable, and the file one that processes can share, if it is a ledger or empty. Another is left as it is.
pub(super) fn prepare(path: &Path, connection: &Connection) -> Result<(), LedgerFault> {
    let sql = |error: Error| fault::of_open(path, &error);
    // 4 MB of cache, whatever the size of the file.
    connection
        .execute_batch(
            "PRAGMA cache_size = -4000; PRAGMA temp_store = MEMORY; PRAGMA fullfsync = ON; \
            PRAGMA checkpoint_fullfsync = ON;",
        )
        .map_err(sql)?;
    {
        // One snapshot: another process may be creating the ledger.
        let snapshot = Transaction::new_unchecked(connection, TransactionBehavior::Deferred);
        is_new(path, &snapshot.map_err(sql)?)?;
    }
    let mode: String = connection
        .query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))
        .map_err(sql)?;
    if mode != "wal" {
        return Err(LedgerFault::Broken(format!(
            "{} cannot be shared safely: its file system has no shared memory for SQLite's locks (journal mode {mode:?}), as network file systems; choose a local disk",
            path.display()
        )));
    }
    connection
        .execute_batch("PRAGMA synchronous = FULL; PRAGMA journal_size_limit = 16777216;")
        .map_err(sql)
}

/// Whether the file is empty. One that is not a ledger of this version is refused.
fn is_new(path: &Path, connection: &Transaction<'_>) -> Result<bool, LedgerFault> {
    let number = |pragma: &str| {
        let number = connection.query_row(pragma, [], |row| row.get::<_, i32>(0));
        number.map_err(|error| fault::of_open(path, &error))
    };
    let application = number("PRAGMA application_id")?;
    let version = number("PRAGMA user_version")?;
    let path = path.display();
    match (application, version) {
        (APPLICATION, VERSION) => Ok(false),
        (APPLICATION, version) => Err(LedgerFault::Broken(format!(
            "{path} is a ledger of version {version}; this program knows version {VERSION} only. Use the program that made it, or its export"
        ))),
        (0, 0) if number("SELECT count(*) FROM sqlite_schema")? == 0 => Ok(true),
        _ => Err(LedgerFault::Broken(format!(
            "{path} is a database of another program, and is left as it is; choose another path"
        ))),
    }
}

/// Makes an empty file a ledger of this account, or checks whose ledger it is. Returns the ledger's number.
pub(super) fn enter(
    path: &Path,
    transaction: &Transaction<'_>,
    account: &Account,
) -> Result<u64, LedgerFault> {
    let sql = |error: Error| fault::of_open(path, &error);
    if is_new(path, transaction)? {
        create(transaction, account).map_err(sql)?;
    }
    let (ledger, owner) = transaction
        .query_row(statement::LEDGER, [], |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?))
        })
        .map_err(sql)?;
    let refuse = |why: String| {
        let path = path.display();
        Err(LedgerFault::Broken(format!(
            "{path} {why}; choose another path"
        )))
    };
    match check_header_line(&owner, account) {
        Ok(()) => Ok(ledger.cast_unsigned()),
        Err(LineError::OtherAccount(owner)) => {
            refuse(format!("is the ledger of {owner}, not of {account}"))
        }
        Err(error) => refuse(format!("does not say whose ledger it is: {error}")),
    }
}

fn create(transaction: &Transaction<'_>, account: &Account) -> Result<(), Error> {
    transaction.execute_batch(TABLES)?;
    let ledger = fastrand::i64(..);
    transaction.execute(
        "INSERT INTO head (id, ledger, account, head) VALUES (1, ?1, ?2, ?3)",
        params![ledger, header_line(account), encode(&Head::default())],
    )?;
    transaction.execute_batch(&format!(
        "PRAGMA application_id = {APPLICATION}; PRAGMA user_version = {VERSION};"
    ))
}

/// Gives a new worker its number.
pub(super) fn register(transaction: &Transaction<'_>) -> Result<WorkerId, Error> {
    let mut head = head(transaction)?;
    let worker = head.next_worker();
    set_head(transaction, &head)?;
    transaction.execute(statement::ADD_WORKER, [worker.0.cast_signed()])?;
    Ok(worker)
}

pub(super) fn workers(connection: &Connection) -> Result<Vec<WorkerId>, Error> {
    let mut statement = connection.prepare_cached(statement::WORKERS)?;
    let ids = statement.query_map([], |row| row.get::<_, i64>(0))?;
    ids.map(|id| id.map(|id| WorkerId(id.cast_unsigned())))
        .collect()
}

pub(super) fn head(connection: &Connection) -> Result<Head, Error> {
    let mut statement = connection.prepare_cached(statement::HEAD)?;
    statement.query_row([], |row| {
        serde_json::from_str(row.get_ref(0)?.as_str()?)
            .map_err(|error| Error::FromSqlConversionFailure(0, Type::Text, Box::new(error)))
    })
}

pub(super) fn set_head(connection: &Connection, head: &Head) -> Result<(), Error> {
    let mut statement = connection.prepare_cached(statement::SET_HEAD)?;
    statement.execute([encode(head)])?;
    Ok(())
}

fn encode(head: &Head) -> String {
    serde_json::to_string(head).unwrap_or_default()
}
