//! Ledgers on PostgreSQL, which several commands share, each as if on a machine of its own.

#![allow(clippy::unwrap_used, reason = "helpers of tests unwrap as tests do")]

mod accounts;
mod away;
mod batches;
mod passwords;
mod replicas;
#[allow(dead_code, reason = "the tests of the ledger use all of it")]
#[path = "../../../pan123-ledger/tests/postgres/server.rs"]
mod server;

use std::path::{Path, PathBuf};
use std::thread;

use pan123_mock::MockPan123;

use crate::serve::support::Home;
use crate::support::User;
use server::{Admin, TestServer};

/// A database of its own for one test.
struct Database {
    server: TestServer,
    name: String,
}

impl Database {
    fn new(server: TestServer) -> Database {
        let name = format!("pan123_test_{:x}", fastrand::u64(..));
        outside(|| server.admin().ask(&format!("CREATE DATABASE {name}")));
        Database { server, name }
    }

    /// Returns a new database; none if there is no server.
    fn find() -> Option<Database> {
        server::server().map(Database::new)
    }

    /// The same while no other test uses the server.
    fn find_alone() -> Option<Database> {
        server::server_alone().map(Database::new)
    }

    fn password(&self) -> &str {
        let (user, _) = self.server.url.split_once('@').expect("a user");
        user.rsplit_once(':').expect("a password").1
    }

    /// The URL without the password.
    fn url(&self) -> String {
        let (_, place) = self.server.url.split_once('@').expect("a user");
        let (host, rest) = place.split_once('/').expect("a database");
        let query = rest.split_once('?').map_or("", |(_, query)| query);
        let (user, _) = self
            .server
            .url
            .rsplit_once(&format!(":{}@", self.password()))
            .expect("a user");
        format!("{user}@{host}/{}?{query}", self.name)
    }

    fn url_with_password(&self) -> String {
        let with_password = format!(":{}@", self.password());
        self.url().replacen('@', &with_password, 1)
    }

    /// Asks the database something, such as for what is in a table of the schema `pan123`.
    fn ask(&self, query: &str) -> Vec<String> {
        outside(|| Admin::connect(&self.url_with_password(), "pan123").ask(query))
    }

    /// Ends all leases, as if the 30 s that one lasts had passed. A worker that is alive renews its lease with its next beat.
    fn end_leases(&self) {
        self.ask("UPDATE workers SET beat_at = beat_at - 30000");
    }

    /// Ends all connections to it.
    fn cut_off(&self) {
        self.ask("SELECT pg_terminate_backend(pid)::text FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()");
    }

    /// Returns a user on a machine of its own.
    fn user(&self, mock: &MockPan123) -> User {
        User::of(mock).set("PGPASSWORD", self.password())
    }

    /// The same without credentials.
    fn stranger(&self, mock: &MockPan123) -> User {
        let user = User::at(mock).set("PGPASSWORD", self.password());
        user.set("PAN123_LEDGER", self.url())
    }

    fn home(&self, mock: &MockPan123) -> Home {
        Home::at(mock).set("PGPASSWORD", self.password())
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        if !thread::panicking() {
            let drop = format!("DROP DATABASE {} WITH (FORCE)", self.name);
            outside(|| self.server.admin().ask(&drop));
        }
    }
}

/// Runs what has a runtime of its own: a thread of another runtime must not do so.
fn outside<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    thread::scope(|scope| scope.spawn(work).join()).unwrap()
}

/// Writes a file that only its owner can read.
fn write_private(path: &Path, content: &str) -> PathBuf {
    std::fs::write(path, content).unwrap();
    set_mode(path, 0o600);
    path.to_owned()
}

#[cfg(unix)]
fn set_mode(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

#[cfg(not(unix))]
fn set_mode(_: &Path, _: u32) {}
