//! A create has a connection of its own.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use pan123_async::reqwest;
use pan123_mock::TcpServer;
use pan123_mock::path::{OFFLINE_DOWNLOAD, USER_INFO};
use pan123_proto::ErrorKind;
use pan123_tests::clock::JumpClock;

use crate::adapters::both::{BOTH, basics, download, ok, on_tokio};

/// The body of a response that fits both requests.
const BODY: &str = r#"{"code":0,"data":{"taskID":7,"uid":7,"nickname":"alice"}}"#;

/// A read leaves a connection open. The create does not take it; the next read does.
#[test]
fn create_has_a_connection_of_its_own_although_one_is_kept() {
    for adapter in BOTH {
        let sent = Arc::<Mutex<Vec<(usize, String)>>>::default();
        let noted = Arc::clone(&sent);
        let server = TcpServer::start(move |mut connection| {
            while let Some(request) = connection.read_request() {
                let path = request.uri().path().to_owned();
                noted.lock().unwrap().push((connection.number(), path));
                connection.send(&ok(BODY));
            }
        });
        adapter.create_between_reads(&server.url("http")).unwrap();
        let expected = [(0, USER_INFO), (1, OFFLINE_DOWNLOAD), (0, USER_INFO)];
        let expected = expected.map(|(connection, path)| (connection, path.to_owned()));
        assert_eq!(*sent.lock().unwrap(), expected, "{adapter:?}");
    }
}

/// A reqwest client of the user's cannot be made to open a connection. HTTP clients resend over a new connection what failed on a
/// kept one; a create must not be resent.
#[test]
fn create_over_a_client_of_the_user_is_not_resent_if_a_kept_connection_closes_after_the_request() {
    let server = TcpServer::start(|mut connection| {
        if connection.read_request().is_some() && connection.send(&ok(BODY)) {
            connection.read_request();
        }
    });
    let (clock, url) = (JumpClock::new(), server.url("http"));
    let builder = pan123_async::Client::builder().with_client(reqwest::Client::new());
    let client = basics!(builder, &url, clock).build().unwrap();
    let created = on_tokio(clock.drive(async {
        client.user_info().await?;
        client.offline_download().download(&download()).await
    }));
    let error = created.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Ambiguous, "{error:?}");
    let observed = (server.accepted(), server.requests());
    assert_eq!(observed, (1, 2), "the create over the same connection");
}

/// On a connection that is kept, the second request would get the late second response to the first.
#[test]
fn late_second_response_to_a_create_is_not_taken_for_that_of_the_next() {
    for adapter in BOTH {
        let tasks = AtomicUsize::new(0);
        let server = TcpServer::start(move |mut connection| {
            let mut late = Vec::new();
            while connection.read_request().is_some() {
                let task = tasks.fetch_add(1, Ordering::Relaxed) + 1;
                let response = ok(&format!(r#"{{"code":0,"data":{{"taskID":{task}}}}}"#));
                late.extend_from_slice(&response);
                if !connection.send(&late) {
                    return;
                }
                late = response;
            }
        });
        let second = adapter.create_twice(&server.url("http"), || {}).unwrap();
        assert_eq!(second.get(), 2, "{adapter:?}");
        assert_eq!(
            (server.accepted(), server.requests()),
            (2, 2),
            "{adapter:?}"
        );
    }
}
