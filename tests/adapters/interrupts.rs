//! A stop ends a blocking request in flight: the server reads it and never responds.

use std::sync::Mutex;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use pan123_blocking::Client;
use pan123_mock::TcpServer;
use pan123_proto::offline::WatchError;
use pan123_proto::user::GetUserInfo;
use pan123_proto::{Endpoint, Error, ErrorKind, RetryPolicy, TaskId, TransportErrorKind};
use pan123_tests::clock::JumpClock;
use pan123_tests::observed::reached;
use pan123_tests::watchdog::Watchdog;

use crate::adapters::both::{basics, download, ok};

/// Responds to this many requests on each connection, then reports the next one and holds the connection open.
fn hanging_after(responses: usize) -> (TcpServer, Receiver<()>) {
    let (hangs, hung) = channel();
    let hangs = Mutex::new(hangs);
    let server = TcpServer::start(move |mut connection| {
        for _ in 0..responses {
            connection.read_request();
            connection.send(&ok(r#"{"code":0,"data":{"uid":7,"nickname":"alice"}}"#));
        }
        if connection.read_request().is_some() {
            hangs
                .lock()
                .expect("no panic")
                .send(())
                .expect("the test waits");
            connection.wait_until_closed();
        }
    });
    (server, hung)
}

/// A client whose timeouts are longer than any test takes.
fn client(clock: &JumpClock, url: &str, max_attempts: u32) -> Client {
    let builder = basics!(Client::builder(), url, clock);
    let builder = builder.retry(RetryPolicy::default().max_attempts(max_attempts));
    let builder = builder.request_timeout(Duration::from_secs(3600));
    let builder = builder.connect_timeout(Duration::from_secs(3600));
    builder.build().expect("the settings are good")
}

/// Makes the call, and stops it when the server hangs.
fn stopped<E: Endpoint>(
    clock: &JumpClock,
    client: &Client,
    endpoint: &E,
    hung: &Receiver<()>,
) -> Result<E::Response, Error>
where
    E::Response: Send,
{
    let call = client.session().call(endpoint).expect("it can be built");
    let handle = call.handle();
    while_hung(
        hung,
        || handle.stop(),
        || clock.drive_blocking(|| client.drive(call)),
    )
}

/// Runs this on another thread, and stops it when the server hangs.
fn while_hung<T: Send>(
    hung: &Receiver<()>,
    stop: impl FnOnce(),
    run: impl FnOnce() -> T + Send,
) -> T {
    let _watched = Watchdog::watch(|| "a stopped request".to_owned());
    thread::scope(|scope| {
        let running = scope.spawn(run);
        hung.recv().expect("the server runs");
        stop();
        running.join().expect("no panic")
    })
}

#[test]
fn stop_ends_a_request_in_flight() {
    let (server, hung) = hanging_after(0);
    let clock = JumpClock::new();
    let client = client(&clock, &server.url("http"), 1);
    let error = stopped(&clock, &client, &GetUserInfo, &hung)
        .map(drop)
        .unwrap_err();
    assert!(matches!(error, Error::Stopped), "{error:?}");

    let error = stopped(&clock, &client, &download(), &hung)
        .map(drop)
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Ambiguous, "{error:?}");
    assert_eq!(reached(&error), Some(TransportErrorKind::Abandoned));
    assert_eq!((server.accepted(), server.requests()), (2, 2));
}

#[test]
fn stop_ends_a_request_over_a_kept_connection() {
    let (server, hung) = hanging_after(1);
    let clock = JumpClock::new();
    let client = client(&clock, &server.url("http"), 1);
    for connections in 1..=2 {
        clock.drive_blocking(|| client.user_info()).unwrap();
        let error = stopped(&clock, &client, &GetUserInfo, &hung)
            .map(drop)
            .unwrap_err();
        assert!(matches!(error, Error::Stopped), "{error:?}");
        assert_eq!(server.accepted(), connections);
    }
}

#[test]
fn stop_ends_the_poll_of_a_watch() {
    let (server, hung) = hanging_after(0);
    let clock = JumpClock::new();
    let client = client(&clock, &server.url("http"), 1);
    let mut watch = client.offline_download().watch(TaskId::new(7).unwrap());
    let handle = watch.handle();
    let ended = while_hung(
        &hung,
        || handle.stop(),
        || clock.drive_blocking(|| watch.next()),
    );
    assert!(
        matches!(ended, Some(Err(WatchError::Stopped { .. }))),
        "{ended:?}"
    );
}

/// Nothing was sent, so that even a create is known not to have been made.
#[test]
fn stop_ends_a_handshake() {
    let (hangs, hung) = channel();
    let hangs = Mutex::new(hangs);
    let server = TcpServer::start(move |mut connection| {
        hangs.lock().unwrap().send(()).unwrap();
        connection.wait_until_closed();
    });
    let clock = JumpClock::new();
    let client = client(&clock, &server.url("https"), 2);
    let error = stopped(&clock, &client, &download(), &hung)
        .map(drop)
        .unwrap_err();
    assert!(matches!(error, Error::Stopped), "{error:?}");
    assert_eq!(server.accepted(), 1);
}
