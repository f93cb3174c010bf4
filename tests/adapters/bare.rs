//! The async client without a runtime: another transport, another clock, a minimal executor.

use std::time::Duration;

use pan123_mock::path::ACCESS_TOKEN;
use pan123_mock::{CLIENT_ID, CLIENT_SECRET, TaskScript};
use pan123_tests::block_on::block_on;
use pan123_tests::clock::JumpClock;

use crate::adapters::both::download;
use pan123_tests::fixture::Fixture;

#[test]
fn client_without_runtime_creates_and_follows_a_task() {
    let fixture = Fixture::new(TaskScript::succeeds_after(4));
    let client = fixture.client();
    let done = block_on(fixture.clock.drive(async {
        let offline = client.offline_download();
        let task = offline.download(&download()).await.unwrap();
        offline.wait(task).await.unwrap()
    }));
    assert!(done.progress.status.is_final());
    assert_eq!(fixture.transport.sent(ACCESS_TOKEN), 1);
    assert!(fixture.clock.elapsed() > Duration::from_secs(2));
}

/// Without a runtime neither the default transport nor the default clock works.
#[test]
#[should_panic(expected = "Tokio")]
fn default_transport_panics_without_a_runtime() {
    let client = pan123_async::Client::builder()
        .access_token("eyJ.of.somebody")
        .base_url("http://127.0.0.1:1")
        .clock(JumpClock::new())
        .build()
        .unwrap();
    let _ = block_on(client.user_info());
}

#[test]
#[should_panic(expected = "Tokio")]
fn default_clock_panics_without_a_runtime() {
    let fixture = Fixture::new(TaskScript::succeeds_after(4));
    let client = pan123_async::Client::builder()
        .credentials(CLIENT_ID, CLIENT_SECRET)
        .transport(fixture.transport.clone())
        .build()
        .unwrap();
    let offline = client.offline_download();
    let _ = block_on(async {
        let task = offline.download(&download()).await.unwrap();
        offline.wait(task).await
    });
}
