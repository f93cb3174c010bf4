//! The async client without a runtime: another transport, another clock, and the least that runs a future.

use std::time::Duration;

use pan123_mock::path::{ACCESS_TOKEN, USER_INFO};
use pan123_mock::{CLIENT_ID, CLIENT_SECRET, CannedResponse, TaskScript};
use pan123_tests::block_on::block_on;
use pan123_tests::clock::JumpClock;

use crate::both::download;
use crate::worlds::World;

#[test]
fn a_task_is_created_and_followed() {
    let world = World::new(TaskScript::succeeds_after(4));
    let client = world.client();
    let done = block_on(world.clock.drive(async {
        let offline = client.offline_download();
        let task = offline.download(&download()).await.unwrap();
        offline.wait(task).await.unwrap()
    }));
    assert!(done.progress.status.is_final());
    assert_eq!(world.held.sent(ACCESS_TOKEN), 1);
    assert!(world.clock.elapsed() > Duration::from_secs(2));
}

/// The refresh is driven in place, with all its waits and attempts.
#[test]
fn a_token_is_fetched_at_the_second_attempt() {
    let world = World::new(TaskScript::default());
    let status = pan123_mock::http::StatusCode::BAD_GATEWAY;
    world.held.service(|service| {
        service.respond_next(ACCESS_TOKEN, CannedResponse::raw(status, "<html>"));
        service.respond_next(ACCESS_TOKEN, CannedResponse::envelope(429, "请求太频繁"));
    });
    let client = world.client();
    block_on(world.clock.drive(client.user_info())).unwrap();
    assert_eq!(
        (world.held.sent(ACCESS_TOKEN), world.held.sent(USER_INFO)),
        (3, 1)
    );
    assert!(world.clock.elapsed() >= Duration::from_secs(1));
}

/// What the documentation says under "Panics": without a runtime neither the default transport nor the default clock works.
#[test]
#[should_panic(expected = "Tokio")]
fn the_default_transport_panics_without_a_runtime() {
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
fn the_default_clock_panics_without_a_runtime() {
    let world = World::new(TaskScript::succeeds_after(4));
    let client = pan123_async::Client::builder()
        .credentials(CLIENT_ID, CLIENT_SECRET)
        .transport(world.held.clone())
        .build()
        .unwrap();
    let offline = client.offline_download();
    let _ = block_on(async {
        let task = offline.download(&download()).await.unwrap();
        offline.wait(task).await
    });
}
