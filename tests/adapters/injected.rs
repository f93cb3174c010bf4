//! HTTP clients that the user supplies.

use std::time::Duration;

use pan123_async::reqwest;
use pan123_blocking::ureq;
use pan123_mock::TcpServer;
use pan123_proto::{Error, ErrorKind, TaskId, TransportErrorKind};
use pan123_tests::clock::JumpClock;
use pan123_tests::observed::reached;

use crate::adapters::both::{SHORT, basics, download, ok, on_tokio, unknown_host};

/// Redirects every request to another path, which would respond with success.
fn redirecting() -> TcpServer {
    TcpServer::start(|mut connection| {
        while let Some(request) = connection.read_request() {
            let there = "HTTP/1.1 307 Elsewhere\r\nLocation: /there\r\nContent-Length: 0\r\n\r\n";
            let response = if request.uri().path() == "/there" {
                ok(r#"{"code":0,"data":{"taskID":7}}"#)
            } else {
                there.into()
            };
            connection.send(&response);
        }
    })
}

fn create(builder: pan123_async::ClientBuilder, url: &str) -> Result<TaskId, Error> {
    let clock = JumpClock::new();
    let client = basics!(builder, url, clock).build()?;
    on_tokio(clock.drive(client.offline_download().download(&download())))
}

fn create_blocking(builder: pan123_blocking::ClientBuilder, url: &str) -> Result<TaskId, Error> {
    let clock = JumpClock::new();
    let client = basics!(builder, url, clock).build()?;
    clock.drive_blocking(|| client.offline_download().download(&download()))
}

fn assert_plain_redirect(result: Result<TaskId, Error>, server: &TcpServer) {
    let error = result.expect_err("a redirect is no response");
    assert_eq!(error.kind(), ErrorKind::Http, "{error:?}");
    assert_eq!(error.http_status().map(|status| status.as_u16()), Some(307));
    assert_eq!(server.requests(), 1);
}

#[test]
fn response_from_another_url_is_rejected() {
    let server = redirecting();
    let follows = reqwest::Client::builder().build().unwrap();
    let builder = pan123_async::Client::builder().with_client(follows);
    let error = create(builder, &server.url("http")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Ambiguous, "{error:?}");
    assert_eq!(reached(&error), Some(TransportErrorKind::Redirected));
    assert_eq!(
        server.requests(),
        2,
        "it did follow, and was not sent again"
    );
}

/// The redirect leads to an address where nothing listens: the first hop received the request.
#[test]
fn create_is_ambiguous_if_only_the_second_hop_is_unreachable() {
    let nowhere =
        "HTTP/1.1 302 Elsewhere\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n";
    let server = TcpServer::responding(nowhere);
    let follows = reqwest::Client::builder().build().unwrap();
    let builder = pan123_async::Client::builder().with_client(follows);
    let error = create(builder, &server.url("http")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Ambiguous, "{error:?}");
    assert_eq!(server.requests(), 1, "it was not sent again");
}

#[test]
fn client_that_follows_no_redirect_is_used_as_it_is() {
    let server = redirecting();
    let policy = reqwest::redirect::Policy::none();
    let client = reqwest::Client::builder().redirect(policy).build();
    let builder = pan123_async::Client::builder().with_client(client.unwrap());
    assert_plain_redirect(create(builder, &server.url("http")), &server);
}

#[test]
fn client_builder_is_set_to_follow_no_redirect() {
    let server = redirecting();
    let follows = reqwest::Client::builder().redirect(reqwest::redirect::Policy::limited(5));
    let builder = pan123_async::Client::builder().with_client_builder(follows);
    assert_plain_redirect(create(builder, &server.url("http")), &server);
}

#[test]
fn client_builder_gets_the_connect_timeout() {
    let server = TcpServer::start(|mut connection| connection.wait_until_closed());
    let builder = pan123_async::Client::builder()
        .with_client_builder(reqwest::Client::builder().connect_timeout(Duration::from_secs(60)))
        .connect_timeout(SHORT);
    let error = create(builder, &server.url("https")).unwrap_err();
    assert_eq!(
        reached(&error),
        Some(TransportErrorKind::NeverLeft),
        "{error:?}"
    );
}

#[test]
fn other_settings_of_a_client_builder_are_kept() {
    let server = TcpServer::start(|mut connection| {
        let request = connection.read_request().unwrap_or_default();
        let marked = request.headers().contains_key("x-mine");
        let task = if marked { 1 } else { 2 };
        connection.send(&ok(&format!(r#"{{"code":0,"data":{{"taskID":{task}}}}}"#)));
    });
    let mut headers = reqwest::header::HeaderMap::new();
    headers.insert("x-mine", reqwest::header::HeaderValue::from_static("1"));
    let mine = reqwest::Client::builder().default_headers(headers);
    let builder = pan123_async::Client::builder().with_client_builder(mine);
    let task = create(builder, &server.url("http")).unwrap();
    assert_eq!(task.get(), 1);
}

/// The connection may have failed at a later hop: the first one may have acted.
#[test]
fn create_is_ambiguous_if_an_injected_client_cannot_connect() {
    let away = "HTTP/1.1 307 Away\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n";
    let server = TcpServer::responding(away);
    for url in [&server.url("http"), "http://127.0.0.1:1"] {
        let client = reqwest::Client::builder().connect_timeout(SHORT).build();
        let builder = pan123_async::Client::builder().with_client(client.unwrap());
        let error = create(builder, url).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Ambiguous, "{error:?}");
    }
    assert_eq!(server.requests(), 1);
}

#[test]
fn create_is_ambiguous_if_a_handshake_hangs_without_a_connect_timeout() {
    let server = TcpServer::start(|mut connection| connection.wait_until_closed());
    let client = reqwest::Client::builder().build().unwrap();
    let builder = pan123_async::Client::builder().with_client(client);
    let builder = builder.request_timeout(SHORT);
    let error = create(builder, &server.url("https")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Ambiguous, "{error:?}");
    assert_eq!(server.requests(), 0);
}

#[test]
fn agent_configuration_gets_the_settings_of_the_default_agent() {
    let config = || ureq::Agent::config_builder().max_redirects(5).build();
    let builder = || pan123_blocking::Client::builder().with_config(config());

    let server = redirecting();
    assert_plain_redirect(create_blocking(builder(), &server.url("http")), &server);

    let server = TcpServer::start(|mut connection| connection.wait_until_closed());
    for url in [&server.url("https"), "http://127.0.0.1:1", &unknown_host()] {
        let builder = builder().connect_timeout(SHORT);
        let error = create_blocking(builder, url).unwrap_err();
        assert_eq!(
            reached(&error),
            Some(TransportErrorKind::NeverLeft),
            "{error:?}"
        );
    }
}

#[test]
fn agent_is_set_to_follow_no_redirect_and_to_return_every_status() {
    let server = redirecting();
    let agent = ureq::Agent::config_builder().max_redirects(5).build();
    let builder = pan123_blocking::Client::builder().with_agent(agent.into());
    assert_plain_redirect(create_blocking(builder, &server.url("http")), &server);

    let response = "HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno";
    let server = TcpServer::responding(response);
    let builder = pan123_blocking::Client::builder().with_agent(ureq::Agent::new_with_defaults());
    let error = create_blocking(builder, &server.url("http")).unwrap_err();
    assert_eq!(error.http_status().map(|status| status.as_u16()), Some(404));
}

/// Its connector does not report how far the request got.
#[test]
fn create_is_ambiguous_if_an_injected_agent_cannot_connect() {
    let agent = ureq::Agent::new_with_defaults();
    let builder = pan123_blocking::Client::builder().with_agent(agent);
    let error = create_blocking(builder, "http://127.0.0.1:1").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Ambiguous, "{error:?}");
}

#[test]
fn agent_keeps_its_own_connect_timeout() {
    let server = TcpServer::start(|mut connection| connection.wait_until_closed());
    let agent = ureq::Agent::config_builder()
        .timeout_connect(Some(SHORT))
        .build();
    let builder = pan123_blocking::Client::builder().with_agent(agent.into());
    let error = create_blocking(builder, &server.url("https")).unwrap_err();
    assert_eq!(
        reached(&error),
        Some(TransportErrorKind::NeverLeft),
        "{error:?}"
    );
    assert_eq!(server.accepted(), 2);
}
