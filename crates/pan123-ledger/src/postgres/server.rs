//! Which server the ledger is on. A standby that took over, or a backup that was restored, may lack the last creates: whoever goes on
//! with it may send them again.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use pan123_proto::Account;
use pan123_proto::ledger::{LedgerFault, check_header_line, header_line};
use serde::{Deserialize, Serialize};

use super::fault::RowError;
use super::schema::LedgerRow;
use super::session::Session;
use super::settings::Place;
use super::statement;
use crate::files;

/// The number that a server got when its data was made, and how many times it was promoted or restored since.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Server {
    system: String,
    timeline: String,
}

impl std::fmt::Display for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "system {}, timeline {}", self.system, self.timeline)
    }
}

impl Server {
    pub(super) fn of(session: &mut Session) -> Result<Server, RowError> {
        let row = session.query_once(statement::SERVER, &[])?;
        Ok(Server {
            system: row.try_get(0)?,
            timeline: row.try_get(1)?,
        })
    }
}

/// The oldest server that has all that the ledger uses.
const MIN_VERSION: i64 = 120_000;

/// Refuses a server that may lose what it has answered, and returns how it commits.
pub(super) fn check_settings(session: &mut Session, place: &Place) -> Result<String, RowError> {
    let row = session.query_once(statement::SETTINGS, &[])?;
    if row.try_get(0)? {
        return Err(RowError::Fault(LedgerFault::Down(format!(
            "{place}: it is a standby, which only reads; name the primary"
        ))));
    }
    let commit: String = row.try_get(4)?;
    match why_unfit(row.try_get(1)?, row.try_get(2)?, row.try_get(3)?, &commit) {
        None => Ok(commit),
        Some(why) => Err(RowError::Fault(LedgerFault::Broken(format!(
            "{place}: {why}"
        )))),
    }
}

fn why_unfit(version: i64, encoding: &str, fsync: &str, commit: &str) -> Option<String> {
    if version < MIN_VERSION {
        return Some("it is older than PostgreSQL 12".to_owned());
    }
    if encoding != "UTF8" {
        return Some(format!(
            "the database has the encoding {encoding}; use one with UTF8"
        ));
    }
    if fsync != "on" {
        return Some(format!(
            "fsync is {fsync}, so that a crash would lose what was sent, and send it again; set fsync = on"
        ));
    }
    if !["on", "remote_apply"].contains(&commit) {
        return Some(format!(
            "synchronous_commit is {commit}, so that a crash would lose what was sent, and send it again; set synchronous_commit = on for this role or database"
        ));
    }
    None
}

/// The file in the spill's folder that tells which ledger this machine has used.
#[derive(PartialEq, Eq, Serialize, Deserialize)]
struct Known {
    account: String,
    ledger: i64,
    server: Server,
}

fn known_file(folder: &Path) -> PathBuf {
    folder.join("server.json")
}

/// Checks that the server is the one that the ledger and this machine were on.
pub(super) fn check(
    place: &Place,
    folder: &Path,
    account: &Account,
    ledger: &LedgerRow,
    server: &Server,
) -> Result<(), LedgerFault> {
    check_row(place, &ledger.servers, server)?;
    let Some(known) = read_known(folder, account)? else {
        return Ok(());
    };
    let file = known_file(folder);
    if known.ledger != ledger.number {
        return Err(changed(
            place,
            &format!(
                "{} was written with another ledger of this account",
                file.display()
            ),
        ));
    }
    if !ledger.servers.contains(&known.server) {
        let text = format!(
            "{} was written with {}, which the ledger does not know",
            file.display(),
            known.server
        );
        return Err(changed(place, &text));
    }
    Ok(())
}

/// Checks that the server is the last one that the ledger's row names.
pub(super) fn check_row(
    place: &Place,
    servers: &[Server],
    server: &Server,
) -> Result<(), LedgerFault> {
    match servers.last() {
        Some(last) if last == server => Ok(()),
        Some(last) => Err(changed(place, &format!("it was {last}, and is {server}"))),
        None => Err(changed(place, "the ledger's row names no server")),
    }
}

fn changed(place: &Place, what: &str) -> LedgerFault {
    LedgerFault::Moved(format!(
        "{place}: the server is not the one that the ledger was on ({what}). A standby that took over or a backup that was restored may lack the last creates, which would be sent again. Compare the ledger with the account's files, then confirm the server with PostgresLedger::confirm_server"
    ))
}

fn read_known(folder: &Path, account: &Account) -> Result<Option<Known>, LedgerFault> {
    let file = known_file(folder);
    let broken = |why: &dyn std::fmt::Display| {
        LedgerFault::Broken(format!(
            "{} cannot be used: {why}; choose another folder for the spill",
            file.display()
        ))
    };
    let text = match fs::read_to_string(&file) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(broken(&error)),
    };
    let known: Known = serde_json::from_str(&text).map_err(|error| broken(&error))?;
    check_header_line(&known.account, account).map_err(|error| broken(&error))?;
    Ok(Some(known))
}

/// Remembers on this machine which server the ledger is on.
pub(super) fn remember(
    folder: &Path,
    account: &Account,
    ledger: i64,
    server: &Server,
) -> Result<(), LedgerFault> {
    let known = Known {
        account: header_line(account),
        ledger,
        server: server.clone(),
    };
    if read_known(folder, account)?.is_some_and(|before| before == known) {
        return Ok(());
    }
    let file = known_file(folder);
    // Other processes of this machine may write it, too.
    let new = files::sibling(&file, &format!("-{}", fastrand::u64(..)));
    let write = || {
        let mut options = fs::OpenOptions::new();
        let mut to = files::private(options.write(true).create_new(true)).open(&new)?;
        to.write_all(&serde_json::to_vec(&known)?)?;
        to.sync_all()?;
        fs::rename(&new, &file)?;
        files::sync(folder)
    };
    write().map_err(|error| {
        drop(fs::remove_file(&new));
        let text = format!("{} cannot be written: {error}", file.display());
        if files::is_full(&error) {
            LedgerFault::Full(text)
        } else {
            LedgerFault::Broken(text)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn server_that_may_lose_what_it_answered_is_refused() {
        for (version, encoding, fsync, commit, expected) in [
            (150_000, "UTF8", "on", "on", ""),
            (150_000, "UTF8", "on", "remote_apply", ""),
            (150_000, "UTF8", "off", "on", "set fsync = on"),
            (150_000, "UTF8", "on", "off", "set synchronous_commit = on"),
            (
                150_000,
                "UTF8",
                "on",
                "local",
                "set synchronous_commit = on",
            ),
            (150_000, "SQL_ASCII", "on", "on", "UTF8"),
            (110_000, "UTF8", "on", "on", "PostgreSQL 12"),
        ] {
            let why = why_unfit(version, encoding, fsync, commit).unwrap_or_default();
            assert_eq!(why.is_empty(), expected.is_empty(), "{why}");
            assert!(why.contains(expected), "{why}");
        }
    }
}
