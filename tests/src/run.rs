//! How a driver runs a scenario: the same code for all drivers.

use std::time::{Duration, SystemTime};

use http::Method;
use pan123_proto::batch::{BatchEvent, BatchHandle, BatchReport};
use pan123_proto::file::{Entry, ListFiles};
use pan123_proto::ledger::{Ledger, LedgerFault, MemoryLedger};
use pan123_proto::offline::{
    Download, Downloaded, ExpectedFile, Progress, WatchError, WatchEvent, WatchPolicy,
};
use pan123_proto::user::UserInfo;
use pan123_proto::{DirId, Endpoint, Error, Idempotency, Query, RateClass, Session, TaskId};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::batch_run::BatchRun;
use crate::drive_calls::DriveCall;
use crate::failing_store::FailingStore;
use crate::observed::Outcome;
use crate::scenario::{Act, Call, Code, Of, Scenario, Trash};
use crate::service_access::{REDIRECT_URI, ServiceAccess, first_code};

/// The calls of a client. A blocking client blocks in them.
pub trait Caller {
    /// Creates an offline download.
    fn create(&self, download: &Download) -> impl Future<Output = Result<TaskId, Error>>;

    /// Asks for the progress.
    fn progress(&self, task: TaskId) -> impl Future<Output = Result<Progress, Error>>;

    /// Asks who the user is.
    fn user_info(&self) -> impl Future<Output = Result<UserInfo, Error>>;

    /// Follows a task and returns all events of its watch.
    fn events(
        &self,
        task: TaskId,
        policy: WatchPolicy,
    ) -> impl Future<Output = Vec<Result<WatchEvent, WatchError>>>;

    /// Follows a task to its end.
    fn wait(&self, task: TaskId) -> impl Future<Output = Result<Downloaded, WatchError>>;

    /// Follows a task to its end, and looks for its file.
    fn wait_for_file(
        &self,
        task: TaskId,
        target: ExpectedFile,
    ) -> impl Future<Output = Result<Downloaded, WatchError>>;

    /// Reads a list to its end, and calls the closure after each entry.
    fn list(
        &self,
        files: ListFiles,
        with_trashed: bool,
        on_entry: impl FnMut(),
    ) -> impl Future<Output = Vec<Result<Entry, Error>>>;

    /// Looks for the entry at a path.
    fn find(&self, path: &str) -> impl Future<Output = Result<Option<Entry>, Error>>;

    /// Creates the folders of a path that are missing.
    fn ensure_dir(&self, path: &str) -> impl Future<Output = Result<DirId, Error>>;

    /// Runs a batch, and calls the closure after each event.
    fn batch(
        &self,
        ledger: &MemoryLedger,
        batch: &BatchRun,
        on_event: impl FnMut(&BatchEvent, &BatchHandle),
    ) -> impl Future<Output = Result<BatchReport, LedgerFault>>;

    /// The session.
    fn session(&self) -> &Session;

    /// Exchanges a code for the first pair of tokens.
    fn authorize(&self, code: &str, redirect_uri: &str) -> impl Future<Output = Result<(), Error>>;

    /// Calls one endpoint of the drive or the image bed by its method.
    fn drive_call(&self, call: &DriveCall) -> impl Future<Output = Outcome>;

    /// Calls any endpoint.
    fn send<E: Endpoint>(&self, endpoint: &E) -> impl Future<Output = Result<E::Response, Error>>;

    /// Calls any endpoint and reads its data as another type.
    fn send_as<T: DeserializeOwned + Send + 'static, E: Endpoint>(
        &self,
        endpoint: &E,
    ) -> impl Future<Output = Result<T, Error>>;

    /// Makes the same call several times concurrently: in tasks or in threads, as this kind of client is used.
    fn together(
        &self,
        callers: usize,
        call: &Call,
        last: Option<TaskId>,
    ) -> impl Future<Output = Vec<Outcome>>;
}

/// What a scenario can do besides calls.
pub trait Environment {
    /// Others use the service.
    fn visit_service(&self, act: fn(&mut dyn ServiceAccess, SystemTime));

    /// Moves the time of the client and the service on.
    fn advance(&self, by: Duration);

    /// Sets the service's clock forward.
    fn advance_service(&self, by: Duration);

    /// Sets the client's wall clock by this many seconds.
    fn set_wall_clock(&self, by: i64);

    /// Returns how much time has passed.
    fn elapsed(&self) -> Duration;

    /// Waits until no work runs: a detached fetch, for example, has released the lock.
    fn settle(&self);
}

/// Runs a scenario to its end. A restart of the client's process makes a new client.
///
/// Returns the client as well: until it is dropped, a token fetch goes on.
pub async fn run_scenario<C: Caller>(
    make: impl Fn() -> C,
    store: &FailingStore,
    environment: &impl Environment,
    scenario: &Scenario,
) -> (Vec<Outcome>, C) {
    let mut caller = make();
    let mut other = None;
    let mut last = None;
    let ledger = MemoryLedger::new();
    let mut all = Vec::new();
    for act in &scenario.acts {
        if scenario.settings.has_store() {
            environment.settle();
        }
        let begun = environment.elapsed();
        let mut outcomes = Vec::new();
        match act {
            Act::Authorize(code) => {
                let code = match code {
                    Code::Given => first_code(scenario.seed),
                    Code::Wrong => "no-such-code".to_owned(),
                };
                outcomes = vec![Outcome::of(&caller.authorize(&code, REDIRECT_URI).await)];
            }
            Act::Call(call) => outcomes = make_call(&caller, call, &mut last).await,
            Act::OtherProcess(call) => {
                let other = other.get_or_insert_with(&make);
                outcomes = make_call(other, call, &mut last).await;
            }
            Act::Together(callers, call) => outcomes = caller.together(*callers, call, last).await,
            Act::ListWhile(files, after, act) => {
                let mut entries = 0;
                let count = || {
                    entries += 1;
                    if entries == *after {
                        environment.visit_service(*act);
                    }
                };
                let listed = caller.list(files.clone(), false, count).await;
                outcomes = listed.iter().map(Outcome::entry).collect();
            }
            Act::Batch(batch) => outcomes = run_batch(&caller, &ledger, batch).await,
            Act::Restart => caller = make(),
            Act::FailSaves(saves) => store.fail_saves(*saves),
            Act::StoreFault(fault) => store.set_fault(*fault),
            Act::Others(act) => environment.visit_service(*act),
            Act::Advance(by) => environment.advance(*by),
            Act::AdvanceService(by) => environment.advance_service(*by),
            Act::SetWallClock(by) => environment.set_wall_clock(*by),
        }
        let took = environment.elapsed().saturating_sub(begun);
        all.extend(
            outcomes
                .into_iter()
                .map(|outcome| Outcome { took, ..outcome }),
        );
    }
    (all, caller)
}

async fn run_batch<C: Caller>(caller: &C, ledger: &MemoryLedger, batch: &BatchRun) -> Vec<Outcome> {
    let mut observer = batch.observe();
    let on_event = |event: &_, handle: &_| observer.on_event(event, handle);
    let report = caller.batch(ledger, batch, on_event).await;
    let mut ledger = ledger
        .open(&caller.session().ledger_account())
        .expect("the ledger of this account");
    observer.ended(report, &mut *ledger)
}

/// Makes a call. `last` is the newest task; a call that creates one sets it.
pub async fn make_call<C: Caller>(
    caller: &C,
    call: &Call,
    last: &mut Option<TaskId>,
) -> Vec<Outcome> {
    let outcome = match call {
        Call::Create(download) => {
            let created = caller.create(download).await;
            if let Ok(task) = created {
                *last = Some(task);
            }
            Outcome::of(&created)
        }
        Call::Progress(of) => Outcome::of(&caller.progress(task(*of, *last)).await),
        Call::UserInfo => Outcome::of(&caller.user_info().await),
        Call::Watch(of, policy) => {
            let events = caller.events(task(*of, *last), policy.clone()).await;
            return events.iter().map(Outcome::event).collect();
        }
        Call::Wait(of) => match caller.wait(task(*of, *last)).await {
            Ok(downloaded) => Outcome::ok(downloaded),
            Err(error) => Outcome::watch(&error),
        },
        Call::WaitForFile(of, download) => {
            // Every file of a scenario is newer.
            let target = ExpectedFile::of(download, SystemTime::UNIX_EPOCH);
            match caller.wait_for_file(task(*of, *last), target).await {
                Ok(downloaded) => Outcome::file_lookup(&downloaded.file),
                Err(error) => Outcome::watch(&error),
            }
        }
        Call::List(files, trash) => {
            let with_trashed = *trash == Trash::With;
            let listed = caller.list(files.clone(), with_trashed, || ()).await;
            return listed.iter().map(Outcome::entry).collect();
        }
        Call::Find(path) => match caller.find(path).await {
            Ok(Some(entry)) => Outcome::entry(&Ok(entry)),
            none => Outcome::of(&none.map(|_| None::<()>)),
        },
        Call::Drive(call) => caller.drive_call(call).await,
        Call::EnsureDir(path) => Outcome::of(&caller.ensure_dir(path).await),
        Call::Detail(file) => Outcome::of(&caller.send(&FileDetail { file: *file }).await),
        Call::DetailAs(file) => {
            let detail = FileDetail { file: *file };
            Outcome::of(&caller.send_as::<NameOnly, _>(&detail).await)
        }
    };
    vec![outcome]
}

/// Returns the task that is meant, given the newest one.
///
/// # Panics
///
/// If the scenario means a task that was not created before, or task 0.
#[must_use]
pub fn task(of: Of, last: Option<TaskId>) -> TaskId {
    match of {
        Of::Last => last.expect("a call before this one creates a task"),
        Of::Task(id) => TaskId::new(id).expect("no task is 0"),
    }
}

/// An endpoint that the core does not have, as a user writes it.
#[derive(Debug)]
pub struct FileDetail {
    file: u64,
}

/// Its path.
pub const FILE_DETAIL: &str = "/api/v1/file/detail";

impl Endpoint for FileDetail {
    const METHOD: Method = Method::GET;
    const PATH: &'static str = FILE_DETAIL;
    const RATE: RateClass = RateClass::new("file/detail", Duration::from_millis(200));
    const IDEMPOTENCY: Idempotency = Idempotency::Idempotent;
    type Response = Detail;

    fn query(&self, query: &mut Query) {
        query.push("fileID", self.file);
        query.push("note", "空 格&=+/?#");
    }
}

/// Its data.
#[derive(Debug, Deserialize)]
#[allow(dead_code, reason = "it is read to be shown")]
pub struct Detail {
    filename: String,
    size: u64,
}

/// The same data, read as another type.
#[derive(Debug, Deserialize)]
#[allow(dead_code, reason = "it is read to be shown")]
struct NameOnly {
    filename: String,
}
