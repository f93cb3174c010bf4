//! PostgreSQL: the settings of a connection, and what is kept in a database.

mod fault;
mod ledger;
mod link;
mod notes;
mod pace;
mod schema;
mod server;
mod session;
mod settings;
mod statement;
mod table;
#[cfg(test)]
mod tests;
mod tls;
mod token_store;
mod worker;

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use ledger::PostgresLedger;
pub use notes::{PostgresNote, PostgresNotes};
pub use pace::PostgresPace;
use pan123_proto::Account;
use settings::Settings;
pub use token_store::PostgresTokenStore;

/// A PostgreSQL database, which several machines may share. It keeps the ledgers, the paces and the tokens of any number of accounts.
///
/// The tables are in a schema of their own, which is created and migrated by itself. What is answered is durable: a server with `fsync`
/// or `synchronous_commit` off is refused. Times are those of the server, so the clocks of the machines may differ. Connections that are
/// lost are made anew.
///
/// Connect to the server itself, or through a pool that keeps a session together: prepared statements and settings are per session.
///
/// ```no_run
/// use pan123_blocking::Client; // or pan123_async
/// use pan123_ledger::Postgres;
///
/// # fn connect() -> Result<(), Box<dyn std::error::Error>> {
/// let database = Postgres::new("postgres://pan123@db.example.com/jobs")?
///     .password(std::env::var("PGPASSWORD")?);
/// let client = Client::builder()
///     .credentials("client id", "client secret")
///     .token_store(database.token_store())
///     .shared_pace(database.pace())
///     .build()?;
/// let ledger = database.ledger("/var/lib/pan123/spill");
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Postgres {
    settings: Settings,
}

/// Without the user and the password.
impl fmt::Debug for Postgres {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Postgres")
            .field("server", &self.settings.place.server)
            .field("schema", &self.settings.place.schema)
            .finish_non_exhaustive()
    }
}

impl Postgres {
    /// Names the database by a connection string, `postgres://USER@HOST:PORT/DATABASE` or `host=… user=… dbname=…`. Nothing is connected
    /// yet.
    ///
    /// # Errors
    ///
    /// [`PostgresError`] if the connection string is not understood.
    pub fn new(server: &str) -> Result<Postgres, PostgresError> {
        let settings = Settings::new(server)?;
        Ok(Postgres { settings })
    }

    /// Sets the password, if the connection string has none.
    pub fn password(mut self, password: impl AsRef<[u8]>) -> Postgres {
        self.settings.config.password(password);
        self
    }

    /// Sets the schema that the tables are in, `pan123` by default. It is created if it is missing and the role may do so.
    ///
    /// # Errors
    ///
    /// [`PostgresError`] unless it has 1 to 63 lower-case letters, digits and underscores.
    pub fn schema(mut self, name: impl Into<String>) -> Result<Postgres, PostgresError> {
        let name = name.into();
        settings::check_schema(&name)?;
        self.settings.place.schema = name;
        Ok(self)
    }

    /// Trusts the certificates in this PEM file, such as that of your own authority, in place of those that browsers trust.
    ///
    /// # Errors
    ///
    /// [`PostgresError`] if the file holds no certificate.
    pub fn root_certificates(mut self, file: impl AsRef<Path>) -> Result<Postgres, PostgresError> {
        self.settings.tls = tls::of_file(file.as_ref())?;
        Ok(self)
    }

    /// Sets how long the server may take for an answer, 15 s by default. A transaction of a ledger waits two thirds of that for the
    /// others, then the ledger is busy.
    pub fn timeout(mut self, timeout: Duration) -> Postgres {
        self.settings.timeout = timeout;
        self
    }

    /// Returns the ledgers in the database, with the folder of this machine, which is created when a ledger is first opened.
    pub fn ledger(&self, spill: impl Into<PathBuf>) -> PostgresLedger {
        PostgresLedger::new(self.settings.clone(), spill.into())
    }

    /// Returns the notes of an account in the database.
    pub fn notes(&self, account: &Account) -> PostgresNotes {
        PostgresNotes::new(self.settings.clone(), account)
    }

    /// Returns the paces in the database, for the `shared_pace` of a client's builder. Its clones share one connection.
    pub fn pace(&self) -> PostgresPace {
        PostgresPace::new(self.settings.clone())
    }

    /// Returns the tokens in the database, for the `token_store` of a client's builder. Its clones share one connection.
    pub fn token_store(&self) -> PostgresTokenStore {
        PostgresTokenStore::new(self.settings.clone())
    }
}

/// What is wrong with a setting of [`Postgres`]. The text holds no secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PostgresError(String);

impl fmt::Display for PostgresError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for PostgresError {}
