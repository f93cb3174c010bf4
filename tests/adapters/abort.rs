//! An async call that is dropped, wherever it is, leaves the session, the pace and the token sound.

use std::pin::pin;
use std::time::Duration;

use pan123_mock::TaskScript;
use pan123_mock::path::{ACCESS_TOKEN, OFFLINE_DOWNLOAD, USER_INFO};
use pan123_tests::carriers::poll_once;

use crate::both::{download, on_tokio};
use crate::worlds::World;

#[test]
fn before_anything() {
    on_tokio(async {
        let world = World::new(TaskScript::default());
        let client = world.client();
        drop(client.user_info());
        world.clock.drive(client.user_info()).await.unwrap();
        assert_eq!(
            (world.held.sent(ACCESS_TOKEN), world.held.sent(USER_INFO)),
            (1, 1)
        );
    });
}

/// The refresh goes on without the caller who began it.
#[test]
fn while_the_token_is_fetched() {
    on_tokio(async {
        let world = World::new(TaskScript::default());
        let client = world.client();
        world.held.hold(ACCESS_TOKEN);
        let calling = tokio::spawn(world.clock.drive(client.user_info()));
        world.held.until_sent(ACCESS_TOKEN, 1).await;
        let waiting = tokio::spawn(world.clock.drive(client.user_info()));
        tokio::task::yield_now().await;
        calling.abort();
        assert!(calling.await.unwrap_err().is_cancelled());
        assert_eq!(world.held.dropped(), 0);
        world.held.release();
        waiting.await.unwrap().unwrap();
        world.clock.drive(client.user_info()).await.unwrap();
        assert_eq!(
            (world.held.sent(ACCESS_TOKEN), world.held.sent(USER_INFO)),
            (1, 2)
        );
    });
}

/// The slot goes to the next, who waits no longer than if there had been nobody.
#[test]
fn while_it_waits_for_its_slot() {
    on_tokio(async {
        let world = World::new(TaskScript::default());
        let client = world.client();
        let offline = client.offline_download();
        let call = world.clock.drive(offline.download(&download()));
        call.await.unwrap();
        let begun = world.clock.elapsed();

        let working = world.clock.enter();
        for _ in 0..5 {
            let mut waits = pin!(world.clock.drive(offline.download(&download())));
            assert!(poll_once(waits.as_mut()).await.is_none());
            assert_eq!(world.clock.resting(), 1);
        }
        drop(working);

        let call = world.clock.drive(offline.download(&download()));
        call.await.unwrap();
        assert_eq!(world.clock.elapsed(), begun + Duration::from_secs(1));
        assert_eq!(
            (
                world.held.sent(ACCESS_TOKEN),
                world.held.sent(OFFLINE_DOWNLOAD)
            ),
            (1, 2)
        );
    });
}

#[test]
fn while_its_request_is_out() {
    on_tokio(async {
        let world = World::new(TaskScript::default());
        let client = world.client();
        world.clock.drive(client.user_info()).await.unwrap();
        world.held.hold(USER_INFO);
        let calling = tokio::spawn(world.clock.drive(client.user_info()));
        world.held.until_sent(USER_INFO, 2).await;
        calling.abort();
        assert!(calling.await.unwrap_err().is_cancelled());
        assert_eq!(world.held.dropped(), 1);
        world.held.release();
        world.clock.drive(client.user_info()).await.unwrap();
        assert_eq!(
            (world.held.sent(ACCESS_TOKEN), world.held.sent(USER_INFO)),
            (1, 3)
        );
    });
}

/// Everywhere else: dropped after each number of polls there is, with answers that take some.
#[test]
fn after_any_number_of_polls() {
    let mut ended = 0;
    for polls in 0..40 {
        on_tokio(async {
            let world = World::new(TaskScript::default());
            world.held.pause(3);
            let client = world.client();
            let mut done = false;
            {
                let mut call = pin!(world.clock.drive(client.user_info()));
                for _ in 0..polls {
                    done = done || poll_once(call.as_mut()).await.is_some();
                    if done {
                        break;
                    }
                    tokio::task::yield_now().await;
                }
            }
            ended += usize::from(done);
            world.clock.drive(client.user_info()).await.unwrap();
            assert_eq!(world.held.sent(ACCESS_TOKEN), 1, "{polls}");
            let out = world.held.dropped();
            assert_eq!(
                world.held.sent(USER_INFO),
                1 + out + usize::from(done),
                "{polls}"
            );
        });
    }
    assert!(
        (1..39).contains(&ended),
        "some were dropped and some not: {ended}"
    );
}
