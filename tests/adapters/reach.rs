//! How far a request got, as both adapters report it: over real sockets, with a create, which may be sent only once.

use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use pan123_mock::{Connection, TcpServer};
use pan123_proto::{Error, ErrorKind, RetryPolicy, TransportErrorKind};
use pan123_tests::clock::JumpClock;
use pan123_tests::observed::reached;
use rustls::pki_types::PrivateKeyDer;

use crate::adapters::both::{Adapter, BOTH, Limits, SHORT, basics, ok, unknown_host};

fn with_short_timeouts() -> Limits {
    Limits {
        connect: SHORT,
        request: SHORT,
        ..Limits::default()
    }
}

/// Checks that the create was sent again, since nothing had left.
fn assert_never_left(adapter: Adapter, url: &str, limits: &Limits) {
    let error = adapter.fails(url, limits);
    let reached = reached(&error);
    assert_eq!(
        reached,
        Some(TransportErrorKind::NeverLeft),
        "{adapter:?}: {error:?}"
    );
    assert!(
        matches!(error, Error::RetriesExhausted { attempts: 2, .. }),
        "{adapter:?}: {error:?}"
    );
}

#[test]
fn unknown_host_never_left() {
    for adapter in BOTH {
        assert_never_left(adapter, &unknown_host(), &with_short_timeouts());
    }
}

#[test]
fn handshake_with_a_non_tls_server_never_left() {
    for adapter in BOTH {
        let server = TcpServer::start(|mut connection| {
            connection.send(b"SSH-2.0-OpenSSH_9.9\r\n");
        });
        assert_never_left(adapter, &server.url("https"), &Limits::default());
        assert_eq!(
            (server.accepted(), server.requests()),
            (2, 0),
            "{adapter:?}"
        );
    }
}

#[test]
fn handshake_that_is_cut_off_never_left() {
    for adapter in BOTH {
        let server = TcpServer::start(drop);
        assert_never_left(adapter, &server.url("https"), &Limits::default());
        assert_eq!(server.accepted(), 2, "{adapter:?}");
    }
}

#[test]
fn handshake_that_hangs_never_left() {
    let limits = Limits {
        connect: SHORT,
        ..Limits::default()
    };
    for adapter in BOTH {
        let server = TcpServer::start(|mut connection| connection.wait_until_closed());
        let begun = Instant::now();
        assert_never_left(adapter, &server.url("https"), &limits);
        assert_eq!(server.accepted(), 2, "{adapter:?}");
        let took = begun.elapsed();
        assert!(took < Duration::from_secs(8), "{adapter:?}: {took:?}");
    }
}

/// Connecting always gets less time than the request, so that a connect timeout is reported as such.
#[test]
fn handshake_that_hangs_past_the_request_timeout_never_left() {
    let limits = Limits {
        // A tenth of it lies between the two timeouts.
        request: SHORT * 5,
        ..Limits::default()
    };
    for adapter in BOTH {
        let server = TcpServer::start(|mut connection| connection.wait_until_closed());
        assert_never_left(adapter, &server.url("https"), &limits);
        assert_eq!(server.requests(), 0, "{adapter:?}");
    }
}

#[test]
fn rejected_certificate_ends_the_call_at_once() {
    for adapter in BOTH {
        let (server, talked) = self_signed();
        let error = adapter.fails(&server.url("https"), &Limits::default());
        assert_eq!(error.kind(), ErrorKind::Transport, "{adapter:?}: {error:?}");
        let reached = reached(&error);
        assert_eq!(
            reached,
            Some(TransportErrorKind::Certificate),
            "{adapter:?}: {error:?}"
        );
        server.wait_until_ended(1);
        assert_eq!(server.accepted(), 1, "{adapter:?}");
        assert!(!talked.load(Ordering::Acquire), "{adapter:?}");
    }
}

/// A server closes a connection that it kept when the next request comes over it. A create does not meet that.
#[test]
fn create_is_not_sent_over_a_connection_that_was_kept() {
    for adapter in BOTH {
        let server = TcpServer::start(|mut connection| {
            let created = ok(r#"{"code":0,"data":{"taskID":7}}"#);
            if connection.read_request().is_some() && connection.send(&created) {
                connection.read_request();
            }
        });
        adapter.create_twice(&server.url("http"), || ()).unwrap();
        let observed = (server.accepted(), server.requests());
        assert_eq!(observed, (2, 2), "{adapter:?}");
    }
}

/// Nothing was sent over the old one, so that even a create is sent over a new one.
#[test]
fn create_is_sent_over_a_new_connection_if_the_old_one_was_closed() {
    for adapter in BOTH {
        let server = TcpServer::responding(ok(r#"{"code":0,"data":{"taskID":7}}"#));
        let closed = || server.wait_until_ended(1);
        adapter.create_twice(&server.url("http"), closed).unwrap();
        assert_eq!(
            (server.accepted(), server.requests()),
            (2, 2),
            "{adapter:?}"
        );
    }
}

/// Only one attempt is allowed.
#[test]
fn read_is_sent_over_a_new_connection_if_the_old_one_was_closed() {
    let server = TcpServer::responding(ok(r#"{"code":0,"data":{"uid":7,"nickname":"alice"}}"#));
    let clock = JumpClock::new();
    let builder = basics!(
        pan123_blocking::Client::builder(),
        server.url("http"),
        clock
    );
    let builder = builder.retry(RetryPolicy::default().max_attempts(1));
    let client = builder.build().unwrap();
    for requests in 1..=3 {
        clock.drive_blocking(|| client.user_info()).unwrap();
        server.wait_until_ended(requests);
    }
    assert_eq!((server.accepted(), server.requests()), (3, 3));
}

/// A server with a self-signed certificate, and whether anything was sent to it over TLS.
fn self_signed() -> (TcpServer, Arc<AtomicBool>) {
    let names = vec!["127.0.0.1".to_owned()];
    let made = rcgen::generate_simple_self_signed(names).expect("a certificate");
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).expect("its key");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions that the provider has")
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .expect("a certificate with its key");
    let config = Arc::new(config);
    let talked = Arc::<AtomicBool>::default();
    let noted = Arc::clone(&talked);
    let server = TcpServer::start(move |connection| {
        if takes_a_request(connection, Arc::clone(&config)) {
            noted.store(true, Ordering::Release);
        }
    });
    (server, talked)
}

/// Whether the client accepts the certificate and sends something.
fn takes_a_request(connection: Connection, config: Arc<rustls::ServerConfig>) -> bool {
    let session = rustls::ServerConnection::new(config).expect("a configuration of ours");
    let mut stream = rustls::StreamOwned::new(session, connection);
    stream.read(&mut [0]).is_ok_and(|read| read > 0)
}
