//! Which timeout a request over reqwest has: what is left of its call's, up to the client's request timeout, and no other.

use std::time::Duration;

use pan123_async::{Client, reqwest};
use pan123_mock::TcpServer;
use pan123_proto::user::GetUserInfo;
use pan123_proto::{Endpoint, Error, RetryPolicy, TransportErrorKind};
use pan123_tests::clock::JumpClock;
use pan123_tests::observed::reached;

use crate::adapters::both::{SHORT, basics, download, ok, on_tokio};

/// Calls with this timeout, while the request timeout is so long that the test would fail first.
fn call_within<E: Endpoint>(endpoint: &E, timeout: Duration, url: &str) -> Result<(), Error> {
    let clock = JumpClock::new();
    let client = basics!(Client::builder(), url, clock)
        .request_timeout(Duration::from_secs(3600))
        .build()?;
    let call = client.session().call(endpoint)?.timeout(timeout);
    let call = call.retry(RetryPolicy::none());
    on_tokio(clock.drive(client.drive(call))).map(drop)
}

#[test]
fn request_ends_with_its_call_though_the_client_would_wait_longer() {
    let server = TcpServer::start(|mut connection| {
        connection.read_request();
        connection.wait_until_closed();
    });
    let url = server.url("http");
    // A create is not sent if less than a second is left, and has a connection of its own.
    let created = call_within(&download(), Duration::from_secs(1) + SHORT, &url);
    for ended in [call_within(&GetUserInfo, SHORT, &url), created] {
        let error = ended.expect_err("nobody answers");
        assert_eq!(
            reached(&error),
            Some(TransportErrorKind::TimedOut),
            "{error:?}"
        );
    }
    assert_eq!(server.requests(), 2);
}

#[test]
fn timeout_of_a_client_builder_does_not_count() {
    let server = TcpServer::responding(ok(r#"{"code":0,"data":{"taskID":7}}"#));
    let clock = JumpClock::new();
    let mine = reqwest::Client::builder().timeout(Duration::ZERO);
    let builder = Client::builder().with_client_builder(mine);
    let client = basics!(builder, &server.url("http"), clock)
        .build()
        .unwrap();
    on_tokio(clock.drive(client.offline_download().download(&download()))).unwrap();
}
