//! The tables of the file, and what kind of file it is.

use pan123_proto::Account;
use pan123_proto::ledger::{Head, LedgerFault, WorkerId};
use rusqlite::{Connection, OptionalExtension, Transaction, params};

use super::{SqliteLedger, begin, is_busy};

/// "p123" in ASCII: tells a ledger from other SQLite files.
const APPLICATION: i32 = 0x7031_3233;
/// A file of another version is refused.
const VERSION: i32 = 1;

/// Each query repeats the condition of its index word for word: SQLite does not use the index otherwise.
const TABLES: &str = "
CREATE TABLE head (
    id INTEGER PRIMARY KEY CHECK (id = 1),
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
CREATE INDEX items_queued ON items (position) WHERE state = 'queued';
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

/// Makes the connection durable, and a new file a ledger. A file that is something else is left as it is.
pub(super) fn prepare(
    ledger: &SqliteLedger,
    connection: &Connection,
    account: &Account,
) -> Result<(), LedgerFault> {
    let sql = |error: rusqlite::Error| ledger.open_fault(&error);
    let refuse = |text: String| {
        let path = ledger.path.display();
        Err(LedgerFault::Broken(format!("{path} {text}")))
    };
    // 4 MB of cache, whatever the size of the file.
    connection
        .execute_batch("PRAGMA cache_size = -4000; PRAGMA foreign_keys = OFF;")
        .map_err(sql)?;
    match kind(connection).map_err(sql)? {
        Kind::Ledger(VERSION) | Kind::Empty => {}
        Kind::Ledger(version) => {
            return refuse(format!(
                "is a ledger of version {version}; this program knows version {VERSION} only. Use the program that made it, or its export"
            ));
        }
        Kind::Foreign => {
            return refuse(
                "is a database of another program, and is left as it is; choose another path"
                    .to_owned(),
            );
        }
    }
    let mode: String = connection
        .query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))
        .map_err(sql)?;
    if mode != "wal" {
        return refuse(format!(
            "cannot be shared safely: its file system has no shared memory for SQLite's locks (journal mode {mode:?}), as with network file systems; choose a local disk"
        ));
    }
    connection
        .execute_batch("PRAGMA synchronous = FULL;")
        .map_err(sql)?;
    let transaction = begin(connection).map_err(sql)?;
    check_locks(ledger)?;
    if kind(&transaction).map_err(sql)? == Kind::Empty {
        create(&transaction, account).map_err(sql)?;
    }
    let owner: String = transaction
        .query_row("SELECT account FROM head", [], |row| row.get(0))
        .map_err(sql)?;
    if owner != account.to_string() {
        return refuse(format!(
            "is the ledger of {owner}, not of {account}; choose another path"
        ));
    }
    transaction.commit().map_err(sql)
}

/// Whether the lock of one connection keeps another one out. It does not on some network file systems.
fn check_locks(ledger: &SqliteLedger) -> Result<(), LedgerFault> {
    let other = ledger.connect()?;
    match other.execute_batch("BEGIN IMMEDIATE; ROLLBACK") {
        Err(error) if is_busy(&error) => Ok(()),
        _ => Err(LedgerFault::Broken(format!(
            "{} cannot be shared safely: locks have no effect on its file system, as on network file systems; choose a local disk",
            ledger.path.display()
        ))),
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Kind {
    Empty,
    Ledger(i32),
    Foreign,
}

fn kind(connection: &Connection) -> Result<Kind, rusqlite::Error> {
    let number = |pragma: &str| connection.query_row(pragma, [], |row| row.get::<_, i32>(0));
    let application = number("PRAGMA application_id")?;
    let version = number("PRAGMA user_version")?;
    if application == APPLICATION {
        return Ok(Kind::Ledger(version));
    }
    let tables = number("SELECT count(*) FROM sqlite_schema")?;
    Ok(if application == 0 && version == 0 && tables == 0 {
        Kind::Empty
    } else {
        Kind::Foreign
    })
}

fn create(transaction: &Transaction<'_>, account: &Account) -> Result<(), rusqlite::Error> {
    transaction.execute_batch(TABLES)?;
    transaction.execute(
        "INSERT INTO head (id, account, head) VALUES (1, ?1, ?2)",
        params![account.to_string(), encode(&Head::default())],
    )?;
    transaction.execute_batch(&format!(
        "PRAGMA application_id = {APPLICATION}; PRAGMA user_version = {VERSION};"
    ))
}

/// Gives a new worker its number.
pub(super) fn register(
    ledger: &SqliteLedger,
    connection: &Connection,
) -> Result<WorkerId, LedgerFault> {
    let register = |connection: &Connection| {
        let transaction = begin(connection)?;
        let mut head = head(&transaction)?;
        let worker = head.next_worker();
        set_head(&transaction, &head)?;
        transaction.execute(
            "INSERT INTO workers (id, beat_at, lapsed) VALUES (?1, NULL, 0)",
            [worker.0.cast_signed()],
        )?;
        transaction.commit()?;
        Ok(worker)
    };
    register(connection).map_err(|error| ledger.open_fault(&error))
}

pub(super) fn head(connection: &Connection) -> Result<Head, rusqlite::Error> {
    let mut statement = connection.prepare_cached("SELECT head FROM head WHERE id = 1")?;
    let text: Option<String> = statement.query_row([], |row| row.get(0)).optional()?;
    let text = text.unwrap_or_default();
    serde_json::from_str(&text).map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Text, Box::new(error))
    })
}

pub(super) fn set_head(connection: &Connection, head: &Head) -> Result<(), rusqlite::Error> {
    let mut statement = connection.prepare_cached("UPDATE head SET head = ?1 WHERE id = 1")?;
    statement.execute([encode(head)])?;
    Ok(())
}

fn encode(head: &Head) -> String {
    serde_json::to_string(head).unwrap_or_default()
}
