//! The thread of one open handle: it holds the connection, and carries out one transaction after the other.

use std::path::{Path, PathBuf};
use std::rc::Rc;

use pan123_proto::Account;
use pan123_proto::ledger::{
    Head, LedgerAnswer, LedgerFault, LedgerOp, Millis, SpilledTask, Terms, Transaction, WorkerId,
    run,
};
use tokio::runtime::Runtime;

use super::fault::{self, RowError};
use super::ledger::LedgerSettings;
use super::schema;
use super::server::{self, Server};
use super::session::Session;
use super::statement;
use super::table::Rows;
use crate::spill::{self, LedgerName, WorkerFile};

pub(super) struct Worker {
    settings: LedgerSettings,
    runtime: Rc<Runtime>,
    session: Option<Session>,
    ledger: i64,
    id: WorkerId,
    file: WorkerFile,
    /// The files of this ledger's workers have this name, with a suffix.
    path: PathBuf,
    /// Why the handle is of no more use.
    broken: Option<LedgerFault>,
}

pub(super) fn runtime() -> Result<Rc<Runtime>, LedgerFault> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = runtime
        .map_err(|error| LedgerFault::Down(format!("no runtime can be started: {error}")))?;
    Ok(Rc::new(runtime))
}

/// Lets the ledger be used on the server on which it is now.
pub(super) fn confirm(settings: &LedgerSettings, account: &Account) -> Result<(), LedgerFault> {
    let runtime = runtime()?;
    let place = &settings.connection.place;
    let failed = |error| fault::of_open(place, error);
    let (mut session, server) = Session::connect(&runtime, &settings.connection).map_err(failed)?;
    let mut confirm = || {
        session.batch("BEGIN")?;
        schema::prepare(&mut session, place)?;
        let mut ledger = schema::enter(&mut session, account, &server)?;
        if ledger.servers.last() != Some(&server) {
            ledger.servers.push(server.clone());
        }
        let servers = schema::encode(&ledger.servers)?;
        session.execute(statement::SET_SERVERS, &[&ledger.number, &servers])?;
        session.batch("COMMIT")?;
        Ok(ledger.number)
    };
    let number = confirm().map_err(failed)?;
    session.close();
    server::remember(&settings.spill, account, number, &server)
}

impl Worker {
    pub(super) fn open(settings: LedgerSettings, account: &Account) -> Result<Worker, LedgerFault> {
        let runtime = runtime()?;
        let place = &settings.connection.place;
        let failed = |error| fault::of_open(place, error);
        let (mut session, server) =
            Session::connect(&runtime, &settings.connection).map_err(failed)?;
        session.batch("BEGIN").map_err(failed)?;
        schema::prepare(&mut session, place).map_err(failed)?;
        let mut ledger = schema::enter(&mut session, account, &server).map_err(failed)?;
        server::check(place, &settings.spill, account, &ledger, &server)?;
        let worker = schema::register(&mut session, &mut ledger).map_err(failed)?;
        let path = settings.spill.join(format!("{:016x}", ledger.number));
        // The others of this machine do not look for it before the end of this transaction.
        let file = WorkerFile::create(name_of(&path, ledger.number), worker, settings.slots)?;
        session.batch("COMMIT").map_err(failed)?;
        server::remember(&settings.spill, account, ledger.number, &server)?;
        Ok(Worker {
            runtime,
            session: Some(session),
            ledger: ledger.number,
            id: worker,
            file,
            path,
            broken: None,
            settings,
        })
    }

    pub(super) fn spill_room(&self) -> usize {
        self.file.room()
    }

    pub(super) fn spill(&mut self, task: SpilledTask) -> Result<(), LedgerFault> {
        self.file.keep(task)
    }

    pub(super) fn run(
        &mut self,
        transaction: Transaction,
    ) -> Result<Vec<LedgerAnswer>, LedgerFault> {
        if let Some(fault) = &self.broken {
            return Err(fault.clone());
        }
        let created = spill::created_in(&transaction);
        let result = self.transact(transaction);
        match &result {
            Ok(_) => self.file.forget(&created),
            Err(fault) if fault.is_final() => self.broken = Some(fault.clone()),
            Err(_) => {}
        }
        result
    }

    fn transact(&mut self, transaction: Transaction) -> Result<Vec<LedgerAnswer>, LedgerFault> {
        let place = self.settings.connection.place.clone();
        let reads = |op: &LedgerOp| matches!(op, LedgerOp::Counts | LedgerOp::List(_));
        let reads = transaction.ops.iter().all(reads);
        let (mut session, begun) = self.begin(reads)?;
        let result = begun
            .and_then(|begun| self.carry_out(&mut session, &begun, transaction))
            .map_err(|error| {
                let is_usable = !matches!(error, RowError::NoAnswer) && !error.is_lost_connection();
                (is_usable, fault::of_transaction(&place, error))
            });
        match result {
            Ok((answers, dead)) => {
                // What fails from here on may have happened.
                if let Err(error) = session.batch("COMMIT") {
                    return Err(LedgerFault::Down(format!(
                        "{place}: nobody knows whether it was recorded: {error}"
                    )));
                }
                self.session = Some(session);
                for file in dead {
                    file.remove();
                }
                Ok(answers)
            }
            Err((is_usable, fault)) => {
                if is_usable && session.batch("ROLLBACK").is_ok() {
                    self.session = Some(session);
                }
                Err(fault)
            }
        }
    }

    /// Begins a transaction. A connection that was lost since the last one is made anew: nothing has happened on it.
    fn begin(&mut self, reads: bool) -> Result<(Session, Result<Begun, RowError>), LedgerFault> {
        if let Some(mut session) = self.session.take() {
            let begun = self.begin_on(&mut session, reads);
            let is_lost = |error: &RowError| error.is_lost_connection();
            if !begun.as_ref().is_err_and(is_lost) {
                return Ok((session, begun));
            }
        }
        let mut session = self.reconnect()?;
        let begun = self.begin_on(&mut session, reads);
        Ok((session, begun))
    }

    fn begin_on(&self, session: &mut Session, reads: bool) -> Result<Begun, RowError> {
        let (head, time) = if reads {
            session.begin_reading(self.ledger)?
        } else {
            session.begin(self.ledger, self.id.0.cast_signed())?
        };
        Ok(Begun {
            head: schema::decode(head.try_get(0)?)?,
            time: time.try_get::<_, i64>(0)?.cast_unsigned(),
        })
    }

    fn reconnect(&mut self) -> Result<Session, LedgerFault> {
        let place = &self.settings.connection.place;
        let failed = |error| fault::of_transaction(place, error);
        let (mut session, server) =
            Session::connect(&self.runtime, &self.settings.connection).map_err(failed)?;
        let row = session
            .query_once(statement::SERVERS, &[&self.ledger])
            .map_err(failed)?;
        let servers: &str = row.try_get(0).map_err(|error| failed(error.into()))?;
        let servers: Vec<Server> = schema::decode(servers).map_err(failed)?;
        server::check_row(place, &servers, &server)?;
        Ok(session)
    }

    fn carry_out(
        &self,
        session: &mut Session,
        begun: &Begun,
        transaction: Transaction,
    ) -> Result<(Vec<LedgerAnswer>, Vec<spill::DeadFile>), RowError> {
        let now = if self.settings.callers_clock {
            transaction.now_millis()
        } else {
            begun.time
        };
        let looks_for_dead =
            |op: &LedgerOp| matches!(op, LedgerOp::Claim { .. } | LedgerOp::Settle { .. });
        let looks_for_dead = transaction.ops.iter().any(looks_for_dead);
        let mut rows = Rows {
            session,
            ledger: self.ledger,
            head: begun.head,
            lease: Millis::try_from(self.settings.lease.as_millis()).unwrap_or(Millis::MAX),
            now,
        };
        let mut files = Vec::new();
        if looks_for_dead {
            // What a dead worker kept aside counts before its items are taken over, and before anybody settles them.
            let dead = spill::dead_files(name_of(&self.path, self.ledger));
            for (worker, file) in dead.map_err(RowError::WorkerFile)? {
                let kept = Transaction::new(transaction.now, spill::replay(&file.tasks));
                run(&mut rows, Terms::new(worker, now), kept)?;
                rows.set_gone(worker)?;
                files.push(file);
            }
        }
        let answers = run(&mut rows, Terms::new(self.id, now), transaction)?;
        Ok((answers, files))
    }

    /// Gives up what the worker holds.
    pub(super) fn leave(mut self) {
        if self.broken.is_none()
            && let Ok((mut session, Ok(_))) = self.begin(false)
        {
            let params: [&(dyn tokio_postgres::types::ToSql + Sync); 2] =
                [&self.ledger, &self.id.0.cast_signed()];
            let left = session.execute(statement::SET_GONE, &params);
            if left.and_then(|_| session.batch("COMMIT")).is_ok() {
                self.session = Some(session);
            }
        }
        if let Some(session) = self.session.take() {
            session.close();
        }
    }
}

/// The first answers in a transaction.
struct Begun {
    head: Head,
    time: Millis,
}

fn name_of(path: &Path, ledger: i64) -> LedgerName<'_> {
    LedgerName {
        path,
        number: ledger.cast_unsigned(),
    }
}
