//! Where a ledger is kept: in a file of this machine, or on a server.

use std::path::Path;

use pan123_async::proto::Account;
use pan123_async::proto::ledger::{Ledger, LedgerFault, OpenLedger};
use pan123_ledger::SqliteLedger;
#[cfg(feature = "postgres")]
use pan123_ledger::{Postgres, PostgresLedger};

#[derive(Debug)]
pub(crate) enum Store {
    File(SqliteLedger),
    #[cfg(feature = "postgres")]
    Server {
        /// Without the password.
        url: String,
        database: Box<Postgres>,
        ledger: Box<PostgresLedger>,
    },
}

#[cfg_attr(
    not(feature = "postgres"),
    allow(
        clippy::unnecessary_wraps,
        unused_variables,
        reason = "they are for one on a server"
    )
)]
impl Store {
    pub(crate) fn file(path: impl AsRef<Path>) -> Store {
        Store::File(SqliteLedger::new(path.as_ref()))
    }

    /// Returns the path of its file; none if it is on a server.
    pub(crate) fn path(&self) -> Option<&Path> {
        match self {
            Store::File(ledger) => Some(ledger.path()),
            #[cfg(feature = "postgres")]
            Store::Server { .. } => None,
        }
    }

    /// Lets it be used on the server on which it is now.
    pub(crate) fn confirm_server(&self, account: &Account) -> Result<(), LedgerFault> {
        match self {
            Store::File(_) => Ok(()),
            #[cfg(feature = "postgres")]
            Store::Server { ledger, .. } => ledger.confirm_server(account),
        }
    }

    /// Returns where it is, for people.
    pub(crate) fn place(&self) -> String {
        match self {
            Store::File(ledger) => ledger.path().display().to_string(),
            #[cfg(feature = "postgres")]
            Store::Server { url, .. } => url.clone(),
        }
    }
}

impl Ledger for Store {
    fn open(&self, account: &Account) -> Result<Box<dyn OpenLedger>, LedgerFault> {
        match self {
            Store::File(ledger) => ledger.open(account),
            #[cfg(feature = "postgres")]
            Store::Server { ledger, .. } => ledger.open(account),
        }
    }
}
