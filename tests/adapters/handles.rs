//! Stopping and nudging from elsewhere.

use std::thread;
use std::time::Duration;

use pan123_mock::path::{OFFLINE_DOWNLOAD, OFFLINE_PROGRESS};
use pan123_mock::{CannedResponse, Service, TaskScript};
use pan123_proto::offline::{GetDownloadProgress, WatchError, WatchEvent};
use pan123_proto::{Error, ErrorKind, TransportError};
use pan123_tests::carriers::{Held, Scripted};
use pan123_tests::clock::JumpClock;

use crate::both::{download, on_tokio};
use crate::worlds::{World, task};

#[test]
fn stopping_a_watch_drops_the_request_that_is_out() {
    on_tokio(async {
        let world = World::new(TaskScript::never_ends());
        let client = world.client();
        let offline = client.offline_download();
        let created = world.clock.drive(offline.download(&download()));
        let task = created.await.unwrap();
        world.held.hold(OFFLINE_PROGRESS);
        let mut watch = client.offline_download().watch(task);
        let handle = watch.handle();
        let following = async move { (watch.next().await, watch.next().await) };
        let following = tokio::spawn(world.clock.drive(following));
        world.held.until_sent(OFFLINE_PROGRESS, 1).await;
        assert_eq!(world.held.dropped(), 0);
        handle.stop();
        let (end, after) = following.await.unwrap();
        assert!(
            matches!(end, Some(Err(WatchError::Stopped { .. }))),
            "{end:?}"
        );
        assert!(after.is_none());
        assert_eq!(world.held.dropped(), 1);
    });
}

#[test]
fn stopping_a_create_that_is_out_leaves_it_in_doubt() {
    on_tokio(async {
        let world = World::new(TaskScript::default());
        let client = world.client();
        world.held.hold(OFFLINE_DOWNLOAD);
        let call = client.session().call(&download()).unwrap();
        let handle = call.handle();
        let creating = tokio::spawn(world.clock.drive(client.drive(call)));
        world.held.until_sent(OFFLINE_DOWNLOAD, 1).await;
        handle.stop();
        let error = creating.await.unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Ambiguous, "{error:?}");
        assert_eq!(world.held.dropped(), 1);
    });
}

#[test]
fn stopping_a_call_ends_its_wait() {
    on_tokio(async {
        let world = World::new(TaskScript::default());
        world.held.service(|service| {
            service.respond_next(
                OFFLINE_PROGRESS,
                CannedResponse::envelope(429, "请求太频繁"),
            );
        });
        let client = world.client();
        // Somebody who works: the clock does not jump over the wait.
        let working = world.clock.enter();
        let call = client
            .session()
            .call(&GetDownloadProgress::new(task()))
            .unwrap();
        let handle = call.handle();
        let asking = tokio::spawn(world.clock.drive(client.drive(call)));
        world.held.until_sent(OFFLINE_PROGRESS, 1).await;
        tokio::task::yield_now().await;
        handle.stop();
        let error = asking.await.unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Stopped, "{error:?}");
        assert_eq!(world.clock.elapsed(), Duration::ZERO);
        drop(working);
    });
}

#[test]
fn a_nudge_ends_the_wait_of_an_async_watch() {
    on_tokio(async {
        let world = World::new(TaskScript::succeeds_after(2));
        let client = world.client();
        let offline = client.offline_download();
        let created = world.clock.drive(offline.download(&download()));
        let task = created.await.unwrap();
        let mut watch = client.offline_download().watch(task);
        let handle = watch.handle();
        let first = world.clock.drive(watch.next()).await;
        first.unwrap().unwrap();
        // The next poll would be due in a second, and its slot in a fifth of one.
        let working = world.clock.enter();
        world.clock.advance(Duration::from_millis(200));
        let before = world.clock.elapsed();
        let following = tokio::spawn(world.clock.drive(async move { watch.next().await }));
        while world.clock.resting() == 0 {
            tokio::task::yield_now().await;
        }
        handle.nudge();
        let event = following.await.unwrap().unwrap().unwrap();
        assert!(matches!(event, WatchEvent::Progress(seen) if seen.status.is_final()));
        assert_eq!(world.clock.elapsed(), before);
        drop(working);
    });
}

#[test]
fn a_nudge_and_a_stop_end_the_waits_of_a_blocking_watch() {
    let world = World::new(TaskScript::never_ends());
    let client = world.blocking();
    let offline = client.offline_download();
    let created = world.clock.drive_blocking(|| offline.download(&download()));
    let task = created.unwrap();
    let mut watch = client.offline_download().watch(task);
    let handle = watch.handle();
    let first = world.clock.drive_blocking(|| watch.next());
    first.unwrap().unwrap();
    let working = world.clock.enter();
    world.clock.advance(Duration::from_millis(200));
    let before = world.clock.elapsed();
    let clock = world.clock.clone();
    let mut next = move || clock.drive_blocking(|| watch.next());
    let following = thread::spawn(move || (next(), next(), next()));
    world.clock.until_resting(1);
    handle.nudge();
    world.held.block_until_sent(OFFLINE_PROGRESS, 2);
    world.clock.until_resting(1);
    handle.stop();
    let (second, end, after) = following.join().unwrap();
    assert!(
        matches!(second, Some(Ok(WatchEvent::Progress(_)))),
        "{second:?}"
    );
    assert!(
        matches!(end, Some(Err(WatchError::Stopped { .. }))),
        "{end:?}"
    );
    assert!(after.is_none());
    assert_eq!(world.clock.elapsed(), before);
    drop(working);
}

/// The request of a blocking watch cannot be dropped: what came of it is told, and then the end.
#[test]
fn a_stopped_blocking_watch_ends_after_its_answer() {
    let world = World::new(TaskScript::never_ends());
    let client = world.blocking();
    let offline = client.offline_download();
    let created = world.clock.drive_blocking(|| offline.download(&download()));
    let task = created.unwrap();
    world.held.hold(OFFLINE_PROGRESS);
    let mut watch = client.offline_download().watch(task);
    let handle = watch.handle();
    let clock = world.clock.clone();
    let mut next = move || clock.drive_blocking(|| watch.next());
    let following = thread::spawn(move || (next(), next(), next()));
    world.held.block_until_sent(OFFLINE_PROGRESS, 1);
    handle.stop();
    world.held.release();
    let (answered, end, after) = following.join().unwrap();
    assert!(
        matches!(answered, Some(Ok(WatchEvent::Progress(_)))),
        "{answered:?}"
    );
    assert!(
        matches!(end, Some(Err(WatchError::Stopped { .. }))),
        "{end:?}"
    );
    assert!(after.is_none());
    assert_eq!(world.held.sent(OFFLINE_PROGRESS), 1);
}

#[test]
fn a_stopped_blocking_call_ends_after_its_timeout() {
    let clock = JumpClock::new();
    let held = Held::new(Service::default(), &clock);
    let theirs = held.clone();
    let times_out = Scripted(move |transmit| {
        drop(pan123_blocking::context::Transport::send(&theirs, transmit));
        Err(TransportError::timed_out())
    });
    let client = pan123_blocking::Client::builder()
        .access_token("eyJ.of.somebody")
        .transport(times_out)
        .clock(clock.clone())
        .spawner(clock.clone())
        .build()
        .unwrap();
    held.hold(OFFLINE_PROGRESS);
    let call = client
        .session()
        .call(&GetDownloadProgress::new(task()))
        .unwrap();
    let handle = call.handle();
    let asking = thread::spawn(move || clock.drive_blocking(|| client.drive(call)));
    held.block_until_sent(OFFLINE_PROGRESS, 1);
    handle.stop();
    held.release();
    let error = asking.join().unwrap().unwrap_err();
    assert!(matches!(error, Error::Stopped), "{error:?}");
    assert_eq!(held.sent(OFFLINE_PROGRESS), 1, "it is not tried again");
}
