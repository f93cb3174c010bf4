//! Clients that a user brings along.

use std::time::Duration;

use pan123_async::reqwest;
use pan123_blocking::ureq;
use pan123_mock::TcpServer;
use pan123_proto::{Error, ErrorKind, TaskId, TransportErrorKind};
use pan123_tests::clock::JumpClock;
use pan123_tests::observed::reached;

use crate::both::{SHORT, basics, download, nobody, ok, on_tokio};

/// Sends everybody to another path of its own, where the answer would be a good one.
fn redirecting() -> TcpServer {
    TcpServer::start(|mut connection| {
        while let Some(request) = connection.read_request() {
            let there = "HTTP/1.1 307 Elsewhere\r\nLocation: /there\r\nContent-Length: 0\r\n\r\n";
            let answer = if request.uri().path() == "/there" {
                ok(r#"{"code":0,"data":{"taskID":7}}"#)
            } else {
                there.into()
            };
            connection.send(&answer);
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

fn is_a_plain_redirect(result: Result<TaskId, Error>, server: &TcpServer) {
    let error = result.expect_err("a redirect is no answer");
    assert_eq!(error.kind(), ErrorKind::Http, "{error:?}");
    assert_eq!(error.http_status().map(|status| status.as_u16()), Some(307));
    assert_eq!(server.requests(), 1);
}

#[test]
fn an_answer_from_another_url_is_refused() {
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

/// The redirect goes where nobody listens: what could not be reached is the second hop, and the first took the request.
#[test]
fn a_hop_that_cannot_be_reached_does_not_mean_that_nothing_was_sent() {
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
fn a_client_that_follows_nothing_is_taken_as_it_is() {
    let server = redirecting();
    let policy = reqwest::redirect::Policy::none();
    let client = reqwest::Client::builder().redirect(policy).build();
    let builder = pan123_async::Client::builder().with_client(client.unwrap());
    is_a_plain_redirect(create(builder, &server.url("http")), &server);
}

#[test]
fn a_client_builder_is_told_to_follow_nothing() {
    let server = redirecting();
    let follows = reqwest::Client::builder().redirect(reqwest::redirect::Policy::limited(5));
    let builder = pan123_async::Client::builder().with_client_builder(follows);
    is_a_plain_redirect(create(builder, &server.url("http")), &server);
}

#[test]
fn a_client_builder_is_told_how_long_to_connect() {
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
fn what_a_client_builder_sets_up_is_kept() {
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

/// It may have failed at a later hop: the first one may have acted.
#[test]
fn a_client_leaves_in_doubt_what_it_could_not_connect_to() {
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
fn a_client_without_a_connect_timeout_leaves_a_hanging_handshake_in_doubt() {
    let server = TcpServer::start(|mut connection| connection.wait_until_closed());
    let client = reqwest::Client::builder().build().unwrap();
    let builder = pan123_async::Client::builder().with_client(client);
    let builder = builder.request_timeout(SHORT);
    let error = create(builder, &server.url("https")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Ambiguous, "{error:?}");
    assert_eq!(server.requests(), 0);
}

#[test]
fn a_configuration_is_told_what_an_agent_of_ours_does() {
    let config = || ureq::Agent::config_builder().max_redirects(5).build();
    let builder = || pan123_blocking::Client::builder().with_config(config());

    let server = redirecting();
    is_a_plain_redirect(create_blocking(builder(), &server.url("http")), &server);

    let server = TcpServer::start(|mut connection| connection.wait_until_closed());
    for url in [&server.url("https"), "http://127.0.0.1:1", &nobody()] {
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
fn an_agent_is_told_to_follow_nothing_and_to_take_every_status() {
    let server = redirecting();
    let agent = ureq::Agent::config_builder().max_redirects(5).build();
    let builder = pan123_blocking::Client::builder().with_agent(agent.into());
    is_a_plain_redirect(create_blocking(builder, &server.url("http")), &server);

    let answer = "HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno";
    let server = TcpServer::responding(answer);
    let builder = pan123_blocking::Client::builder().with_agent(ureq::Agent::new_with_defaults());
    let error = create_blocking(builder, &server.url("http")).unwrap_err();
    assert_eq!(error.http_status().map(|status| status.as_u16()), Some(404));
}

/// Its connector does not say how far it got.
#[test]
fn an_agent_leaves_a_refused_connection_in_doubt() {
    let agent = ureq::Agent::new_with_defaults();
    let builder = pan123_blocking::Client::builder().with_agent(agent);
    let error = create_blocking(builder, "http://127.0.0.1:1").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Ambiguous, "{error:?}");
}

#[test]
fn an_agent_keeps_a_connect_timeout_of_its_own() {
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
