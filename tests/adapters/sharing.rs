//! Calls that share a session.

use std::pin::pin;
use std::thread;
use std::time::Duration;

use pan123_mock::http::StatusCode;
use pan123_mock::path::{ACCESS_TOKEN, OFFLINE_DOWNLOAD};
use pan123_mock::{CannedResponse, Fault, MAX_LIVE_TOKENS, TaskScript};
use pan123_proto::user::{GetUserInfo, UserInfo};
use pan123_proto::{Error, ErrorKind};
use pan123_tests::block_on::block_on;
use pan123_tests::transports::poll_once;

use crate::adapters::both::{download, on_tokio};
use pan123_tests::fixture::Fixture;

/// No call waits for the next token.
#[test]
fn stale_token_is_used_while_the_next_one_is_fetched() {
    let nearly = Duration::from_secs(30 * 24 * 3600).mul_f64(0.9999);
    // The clock stands still while the token request is in flight, and each call needs its own slot.
    let pace = Duration::from_secs(1);

    let fixture = Fixture::new(TaskScript::default());
    let client = fixture.blocking();
    fixture.clock.drive_blocking(|| client.user_info()).unwrap();
    fixture.clock.advance(nearly);
    fixture.transport.hold(ACCESS_TOKEN);
    for _ in 0..3 {
        fixture.clock.drive_blocking(|| client.user_info()).unwrap();
        fixture.clock.advance(pace);
    }
    fixture.transport.block_until_sent(ACCESS_TOKEN, 2);
    fixture.transport.release();
    fixture.clock.until_idle();
    fixture.clock.drive_blocking(|| client.user_info()).unwrap();
    assert_eq!(fixture.transport.sent(ACCESS_TOKEN), 2);

    let fixture = Fixture::new(TaskScript::default());
    let client = fixture.client();
    on_tokio(async {
        fixture.clock.drive(client.user_info()).await.unwrap();
        fixture.clock.advance(nearly);
        fixture.transport.hold(ACCESS_TOKEN);
        for _ in 0..3 {
            fixture.clock.drive(client.user_info()).await.unwrap();
            fixture.clock.advance(pace);
        }
        fixture.transport.until_sent(ACCESS_TOKEN, 2).await;
        fixture.transport.release();
        fixture.clock.drive(client.user_info()).await.unwrap();
        assert_eq!(fixture.transport.sent(ACCESS_TOKEN), 2);
    });
}

/// The next call waits no longer than if there had been no dropped ones.
#[test]
fn dropped_calls_give_their_slots_back() {
    on_tokio(async {
        let fixture = Fixture::new(TaskScript::default());
        let client = fixture.client();
        let offline = client.offline_download();
        let call = fixture.clock.drive(offline.download(&download()));
        call.await.unwrap();
        let begun = fixture.clock.elapsed();

        let working = fixture.clock.enter();
        for _ in 0..5 {
            let mut waits = pin!(fixture.clock.drive(offline.download(&download())));
            assert!(poll_once(waits.as_mut()).await.is_none());
            assert_eq!(fixture.clock.waiting(), 1);
        }
        drop(working);

        let call = fixture.clock.drive(offline.download(&download()));
        call.await.unwrap();
        assert_eq!(fixture.clock.elapsed(), begun + Duration::from_secs(1));
        assert_eq!(
            (
                fixture.transport.sent(ACCESS_TOKEN),
                fixture.transport.sent(OFFLINE_DOWNLOAD)
            ),
            (1, 2)
        );
    });
}

/// The first response calls for another attempt. It comes after the only call and the only client are gone.
#[test]
fn fetch_ends_with_the_last_user_of_its_session() {
    let fixture = failing_token_endpoint();
    let client = fixture.blocking();
    let call = client.session().call(&GetUserInfo).unwrap();
    let handle = call.handle();
    let clock = fixture.clock.clone();
    let calling = thread::spawn(move || clock.drive_blocking(|| client.drive(call)));
    fixture.transport.block_until_sent(ACCESS_TOKEN, 1);
    handle.stop();
    let error = calling.join().unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Stopped);
    assert_eq!(fixture.clock.running(), 1, "the thread of the fetch");
    fixture.transport.release();
    fixture.clock.until_idle();
    assert_ended_at_once(&fixture);

    let fixture = failing_token_endpoint();
    let client = fixture.client();
    on_tokio(async {
        let mut call = Box::pin(fixture.clock.drive(client.user_info()));
        assert!(poll_once(call.as_mut()).await.is_none());
        fixture.transport.until_sent(ACCESS_TOKEN, 1).await;
        drop((call, client));
        assert_eq!(fixture.clock.running(), 1, "the task of the fetch");
        fixture.transport.release();
        while fixture.clock.running() > 0 {
            tokio::task::yield_now().await;
        }
    });
    assert_ended_at_once(&fixture);
}

/// A service that holds its responses to token requests back, all of them 502.
fn failing_token_endpoint() -> Fixture {
    let fixture = Fixture::new(TaskScript::default());
    let bad_gateway = CannedResponse::raw(StatusCode::BAD_GATEWAY, "<html>502</html>");
    let fault = Fault::from(bad_gateway).on(ACCESS_TOKEN).always();
    fixture.transport.service(|service| service.fault(fault));
    fixture.transport.hold(ACCESS_TOKEN);
    fixture
}

fn assert_ended_at_once(fixture: &Fixture) {
    assert_eq!(fixture.transport.sent(ACCESS_TOKEN), 1);
    assert_eq!(fixture.transport.dropped(), 0, "it was awaited");
    assert_eq!(fixture.clock.elapsed(), Duration::ZERO);
}

/// One client more than there are live tokens, so that they push each other's tokens out.
const CONTENDERS: usize = MAX_LIVE_TOKENS + 1;

#[test]
fn blocking_clients_without_a_common_store_take_turns() {
    let fixture = Fixture::new(TaskScript::default());
    let clients: [_; CONTENDERS] = std::array::from_fn(|_| fixture.blocking());
    assert_take_turns(&fixture, |nth| {
        fixture.clock.drive_blocking(|| clients[nth].user_info())
    });
}

#[test]
fn async_clients_without_a_common_store_take_turns() {
    let fixture = Fixture::new(TaskScript::default());
    let clients: [_; CONTENDERS] = std::array::from_fn(|_| fixture.client());
    assert_take_turns(&fixture, |nth| {
        block_on(fixture.clock.drive(clients[nth].user_info()))
    });
}

/// Makes calls for three hours: one client after the other, with a pause of ten seconds after the last one.
fn assert_take_turns(fixture: &Fixture, call: impl Fn(usize) -> Result<UserInfo, Error>) {
    let hour = Duration::from_secs(3600);
    let (mut at_first, mut rounds) = (0, 0);
    let mut succeeded = [0; CONTENDERS];
    while fixture.clock.elapsed() < hour * 3 {
        for (nth, succeeded) in succeeded.iter_mut().enumerate() {
            match call(nth) {
                Ok(_) => *succeeded += 1,
                Err(error) => assert_eq!(error.kind(), ErrorKind::TokenBackoff, "{error}"),
            }
        }
        rounds += 1;
        if fixture.clock.elapsed() < hour {
            at_first = fixture.transport.sent(ACCESS_TOKEN);
        }
        fixture.clock.advance(Duration::from_secs(10));
    }
    let later = fixture.transport.sent(ACCESS_TOKEN) - at_first;
    assert!(at_first <= 19 * CONTENDERS, "{at_first} in the first hour");
    assert!(later <= 2 * 13 * CONTENDERS, "{later} in two hours");
    let works = |succeeded: &usize| *succeeded > rounds / 3;
    assert!(succeeded.iter().all(works), "{succeeded:?} of {rounds}");
}
