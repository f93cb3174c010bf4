//! Many threads and tasks, one session.

use std::thread;
use std::time::Duration;

use pan123_mock::path::{ACCESS_TOKEN, USER_INFO};
use pan123_mock::{CLIENT_ID, CLIENT_SECRET, CannedResponse, MockPan123, TaskScript};
use pan123_proto::{ErrorKind, Pacing};
use pan123_tests::clock::JumpClock;
use pan123_tests::door::push_tokens_out;

use crate::both::on_tokio;
use crate::worlds::World;

const THREADS: usize = 32;

/// The token's answer is held until all of them wait for it.
#[test]
fn a_cold_start_of_many_threads_fetches_one_token() {
    let world = World::new(TaskScript::default());
    let client = world.blocking();
    world.held.hold(ACCESS_TOKEN);
    thread::scope(|scope| {
        let callers: Vec<_> = (0..THREADS)
            .map(|_| scope.spawn(|| world.clock.drive_blocking(|| client.clone().user_info())))
            .collect();
        world.held.block_until_sent(ACCESS_TOKEN, 1);
        world.clock.until_resting(THREADS);
        world.held.release();
        for caller in callers {
            caller.join().unwrap().unwrap();
        }
    });
    let sent = (world.held.sent(ACCESS_TOKEN), world.held.sent(USER_INFO));
    assert_eq!(sent, (1, THREADS));
}

/// All who waited are told of the one failure, and none tries again.
#[test]
fn a_failed_fetch_is_told_to_all_who_waited() {
    let world = World::new(TaskScript::default());
    world.held.service(|service| {
        service.respond_next(
            ACCESS_TOKEN,
            CannedResponse::envelope(500, "系统错误").times(99),
        );
    });
    let client = world.blocking();
    world.held.hold(ACCESS_TOKEN);
    thread::scope(|scope| {
        let callers: Vec<_> = (0..THREADS)
            .map(|_| scope.spawn(|| world.clock.drive_blocking(|| client.clone().user_info())))
            .collect();
        world.held.block_until_sent(ACCESS_TOKEN, 1);
        world.clock.until_resting(THREADS);
        world.held.release();
        for caller in callers {
            let error = caller.join().unwrap().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Token, "{error:?}");
        }
    });
    let sent = (world.held.sent(ACCESS_TOKEN), world.held.sent(USER_INFO));
    assert_eq!(sent, (1, 0));
}

/// Nobody waits for the new one, which comes when it comes.
#[test]
fn near_its_end_a_token_is_used_while_another_is_fetched() {
    let nearly = Duration::from_secs(30 * 24 * 3600).mul_f64(0.9999);
    // The clock stands still while the token is out, and each call needs a slot of its own.
    let pace = Duration::from_secs(1);

    let world = World::new(TaskScript::default());
    let client = world.blocking();
    world.clock.drive_blocking(|| client.user_info()).unwrap();
    world.clock.advance(nearly);
    world.held.hold(ACCESS_TOKEN);
    for _ in 0..3 {
        world.clock.drive_blocking(|| client.user_info()).unwrap();
        world.clock.advance(pace);
    }
    world.held.block_until_sent(ACCESS_TOKEN, 2);
    world.held.release();
    world.clock.until_idle();
    world.clock.drive_blocking(|| client.user_info()).unwrap();
    assert_eq!(world.held.sent(ACCESS_TOKEN), 2);

    let world = World::new(TaskScript::default());
    let client = world.client();
    on_tokio(async {
        world.clock.drive(client.user_info()).await.unwrap();
        world.clock.advance(nearly);
        world.held.hold(ACCESS_TOKEN);
        for _ in 0..3 {
            world.clock.drive(client.user_info()).await.unwrap();
            world.clock.advance(pace);
        }
        world.held.until_sent(ACCESS_TOKEN, 2).await;
        world.held.release();
        world.clock.drive(client.user_info()).await.unwrap();
        assert_eq!(world.held.sent(ACCESS_TOKEN), 2);
    });
}

fn mock(clock: &JumpClock) -> MockPan123 {
    let theirs = clock.clone();
    let builder = MockPan123::builder().clock(move || theirs.now().wall);
    builder.start_blocking()
}

fn push_out(mock: &MockPan123, clock: &JumpClock) {
    mock.service(|service| push_tokens_out(service, clock.now().wall));
}

/// However many find out at once that their token is no good, one new one is fetched.
#[test]
fn many_tasks_with_a_refused_token_fetch_one() {
    let clock = JumpClock::new();
    let mock = mock(&clock);
    let client = pan123_async::Client::builder()
        .credentials(CLIENT_ID, CLIENT_SECRET)
        .base_url(mock.base_url())
        .pacing(Pacing::off())
        .clock(clock.clone())
        .spawner(clock.clone())
        .build()
        .unwrap();
    on_tokio(async {
        clock.drive(client.user_info()).await.unwrap();
        push_out(&mock, &clock);
        let call = || tokio::spawn(clock.drive(client.user_info()));
        let callers: Vec<_> = (0..THREADS).map(|_| call()).collect();
        for caller in callers {
            caller.await.unwrap().unwrap();
        }
    });
    assert_eq!(mock.service(|service| service.tokens_issued()), 1 + 3 + 1);
}

#[test]
fn many_threads_with_a_refused_token_fetch_one() {
    let clock = JumpClock::new();
    let mock = mock(&clock);
    let client = pan123_blocking::Client::builder()
        .credentials(CLIENT_ID, CLIENT_SECRET)
        .base_url(mock.base_url())
        .pacing(Pacing::off())
        .clock(clock.clone())
        .spawner(clock.clone())
        .build()
        .unwrap();
    clock.drive_blocking(|| client.user_info()).unwrap();
    push_out(&mock, &clock);
    thread::scope(|scope| {
        let callers: Vec<_> = (0..THREADS)
            .map(|_| scope.spawn(|| clock.drive_blocking(|| client.user_info())))
            .collect();
        for caller in callers {
            caller.join().unwrap().unwrap();
        }
    });
    assert_eq!(mock.service(|service| service.tokens_issued()), 1 + 3 + 1);
}
