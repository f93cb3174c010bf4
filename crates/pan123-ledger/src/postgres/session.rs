//! One connection to the server, used by one thread.

use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

use tokio::runtime::Runtime;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Row, Statement};

use super::fault::RowError;
use super::server::{self, Server};
use super::settings::Settings;
use super::statement;

type Params<'a> = &'a [&'a (dyn ToSql + Sync)];

pub(super) struct Session {
    runtime: Rc<Runtime>,
    client: Client,
    connection: JoinHandle<()>,
    statements: HashMap<String, Statement>,
    timeout: Duration,
}

impl Session {
    /// Connects to a server that keeps what it answers, and returns which one it is.
    pub(super) fn connect(
        runtime: &Rc<Runtime>,
        settings: &Settings,
    ) -> Result<(Session, Server), RowError> {
        let connecting = settings.config.connect(settings.tls.clone());
        let (client, connection) = wait(runtime, settings.timeout, connecting)?;
        let connection = runtime.spawn(async {
            // How it ended is what the next statement says.
            drop(connection.await);
        });
        let mut session = Session {
            runtime: Rc::clone(runtime),
            client,
            connection,
            statements: HashMap::new(),
            timeout: settings.timeout,
        };
        let commit = server::check_settings(&mut session, &settings.place)?;
        session.set_up(&settings.place.schema, &commit)?;
        let server = Server::of(&mut session)?;
        Ok((session, server))
    }

    /// Sets what the ledger relies on, whatever the defaults of the role are.
    ///
    /// - A time-out of statements would end the wait for a synchronous standby, too, and the server would say that all is well.
    /// - What a frozen client has locked is free again when its transaction is idle for too long.
    /// - A plan that was made while the ledger was small would still be used when it is large, so each statement is planned anew; and
    ///   plans must not depend on statistics, which a new ledger does not have.
    fn set_up(&mut self, schema: &str, commit: &str) -> Result<(), RowError> {
        // Before this client stops waiting for the answer.
        let lock_timeout = (self.timeout / 3 * 2).as_millis().clamp(1, 1 << 30);
        self.batch(&format!(
            "SET search_path = \"{schema}\", pg_temp; SET synchronous_commit = {commit}; SET statement_timeout = 0; \
            SET lock_timeout = {lock_timeout}; SET idle_in_transaction_session_timeout = '15s'; \
            SET plan_cache_mode = force_custom_plan; SET enable_seqscan = off; SET enable_bitmapscan = off; \
            SET enable_sort = off; SET jit = off"
        ))
    }

    fn wait<T>(
        &self,
        answer: impl Future<Output = Result<T, tokio_postgres::Error>>,
    ) -> Result<T, RowError> {
        wait(&self.runtime, self.timeout, answer)
    }

    /// Carries out statements without parameters.
    pub(super) fn batch(&self, statements: &str) -> Result<(), RowError> {
        self.wait(self.client.batch_execute(statements))
    }

    fn prepared(&mut self, query: &str) -> Result<Statement, RowError> {
        if let Some(statement) = self.statements.get(query) {
            return Ok(statement.clone());
        }
        let statement = self.wait(self.client.prepare(query))?;
        self.statements.insert(query.to_owned(), statement.clone());
        Ok(statement)
    }

    pub(super) fn query(&mut self, query: &str, params: Params<'_>) -> Result<Vec<Row>, RowError> {
        let statement = self.prepared(query)?;
        self.wait(self.client.query(&statement, params))
    }

    pub(super) fn execute(&mut self, query: &str, params: Params<'_>) -> Result<u64, RowError> {
        let statement = self.prepared(query)?;
        self.wait(self.client.execute(&statement, params))
    }

    /// Returns the row of a query that always has one.
    pub(super) fn one(&mut self, query: &str, params: Params<'_>) -> Result<Row, RowError> {
        let statement = self.prepared(query)?;
        self.wait(self.client.query_one(&statement, params))
    }

    /// The same for a query that is not asked again.
    pub(super) fn query_once(&mut self, query: &str, params: Params<'_>) -> Result<Row, RowError> {
        self.wait(self.client.query_one(query, params))
    }

    /// Begins a transaction that nobody else's comes between: one at a time holds the ledger's row. That makes them serializable in
    /// effect, and none ever fails because of another; nearly all change that row anyway. Each statement sees what was committed
    /// before the row was free.
    ///
    /// All of it goes out at once, and costs one round trip. Returns the head and the time.
    pub(super) fn begin(&mut self, ledger: i64, worker: i64) -> Result<(Row, Row), RowError> {
        let lock = self.prepared(statement::LOCK_HEAD)?;
        let remember = self.prepared(statement::REMEMBER_WORKER)?;
        let clock = self.prepared(statement::CLOCK)?;
        let lock_params: [&(dyn ToSql + Sync); 1] = [&ledger];
        let remember_params: [&(dyn ToSql + Sync); 2] = [&ledger, &worker];
        let ((), head, _, time) = self.wait(futures_util::future::try_join4(
            self.client
                .batch_execute("BEGIN ISOLATION LEVEL READ COMMITTED, READ WRITE"),
            self.client.query_one(&lock, &lock_params),
            self.client.execute(&remember, &remember_params),
            self.client.query_one(&clock, &[]),
        ))?;
        Ok((head, time))
    }

    /// Begins a transaction that only reads: it sees one state of the ledger, and waits for nobody.
    pub(super) fn begin_reading(&mut self, ledger: i64) -> Result<(Row, Row), RowError> {
        let head = self.prepared(statement::HEAD)?;
        let clock = self.prepared(statement::CLOCK)?;
        let head_params: [&(dyn ToSql + Sync); 1] = [&ledger];
        let ((), head, time) = self.wait(futures_util::future::try_join3(
            self.client
                .batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY"),
            self.client.query_one(&head, &head_params),
            self.client.query_one(&clock, &[]),
        ))?;
        Ok((head, time))
    }

    /// Begins a transaction that holds the row of a class, in one round trip. Returns what the row holds, if there is one, and the time in
    /// microseconds.
    pub(super) fn begin_pace(
        &mut self,
        account: &str,
        class: &str,
    ) -> Result<(Option<String>, i64), RowError> {
        let lock = self.prepared(statement::LOCK_PACE)?;
        let clock = self.prepared(statement::PACE_CLOCK)?;
        let params: [&(dyn ToSql + Sync); 2] = [&account, &class];
        let ((), row, time) = self.wait(futures_util::future::try_join3(
            self.client
                .batch_execute("BEGIN ISOLATION LEVEL READ COMMITTED, READ WRITE"),
            self.client.query_opt(&lock, &params),
            self.client.query_one(&clock, &[]),
        ))?;
        let stored = row.map(|row| row.try_get(0)).transpose()?;
        Ok((stored, time.try_get(0)?))
    }

    /// Adds the row of a class inside the transaction, unless somebody else does so at the same time, and holds it.
    pub(super) fn add_pace(
        &mut self,
        account: &str,
        class: &str,
        pace: &str,
    ) -> Result<(String, i64), RowError> {
        self.execute(statement::ADD_PACE, &[&account, &class, &pace])?;
        let row = self.one(statement::LOCK_PACE, &[&account, &class])?;
        let time = self.one(statement::PACE_CLOCK, &[])?;
        Ok((row.try_get(0)?, time.try_get(0)?))
    }

    /// Changes the row that the transaction holds, and commits, in one round trip.
    pub(super) fn commit_pace(
        &mut self,
        account: &str,
        class: &str,
        pace: &str,
    ) -> Result<(), RowError> {
        let set = self.prepared(statement::SET_PACE)?;
        let params: [&(dyn ToSql + Sync); 3] = [&account, &class, &pace];
        self.wait(futures_util::future::try_join(
            self.client.execute(&set, &params),
            self.client.batch_execute("COMMIT"),
        ))?;
        Ok(())
    }

    /// Sets how long the server may take for an answer from now on.
    pub(super) fn set_timeout(&mut self, timeout: Duration) {
        self.timeout = timeout;
    }

    /// Closes a connection that cannot be used any more, without a word.
    pub(super) fn abandon(self) {
        self.connection.abort();
        drop(self.runtime.block_on(self.connection));
    }

    /// Says goodbye to the server, so that it does not log a lost connection.
    pub(super) fn close(self) {
        let Session {
            runtime,
            client,
            connection,
            ..
        } = self;
        drop(client);
        drop(runtime.block_on(async { timeout(Duration::from_secs(1), connection).await }));
    }
}

fn wait<T>(
    runtime: &Runtime,
    at_most: Duration,
    answer: impl Future<Output = Result<T, tokio_postgres::Error>>,
) -> Result<T, RowError> {
    // A time-out begins inside of the runtime.
    let answer = runtime.block_on(async { timeout(at_most, answer).await });
    Ok(answer.map_err(|_| RowError::NoAnswer)??)
}
