//! A watch whose `next` is dropped again and again, as in a `select!`, loses nothing and repeats nothing.

use std::future::poll_fn;
use std::pin::pin;

use futures_core::Stream;

use pan123_mock::TaskScript;
use pan123_mock::path::OFFLINE_PROGRESS;
use pan123_proto::TaskId;
use pan123_tests::transports::poll_once;

use crate::adapters::both::{download, on_tokio};
use pan123_tests::fixture::Fixture;

async fn world_with_task(script: TaskScript) -> (Fixture, pan123_async::Client, TaskId) {
    let fixture = Fixture::new(script);
    let client = fixture.client();
    let offline = client.offline_download();
    let created = fixture.clock.drive(offline.download(&download()));
    let task = created.await.expect("a task");
    (fixture, client, task)
}

/// Other calls go on, and the wait of the dropped `next` does not delay them.
#[test]
fn dropped_next_does_not_delay_other_calls() {
    on_tokio(async {
        let (fixture, client, task) = world_with_task(TaskScript::never_ends()).await;
        let offline = client.offline_download();
        let mut watch = offline.watch(task);
        fixture.clock.drive(watch.next()).await.unwrap().unwrap();
        let working = fixture.clock.enter();
        assert!(
            poll_once(pin!(fixture.clock.drive(watch.next())))
                .await
                .is_none()
        );
        drop(working);
        for _ in 0..20 {
            let call = fixture.clock.drive(offline.download(&download()));
            call.await.unwrap();
        }
        assert_eq!(fixture.transport.sent(OFFLINE_PROGRESS), 1);
        fixture.clock.drive(watch.next()).await.unwrap().unwrap();
        assert_eq!(fixture.transport.sent(OFFLINE_PROGRESS), 2);
    });
}

#[test]
fn watch_is_a_stream() {
    on_tokio(async {
        let (fixture, client, task) = world_with_task(TaskScript::succeeds_after(3)).await;
        let mut watch = pin!(client.offline_download().watch(task));
        // A stream is polled directly, so that the test holds the guard.
        let _driven = fixture.clock.enter();
        let mut events = 0;
        while let Some(event) = poll_fn(|context| watch.as_mut().poll_next(context)).await {
            event.unwrap();
            events += 1;
        }
        assert_eq!((events, fixture.transport.sent(OFFLINE_PROGRESS)), (3, 3));
    });
}
