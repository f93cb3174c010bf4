//! A body is bounded while it is read, not after.

use pan123_proto::{ErrorKind, TransportErrorKind};
use pan123_tests::seen::reached;
use pan123_tests::tcp::{Server, ok};

use crate::both::{BOTH, Limits};

const MIB: usize = 1 << 20;

/// Far less than this is read; the rest is what the system's buffers take before the server finds out.
const MOST_SENT: usize = 6 * MIB;

fn is_cut(start: impl Fn() -> Server) {
    for adapter in BOTH {
        let server = start();
        let limits = Limits::default();
        let error = adapter.fails(&server.url("http"), &limits);
        assert_eq!(error.kind(), ErrorKind::Ambiguous, "{adapter:?}: {error:?}");
        let reached = reached(&error);
        assert_eq!(
            reached,
            Some(TransportErrorKind::BodyTooLarge),
            "{adapter:?}: {error:?}"
        );
        assert_eq!(server.requests(), 1, "{adapter:?}");
        server.until_ended(1);
        assert!(
            server.sent() < MOST_SENT,
            "{adapter:?}: {} bytes",
            server.sent()
        );
    }
}

#[test]
fn an_endless_body_in_chunks() {
    is_cut(|| {
        Server::start(|mut stream, seen| {
            seen.read_request(&mut stream);
            let head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
            let chunk = [b"1000\r\n", &[b' '; 4096][..], b"\r\n"].concat();
            let mut going = seen.write(&mut stream, head);
            while going {
                going = seen.write(&mut stream, &chunk);
            }
        })
    });
}

#[test]
fn an_endless_body_until_the_end_of_the_connection() {
    is_cut(|| {
        Server::start(|mut stream, seen| {
            seen.read_request(&mut stream);
            let mut going = seen.write(&mut stream, b"HTTP/1.1 200 OK\r\n\r\n");
            while going {
                going = seen.write(&mut stream, &[b' '; 4096]);
            }
        })
    });
}

#[test]
fn a_body_that_says_it_is_too_long() {
    is_cut(|| {
        Server::start(|mut stream, seen| {
            seen.read_request(&mut stream);
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", 64 * MIB);
            let mut going = seen.write(&mut stream, head.as_bytes());
            for _ in 0..64 * MIB / 4096 {
                going = going && seen.write(&mut stream, &[b' '; 4096]);
            }
        })
    });
}

#[test]
fn a_body_at_the_limit_is_read_and_one_byte_more_is_not() {
    let limits = Limits::default();
    for (length, fits) in [(limits.body, true), (limits.body + 1, false)] {
        for adapter in BOTH {
            let mut body = r#"{"code":0,"data":{"taskID":7}}"#.to_owned();
            body.extend(std::iter::repeat_n(' ', length - body.len()));
            let server = Server::answering(ok(&body));
            let created = adapter.create(&server.url("http"), &limits);
            assert_eq!(created.is_ok(), fits, "{adapter:?}, {length}: {created:?}");
        }
    }
}
