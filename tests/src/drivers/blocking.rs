//! The adapter on ureq, over loopback.

use std::sync::Barrier;
use std::thread::{self, ScopedJoinHandle};

use pan123_blocking::Client;
use pan123_proto::batch::{BatchEvent, BatchHandle, BatchReport};
use pan123_proto::file::{Entry, ListFiles};
use pan123_proto::ledger::{LedgerFault, MemoryLedger};
use pan123_proto::offline::{
    Download, Downloaded, ExpectedFile, Progress, WatchError, WatchEvent, WatchPolicy,
};
use pan123_proto::user::UserInfo;
use pan123_proto::{CopyTaskId, DirId, Endpoint, Error, ImageBedTaskId, Session, TaskId};
use serde::de::DeserializeOwned;

use super::setup::Setup;
use super::{ClockedClient, Location};
use crate::batch_run::BatchRun;
use crate::block_on::block_on;
use crate::drive_calls::{DriveCall, by_methods};
use crate::failing_store::FailingStore;
use crate::observed::{Observed, Outcome};
use crate::run::{Caller, make_call, run_scenario};
use crate::scenario::{Call, Scenario};
use crate::set_up;

impl Caller for ClockedClient<Client> {
    async fn create(&self, download: &Download) -> Result<TaskId, Error> {
        let offline = self.client.offline_download();
        self.clock.drive_blocking(|| offline.download(download))
    }

    async fn progress(&self, task: TaskId) -> Result<Progress, Error> {
        let offline = self.client.offline_download();
        self.clock.drive_blocking(|| offline.progress(task))
    }

    async fn user_info(&self) -> Result<UserInfo, Error> {
        self.clock.drive_blocking(|| self.client.user_info())
    }

    async fn events(
        &self,
        task: TaskId,
        policy: WatchPolicy,
    ) -> Vec<Result<WatchEvent, WatchError>> {
        let watch = self.client.offline_download().watch_with(task, policy);
        self.clock.drive_blocking(|| watch.collect())
    }

    async fn wait(&self, task: TaskId) -> Result<Downloaded, WatchError> {
        let offline = self.client.offline_download();
        self.clock.drive_blocking(|| offline.wait(task))
    }

    async fn wait_for_file(
        &self,
        task: TaskId,
        target: ExpectedFile,
    ) -> Result<Downloaded, WatchError> {
        let offline = self.client.offline_download();
        self.clock
            .drive_blocking(|| offline.wait_for_file(task, target))
    }

    async fn list(
        &self,
        files: ListFiles,
        with_trashed: bool,
        mut on_entry: impl FnMut(),
    ) -> Vec<Result<Entry, Error>> {
        let listing = self.client.files().list_with(files);
        let listing = listing.with_trashed(with_trashed);
        let entries = listing.inspect(|_| on_entry());
        self.clock.drive_blocking(|| entries.collect())
    }

    async fn find(&self, path: &str) -> Result<Option<Entry>, Error> {
        self.clock.drive_blocking(|| self.client.files().find(path))
    }

    async fn ensure_dir(&self, path: &str) -> Result<DirId, Error> {
        let files = self.client.files();
        self.clock.drive_blocking(|| files.ensure_dir(path))
    }

    async fn batch(
        &self,
        ledger: &MemoryLedger,
        batch: &BatchRun,
        mut on_event: impl FnMut(&BatchEvent, &BatchHandle),
    ) -> Result<BatchReport, LedgerFault> {
        let offline = self.client.offline_download();
        let mut running = offline.batch_with(ledger, batch.items.clone(), batch.policy.clone())?;
        let handle = running.handle();
        self.clock.drive_blocking(|| {
            for event in running.by_ref() {
                on_event(&event, &handle);
            }
        });
        Ok(running.report().expect("it has ended").clone())
    }

    fn session(&self) -> &Session {
        self.client.session()
    }

    async fn authorize(&self, code: &str, redirect_uri: &str) -> Result<(), Error> {
        let authorize = || self.client.authorize(code, redirect_uri);
        self.clock.drive_blocking(authorize)
    }

    async fn drive_call(&self, call: &DriveCall) -> Outcome {
        self.clock
            .drive_blocking(|| by_methods!(&self.client, call))
    }

    async fn send<E: Endpoint>(&self, endpoint: &E) -> Result<E::Response, Error> {
        self.clock.drive_blocking(|| self.client.send(endpoint))
    }

    async fn send_as<T: DeserializeOwned + Send + 'static, E: Endpoint>(
        &self,
        endpoint: &E,
    ) -> Result<T, Error> {
        self.clock.drive_blocking(|| self.client.send_as(endpoint))
    }

    async fn together(&self, callers: usize, call: &Call, last: Option<TaskId>) -> Vec<Outcome> {
        let ready = Barrier::new(callers);
        let at_once = |mut last| {
            ready.wait();
            block_on(make_call(self, call, &mut last))
        };
        thread::scope(|scope| {
            let spawn = |_| scope.spawn(|| at_once(last));
            let threads: Vec<_> = (0..callers).map(spawn).collect();
            let outcome = threads.into_iter().map(ScopedJoinHandle::join);
            outcome
                .flat_map(|outcome| outcome.expect("no call panics"))
                .collect()
        })
    }
}

/// Runs a scenario.
pub(super) fn run(scenario: &Scenario, location: Location) -> Observed {
    let setup = Setup::new(scenario, location);
    let store = FailingStore::default();
    let make = || {
        let mut builder = set_up!(
            Client::builder(),
            &scenario.settings,
            scenario.seed,
            setup.base_url(scenario)
        );
        if scenario.settings.has_store() {
            builder = builder.token_store(store.clone());
        }
        let clock = setup.clock.clone();
        let client = builder.clock(clock.clone()).spawner(clock.clone()).build();
        ClockedClient {
            client: client.expect("the settings of a scenario are good"),
            clock,
        }
    };
    let (results, _client) = block_on(run_scenario(make, &store, &setup, scenario));
    setup.observed(results)
}
