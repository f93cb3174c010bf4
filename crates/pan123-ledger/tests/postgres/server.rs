//! The server that the tests use.

use std::io::Write;
use std::process::Command;
use std::sync::{Once, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use pan123_ledger::{Postgres, PostgresLedger};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio_postgres::{Client, NoTls, SimpleQueryMessage};

const SERVER: &str = "PAN123_TEST_POSTGRES";
/// A command that stops and starts the server.
const CONTROL: &str = "PAN123_TEST_POSTGRES_CONTROL";

/// Held while the server is restarted or set otherwise, and shared by the tests that need it as it is.
static SETTLED: RwLock<()> = RwLock::new(());

static SKIPPED: Once = Once::new();

/// A schema on the server and a folder of this machine, for one test.
pub(crate) struct TestServer {
    pub(crate) url: String,
    pub(crate) schema: String,
    pub(crate) folder: TempDir,
    _settled: Settled,
}

enum Settled {
    Shared {
        _guard: RwLockReadGuard<'static, ()>,
    },
    Alone {
        _guard: RwLockWriteGuard<'static, ()>,
    },
}

/// Returns the server, or says that there is none.
pub(crate) fn server() -> Option<TestServer> {
    find(|| Settled::Shared {
        _guard: SETTLED.read().unwrap_or_else(PoisonError::into_inner),
    })
}

/// Returns the server while no other test uses it.
pub(crate) fn server_alone() -> Option<TestServer> {
    find(|| Settled::Alone {
        _guard: SETTLED.write().unwrap_or_else(PoisonError::into_inner),
    })
}

fn find(settle: impl FnOnce() -> Settled) -> Option<TestServer> {
    let Ok(url) = std::env::var(SERVER) else {
        SKIPPED.call_once(|| say("the tests on PostgreSQL are skipped", SERVER));
        return None;
    };
    Some(TestServer {
        _settled: settle(),
        url,
        schema: format!("pan123_test_{:x}", fastrand::u64(..)),
        folder: tempfile::tempdir().unwrap(),
    })
}

/// Says why something is not tested, past the capture of the test's output.
fn say(what: &str, variable: &str) {
    let line = format!("{what}, since {variable} is not set\n");
    std::io::stderr().write_all(line.as_bytes()).unwrap();
}

impl TestServer {
    pub(crate) fn ledger(&self) -> PostgresLedger {
        self.ledger_of(&self.url, "spill")
    }

    /// The ledger as a machine with this folder sees it.
    pub(crate) fn ledger_of(&self, url: &str, folder: &str) -> PostgresLedger {
        self.database_of(url)
            .ledger(self.folder.path().join(folder))
    }

    pub(crate) fn database(&self) -> Postgres {
        self.database_of(&self.url)
    }

    pub(crate) fn database_of(&self, url: &str) -> Postgres {
        Postgres::new(url).unwrap().schema(&self.schema).unwrap()
    }

    pub(crate) fn admin(&self) -> Admin {
        Admin::connect(&self.url, &self.schema)
    }
}

/// Stops or starts the server. Returns false if that is not possible.
pub(crate) fn control(arguments: &[&str]) -> bool {
    let Ok(control) = std::env::var(CONTROL) else {
        say("tests that stop the server are skipped", CONTROL);
        return false;
    };
    let status = Command::new(control).args(arguments).status();
    assert!(status.unwrap().success(), "{arguments:?}");
    true
}

impl Drop for TestServer {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let drop = format!("DROP SCHEMA IF EXISTS {} CASCADE", self.schema);
            // The test may be on a thread of a runtime, which must not run another.
            let dropped =
                std::thread::scope(|scope| scope.spawn(|| self.admin().ask(&drop)).join());
            dropped.unwrap();
        }
    }
}

/// A connection of its own.
pub(crate) struct Admin {
    runtime: Runtime,
    client: Client,
}

impl Admin {
    pub(crate) fn connect(url: &str, schema: &str) -> Admin {
        let runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = { runtime }.enable_all().build().unwrap();
        let client = runtime.block_on(async {
            let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
            tokio::spawn(connection);
            client
        });
        let admin = Admin { runtime, client };
        admin.ask(&format!("SET search_path = {schema}"));
        admin
    }

    /// Returns the first column of the rows.
    pub(crate) fn ask(&self, query: &str) -> Vec<String> {
        let rows = self.runtime.block_on(self.client.simple_query(query));
        let rows = rows.unwrap_or_else(|error| panic!("{query}: {error:?}"));
        let texts = rows.iter().filter_map(|message| match message {
            SimpleQueryMessage::Row(row) => Some(row.get(0).unwrap_or_default().to_owned()),
            _ => None,
        });
        texts.collect()
    }
}
