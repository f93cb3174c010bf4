//! Stopping and nudging from elsewhere.

use std::thread;
use std::time::Duration;

use pan123_mock::path::OFFLINE_PROGRESS;
use pan123_mock::{Service, TaskScript};
use pan123_proto::offline::{GetDownloadProgress, WatchError, WatchEvent};
use pan123_proto::{Error, TransportError};
use pan123_tests::clock::JumpClock;
use pan123_tests::transports::{Scripted, ServiceTransport};

use crate::adapters::both::{download, on_tokio};
use pan123_tests::fixture::{Fixture, task};

#[test]
fn stop_of_a_watch_drops_its_request_in_flight() {
    on_tokio(async {
        let fixture = Fixture::new(TaskScript::never_ends());
        let client = fixture.client();
        let offline = client.offline_download();
        let created = fixture.clock.drive(offline.download(&download()));
        let task = created.await.unwrap();
        fixture.transport.hold(OFFLINE_PROGRESS);
        let mut watch = client.offline_download().watch(task);
        let handle = watch.handle();
        let following = async move { (watch.next().await, watch.next().await) };
        let following = tokio::spawn(fixture.clock.drive(following));
        fixture.transport.until_sent(OFFLINE_PROGRESS, 1).await;
        assert_eq!(fixture.transport.dropped(), 0);
        handle.stop();
        let (end, after) = following.await.unwrap();
        assert!(
            matches!(end, Some(Err(WatchError::Stopped { .. }))),
            "{end:?}"
        );
        assert!(after.is_none());
        assert_eq!(fixture.transport.dropped(), 1);
    });
}

#[test]
fn nudge_ends_the_wait_of_an_async_watch() {
    on_tokio(async {
        let fixture = Fixture::new(TaskScript::succeeds_after(2));
        let client = fixture.client();
        let offline = client.offline_download();
        let created = fixture.clock.drive(offline.download(&download()));
        let task = created.await.unwrap();
        let mut watch = client.offline_download().watch(task);
        let handle = watch.handle();
        let first = fixture.clock.drive(watch.next()).await;
        first.unwrap().unwrap();
        // The next poll would be due in a second, and its slot in a fifth of one.
        let working = fixture.clock.enter();
        fixture.clock.advance(Duration::from_millis(200));
        let before = fixture.clock.elapsed();
        let following = tokio::spawn(fixture.clock.drive(async move { watch.next().await }));
        while fixture.clock.waiting() == 0 {
            tokio::task::yield_now().await;
        }
        handle.nudge();
        let event = following.await.unwrap().unwrap().unwrap();
        assert!(matches!(event, WatchEvent::Progress(observed) if observed.status.is_final()));
        assert_eq!(fixture.clock.elapsed(), before);
        drop(working);
    });
}

/// Creates a download with the blocking client, and returns its watch.
fn blocking_watch(fixture: &Fixture) -> pan123_blocking::Watch {
    let offline = fixture.blocking().offline_download();
    let clock = &fixture.clock;
    let task = clock.drive_blocking(|| offline.download(&download()));
    offline.watch(task.expect("a task"))
}

#[test]
fn nudge_and_stop_end_the_waits_of_a_blocking_watch() {
    let fixture = Fixture::new(TaskScript::never_ends());
    let mut watch = blocking_watch(&fixture);
    let handle = watch.handle();
    let first = fixture.clock.drive_blocking(|| watch.next());
    first.unwrap().unwrap();
    let working = fixture.clock.enter();
    fixture.clock.advance(Duration::from_millis(200));
    let before = fixture.clock.elapsed();
    let clock = fixture.clock.clone();
    let mut next = move || clock.drive_blocking(|| watch.next());
    let following = thread::spawn(move || (next(), next(), next()));
    fixture.clock.until_waiting(1);
    handle.nudge();
    fixture.transport.block_until_sent(OFFLINE_PROGRESS, 2);
    fixture.clock.until_waiting(1);
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
    assert_eq!(fixture.clock.elapsed(), before);
    drop(working);
}

/// Over a transport that does not interrupt a request, its event comes first, and then the end.
#[test]
fn stopped_blocking_watch_ends_after_its_response() {
    let fixture = Fixture::new(TaskScript::never_ends());
    let mut watch = blocking_watch(&fixture);
    fixture.transport.hold(OFFLINE_PROGRESS);
    let handle = watch.handle();
    let clock = fixture.clock.clone();
    let mut next = move || clock.drive_blocking(|| watch.next());
    let following = thread::spawn(move || (next(), next(), next()));
    fixture.transport.block_until_sent(OFFLINE_PROGRESS, 1);
    handle.stop();
    fixture.transport.release();
    let (responded, end, after) = following.join().unwrap();
    assert!(
        matches!(responded, Some(Ok(WatchEvent::Progress(_)))),
        "{responded:?}"
    );
    assert!(
        matches!(end, Some(Err(WatchError::Stopped { .. }))),
        "{end:?}"
    );
    assert!(after.is_none());
    assert_eq!(fixture.transport.sent(OFFLINE_PROGRESS), 1);
}

#[test]
fn stopped_blocking_call_ends_after_its_timeout() {
    let clock = JumpClock::new();
    let transport = ServiceTransport::new(Service::default(), &clock);
    let theirs = transport.clone();
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
    transport.hold(OFFLINE_PROGRESS);
    let call = client
        .session()
        .call(&GetDownloadProgress::new(task()))
        .unwrap();
    let handle = call.handle();
    let asking = thread::spawn(move || clock.drive_blocking(|| client.drive(call)));
    transport.block_until_sent(OFFLINE_PROGRESS, 1);
    handle.stop();
    transport.release();
    let error = asking.join().unwrap().unwrap_err();
    assert!(matches!(error, Error::Stopped), "{error:?}");
    assert_eq!(transport.sent(OFFLINE_PROGRESS), 1, "it is not tried again");
}
