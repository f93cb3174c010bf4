//! Short texts beside a ledger, which the programs that work on it share.

use std::fmt;
use std::sync::Arc;

use pan123_proto::Account;
use pan123_proto::ledger::{LedgerFault, header_line};

use super::fault::RowError;
use super::link::Link;
use super::session::Session;
use super::settings::Settings;
use super::statement;

/// Texts that the programs of an account share, each under a name: what a program has to keep of its items, and the ledger has no place
/// for. A text is durable once it is kept.
pub struct PostgresNotes {
    link: Arc<Link>,
    account: Arc<str>,
}

/// A text, as it was kept.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PostgresNote {
    /// The name.
    pub name: String,
    /// The text.
    pub text: String,
    /// A number that is greater than that of each note that was kept before.
    pub version: i64,
}

/// Without the user and the password.
impl fmt::Debug for PostgresNotes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = &self.link.settings().place;
        f.debug_struct("PostgresNotes")
            .field("server", &place.server)
            .field("schema", &place.schema)
            .finish_non_exhaustive()
    }
}

impl PostgresNotes {
    pub(super) fn new(settings: Settings, account: &Account) -> PostgresNotes {
        PostgresNotes {
            link: Arc::new(Link::new(settings)),
            account: header_line(account).into(),
        }
    }

    /// Keeps a text in place of the earlier one of its name.
    ///
    /// # Errors
    ///
    /// [`LedgerFault`] if the server does not take it; after `Down` it may have.
    pub fn set(&self, name: &str, text: &str) -> Result<(), LedgerFault> {
        let (name, text) = (name.to_owned(), text.to_owned());
        self.change(move |session, account| {
            session.execute(statement::SET_NOTE, &[&account, &name, &text])?;
            Ok(())
        })
    }

    /// Keeps a text unless there is one of its name, and returns the one that is kept.
    ///
    /// # Errors
    ///
    /// As for [`set`](PostgresNotes::set).
    pub fn add(&self, name: &str, text: &str) -> Result<String, LedgerFault> {
        let (name, text) = (name.to_owned(), text.to_owned());
        self.change(move |session, account| {
            session.execute(statement::ADD_NOTE, &[&account, &name, &text])?;
            let row = session.one(statement::NOTE, &[&account, &name])?;
            Ok(row.try_get(0)?)
        })
    }

    /// Forgets the texts of other names than these that were kept a day ago or earlier.
    ///
    /// # Errors
    ///
    /// As for [`set`](PostgresNotes::set).
    pub fn keep_only(&self, names: Vec<String>) -> Result<(), LedgerFault> {
        self.change(move |session, account| {
            session.execute(statement::FORGET_NOTES, &[&account, &names])?;
            Ok(())
        })
    }

    /// Returns the texts with a greater version than this, in the order in which they were kept; 0 is all of them.
    ///
    /// # Errors
    ///
    /// [`LedgerFault`] if the server does not answer.
    pub fn since(&self, version: i64) -> Result<Vec<PostgresNote>, LedgerFault> {
        let account = Arc::clone(&self.account);
        self.link.run(move |session| {
            let rows = session.query(statement::NOTES, &[&&*account, &version])?;
            let rows = rows.iter().map(|row| {
                Ok(PostgresNote {
                    name: row.try_get(0)?,
                    text: row.try_get(1)?,
                    version: row.try_get(2)?,
                })
            });
            rows.collect::<Result<_, RowError>>()
        })
    }

    /// Changes notes in a transaction that is the only one at a time: who reads the versions in their order misses none.
    fn change<T: Send + 'static>(
        &self,
        mut work: impl FnMut(&mut Session, &str) -> Result<T, RowError> + Send + 'static,
    ) -> Result<T, LedgerFault> {
        let account = Arc::clone(&self.account);
        self.link.run(move |session| {
            session.batch("BEGIN")?;
            session.one(statement::LOCK_NOTES, &[&&*account])?;
            let result = work(session, &account)?;
            session.batch("COMMIT")?;
            Ok(result)
        })
    }
}
