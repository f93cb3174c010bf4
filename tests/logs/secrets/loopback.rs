//! Both adapters over a socket, with a server that echoes requests: results, clients and all logs are checked.

use std::io::Read;
use std::sync::LazyLock;
use std::time::Duration;

use pan123_async::context::ReqwestTransport;
use pan123_mock::TcpServer;
use pan123_mock::path::{ACCESS_TOKEN, OFFLINE_DOWNLOAD};
use pan123_proto::bytes::Bytes;
use pan123_proto::http::{Method, Request};
use pan123_proto::{Endpoint, Error, Idempotency, Query, RateClass, RetryPolicy, TaskId};
use pan123_tests::clock::JumpClock;
use pan123_tests::logs::logged;
use serde_json::{Value, json};

use crate::logs::secrets::canaries::{
    CLIENT_SECRET, GIVEN, ISSUED, assert_hidden, debugged, download, error_texts,
};

/// How a response echoes the request.
type Echo = fn(&str) -> Vec<u8>;

fn response(status: &str, headers: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\n{headers}\r\n{body}").into_bytes()
}

fn ok(body: &str) -> Vec<u8> {
    response("200 OK", "", body)
}

/// A request as text, complete.
fn whole(request: &Request<Bytes>) -> String {
    let body = String::from_utf8_lossy(request.body());
    let mut text = format!("{} {} HTTP/1.1\r\n", request.method(), request.uri());
    for (name, value) in request.headers() {
        text += &[name.as_str(), ": ", value.to_str().expect("a text"), "\r\n"].concat();
    }
    text + "\r\n" + &body
}

fn one_line(text: &str) -> String {
    text.replace(['\r', '\n'], " ")
}

const ECHOES: [(&str, Echo); 11] = [
    ("in a message", |text| {
        ok(&json!({"code": 1, "message": text}).to_string())
    }),
    ("in the rejection of a token", |text| {
        ok(&json!({"code": 401, "message": text}).to_string())
    }),
    ("in a request for patience", |text| {
        let body = json!({"code": 429, "message": text}).to_string();
        response("429 Slow down", "Retry-After: 999\r\n", &body)
    }),
    ("in trace ids", |text| {
        let body = json!({"code": 1, "message": "", "x-traceID": text}).to_string();
        response(
            "200 OK",
            &format!("X-TraceID: {}\r\n", one_line(text)),
            &body,
        )
    }),
    ("in the trace id of a header", |text| {
        response(
            "500 Oops",
            &format!("X-TraceID: {}\r\n", one_line(text)),
            "",
        )
    }),
    ("in a page", |text| {
        response("502 Bad Gateway", "", &format!("<html>{text}"))
    }),
    ("in place of the data", |text| {
        ok(&json!({"code": 0, "data": text}).to_string())
    }),
    ("in a redirect", |text| {
        let query = one_line(text).replace(['{', '}', '"', ' '], "");
        response(
            "302 Found",
            &format!("Location: /elsewhere?{query}\r\n"),
            "",
        )
    }),
    ("in the reason of a status", |text| {
        response(&format!("400 {}", one_line(text)), "", "")
    }),
    ("in a broken header", |text| {
        format!("HTTP/1.1 200 OK\r\n{}\x01\r\n\r\n", one_line(text)).into_bytes()
    }),
    ("in what is cut off", |text| {
        format!("HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n{text}").into_bytes()
    }),
];

/// A service that echoes at this path and in its trace ids, and works otherwise.
fn server(path: &'static str, echo: Option<Echo>) -> TcpServer {
    TcpServer::start(move |mut connection| {
        while let Some(request) = connection.read_request() {
            let request = whole(&request);
            let response = match echo {
                Some(echo) if request.contains(&format!("{path} ")) => echo(&request),
                _ => {
                    let data = json!({"accessToken": ISSUED, "taskID": 7});
                    ok(&json!({"code": 0, "data": data, "x-traceID": request}).to_string())
                }
            };
            if !connection.send(&response) || response.ends_with(b"\x01\r\n\r\n") {
                return;
            }
            if echo.is_some() && response.windows(5).any(|five| five == b"99999") {
                return;
            }
        }
    })
}

#[derive(Clone, Copy, Debug)]
enum Adapter {
    Async,
    Blocking,
}

#[derive(Clone, Copy, Debug)]
enum Identity {
    Credentials,
    Token,
}

/// Shared, since its setup takes long.
static REQWEST: LazyLock<ReqwestTransport> = LazyLock::new(|| {
    let builder = pan123_async::reqwest::Client::builder();
    ReqwestTransport::from_builder(builder, Duration::from_secs(10)).expect("reqwest")
});

macro_rules! client {
    ($builder:expr, $url:expr, $identity:expr, $clock:expr) => {{
        let builder = $builder
            .base_url($url)
            .retry(RetryPolicy::none())
            .clock($clock.clone())
            .spawner($clock.clone());
        let builder = match $identity {
            Identity::Credentials => builder.credentials("client-id", CLIENT_SECRET),
            Identity::Token => builder.access_token(GIVEN),
        };
        builder.build().expect("good settings")
    }};
}

/// Creates a download. Returns the result and the `Debug` of the client.
fn create(adapter: Adapter, url: &str, identity: Identity) -> (Result<TaskId, Error>, String) {
    let (created, client) = send(adapter, url, identity, &download());
    (created.map(|created| created.task), client)
}

fn send<E: Endpoint>(
    adapter: Adapter,
    url: &str,
    identity: Identity,
    endpoint: &E,
) -> (Result<E::Response, Error>, String) {
    let clock = JumpClock::new();
    match adapter {
        Adapter::Async => {
            let builder = pan123_async::Client::builder().transport(REQWEST.clone());
            let client = client!(builder, url, identity, clock);
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("a runtime");
            let sent = runtime.block_on(clock.drive(client.send(endpoint)));
            (sent, debugged(&client))
        }
        Adapter::Blocking => {
            let client = client!(pan123_blocking::Client::builder(), url, identity, clock);
            let sent = clock.drive_blocking(|| client.send(endpoint));
            (sent, debugged(&client))
        }
    }
}

/// Whether ureq logged sent or received bytes, or a redirect, at TRACE. Only the filter of the logger can suppress this, so the
/// adapter warns of it.
fn is_wire(line: &Value) -> bool {
    let message = line["fields"]["message"].as_str().unwrap_or_default();
    let location = line["target"] == "ureq::run" && message.contains("\"location\"");
    line["target"] == "ureq_proto::util" || location
}

fn assert_logs_hide(lines: &[Value], what: &str) {
    assert!(!lines.is_empty(), "nothing was logged");
    for line in lines.iter().filter(|line| !is_wire(line)) {
        assert_hidden(&line.to_string(), what);
    }
    let warned =
        |line: &Value| line["target"] == "pan123" && line.to_string().contains("ureq_proto=debug");
    let wire = lines
        .iter()
        .position(|line| line["target"] == "ureq_proto::util");
    let warning = lines.iter().position(warned);
    assert!(
        wire.is_none() || warning < wire && warning.is_some(),
        "{what}: no warning"
    );
}

fn all(check: impl Fn(Adapter, Identity)) {
    for adapter in [Adapter::Async, Adapter::Blocking] {
        for identity in [Identity::Credentials, Identity::Token] {
            check(adapter, identity);
        }
    }
}

#[test]
fn success_reveals_no_secret() {
    all(|adapter, identity| {
        let server = server(OFFLINE_DOWNLOAD, None);
        let lines = logged(|| {
            let (created, client) = create(adapter, &server.url("http"), identity);
            assert_eq!(created.expect("all is well").get(), 7);
            assert_hidden(&client, "a client");
        });
        assert_logs_hide(&lines, &format!("{adapter:?} {identity:?}"));
    });
}

#[test]
fn response_that_echoes_the_request_reveals_no_secret() {
    for (how, echo) in ECHOES {
        for path in [OFFLINE_DOWNLOAD, ACCESS_TOKEN] {
            all(|adapter, identity| {
                if matches!((path, identity), (ACCESS_TOKEN, Identity::Token)) {
                    return; // None is fetched.
                }
                let what = format!("{how} of {path}, {adapter:?} {identity:?}");
                let server = server(path, Some(echo));
                let lines = logged(|| {
                    let (created, client) = create(adapter, &server.url("http"), identity);
                    assert_hidden(&error_texts(&created.expect_err(&what)), &what);
                    assert_hidden(&client, &what);
                });
                assert_logs_hide(&lines, &what);
            });
        }
    }
}

/// An endpoint with a secret in its query that it does not declare.
struct UndeclaredSecret;

impl Endpoint for UndeclaredSecret {
    const METHOD: Method = Method::POST;
    const PATH: &'static str = "/api/v1/oauth2/access_token";
    const RATE: RateClass = RateClass::new("oauth2", Duration::ZERO);
    const IDEMPOTENCY: Idempotency = Idempotency::Idempotent;
    type Response = ();

    fn query(&self, query: &mut Query) {
        query.push("client_secret", "canary-form");
    }
}

/// Even without declared secrets, the error of an HTTP client shows no query.
#[test]
fn error_of_an_http_client_reveals_no_query() {
    let silent = TcpServer::start(|mut connection| {
        // Reads one byte, of HTTP or TLS, and closes the connection.
        let _ = connection.read(&mut [0]);
    });
    let hopeless = [
        "http://127.0.0.1:1",
        // For reqwest this is not a URL.
        "https://127.0.0.256",
        &silent.url("http"),
        &silent.url("https"),
    ];
    // The lines are not checked: ureq logs the complete URL at TRACE.
    logged(|| {
        for url in hopeless {
            for adapter in [Adapter::Async, Adapter::Blocking] {
                let (sent, _) = send(adapter, url, Identity::Token, &UndeclaredSecret);
                let text = error_texts(&sent.expect_err("nobody responds"));
                assert_hidden(&text, url);
                assert!(!text.contains("client_secret"), "{text}");
            }
        }
    });
}

#[test]
fn unreachable_server_reveals_no_secret() {
    let no_name = format!("https://{}.invalid", "n".repeat(64));
    for url in ["http://127.0.0.1:1", "https://127.0.0.1:1", &no_name] {
        all(|adapter, identity| {
            let lines = logged(|| {
                let (created, _) = create(adapter, url, identity);
                assert_hidden(&error_texts(&created.expect_err("nobody is there")), url);
            });
            assert_logs_hide(&lines, url);
        });
    }
}
