//! What outlives the process.

use pan123_mock::{MockPan123, TaskEnd, TaskScript};
use serde_json::json;

use crate::serve::support::{Home, ended, mock_with};

const A: &str = "00000000000000a1";
const B: &str = "00000000000000b1";
const C: &str = "00000000000000c1";

#[tokio::test(flavor = "multi_thread")]
async fn killed_service_goes_on_where_it_was() {
    let mock = mock_with(TaskScript::never_ends()).await;
    let home = Home::at(&mock);
    let service = home.start(&[]).await;
    let mut socket = service.socket().await;
    let url = "http://source.example/a";
    service
        .call(
            "addUri",
            json!([[url], { "gid": A, "dir": "/x", "out": "a.bin" }]),
        )
        .await;
    socket.notified("Start", A).await;
    for gid in [B, C] {
        service.add_paused(gid).await;
    }
    service
        .call("changePosition", json!([C, 0, "POS_SET"]))
        .await;
    let before = [
        service.call("tellActive", json!([])).await,
        service.call("tellWaiting", json!([0, 10])).await,
    ];
    service.kill().await;

    let service = home.start(&[]).await;
    let mut socket = service.socket().await;
    let after = [
        service.call("tellActive", json!([])).await,
        service.call("tellWaiting", json!([0, 10])).await,
    ];
    assert_eq!(after, before);
    assert_eq!(service.gids("tellWaiting").await, [C, B]);
    assert_eq!(
        service.call("getOption", json!([A])).await,
        json!({ "dir": "/x", "out": "a.bin" })
    );
    for gid in [A, B] {
        let message = service
            .refused("addUri", json!([["http://h/"], { "gid": gid }]))
            .await;
        assert_eq!(message, format!("GID {gid} is not unique."));
    }
    let task = mock.service(|service| service.tasks()[0].id());
    mock.end_task(task, TaskEnd::Succeeded { size: 7 });
    socket.notified("Complete", A).await;
    mock.assert_created_once(url);

    // What is purged stays away.
    assert_eq!(service.call("purgeDownloadResult", json!([])).await, "OK");
    assert_eq!(service.gids("tellStopped").await, [""; 0]);
    service.kill().await;
    let service = home.start(&[]).await;
    assert_eq!(service.gids("tellStopped").await, [""; 0]);
    assert_eq!(service.gids("tellWaiting").await, [C, B]);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_services_do_not_share_a_ledger() {
    let mock = MockPan123::start().await;
    let home = Home::at(&mock);
    let first = home.start(&[]).await;
    let (error, exit) = ended(&mut home.command(&["--listen", "127.0.0.1:0"])).await;
    assert_eq!((&error["type"], exit), (&json!("error"), 2));
    assert!(
        error["message"]
            .as_str()
            .unwrap()
            .contains("another `pan123 serve`"),
        "{error}"
    );
    let other = home.path("other.db");
    let (error, exit) = ended(&mut home.command(&["--listen", &first.address])).await;
    assert_eq!((&error["type"], exit), (&json!("error"), 1));
    assert!(
        error["message"].as_str().unwrap().contains("--listen"),
        "{error}"
    );
    let other = home.start(&["--ledger", other.to_str().unwrap()]).await;
    assert_eq!(other.secret, first.secret);
    other.stop().await;
    first.stop().await;
}
