//! How the service ends.

use pan123_mock::{MockPan123, TaskScript};
use serde_json::json;

use crate::serve::support::{Home, mock_with};

const A: &str = "00000000000000a1";

#[tokio::test(flavor = "multi_thread")]
async fn stop_closes_sockets_and_keeps_the_queue() {
    let mock = mock_with(TaskScript::never_ends()).await;
    let home = Home::at(&mock);
    for signal in ["TERM", "INT"] {
        let service = home.start(&[]).await;
        let mut socket = service.socket().await;
        if signal == "TERM" {
            service
                .call("addUri", json!([["http://source.example/a"], { "gid": A }]))
                .await;
            socket.notified("Start", A).await;
        }
        assert_eq!(service.gids("tellActive").await, [A]);
        service.signal(signal);
        assert_eq!(socket.next().await, None);
        let (last, status) = service.end().await;
        assert_eq!(last["type"], "stopped");
        assert_eq!(
            last["report"],
            "0 succeeded, 0 failed, 0 unconfirmed, 1 running, 0 not submitted"
        );
        assert!(status.success(), "{status}");
    }
    assert_eq!(mock.service(|service| service.tasks().len()), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_may_stop_it() {
    let mock = MockPan123::start().await;
    let home = Home::at(&mock);
    let service = home.start(&[]).await;
    assert_eq!(service.call("shutdown", json!([])).await, "OK");
    let (last, status) = service.end().await;
    assert_eq!(last["type"], "stopped");
    assert!(status.success(), "{status}");
}
