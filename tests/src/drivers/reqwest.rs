//! The adapter on reqwest, over loopback.

use pan123_async::{Client, reqwest};
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
use crate::drive_calls::{DriveCall, by_methods};
use crate::failing_store::FailingStore;
use crate::observed::{Observed, Outcome};
use crate::run::{Caller, make_call, run_scenario};
use crate::scenario::{Call, Scenario};
use crate::set_up;

impl Caller for ClockedClient<Client> {
    async fn create(&self, download: &Download) -> Result<TaskId, Error> {
        let offline = self.client.offline_download();
        self.clock.drive(offline.download(download)).await
    }

    async fn progress(&self, task: TaskId) -> Result<Progress, Error> {
        let offline = self.client.offline_download();
        self.clock.drive(offline.progress(task)).await
    }

    async fn user_info(&self) -> Result<UserInfo, Error> {
        self.clock.drive(self.client.user_info()).await
    }

    async fn events(
        &self,
        task: TaskId,
        policy: WatchPolicy,
    ) -> Vec<Result<WatchEvent, WatchError>> {
        let mut watch = self.client.offline_download().watch_with(task, policy);
        let mut events = Vec::new();
        while let Some(event) = self.clock.drive(watch.next()).await {
            events.push(event);
        }
        events
    }

    async fn wait(&self, task: TaskId) -> Result<Downloaded, WatchError> {
        let offline = self.client.offline_download();
        self.clock.drive(offline.wait(task)).await
    }

    async fn wait_for_file(
        &self,
        task: TaskId,
        target: ExpectedFile,
    ) -> Result<Downloaded, WatchError> {
        let offline = self.client.offline_download();
        self.clock.drive(offline.wait_for_file(task, target)).await
    }

    async fn list(
        &self,
        files: ListFiles,
        with_trashed: bool,
        mut on_entry: impl FnMut(),
    ) -> Vec<Result<Entry, Error>> {
        let listing = self.client.files().list_with(files);
        let mut listing = listing.with_trashed(with_trashed);
        let mut entries = Vec::new();
        while let Some(entry) = self.clock.drive(listing.next()).await {
            entries.push(entry);
            on_entry();
        }
        entries
    }

    async fn find(&self, path: &str) -> Result<Option<Entry>, Error> {
        self.clock.drive(self.client.files().find(path)).await
    }

    async fn ensure_dir(&self, path: &str) -> Result<DirId, Error> {
        self.clock.drive(self.client.files().ensure_dir(path)).await
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
        let run = async {
            while let Some(event) = running.next().await {
                on_event(&event, &handle);
            }
        };
        self.clock.drive(run).await;
        Ok(running.report().expect("it has ended").clone())
    }

    fn session(&self) -> &Session {
        self.client.session()
    }

    /// Runs apart from its caller: the clock counts it as its spawner.
    async fn authorize(&self, code: &str, redirect_uri: &str) -> Result<(), Error> {
        self.client.authorize(code, redirect_uri).await
    }

    async fn drive_call(&self, call: &DriveCall) -> Outcome {
        let call = async { by_methods!(&self.client, call, await) };
        self.clock.drive(call).await
    }

    async fn send<E: Endpoint>(&self, endpoint: &E) -> Result<E::Response, Error> {
        self.clock.drive(self.client.send(endpoint)).await
    }

    async fn send_as<T: DeserializeOwned + Send + 'static, E: Endpoint>(
        &self,
        endpoint: &E,
    ) -> Result<T, Error> {
        self.clock.drive(self.client.send_as(endpoint)).await
    }

    async fn together(&self, callers: usize, call: &Call, last: Option<TaskId>) -> Vec<Outcome> {
        let spawn = |_| {
            let (client, call, mut last) = (self.clone(), call.clone(), last);
            tokio::spawn(async move { make_call(&client, &call, &mut last).await })
        };
        let tasks: Vec<_> = (0..callers).map(spawn).collect();
        let mut outcome = Vec::new();
        for task in tasks {
            outcome.extend(task.await.expect("no call panics"));
        }
        outcome
    }
}

/// Runs a scenario.
pub(super) fn run(scenario: &Scenario, location: Location) -> Observed {
    let setup = Setup::new(scenario, location);
    let store = FailingStore::default();
    let make = || {
        let builder = set_up!(
            Client::builder(),
            &scenario.settings,
            scenario.seed,
            setup.base_url(scenario)
        );
        // Loading the certificates of the machine takes long, and nothing here needs them.
        let carrier = reqwest::Client::builder().tls_certs_only([]);
        let mut builder = builder.with_client_builder(carrier);
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
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    let (results, _client) = runtime.block_on(run_scenario(make, &store, &setup, scenario));
    setup.observed(results)
}
