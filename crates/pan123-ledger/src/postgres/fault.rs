//! What an error of PostgreSQL, or of the connection to it, means for the ledger.

use std::error::Error;
use std::fmt;
use std::io;

use pan123_proto::ledger::LedgerFault;
use tokio_postgres::error::{Severity, SqlState};

use super::settings::Place;

/// Why a statement was not carried out.
#[derive(Debug)]
pub(super) enum RowError {
    Sql(tokio_postgres::Error),
    /// Nothing came for longer than the time-out.
    NoAnswer,
    /// A row that this program does not understand.
    Unreadable(String),
    /// The files of the workers on this machine.
    WorkerFile(io::Error),
    /// What was found out already.
    Fault(LedgerFault),
}

impl From<tokio_postgres::Error> for RowError {
    fn from(error: tokio_postgres::Error) -> RowError {
        RowError::Sql(error)
    }
}

/// Without the details that the server adds, which may quote a row.
impl fmt::Display for RowError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RowError::Sql(error) => match error.as_db_error() {
                Some(error) => write!(f, "{} ({})", error.message(), error.code().code()),
                None => write_with_sources(f, error),
            },
            RowError::NoAnswer => f.write_str("no answer in time"),
            RowError::Unreadable(text) => f.write_str(text),
            RowError::WorkerFile(error) => {
                write!(f, "the files of other workers cannot be read: {error}")
            }
            RowError::Fault(fault) => fault.fmt(f),
        }
    }
}

fn write_with_sources(f: &mut fmt::Formatter<'_>, error: &dyn Error) -> fmt::Result {
    write!(f, "{error}")?;
    let mut source = error.source();
    // Errors of this client repeat their source.
    let mut shown = error.to_string();
    while let Some(error) = source {
        let text = error.to_string();
        if !shown.contains(&text) {
            write!(f, ": {text}")?;
            shown = text;
        }
        source = error.source();
    }
    Ok(())
}

impl RowError {
    /// Whether somebody else holds the row for too long.
    pub(super) fn is_busy(&self) -> bool {
        matches!(self, RowError::Sql(error) if error.code() == Some(&SqlState::LOCK_NOT_AVAILABLE))
    }

    /// Whether the connection can be used no more.
    pub(super) fn is_lost_connection(&self) -> bool {
        match self {
            RowError::Sql(error) => error.as_db_error().map_or_else(
                || !is_unreadable(error),
                |error| {
                    matches!(
                        error.parsed_severity(),
                        Some(Severity::Fatal | Severity::Panic)
                    )
                },
            ),
            _ => false,
        }
    }
}

/// Says what holds after a transaction that failed before its end, and so was rolled back, or will be as soon as the server notices.
pub(super) fn of_transaction(place: &Place, error: RowError) -> LedgerFault {
    let text = format!("{place}: {error}");
    let error = match error {
        RowError::Fault(fault) => return fault,
        RowError::Unreadable(_) => return LedgerFault::Broken(text),
        RowError::NoAnswer | RowError::WorkerFile(_) => return LedgerFault::Down(text),
        RowError::Sql(error) => error,
    };
    match error.code() {
        Some(code) => of_code(code, text),
        // What the server sent does not fit the statement.
        None if is_unreadable(&error) => LedgerFault::Broken(text),
        None => LedgerFault::Down(text),
    }
}

fn of_code(code: &SqlState, text: String) -> LedgerFault {
    let is_of = |classes: &[&str]| classes.iter().any(|class| code.code().starts_with(class));
    match *code {
        SqlState::LOCK_NOT_AVAILABLE
        | SqlState::T_R_DEADLOCK_DETECTED
        | SqlState::T_R_SERIALIZATION_FAILURE => LedgerFault::Busy(text),
        SqlState::DISK_FULL => LedgerFault::Full(text),
        SqlState::IO_ERROR => LedgerFault::Broken(text),
        // The role's rights, or its password, may be set right.
        SqlState::INSUFFICIENT_PRIVILEGE => LedgerFault::Down(text),
        // Damaged data; tables that are not there; rows that do not fit them.
        _ if is_of(&["XX001", "XX002", "42", "3F", "21", "22", "23"]) => LedgerFault::Broken(text),
        _ => LedgerFault::Down(text),
    }
}

fn is_unreadable(error: &tokio_postgres::Error) -> bool {
    let text = error.to_string();
    [
        "error deserializing column",
        "error serializing parameter",
        // The ledger's own row is gone.
        "query returned an unexpected number of rows",
    ]
    .iter()
    .any(|begin| text.starts_with(begin))
}

/// Says why a ledger cannot be opened.
pub(super) fn of_open(place: &Place, error: RowError) -> LedgerFault {
    let code = match &error {
        RowError::Sql(error) => error.code().cloned(),
        _ => None,
    };
    let hint = match code.as_ref() {
        Some(code) if code.code().starts_with("28") => {
            "check the user and the password, and the server's pg_hba.conf"
        }
        Some(&SqlState::INVALID_CATALOG_NAME) => "create the database, or name another",
        Some(&SqlState::INSUFFICIENT_PRIVILEGE) => {
            "let the role create the schema, or create it and give it to the role"
        }
        None if is_of_certificate(&error) => {
            "if the certificate is of your own authority, trust it with Postgres::root_certificates; without TLS set sslmode=disable"
        }
        None if lacks_password(&error) => {
            "the server wants a password: give it with Postgres::password"
        }
        _ => return of_transaction(place, error),
    };
    LedgerFault::Broken(format!("{place}: {error}; {hint}"))
}

fn lacks_password(error: &RowError) -> bool {
    error.to_string().ends_with("password missing")
}

/// Returns the text of a fault, and whether it may pass by itself.
pub(super) fn into_text(fault: LedgerFault) -> (String, bool) {
    match fault {
        LedgerFault::Busy(text) | LedgerFault::Full(text) | LedgerFault::Down(text) => (text, true),
        LedgerFault::Broken(text) => (text, false),
        other => (other.to_string(), false),
    }
}

/// Whether TLS does not trust the server.
fn is_of_certificate(error: &RowError) -> bool {
    let RowError::Sql(error) = error else {
        return false;
    };
    let source = error
        .source()
        .and_then(|error| error.downcast_ref::<io::Error>());
    source.is_some_and(|error| error.kind() == io::ErrorKind::InvalidData)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_error_of_the_server_says_what_may_have_happened() {
        for (code, expected) in [
            ("55P03", "is busy"),
            ("40001", "is busy"),
            ("40P01", "is busy"),
            ("53100", "cannot grow"),
            ("58030", "is broken"),
            ("XX001", "is broken"),
            ("XX002", "is broken"),
            ("42P01", "is broken"),
            ("3F000", "is broken"),
            ("23505", "is broken"),
            ("42501", "does not answer"),
            ("57P01", "does not answer"),
            ("57P03", "does not answer"),
            ("25P03", "does not answer"),
            ("25006", "does not answer"),
            ("53200", "does not answer"),
            ("53300", "does not answer"),
            ("28P01", "does not answer"),
            ("08006", "does not answer"),
        ] {
            let text = of_code(&SqlState::from_code(code), "why".to_owned()).to_string();
            assert!(text.contains(expected), "{code}: {text}");
        }
    }
}
