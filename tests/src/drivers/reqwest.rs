//! The adapter on reqwest, over loopback.

use pan123_async::{Client, reqwest};
use pan123_proto::file::{Entry, ListFiles};
use pan123_proto::offline::{
    Download, Downloaded, ExpectedFile, Progress, WatchError, WatchEvent, WatchPolicy,
};
use pan123_proto::user::UserInfo;
use pan123_proto::{CopyTaskId, DirId, Endpoint, Error, ImageBedTaskId, TaskId};
use serde::de::DeserializeOwned;

use super::Place;
use super::stage::Stage;
use crate::drive_calls::{DriveCall, by_methods};
use crate::lossy::LossyStore;
use crate::play::{Caller, perform, play_all};
use crate::scenario::{Call, Scenario};
use crate::seen::{Seen, Told};
use crate::set_up;

impl Caller for Client {
    async fn create(&self, download: &Download) -> Result<TaskId, Error> {
        self.offline_download().download(download).await
    }

    async fn progress(&self, task: TaskId) -> Result<Progress, Error> {
        self.offline_download().progress(task).await
    }

    async fn user_info(&self) -> Result<UserInfo, Error> {
        Client::user_info(self).await
    }

    async fn events(
        &self,
        task: TaskId,
        policy: WatchPolicy,
    ) -> Vec<Result<WatchEvent, WatchError>> {
        let mut watch = self.offline_download().watch_with(task, policy);
        let mut events = Vec::new();
        while let Some(event) = watch.next().await {
            events.push(event);
        }
        events
    }

    async fn wait(&self, task: TaskId) -> Result<Downloaded, WatchError> {
        self.offline_download().wait(task).await
    }

    async fn wait_for_file(
        &self,
        task: TaskId,
        target: ExpectedFile,
    ) -> Result<Downloaded, WatchError> {
        self.offline_download().wait_for_file(task, target).await
    }

    async fn list(
        &self,
        files: ListFiles,
        with_trashed: bool,
        mut came: impl FnMut(),
    ) -> Vec<Result<Entry, Error>> {
        let mut listing = self.files().list_with(files).with_trashed(with_trashed);
        let mut entries = Vec::new();
        while let Some(entry) = listing.next().await {
            entries.push(entry);
            came();
        }
        entries
    }

    async fn find(&self, path: &str) -> Result<Option<Entry>, Error> {
        self.files().find(path).await
    }

    async fn ensure_dir(&self, path: &str) -> Result<DirId, Error> {
        self.files().ensure_dir(path).await
    }

    async fn authorize(&self, code: &str, redirect_uri: &str) -> Result<(), Error> {
        Client::authorize(self, code, redirect_uri).await
    }

    async fn drive_call(&self, call: &DriveCall) -> Told {
        by_methods!(self, call, await)
    }

    async fn send<E: Endpoint>(&self, endpoint: &E) -> Result<E::Response, Error> {
        Client::send(self, endpoint).await
    }

    async fn send_as<T: DeserializeOwned + Send + 'static, E: Endpoint>(
        &self,
        endpoint: &E,
    ) -> Result<T, Error> {
        Client::send_as(self, endpoint).await
    }

    async fn together(&self, callers: usize, call: &Call, last: Option<TaskId>) -> Vec<Told> {
        let spawn = |_| {
            let (client, call, mut last) = (self.clone(), call.clone(), last);
            tokio::spawn(async move { perform(&client, &call, &mut last).await })
        };
        let tasks: Vec<_> = (0..callers).map(spawn).collect();
        let mut told = Vec::new();
        for task in tasks {
            told.extend(task.await.expect("no call panics"));
        }
        told
    }
}

/// Plays a scenario.
pub(super) fn play(scenario: &Scenario, place: Place) -> Seen {
    let stage = Stage::new(scenario, place);
    let store = LossyStore::default();
    let make = || {
        let builder = set_up!(
            Client::builder(),
            &scenario.settings,
            scenario.seed,
            stage.base_url(scenario)
        );
        // The certificates of the machine take their time to load, and nothing here needs them.
        let carrier = reqwest::Client::builder().tls_certs_only([]);
        let mut builder = builder.with_client_builder(carrier);
        if scenario.settings.identity.is_app() {
            builder = builder.token_store(store.clone());
        }
        let client = builder.clock(stage.clock.clone()).build();
        client.expect("the settings of a scenario are good")
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    let results = runtime.block_on(play_all(make, &store, &stage, scenario));
    stage.seen(results)
}
