//! A ledger as JSON lines, which people read and move.

use std::io::{self, BufRead, Write};

use pan123_proto::Account;
use pan123_proto::ledger::{
    LedgerAnswer, LedgerFault, LedgerOp, LineError, ListItems, OpenLedger, Transaction,
    check_header_line, export_line, header_line, read_line,
};
use std::time::SystemTime;

/// How many items are read or added at once.
const PAGE: usize = 500;
/// A longer line is none of an export.
const MAX_LINE: u64 = 1 << 20;

/// Why an import ended before its end. What was imported before stays.
#[derive(Debug)]
#[non_exhaustive]
pub enum ImportError {
    /// The text cannot be read.
    Io(io::Error),
    /// The ledger failed.
    Ledger(LedgerFault),
    /// It is no export of this account.
    Header(LineError),
}

impl std::fmt::Display for ImportError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            ImportError::Io(error) => write!(f, "the export cannot be read: {error}"),
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
    /// Lines that are no items, by their number from 1. The others were imported.
    pub bad_lines: Vec<(usize, LineError)>,
}

/// Writes a ledger as JSON lines: a line that names the account, then one item a line. They hold the URLs in full, so write them
/// where nobody else can read them.
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
        let page = match ask(ledger, LedgerOp::List(wanted))? {
            LedgerAnswer::Page(page) => page,
            _ => Vec::new(),
        };
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

/// Reads what [`export`] wrote into a ledger of the same account. Items that the ledger has already stay as they are. One that was
/// about to be sent is unconfirmed here.
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
    let header = lines.next_line()?.unwrap_or_default();
    check_header_line(&header, account).map_err(ImportError::Header)?;
    let mut number = 1;
    loop {
        let line = lines.next_line()?;
        let is_last = line.is_none();
        if let Some(line) = line {
            number += 1;
            match read_line(&line) {
                _ if line.trim().is_empty() => {}
                Ok(item) => items.push(item),
                Err(error) => imported.bad_lines.push((number, error)),
            }
        }
        if items.len() >= PAGE || is_last {
            let count = items.len();
            let op = LedgerOp::Import(std::mem::take(&mut items));
            if let LedgerAnswer::Added(added) = ask(ledger, op)? {
                imported.added += added;
                imported.known += count - added;
            }
        }
        if is_last {
            return Ok(imported);
        }
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

/// Lines of at most [`MAX_LINE`] bytes; a longer one is cut, and no item then.
struct Lines<R>(R);

impl<R: BufRead> Lines<R> {
    fn next_line(&mut self) -> io::Result<Option<String>> {
        let mut line = Vec::new();
        let read = io::Read::take(&mut self.0, MAX_LINE).read_until(b'\n', &mut line)?;
        if read == 0 {
            return Ok(None);
        }
        while !line.ends_with(b"\n") && self.skip_rest()? {}
        Ok(Some(String::from_utf8_lossy(&line).trim_end().to_owned()))
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
