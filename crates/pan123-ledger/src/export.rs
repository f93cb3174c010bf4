//! A ledger as JSON lines, which people read and move.

use std::fs::OpenOptions;
use std::io::{self, BufRead, BufWriter, Write};
use std::path::Path;
use std::time::SystemTime;

use crate::files::{folder_of, private, sync};
use pan123_proto::Account;
use pan123_proto::ledger::{
    Item, LedgerAnswer, LedgerFault, LedgerOp, LineError, ListItems, OpenLedger, Transaction,
    check_header_line, export_line, header_line, read_line,
};

/// How many items are read or added at once.
const PAGE: usize = 500;
/// A longer line is none of an export.
const MAX_LINE: u64 = 1 << 20;
/// So many bad lines are told.
const MAX_BAD_LINES: usize = 1000;

/// Why an export or an import ended before its end. What was imported before stays.
#[derive(Debug)]
#[non_exhaustive]
pub enum ImportError {
    /// The text cannot be read or written.
    Io(io::Error),
    /// The ledger failed.
    Ledger(LedgerFault),
    /// It is no export of this account.
    Header(LineError),
}

impl std::fmt::Display for ImportError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            ImportError::Io(error) => write!(f, "the export cannot be read or written: {error}"),
            ImportError::Ledger(fault) => fault.fmt(f),
            ImportError::Header(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for ImportError {}

impl From<io::Error> for ImportError {
    fn from(error: io::Error) -> ImportError {
        ImportError::Io(error)
    }
}

impl From<LedgerFault> for ImportError {
    fn from(fault: LedgerFault) -> ImportError {
        ImportError::Ledger(fault)
    }
}

/// What was imported.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Imported {
    /// How many items are new.
    pub added: usize,
    /// How many the ledger had already; they stay as they are there.
    pub known: usize,
    /// How many lines are no items. The others were imported.
    pub bad: usize,
    /// The first 1,000 of those lines, by their number from 1, and what is wrong with each.
    pub bad_lines: Vec<(usize, LineError)>,
}

/// Writes a ledger as JSON lines: a line that names the account, then one item a line, in the order in which they were added. Returns
/// the number of items. The lines hold the URLs in full, so write them where nobody else can read them, as [`export_file`] does.
///
/// The ledger may be in use meanwhile: each item is as it was when its page of 500 was read.
///
/// # Errors
///
/// [`ImportError::Io`] or [`ImportError::Ledger`].
pub fn export(
    ledger: &mut dyn OpenLedger,
    account: &Account,
    mut to: impl Write,
) -> Result<usize, ImportError> {
    writeln!(to, "{}", header_line(account))?;
    let mut wanted = ListItems::first(PAGE).with_hidden();
    let mut count = 0;
    loop {
        let page = ledger.list(SystemTime::now(), wanted)?;
        let Some((last, _)) = page.last() else {
            to.flush()?;
            return Ok(count);
        };
        wanted = wanted.after(*last);
        for (_, item) in &page {
            writeln!(to, "{}", export_line(item))?;
        }
        count += page.len();
    }
}

/// Writes a ledger as JSON lines, as [`export`] does, to a new file that only its owner can read. It is on the disk when this returns.
///
/// ```no_run
/// # fn export(session: &pan123_proto::Session) -> Result<(), Box<dyn std::error::Error>> {
/// use pan123_ledger::{Ledger, SqliteLedger, export_file};
///
/// // The account of a client: `client.session().ledger_account()`.
/// let account = session.ledger_account();
/// let mut ledger = SqliteLedger::new("downloads.db").open(&account)?;
/// export_file(&mut *ledger, &account, "downloads.jsonl".as_ref())?;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// [`ImportError::Io`] if there is a file at this path, which stays as it is, or the file cannot be written; what was written of it is
/// removed then. [`ImportError::Ledger`].
pub fn export_file(
    ledger: &mut dyn OpenLedger,
    account: &Account,
    path: &Path,
) -> Result<usize, ImportError> {
    let file = private(OpenOptions::new().write(true).create_new(true)).open(path);
    let file = file.map_err(|error| {
        let text = format!("{} cannot be created: {error}", path.display());
        io::Error::new(error.kind(), text)
    })?;
    let mut to = BufWriter::new(file);
    let written = export(ledger, account, &mut to).and_then(|count| {
        to.get_ref().sync_all()?;
        sync(folder_of(path))?;
        Ok(count)
    });
    if written.is_err() {
        drop(std::fs::remove_file(path));
    }
    written
}

/// Reads what [`export`] wrote into a ledger of the same account. Items that the ledger has already stay as they are. One that was
/// about to be sent is unconfirmed here, since it may have been sent.
///
/// Use the other ledger no more: an item that is queued in both would be sent from both.
///
/// # Errors
///
/// [`ImportError`] if the text is no export of this account, or cannot be read, or if the ledger fails.
pub fn import(
    ledger: &mut dyn OpenLedger,
    account: &Account,
    from: impl BufRead,
) -> Result<Imported, ImportError> {
    let mut imported = Imported::default();
    let mut items = Vec::new();
    let mut lines = Lines(from);
    let header = match lines.next_line()? {
        Some(header) => header.map_err(|_| LineError::NotALedger),
        None => Err(LineError::NotALedger),
    };
    header
        .and_then(|header| check_header_line(header.trim_start_matches('\u{feff}'), account))
        .map_err(ImportError::Header)?;
    let mut number = 1;
    while let Some(line) = lines.next_line()? {
        number += 1;
        let item = line.and_then(|line| match line.as_str() {
            "" => Ok(None),
            line => read_line(line).map(Some),
        });
        match item {
            Ok(item) => items.extend(item),
            Err(error) => {
                imported.bad += 1;
                if imported.bad_lines.len() < MAX_BAD_LINES {
                    imported.bad_lines.push((number, error));
                }
            }
        }
        if items.len() >= PAGE {
            imported.add(ledger, &mut items)?;
        }
    }
    imported.add(ledger, &mut items)?;
    Ok(imported)
}

impl Imported {
    fn add(
        &mut self,
        ledger: &mut dyn OpenLedger,
        items: &mut Vec<Item>,
    ) -> Result<(), LedgerFault> {
        let count = items.len();
        let op = LedgerOp::Import(std::mem::take(items));
        if let LedgerAnswer::Added(added) = ask(ledger, op)? {
            self.added += added;
            self.known += count - added;
        }
        Ok(())
    }
}

fn ask(ledger: &mut dyn OpenLedger, op: LedgerOp) -> Result<LedgerAnswer, LedgerFault> {
    let now = SystemTime::now();
    let answers = ledger.run(Transaction::new(now, vec![op]))?;
    Ok(answers
        .into_iter()
        .next()
        .unwrap_or(LedgerAnswer::Unsupported))
}

struct Lines<R>(R);

impl<R: BufRead> Lines<R> {
    /// Returns a line without white space around it; none after the last one.
    fn next_line(&mut self) -> io::Result<Option<Result<String, LineError>>> {
        let mut line = Vec::new();
        let read = io::Read::take(&mut self.0, MAX_LINE).read_until(b'\n', &mut line)?;
        if read == 0 {
            return Ok(None);
        }
        if read as u64 == MAX_LINE && !line.ends_with(b"\n") {
            while self.skip_rest()? {}
            return Ok(Some(bad(format!("it is longer than {MAX_LINE} bytes"))));
        }
        Ok(Some(match String::from_utf8(line) {
            Ok(line) => Ok(line.trim().to_owned()),
            Err(_) => bad("it is not UTF-8".to_owned()),
        }))
    }

    /// Skips a part of a line that is too long. Returns whether there may be more of it.
    fn skip_rest(&mut self) -> io::Result<bool> {
        let bytes = self.0.fill_buf()?;
        let end = bytes.iter().position(|&byte| byte == b'\n');
        let (count, more) = match end {
            Some(end) => (end + 1, false),
            None => (bytes.len(), !bytes.is_empty()),
        };
        self.0.consume(count);
        Ok(more)
    }
}

fn bad(why: String) -> Result<String, LineError> {
    Err(LineError::Item(why))
}
