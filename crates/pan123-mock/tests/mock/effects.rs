//! Fetches and callbacks, over real sockets.

use std::io::Write;
use std::net::TcpListener;
use std::sync::mpsc;

use pan123_mock::{Delivery, MockPan123, Service, TaskEnd, TaskOutcome, TaskScript};
use serde_json::json;

use crate::support::TIMEOUT;
use crate::support::client::Client;
use crate::support::peers::{callback_receiver, once};

fn responding(head: &'static str) -> String {
    once(move |_, stream| {
        let _ = stream.write_all(head.as_bytes());
    })
}

fn outcome(service: &Service) -> Option<TaskOutcome> {
    service.tasks().first()?.outcome().cloned()
}

fn failure(mock: &MockPan123) -> String {
    match mock.wait_for(TIMEOUT, outcome) {
        Some(TaskOutcome::Failed { reason, .. }) => reason,
        other => panic!("not a failure: {other:?}"),
    }
}

#[test]
fn callback_is_posted_once_after_the_final_poll() {
    let mock = MockPan123::builder()
        .default_script(TaskScript::succeeds_after(1))
        .start_blocking();
    let client = Client::new(mock.base_url());
    let (url, received) = callback_receiver();
    let task = client.create(&json!({"url": "https://example.com/a", "callBackUrl": url}));
    client.poll(task);
    client.poll(task);

    let body = received.recv_timeout(TIMEOUT).expect("a callback");
    assert_eq!(body["status"], 0);
    assert_eq!(body["url"], "https://example.com/a");
    let delivery = mock.wait_for(TIMEOUT, |service| {
        service.callbacks()[0].delivery().cloned()
    });
    assert_eq!(delivery, Some(Delivery::Responded(202)));
    assert_eq!(mock.service(|service| service.callbacks().len()), 1);
}

#[test]
fn callback_to_another_machine_is_not_posted() {
    let mock = MockPan123::start_blocking();
    let client = Client::new(mock.base_url());
    let body = json!({"url": "https://example.com/a", "callBackUrl": "http://192.0.2.1/cb"});
    let task = client.create(&body);
    mock.end_task(task, TaskEnd::Succeeded { size: 0 });
    let delivery = mock.wait_for(TIMEOUT, |service| {
        service.callbacks()[0].delivery().cloned()
    });
    assert_eq!(delivery, Some(Delivery::NotLoopback));
}

#[test]
fn undeliverable_callback_is_recorded_as_failed() {
    let mock = MockPan123::start_blocking();
    let client = Client::new(mock.base_url());
    let free = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}/", free.local_addr().expect("an address"));
    drop(free);
    let task = client.create(&json!({"url": "https://example.com/a", "callBackUrl": url}));
    mock.end_task(task, TaskEnd::failed("gone"));
    let delivery = mock.wait_for(TIMEOUT, |service| {
        service.callbacks()[0].delivery().cloned()
    });
    assert!(
        matches!(delivery, Some(Delivery::Failed(_))),
        "{delivery:?}"
    );
}

#[test]
fn loopback_source_is_fetched() {
    let (release, released) = mpsc::channel::<()>();
    let source = once(move |_, stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2000\r\n\r\n");
        let _ = stream.write_all(&[7; 500]);
        let _ = released.recv();
        let _ = stream.write_all(&[7; 1500]);
    });
    let (callback, received) = callback_receiver();
    let mock = MockPan123::builder().fetch_loopback(true).start_blocking();
    let client = Client::new(mock.base_url());
    let task = client.create(&json!({"url": source, "callBackUrl": callback}));

    let quarter = mock.wait_for(TIMEOUT, |service| {
        (service.tasks()[0].progress().percent >= 25.0).then_some(())
    });
    assert_eq!(quarter, Some(()));
    assert_eq!(client.poll(task), json!({"process": 25, "status": 0}));

    release.send(()).expect("a waiting source");
    let end = mock.wait_for(TIMEOUT, outcome);
    assert!(
        matches!(end, Some(TaskOutcome::Succeeded { .. })),
        "{end:?}"
    );
    assert_eq!(client.poll(task), json!({"process": 100, "status": 2}));
    assert_eq!(
        mock.service(|service| service.tasks()[0].fetched_bytes()),
        2000
    );
    let body = received.recv_timeout(TIMEOUT).expect("a callback");
    assert!(body["fileID"].as_u64().expect("a file id") > 0);
}

#[test]
fn unavailable_source_fails_the_task() {
    let redirect = "HTTP/1.1 302 Found\r\nLocation: /b\r\nContent-Length: 0\r\n\r\n";
    for (source, reason) in [
        (
            responding("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"),
            Some("HTTP 404"),
        ),
        (responding(redirect), Some("HTTP 302")),
        (
            responding("HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n01234567890"),
            Some("longer than 10 bytes"),
        ),
        (
            responding("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n01234567890"),
            Some("longer than 10 bytes"),
        ),
        (
            responding("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n01"),
            None,
        ),
        (responding("nonsense\r\n\r\n"), None),
    ] {
        let mock = MockPan123::builder()
            .fetch_loopback(true)
            .fetch_limit(10)
            .start_blocking();
        let client = Client::new(mock.base_url());
        let task = client.create(&json!({ "url": source }));
        let failure = failure(&mock);
        assert!(reason.is_none_or(|reason| reason == failure), "{failure}");
        assert_eq!(client.poll(task), json!({"process": 0, "status": 1}));
    }
}
