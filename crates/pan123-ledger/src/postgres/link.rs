//! A connection that the threads of a process share. It is on a thread and a runtime of its own, which start with the first use, so that
//! it works inside and outside of any runtime.

use std::rc::Rc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, TryRecvError, channel, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use pan123_proto::ledger::LedgerFault;
use tokio::runtime::Runtime;

use super::fault::{self, RowError};
use super::schema;
use super::session::Session;
use super::settings::Settings;
use super::worker::runtime;

/// How long after a busy row it is tried again. Others have their turn meanwhile.
const BUSY_PAUSE: Duration = Duration::from_millis(50);

/// Work for the thread, and when it is due. It returns when it wants to run again.
type Job = Box<dyn FnMut(&mut Line) -> Option<Instant> + Send>;

pub(super) struct Link {
    settings: Settings,
    /// The way to the thread, if it was started.
    jobs: Mutex<Option<Sender<(Instant, Job)>>>,
}

impl Link {
    pub(super) fn new(settings: Settings) -> Link {
        Link {
            settings,
            jobs: Mutex::new(None),
        }
    }

    pub(super) fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Runs work on the connection, and waits for it no longer than the server may take for an answer. Work whose connection is lost runs
    /// once more on another one.
    pub(super) fn run<T: Send + 'static>(
        &self,
        work: impl FnMut(&mut Session) -> Result<T, RowError> + Send + 'static,
    ) -> Result<T, LedgerFault> {
        self.run_within(self.settings.timeout, work)
    }

    /// The same with another limit.
    pub(super) fn run_within<T: Send + 'static>(
        &self,
        limit: Duration,
        mut work: impl FnMut(&mut Session) -> Result<T, RowError> + Send + 'static,
    ) -> Result<T, LedgerFault> {
        let now = Instant::now();
        let deadline = now + limit;
        let (answer, answered) = sync_channel(1);
        self.post(now, move |line| {
            let result = line.run(deadline, &mut work);
            let again = Instant::now() + BUSY_PAUSE;
            if matches!(result, Err(LedgerFault::Busy(_))) && again < deadline {
                return Some(again);
            }
            drop(answer.send(result));
            None
        })?;
        let limit = deadline.saturating_duration_since(Instant::now());
        match answered.recv_timeout(limit) {
            Ok(result) => result,
            Err(RecvTimeoutError::Timeout) => Err(no_answer(&self.settings)),
            Err(RecvTimeoutError::Disconnected) => Err(LedgerFault::Down(format!(
                "{}: the thread of the connection has ended",
                self.settings.place
            ))),
        }
    }

    /// Has work done at some time, and waits for nothing.
    pub(super) fn post(
        &self,
        due: Instant,
        job: impl FnMut(&mut Line) -> Option<Instant> + Send + 'static,
    ) -> Result<(), LedgerFault> {
        let mut job: (Instant, Job) = (due, Box::new(job));
        let mut jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(to) = &*jobs {
            match to.send(job) {
                Ok(()) => return Ok(()),
                // Its thread has ended: another one starts.
                Err(unsent) => job = unsent.0,
            }
        }
        let (to, from) = channel();
        let settings = self.settings.clone();
        let started = thread::Builder::new()
            .name("pan123-postgres".to_owned())
            .spawn(move || serve(settings, &from));
        started.map_err(|error| LedgerFault::Down(format!("no thread can be started: {error}")))?;
        // The thread ends only when this is dropped, or without a runtime.
        drop(to.send(job));
        *jobs = Some(to);
        Ok(())
    }
}

fn no_answer(settings: &Settings) -> LedgerFault {
    LedgerFault::Down(format!("{}: no answer in time", settings.place))
}

/// Does what is due, in that order, until nobody can ask any more.
fn serve(settings: Settings, jobs: &Receiver<(Instant, Job)>) {
    let Ok(runtime) = runtime() else {
        return;
    };
    let mut line = Line {
        settings,
        runtime,
        session: None,
    };
    let mut waiting: Vec<(Instant, Job)> = Vec::new();
    loop {
        let mut nobody_asks = false;
        loop {
            match jobs.try_recv() {
                Ok(job) => waiting.push(job),
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => {
                    nobody_asks = true;
                    break;
                }
            }
        }
        let now = Instant::now();
        let next = (0..waiting.len()).min_by_key(|index| waiting[*index].0);
        match next {
            Some(next) if waiting[next].0 <= now => {
                let (_, mut job) = waiting.remove(next);
                if let Some(again) = job(&mut line) {
                    waiting.push((again, job));
                }
            }
            _ if nobody_asks => break,
            Some(next) => match jobs.recv_timeout(waiting[next].0 - now) {
                Ok(job) => waiting.push(job),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {}
            },
            None => match jobs.recv() {
                Ok(job) => waiting.push(job),
                Err(_) => break,
            },
        }
    }
    if let Some(session) = line.session.take() {
        session.close();
    }
}

/// The connection, if there is one, on its thread.
pub(super) struct Line {
    settings: Settings,
    runtime: Rc<Runtime>,
    session: Option<Session>,
}

impl Line {
    pub(super) fn run<T>(
        &mut self,
        deadline: Instant,
        mut work: impl FnMut(&mut Session) -> Result<T, RowError>,
    ) -> Result<T, LedgerFault> {
        if let Some(mut session) = self.session.take() {
            session.set_timeout(self.left(deadline)?);
            let result = work(&mut session);
            let is_lost = |error: &RowError| error.is_lost_connection();
            if !result.as_ref().is_err_and(is_lost) {
                return self.end(session, result);
            }
        }
        let mut session = self.connect(deadline)?;
        session.set_timeout(self.left(deadline)?);
        let result = work(&mut session);
        self.end(session, result)
    }

    fn left(&self, deadline: Instant) -> Result<Duration, LedgerFault> {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(no_answer(&self.settings));
        }
        Ok(left)
    }

    fn connect(&self, deadline: Instant) -> Result<Session, LedgerFault> {
        let mut settings = self.settings.clone();
        settings.timeout = self.left(deadline)?;
        let prepare = || {
            let (mut session, _) = Session::connect(&self.runtime, &settings)?;
            session.batch("BEGIN")?;
            schema::prepare(&mut session, &settings.place)?;
            session.batch("COMMIT")?;
            session.batch(SHORT_TRANSACTIONS)?;
            Ok(session)
        };
        prepare().map_err(|error| fault::of_open(&settings.place, error))
    }

    /// Keeps the session if it can be used again.
    fn end<T>(&mut self, session: Session, result: Result<T, RowError>) -> Result<T, LedgerFault> {
        let place = &self.settings.place;
        let result = result.map_err(|error| fault::of_open(place, error));
        let is_usable = match &result {
            Ok(_) => true,
            Err(LedgerFault::Busy(_)) => session.batch("ROLLBACK").is_ok(),
            Err(_) => false,
        };
        if is_usable {
            self.session = Some(session);
        } else {
            session.abandon();
        }
        result
    }
}

/// Transactions here take two round trips. A client that is frozen or cut off in the middle of one keeps the others waiting for no longer
/// than this; and one row that somebody keeps locked does not hold up what is about other rows.
const SHORT_TRANSACTIONS: &str =
    "SET lock_timeout = '500ms'; SET idle_in_transaction_session_timeout = '2s'";
