//! The clients, with the pace and the token of a database.

use std::thread;
use std::time::{Duration, Instant};

use pan123_blocking::proto::{Endpoint, user::GetUserInfo};
use pan123_blocking::{ErrorKind, Pacing};
use pan123_mock::{CLIENT_ID, CLIENT_SECRET, MockPan123};

use super::server::{TestServer, control, server, server_alone};

const EVERY: Duration = Duration::from_millis(50);
/// Of each of two clients.
const CALLS: u32 = 5;

fn pacing() -> Pacing {
    Pacing::off().every(GetUserInfo::RATE, EVERY)
}

fn blocking(mock: &MockPan123) -> pan123_blocking::ClientBuilder {
    pan123_blocking::Client::builder()
        .base_url(mock.base_url())
        .credentials(CLIENT_ID, CLIENT_SECRET)
}

/// Two clients send at one pace if all their requests together take as long as those of one.
fn assert_shared(mock: &MockPan123, began: Instant) {
    assert!(began.elapsed() >= EVERY * (2 * CALLS - 1));
    mock.assert_tokens_issued(1);
    let requests = mock.requests().into_iter();
    let infos = requests.filter(|request| request.path() == GetUserInfo::PATH);
    assert_eq!(infos.count(), 2 * CALLS as usize);
}

#[test]
fn blocking_clients_share_a_pace_and_a_token() {
    let Some(server) = server() else {
        return;
    };
    let mock = MockPan123::start_blocking();
    let began = Instant::now();
    thread::scope(|scope| {
        for _ in 0..2 {
            let database = server.database();
            let client = blocking(&mock).pacing(pacing());
            let client = client.token_store(database.token_store());
            let client = client.shared_pace(database.pace()).build().unwrap();
            scope.spawn(move || {
                for _ in 0..CALLS {
                    client.user_info().unwrap();
                }
            });
        }
    });
    assert_shared(&mock, began);
}

#[test]
fn async_clients_share_a_pace_and_a_token() {
    let Some(server) = server() else {
        return;
    };
    let runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = { runtime }.enable_all().build().unwrap();
    let mock = MockPan123::start_blocking();
    let began = Instant::now();
    let call = |server: &TestServer| {
        let database = server.database();
        let client = pan123_async::Client::builder()
            .base_url(mock.base_url())
            .credentials(CLIENT_ID, CLIENT_SECRET)
            .pacing(pacing())
            .token_store(database.token_store())
            .shared_pace(database.pace())
            .build()
            .unwrap();
        async move {
            for _ in 0..CALLS {
                client.user_info().await.unwrap();
            }
        }
    };
    let (one, two) = (call(&server), call(&server));
    runtime.block_on(futures_util::future::join(one, two));
    assert_shared(&mock, began);
}

#[test]
fn client_whose_database_is_away_goes_on_with_its_token_and_sends_nothing_without_the_pace() {
    let Some(server) = server_alone() else {
        return;
    };
    let mock = MockPan123::start_blocking();
    let database = server.database();
    let free = blocking(&mock).pacing(Pacing::off());
    let free = free.token_store(database.token_store()).build().unwrap();
    let paced = blocking(&mock).pacing(pacing());
    let paced = paced.call_timeout(Duration::from_secs(2));
    let paced = paced.token_store(database.token_store());
    let paced = paced.shared_pace(database.pace()).build().unwrap();
    for client in [&free, &paced] {
        client.user_info().unwrap();
    }
    if !control(&["--mode", "immediate", "stop"]) {
        return;
    }
    free.user_info().unwrap();
    let sent = mock.requests().len();
    let refused = paced.user_info().unwrap_err();
    assert_eq!(mock.requests().len(), sent);
    assert!(control(&["start"]));
    assert!(refused.to_string().contains("shared pace"), "{refused}");
    assert_ne!(refused.kind(), ErrorKind::Credentials);
    paced.user_info().unwrap();
    mock.assert_tokens_issued(1);
}
