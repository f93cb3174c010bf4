//! How a driver runs a scenario: one piece of code for all of them.

use std::time::{Duration, SystemTime};

use http::Method;
use pan123_proto::file::{Entry, ListFiles};
use pan123_proto::offline::{
    Download, Downloaded, ExpectedFile, Progress, WatchError, WatchEvent, WatchPolicy,
};
use pan123_proto::user::UserInfo;
use pan123_proto::{DirId, Endpoint, Error, Idempotency, Query, RateClass, TaskId};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::drive_calls::DriveCall;
use crate::failing_store::FailingStore;
use crate::observed::Outcome;
use crate::scenario::{Act, Call, Code, Of, Scenario, Trash};
use crate::service_access::{REDIRECT_URI, ServiceAccess, first_code};

/// What a user of a client can call. A blocking client blocks in it.
pub trait Caller {
    /// Creates an offline download.
    fn create(&self, download: &Download) -> impl Future<Output = Result<TaskId, Error>>;

    /// Asks for the progress.
    fn progress(&self, task: TaskId) -> impl Future<Output = Result<Progress, Error>>;

    /// Asks who the user is.
    fn user_info(&self) -> impl Future<Output = Result<UserInfo, Error>>;

    /// Follows a task, and gives all that its watch tells.
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

    /// Reads a list to its end, and tells of each entry that it came.
    fn list(
        &self,
        files: ListFiles,
        with_trashed: bool,
        came: impl FnMut(),
    ) -> impl Future<Output = Vec<Result<Entry, Error>>>;

    /// Looks for the entry at a path.
    fn find(&self, path: &str) -> impl Future<Output = Result<Option<Entry>, Error>>;

    /// Makes a folder as far as it is missing.
    fn ensure_dir(&self, path: &str) -> impl Future<Output = Result<DirId, Error>>;

    /// Exchanges a code for the first pair of tokens.
    fn authorize(&self, code: &str, redirect_uri: &str) -> impl Future<Output = Result<(), Error>>;

    /// Calls one endpoint of the drive or the image bed, by the method that there is for it.
    fn drive_call(&self, call: &DriveCall) -> impl Future<Output = Outcome>;

    /// Calls any endpoint.
    fn send<E: Endpoint>(&self, endpoint: &E) -> impl Future<Output = Result<E::Response, Error>>;

    /// Calls any endpoint, and reads the answer as another type.
    fn send_as<T: DeserializeOwned + Send + 'static, E: Endpoint>(
        &self,
        endpoint: &E,
    ) -> impl Future<Output = Result<T, Error>>;

    /// Makes so many of the same call at once, as this kind of client is used: in tasks, or in threads.
    fn together(
        &self,
        callers: usize,
        call: &Call,
        last: Option<TaskId>,
    ) -> impl Future<Output = Vec<Outcome>>;
}

/// What a scenario can do besides calling.
pub trait Environment {
    /// Somebody else comes to the service.
    fn elsewhere(&self, act: fn(&mut dyn ServiceAccess, SystemTime));

    /// Time passes for all.
    fn later(&self, by: Duration);

    /// The clock of the service goes ahead.
    fn ahead(&self, by: Duration);

    /// The client's calendar is set by so many seconds.
    fn calendar(&self, by: i64);

    /// How much time has passed for all.
    fn elapsed(&self) -> Duration;

    /// Nobody has anything left to do: a refresh that goes on after its callers, for one, has given the lock back.
    fn settle(&self);
}

/// Runs a scenario to its end, with a client that is made anew when its process begins anew.
pub async fn run_scenario<C: Caller>(
    make: impl Fn() -> C,
    store: &FailingStore,
    environment: &impl Environment,
    scenario: &Scenario,
) -> Vec<Outcome> {
    let mut caller = make();
    let mut other = None;
    let mut last = None;
    let mut outcome = Vec::new();
    for act in &scenario.acts {
        if scenario.settings.has_store() {
            environment.settle();
        }
        let begun = environment.elapsed();
        let mut came = Vec::new();
        match act {
            Act::Authorize(code) => {
                let code = match code {
                    Code::Given => first_code(scenario.seed),
                    Code::Wrong => "no-such-code".to_owned(),
                };
                came = vec![Outcome::of(&caller.authorize(&code, REDIRECT_URI).await)];
            }
            Act::Call(call) => came = make_call(&caller, call, &mut last).await,
            Act::OtherProcess(call) => {
                let other = other.get_or_insert_with(&make);
                came = make_call(other, call, &mut last).await;
            }
            Act::Together(callers, call) => came = caller.together(*callers, call, last).await,
            Act::ListWhile(files, after, act) => {
                let mut entries = 0;
                let count = || {
                    entries += 1;
                    if entries == *after {
                        environment.elsewhere(*act);
                    }
                };
                let listed = caller.list(files.clone(), false, count).await;
                came = listed.iter().map(Outcome::entry).collect();
            }
            Act::Restart => caller = make(),
            Act::FailSaves(saves) => store.fail_saves(*saves),
            Act::Others(act) => environment.elsewhere(*act),
            Act::Advance(by) => environment.later(*by),
            Act::AdvanceService(by) => environment.ahead(*by),
            Act::SetCalendar(by) => environment.calendar(*by),
        }
        let took = environment.elapsed().saturating_sub(begun);
        outcome.extend(came.into_iter().map(|outcome| Outcome { took, ..outcome }));
    }
    outcome
}

/// Makes a call. The task created last is `last`, and is set by a call that creates one.
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
            // Every file of a scenario is younger.
            let target = ExpectedFile::of(download, SystemTime::UNIX_EPOCH);
            match caller.wait_for_file(task(*of, *last), target).await {
                Ok(downloaded) => Outcome::landed(&downloaded.file),
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
            Outcome::of(&caller.send_as::<Named, _>(&detail).await)
        }
    };
    vec![outcome]
}

/// The task that is meant, after this one was created last.
///
/// # Panics
///
/// If the scenario speaks of a task that no call before created, or of task 0.
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

/// Where it is.
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

/// What it answers.
#[derive(Debug, Deserialize)]
#[allow(dead_code, reason = "it is read to be shown")]
pub struct Detail {
    filename: String,
    size: u64,
}

/// What another reader takes from it.
#[derive(Debug, Deserialize)]
#[allow(dead_code, reason = "it is read to be shown")]
struct Named {
    filename: String,
}
