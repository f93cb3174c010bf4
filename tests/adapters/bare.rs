//! The async client without a runtime: another transport, another clock, a minimal executor.

use std::time::Duration;

use pan123_mock::TaskScript;
use pan123_mock::path::ACCESS_TOKEN;
use pan123_tests::block_on::block_on;

use crate::both::download;
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
