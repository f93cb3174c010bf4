//! A watch whose `next` is dropped again and again, as in a `select!`, loses nothing and repeats nothing.

use std::future::poll_fn;
use std::pin::pin;

use futures_core::Stream;

use pan123_mock::TaskScript;
use pan123_mock::path::OFFLINE_PROGRESS;
use pan123_proto::TaskId;
use pan123_proto::offline::WatchEvent;
use pan123_tests::carriers::poll_once;

use crate::both::{download, on_tokio};
use crate::worlds::World;

async fn world_with_task(course: TaskScript) -> (World, pan123_async::Client, TaskId) {
    let world = World::new(course);
    let client = world.client();
    let offline = client.offline_download();
    let created = world.clock.drive(offline.download(&download()));
    let task = created.await.expect("a task");
    (world, client, task)
}

#[test]
fn in_the_middle_of_its_request() {
    on_tokio(async {
        let (world, client, task) = world_with_task(TaskScript::succeeds_after(3)).await;
        let mut watch = client.offline_download().watch(task);
        for polls in 1..=3 {
            world.held.hold(OFFLINE_PROGRESS);
            for _ in 0..100 {
                assert!(
                    poll_once(pin!(world.clock.drive(watch.next())))
                        .await
                        .is_none()
                );
            }
            assert_eq!(world.held.sent(OFFLINE_PROGRESS), polls);
            world.held.release();
            world.clock.drive(watch.next()).await.unwrap().unwrap();
        }
        assert!(world.clock.drive(watch.next()).await.is_none());
        assert_eq!(world.held.sent(OFFLINE_PROGRESS), 3);
        assert_eq!(world.held.dropped(), 0);
    });
}

#[test]
fn everywhere_and_it_still_ends() {
    on_tokio(async {
        let (world, client, task) = world_with_task(TaskScript::succeeds_after(6)).await;
        world.held.pause(5);
        let mut watch = client.offline_download().watch(task);
        let mut events = Vec::new();
        let mut cancelled = 0;
        loop {
            match poll_once(pin!(world.clock.drive(watch.next()))).await {
                Some(Some(event)) => events.push(event.unwrap()),
                Some(None) => break,
                None => cancelled += 1,
            }
            assert!(cancelled < 10_000, "it does not end");
        }
        assert!(cancelled >= 6 * 5, "{cancelled}");
        assert_eq!((events.len(), world.held.sent(OFFLINE_PROGRESS)), (6, 6));
        let last = events.pop().unwrap();
        assert!(matches!(last, WatchEvent::Progress(seen) if seen.status.is_final()));
        assert_eq!(world.held.dropped(), 0);
    });
}

#[test]
fn and_is_then_driven_to_its_end() {
    on_tokio(async {
        let (world, client, task) = world_with_task(TaskScript::succeeds_after(3)).await;
        world.held.hold(OFFLINE_PROGRESS);
        let mut watch = client.offline_download().watch(task);
        assert!(
            poll_once(pin!(world.clock.drive(watch.next())))
                .await
                .is_none()
        );
        assert_eq!(world.held.sent(OFFLINE_PROGRESS), 1);
        world.held.release();
        let done = world.clock.drive(watch.to_end()).await.unwrap();
        assert_eq!(done.task, task);
        assert_eq!(world.held.sent(OFFLINE_PROGRESS), 3);
        assert_eq!(world.held.dropped(), 0);
    });
}

/// Others go on meanwhile, and the wait that is left behind holds nobody up.
#[test]
fn while_others_go_on() {
    on_tokio(async {
        let (world, client, task) = world_with_task(TaskScript::never_ends()).await;
        let offline = client.offline_download();
        let mut watch = offline.watch(task);
        world.clock.drive(watch.next()).await.unwrap().unwrap();
        let working = world.clock.enter();
        assert!(
            poll_once(pin!(world.clock.drive(watch.next())))
                .await
                .is_none()
        );
        drop(working);
        for _ in 0..20 {
            let call = world.clock.drive(offline.download(&download()));
            call.await.unwrap();
        }
        assert_eq!(world.held.sent(OFFLINE_PROGRESS), 1);
        world.clock.drive(watch.next()).await.unwrap().unwrap();
        assert_eq!(world.held.sent(OFFLINE_PROGRESS), 2);
    });
}

#[test]
fn a_watch_is_a_stream_too() {
    on_tokio(async {
        let (world, client, task) = world_with_task(TaskScript::succeeds_after(3)).await;
        let mut watch = pin!(client.offline_download().watch(task));
        // Nobody counts a stream that is polled, so that this test does.
        let _driven = world.clock.enter();
        let mut events = 0;
        while let Some(event) = poll_fn(|context| watch.as_mut().poll_next(context)).await {
            event.unwrap();
            events += 1;
        }
        assert_eq!((events, world.held.sent(OFFLINE_PROGRESS)), (3, 3));
    });
}
