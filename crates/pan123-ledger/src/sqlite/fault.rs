//! What an error of SQLite, or of the files beside it, means for the ledger.

use std::fmt;
use std::io;
use std::path::Path;

use pan123_proto::ledger::LedgerFault;
use rusqlite::{ErrorCode, ffi};

use super::place;

/// Why a row cannot be read or written.
#[derive(Debug)]
pub(super) enum RowError {
    Sql(rusqlite::Error),
    /// The file of another worker.
    WorkerFile(io::Error),
}

impl From<rusqlite::Error> for RowError {
    fn from(error: rusqlite::Error) -> RowError {
        RowError::Sql(error)
    }
}

/// Says what holds after a failed transaction, all of which was rolled back, unless nobody knows.
pub(super) fn of_transaction(path: &Path, error: &RowError) -> LedgerFault {
    let fault = |fault: fn(String) -> LedgerFault, error: &dyn fmt::Display| {
        fault(format!("{}: {error}", path.display()))
    };
    let error = match error {
        RowError::Sql(error) => error,
        RowError::WorkerFile(error) => {
            let text = format!("the file of another worker cannot be read: {error}");
            return fault(LedgerFault::Down, &text);
        }
    };
    match error.sqlite_error_code() {
        _ if is_busy(error) => fault(LedgerFault::Busy, error),
        _ if is_full(error) => fault(LedgerFault::Full, error),
        Some(
            ErrorCode::SystemIoFailure
            | ErrorCode::DatabaseCorrupt
            | ErrorCode::NotADatabase
            | ErrorCode::CannotOpen
            | ErrorCode::ReadOnly,
        )
        // A row that this program does not understand.
        | None => fault(LedgerFault::Broken, error),
        Some(_) => fault(LedgerFault::Down, error),
    }
}

/// Says why a file cannot be opened as a ledger.
pub(super) fn of_open(path: &Path, error: &rusqlite::Error) -> LedgerFault {
    let shown = path.display();
    match error.sqlite_error_code() {
        _ if is_busy(error) => LedgerFault::Busy(format!(
            "{shown}: {error}. If no other program uses it, its file system has no locks, as some network file systems: choose a local disk"
        )),
        _ if is_full(error) => LedgerFault::Full(format!("{shown}: {error}")),
        _ if has_no_shared_memory(error) => LedgerFault::Broken(format!(
            "{shown} cannot be shared safely: its file system has no shared memory or no locks, as network file systems; choose a local disk ({error})"
        )),
        Some(ErrorCode::NotADatabase) => place::not_a_ledger(path),
        Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => {
            LedgerFault::Broken(format!(
                "{shown} cannot be written: make the file and its folder writable, or choose another path ({error})"
            ))
        }
        Some(ErrorCode::DatabaseCorrupt) => LedgerFault::Broken(format!(
            "{shown} is damaged, and is left as it is: restore it from a copy, or choose another path ({error})"
        )),
        _ => LedgerFault::Broken(format!("{shown} cannot be opened: {error}")),
    }
}

pub(super) fn is_busy(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(
            ErrorCode::DatabaseBusy
                | ErrorCode::DatabaseLocked
                | ErrorCode::FileLockingProtocolFailed
        )
    )
}

/// Whether there is no room. The file of the shared memory says so with a code of its own.
fn is_full(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(ErrorCode::DiskFull)
        || extended(error) == Some(ffi::SQLITE_IOERR_SHMSIZE)
}

fn has_no_shared_memory(error: &rusqlite::Error) -> bool {
    let codes = [
        ffi::SQLITE_IOERR_LOCK,
        ffi::SQLITE_IOERR_RDLOCK,
        ffi::SQLITE_IOERR_SHMLOCK,
        ffi::SQLITE_IOERR_SHMMAP,
        ffi::SQLITE_IOERR_SHMOPEN,
    ];
    extended(error).is_some_and(|code| codes.contains(&code))
}

fn extended(error: &rusqlite::Error) -> Option<i32> {
    error.sqlite_error().map(|error| error.extended_code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_error_of_sqlite_says_what_may_have_happened() {
        let fault = |code| {
            let error = rusqlite::Error::SqliteFailure(ffi::Error::new(code), None);
            of_transaction(Path::new("a.db"), &RowError::Sql(error))
        };
        for (code, expected) in [
            (ffi::SQLITE_BUSY, "is busy"),
            (ffi::SQLITE_BUSY_RECOVERY, "is busy"),
            (ffi::SQLITE_LOCKED, "is busy"),
            (ffi::SQLITE_PROTOCOL, "is busy"),
            (ffi::SQLITE_FULL, "cannot grow"),
            (ffi::SQLITE_IOERR_SHMSIZE, "cannot grow"),
            (ffi::SQLITE_IOERR, "is broken"),
            (ffi::SQLITE_IOERR_FSYNC, "is broken"),
            (ffi::SQLITE_IOERR_WRITE, "is broken"),
            (ffi::SQLITE_CORRUPT, "is broken"),
            (ffi::SQLITE_NOTADB, "is broken"),
            (ffi::SQLITE_READONLY, "is broken"),
            (ffi::SQLITE_NOMEM, "does not answer"),
            (ffi::SQLITE_INTERRUPT, "does not answer"),
        ] {
            let text = fault(code).to_string();
            assert!(
                text.contains(expected) && text.contains("a.db"),
                "{code}: {text}"
            );
        }
        let unreadable = RowError::Sql(rusqlite::Error::InvalidQuery);
        let fault = of_transaction(Path::new("a.db"), &unreadable);
        assert!(matches!(fault, LedgerFault::Broken(_)), "{fault:?}");
    }
}
