//! What a monitoring system reads.

use std::time::Duration;

use pan123_async::reqwest::Method;
use pan123_mock::TaskScript;
use serde_json::json;

use crate::serve::support::{Home, Service, mock_with};

const A: &str = "00000000000000a1";

async fn metrics(service: &Service, authorization: Option<&str>) -> (u16, String) {
    let mut request = service.request(Method::GET, "/metrics");
    if let Some(authorization) = authorization {
        request = request.header("authorization", authorization);
    }
    let response = request.send().await.expect("an answer");
    (
        response.status().as_u16(),
        response.text().await.expect("a text"),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_are_for_those_who_know_the_secret() {
    let mock = mock_with(TaskScript::succeeds_within(Duration::ZERO)).await;
    let home = Home::at(&mock);
    let service = home.start(&[]).await;
    let mut socket = service.socket().await;
    service
        .call("addUri", json!([["http://source.example/a"], { "gid": A }]))
        .await;
    socket.notified("Complete", A).await;

    for wrong in [None, Some("Bearer wrong"), Some("Basic wrong")] {
        assert_eq!(metrics(&service, wrong).await, (401, String::new()));
    }
    let right = format!("Bearer {}", service.secret);
    let (status, text) = metrics(&service, Some(&right)).await;
    assert_eq!(status, 200);
    for line in [
        "pan123_downloads{state=\"succeeded\"} 1",
        "pan123_download_changes_total{change=\"created\"} 1",
        "pan123_download_changes_total{change=\"succeeded\"} 1",
        "pan123_requests_total{purpose=\"create\",answer=\"ok\"} 1",
        "pan123_sockets 1",
    ] {
        assert!(text.lines().any(|found| found == line), "{line}\n{text}");
    }
    assert!(!text.contains("source.example") && !text.contains(&service.secret));
}
