//! The size of a body is limited while it is read, not after.

use std::time::Duration;

use pan123_mock::TcpServer;
use pan123_proto::{ErrorKind, TransportErrorKind};
use pan123_tests::observed::reached;

use crate::adapters::both::{BOTH, Limits, ok};

/// An endless body: twice the limit is sent, then nothing until the client closes the connection.
fn assert_cut(head: &'static str, piece: impl Fn(&[u8]) -> Vec<u8> + Copy + Send + Sync + 'static) {
    for adapter in BOTH {
        let limits = Limits {
            request: Duration::from_secs(5),
            ..Limits::default()
        };
        let length = 2 * limits.body;
        let server = TcpServer::start(move |mut connection| {
            connection.read_request();
            let blanks = piece(&[b' '; 4096]);
            connection.send(format!("HTTP/1.1 200 OK\r\n{head}\r\n").as_bytes());
            let mut sent = 0;
            while sent < length && connection.send(&blanks) {
                sent += blanks.len();
            }
            connection.wait_until_closed();
        });
        let error = adapter.fails(&server.url("http"), &limits);
        assert_eq!(error.kind(), ErrorKind::Ambiguous, "{adapter:?}: {error:?}");
        let reached = reached(&error);
        assert_eq!(
            reached,
            Some(TransportErrorKind::BodyTooLarge),
            "{adapter:?}: {error:?}"
        );
        assert_eq!(server.requests(), 1, "{adapter:?}");
        server.wait_until_ended(1);
    }
}

#[test]
fn endless_body_is_cut_at_the_limit() {
    assert_cut("", <[u8]>::to_vec);
}

#[test]
fn body_at_the_limit_is_read_and_one_byte_more_is_not() {
    let limits = Limits::default();
    for (length, fits) in [(limits.body, true), (limits.body + 1, false)] {
        for adapter in BOTH {
            let mut body = r#"{"code":0,"data":{"taskID":7}}"#.to_owned();
            body.extend(std::iter::repeat_n(' ', length - body.len()));
            let server = TcpServer::responding(ok(&body));
            let created = adapter.create(&server.url("http"), &limits);
            assert_eq!(created.is_ok(), fits, "{adapter:?}, {length}: {created:?}");
        }
    }
}
