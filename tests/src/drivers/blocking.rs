//! The adapter on ureq, over loopback.

use std::sync::Barrier;
use std::thread::{self, ScopedJoinHandle};

use pan123_blocking::Client;
use pan123_proto::file::{Entry, ListFiles};
use pan123_proto::offline::{
    Download, Downloaded, ExpectedFile, Progress, WatchError, WatchEvent, WatchPolicy,
};
use pan123_proto::user::UserInfo;
use pan123_proto::{CopyTaskId, DirId, Endpoint, Error, ImageBedTaskId, TaskId};
use serde::de::DeserializeOwned;

use super::Place;
use super::stage::Stage;
use crate::block_on::block_on;
use crate::drive_calls::{DriveCall, by_methods};
use crate::lossy::LossyStore;
use crate::play::{Caller, perform, play_all};
use crate::scenario::{Call, Scenario};
use crate::seen::{Seen, Told};
use crate::set_up;

impl Caller for Client {
    async fn create(&self, download: &Download) -> Result<TaskId, Error> {
        self.offline_download().download(download)
    }

    async fn progress(&self, task: TaskId) -> Result<Progress, Error> {
        self.offline_download().progress(task)
    }

    async fn user_info(&self) -> Result<UserInfo, Error> {
        Client::user_info(self)
    }

    async fn events(
        &self,
        task: TaskId,
        policy: WatchPolicy,
    ) -> Vec<Result<WatchEvent, WatchError>> {
        self.offline_download().watch_with(task, policy).collect()
    }

    async fn wait(&self, task: TaskId) -> Result<Downloaded, WatchError> {
        self.offline_download().wait(task)
    }

    async fn wait_for_file(
        &self,
        task: TaskId,
        target: ExpectedFile,
    ) -> Result<Downloaded, WatchError> {
        self.offline_download().wait_for_file(task, target)
    }

    async fn list(
        &self,
        files: ListFiles,
        with_trashed: bool,
        mut came: impl FnMut(),
    ) -> Vec<Result<Entry, Error>> {
        let listing = self.files().list_with(files).with_trashed(with_trashed);
        listing.inspect(|_| came()).collect()
    }

    async fn find(&self, path: &str) -> Result<Option<Entry>, Error> {
        self.files().find(path)
    }

    async fn ensure_dir(&self, path: &str) -> Result<DirId, Error> {
        self.files().ensure_dir(path)
    }

    async fn authorize(&self, code: &str, redirect_uri: &str) -> Result<(), Error> {
        Client::authorize(self, code, redirect_uri)
    }

    async fn drive_call(&self, call: &DriveCall) -> Told {
        by_methods!(self, call)
    }

    async fn send<E: Endpoint>(&self, endpoint: &E) -> Result<E::Response, Error> {
        Client::send(self, endpoint)
    }

    async fn send_as<T: DeserializeOwned + Send + 'static, E: Endpoint>(
        &self,
        endpoint: &E,
    ) -> Result<T, Error> {
        Client::send_as(self, endpoint)
    }

    async fn together(&self, callers: usize, call: &Call, last: Option<TaskId>) -> Vec<Told> {
        let ready = Barrier::new(callers);
        let at_once = |mut last| {
            ready.wait();
            block_on(perform(self, call, &mut last))
        };
        thread::scope(|scope| {
            let spawn = |_| scope.spawn(|| at_once(last));
            let threads: Vec<_> = (0..callers).map(spawn).collect();
            let told = threads.into_iter().map(ScopedJoinHandle::join);
            told.flat_map(|told| told.expect("no call panics"))
                .collect()
        })
    }
}

/// Plays a scenario.
pub(super) fn play(scenario: &Scenario, place: Place) -> Seen {
    let stage = Stage::new(scenario, place);
    let store = LossyStore::default();
    let make = || {
        let mut builder = set_up!(
            Client::builder(),
            &scenario.settings,
            scenario.seed,
            stage.base_url(scenario)
        );
        if scenario.settings.identity.is_app() {
            builder = builder.token_store(store.clone());
        }
        let client = builder.clock(stage.clock.clone()).build();
        client.expect("the settings of a scenario are good")
    };
    let results = block_on(play_all(make, &store, &stage, scenario));
    stage.seen(results)
}
