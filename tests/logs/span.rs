//! The logs of a transport are in the span of its call, and the logs of other tasks are not.

use std::future::poll_fn;
use std::task::Poll;

use bytes::Bytes;
use pan123_async::context::BoxFuture;
use pan123_proto::user::GetUserInfo;
use pan123_proto::{Transmit, TransportError};
use pan123_tests::clock::JumpClock;
use pan123_tests::logs::logged;
use serde_json::{Value, json};

type SendResult = Result<http::Response<Bytes>, TransportError>;

/// A transport that logs when it sends and at each poll.
struct LoggingTransport;

fn response() -> http::Response<Bytes> {
    http::Response::new(r#"{"code":0,"data":{"uid":7}}"#.into())
}

impl pan123_async::context::Transport for LoggingTransport {
    fn send(&self, _: Transmit) -> BoxFuture<'_, SendResult> {
        tracing::info!("it sends");
        let mut polls = 3;
        Box::pin(poll_fn(move |context| {
            tracing::info!("it waits");
            polls -= 1;
            if polls > 0 {
                context.waker().wake_by_ref();
                return Poll::Pending;
            }
            Poll::Ready(Ok(response()))
        }))
    }
}

impl pan123_blocking::context::Transport for LoggingTransport {
    fn send(&self, _: Transmit) -> SendResult {
        tracing::info!("it sends");
        Ok(response())
    }
}

fn lines_with<'a>(lines: &'a [Value], message: &str) -> Vec<&'a Value> {
    let has_text = |line: &&Value| line["fields"]["message"] == message;
    lines.iter().filter(has_text).collect()
}

#[test]
fn async_transport_logs_in_the_span_of_its_call() {
    let clock = JumpClock::new();
    let client = pan123_async::Client::builder()
        .access_token("t")
        .transport(LoggingTransport)
        .clock(clock.clone())
        .spawner(clock.clone())
        .build()
        .unwrap();
    let lines = logged(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        runtime.unwrap().block_on(async {
            let call = tokio::spawn(clock.drive(client.send(&GetUserInfo)));
            let other = tokio::spawn(async {
                for _ in 0..10 {
                    tracing::info!("somebody else");
                    tokio::task::yield_now().await;
                }
            });
            other.await.unwrap();
            call.await.unwrap().unwrap();
        });
    });
    let inside = [
        lines_with(&lines, "it sends"),
        lines_with(&lines, "it waits"),
    ]
    .concat();
    assert_eq!(inside.len(), 1 + 3);
    for line in inside {
        assert_eq!(
            line["span"]["endpoint"],
            json!("/api/v1/user/info"),
            "{line}"
        );
    }
    let outside = lines_with(&lines, "somebody else");
    assert_eq!(outside.len(), 10);
    for line in outside {
        assert_eq!(line["span"], Value::Null, "{line}");
    }
}

#[test]
fn blocking_transport_logs_in_the_span_of_its_call() {
    let clock = JumpClock::new();
    let client = pan123_blocking::Client::builder()
        .access_token("t")
        .transport(LoggingTransport)
        .clock(clock.clone())
        .spawner(clock.clone())
        .build()
        .unwrap();
    let lines = logged(|| {
        clock.drive_blocking(|| client.send(&GetUserInfo)).unwrap();
        tracing::info!("afterwards");
    });
    let sent = lines_with(&lines, "it sends");
    assert_eq!(sent[0]["span"]["endpoint"], json!("/api/v1/user/info"));
    assert_eq!(lines_with(&lines, "afterwards")[0]["span"], Value::Null);
}
