//! A client of either adapter without sockets, and what it logs.

use pan123_mock::path::OFFLINE_DOWNLOAD;
use pan123_mock::{Service, TaskScript};
use pan123_proto::offline::Download;
use pan123_proto::{Endpoint, Error, TaskId};
use pan123_tests::block_on::block_on;
use pan123_tests::logs::logged;
use serde_json::{Map, Value};

use pan123_tests::fixture::Fixture;

#[derive(Clone, Copy, Debug)]
pub(crate) enum Adapter {
    Async,
    Blocking,
}

pub(crate) const BOTH: [Adapter; 2] = [Adapter::Async, Adapter::Blocking];

/// What a client does, by either adapter.
pub(crate) struct LoggedClient<'a> {
    fixture: &'a Fixture,
    adapter: Adapter,
}

impl LoggedClient<'_> {
    pub(crate) fn send<E: Endpoint>(&self, endpoint: &E) -> Result<E::Response, Error> {
        match self.adapter {
            Adapter::Async => block_on(
                self.fixture
                    .clock
                    .drive(self.fixture.client().send(endpoint)),
            ),
            Adapter::Blocking => self
                .fixture
                .clock
                .drive_blocking(|| self.fixture.blocking().send(endpoint)),
        }
    }

    /// Two downloads with one client.
    pub(crate) fn create_two(&self) -> Result<TaskId, Error> {
        let download = Download::new("https://example.com/a").expect("a URL");
        match self.adapter {
            Adapter::Async => {
                let offline = self.fixture.client().offline_download();
                block_on(self.fixture.clock.drive(offline.download(&download)))?;
                block_on(self.fixture.clock.drive(offline.download(&download)))
            }
            Adapter::Blocking => {
                let offline = self.fixture.blocking().offline_download();
                let create = || offline.download(&download);
                self.fixture.clock.drive_blocking(create)?;
                self.fixture.clock.drive_blocking(create)
            }
        }
    }

    /// A download whose future is dropped when its request was sent.
    pub(crate) fn drop_create(&self, url: &str) {
        let download = Download::new(url).expect("a URL");
        self.fixture.transport.hold(OFFLINE_DOWNLOAD);
        let client = self.fixture.client();
        let offline = client.offline_download();
        let dropped = async {
            tokio::select! {
                created = self.fixture.clock.drive(offline.download(&download)) => panic!("{created:?}"),
                () = self.fixture.transport.until_sent(OFFLINE_DOWNLOAD, 1) => {}
            }
            self.fixture.transport.release();
            while client.session().detached_in_flight() > 0 {
                tokio::task::yield_now().await;
            }
        };
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        runtime.expect("a runtime").block_on(dropped);
    }

    pub(crate) fn wait(&self, task: TaskId) {
        let done = match self.adapter {
            Adapter::Async => {
                let offline = self.fixture.client().offline_download();
                block_on(self.fixture.clock.drive(offline.wait(task)))
            }
            Adapter::Blocking => {
                let offline = self.fixture.blocking().offline_download();
                self.fixture.clock.drive_blocking(|| offline.wait(task))
            }
        };
        done.expect("the task succeeds");
    }
}

/// Returns what this adapter logs during these calls.
pub(crate) fn logs(
    adapter: Adapter,
    prepare: impl FnOnce(&mut Service),
    act: impl FnOnce(&LoggedClient<'_>),
) -> Vec<Value> {
    let fixture = Fixture::new(TaskScript::succeeds_after(3));
    fixture.transport.service(prepare);
    let lines = logged(|| {
        act(&LoggedClient {
            fixture: &fixture,
            adapter,
        });
        fixture.clock.until_idle();
    });
    let ours = |line: &Value| line["target"] == "pan123";
    lines.into_iter().filter(ours).collect()
}

/// The events with this text, by their fields.
pub(crate) fn events(lines: &[Value], message: &str) -> Vec<Map<String, Value>> {
    let fields = lines.iter().map(|line| &line["fields"]);
    let with_text = fields.filter(|fields| fields["message"] == message);
    with_text
        .map(|fields| {
            let mut fields = fields.as_object().cloned().unwrap_or_default();
            fields.remove("message");
            fields
        })
        .collect()
}

/// The spans of this endpoint that ended, by their fields.
pub(crate) fn spans(lines: &[Value], endpoint: &str) -> Vec<Value> {
    let closed = lines
        .iter()
        .filter(|line| line["fields"]["message"] == "close");
    let spans = closed.map(|line| line["span"].clone());
    spans.filter(|span| span["endpoint"] == endpoint).collect()
}
