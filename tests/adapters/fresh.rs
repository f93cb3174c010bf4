//! A create has a connection of its own.

use std::sync::atomic::{AtomicUsize, Ordering};

use pan123_mock::TcpServer;

use crate::both::{BOTH, ok};

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
