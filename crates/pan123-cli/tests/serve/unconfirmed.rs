//! Downloads of which nobody knows whether they were created.

use std::time::Duration;

use pan123_mock::{Fault, MockPan123, TaskScript, path};
use serde_json::{Value, json};

use crate::serve::support::{Home, LIMIT, Service, Socket, mock_with};

const A: &str = "00000000000000a1";
const B: &str = "00000000000000b1";
const URL: &str = "http://source.example/a";

fn add(gid: &str) -> Value {
    json!([[URL], { "gid": gid, "dir": "/x", "out": "a.bin" }])
}

/// A service with an unconfirmed download.
async fn unconfirmed(home: &Home, mock: &MockPan123) -> (Service, Socket) {
    mock.fault(Fault::response_lost().on(path::OFFLINE_DOWNLOAD));
    let service = home.start(&[]).await;
    let mut socket = service.socket().await;
    service.call("addUri", add(A)).await;
    socket.notified("Error", A).await;
    (service, socket)
}

fn created(mock: &MockPan123) -> usize {
    mock.service(|service| service.tasks().len())
}

#[tokio::test(flavor = "multi_thread")]
async fn retry_of_an_unconfirmed_download_is_another_name_of_it() {
    let mock = mock_with(TaskScript::never_ends()).await;
    let home = Home::at(&mock);
    let (service, mut socket) = unconfirmed(&home, &mock).await;
    let row = service
        .call(
            "tellStatus",
            json!([A, ["status", "errorMessage", "pan123State"]]),
        )
        .await;
    assert_eq!(
        (&row["status"], &row["pan123State"]),
        (&json!("error"), &json!("unconfirmed"))
    );
    let message = row["errorMessage"].as_str().unwrap();
    assert!(
        message.starts_with("unconfirmed: 123pan may or may not have this download"),
        "{message}"
    );

    assert_eq!(service.call("addUri", add(B)).await, B);
    socket.notified("Error", B).await;
    assert_eq!(service.gids("tellStopped").await, [B]);
    assert_eq!(
        service
            .call(
                "tellStatus",
                json!([B, ["status", "errorMessage", "pan123State"]])
            )
            .await,
        row
    );
    // Another folder or name is another download.
    let other = json!([[URL], { "dir": "/x", "out": "b.bin", "pause": "true" }]);
    let other = service.call("addUri", other).await;
    assert_eq!(service.gids("tellWaiting").await, [other.as_str().unwrap()]);
    // The old name is removed, as after a retry; the download stays.
    assert_eq!(service.call("removeDownloadResult", json!([A])).await, "OK");
    assert_eq!(service.call("purgeDownloadResult", json!([])).await, "OK");
    assert_eq!(service.gids("tellStopped").await, [B]);

    service.kill().await;
    let service = home.start(&[]).await;
    assert_eq!(service.gids("tellStopped").await, [B]);
    assert_eq!(
        service
            .call(
                "tellStatus",
                json!([B, ["status", "errorMessage", "pan123State"]])
            )
            .await,
        row
    );
    let message = service.refused("addUri", add(B)).await;
    assert_eq!(message, format!("GID {B} is not unique."));
    service.call("addUri", add("0000000000000011")).await;
    assert_eq!(created(&mock), 1);

    // The latest name counts, after a restart as well.
    assert_eq!(service.gids("tellStopped").await, ["0000000000000011"]);
    service.kill().await;
    let service = home.start(&[]).await;
    assert_eq!(service.gids("tellStopped").await, ["0000000000000011"]);

    // One that is out of the lists is still there to be settled.
    service
        .call("removeDownloadResult", json!(["0000000000000011"]))
        .await;
    assert_eq!(service.gids("tellStopped").await, [""; 0]);
    let rows = service
        .call(
            "pan123.tellUnconfirmed",
            json!([0, 10, ["gid", "pan123Tasks"]]),
        )
        .await;
    assert_eq!(
        rows,
        json!([{ "gid": "0000000000000011", "pan123Tasks": [] }])
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn unconfirmed_download_is_settled_in_each_way() {
    let mock = mock_with(TaskScript::never_ends()).await;
    let home = Home::at(&mock);
    let (service, mut socket) = unconfirmed(&home, &mock).await;
    let message = service.refused("pan123.settle", json!([A, "maybe"])).await;
    assert!(message.contains("`again`"), "{message}");
    let message = service.refused("pan123.settle", json!([A, "again"])).await;
    assert!(message.contains("may still be on its way"), "{message}");
    let message = service.refused("pan123.settle", json!([A, "find"])).await;
    assert!(message.contains("no file fits"), "{message}");

    let task = mock.service(|service| service.tasks()[0].id());
    service
        .call("pan123.settle", json!([A, "was", task.to_string()]))
        .await;
    assert_eq!(service.status(A).await, "active");
    mock.end_task(task, pan123_mock::TaskEnd::Succeeded { size: 9 });
    socket.notified("Complete", A).await;
    assert_eq!(created(&mock), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn unconfirmed_download_is_found_or_given_up() {
    let mock = mock_with(TaskScript::succeeds_within(Duration::ZERO)).await;
    let home = Home::at(&mock);
    let (service, mut socket) = unconfirmed(&home, &mock).await;
    service.call("pan123.settle", json!([A, "find"])).await;
    socket.notified("Complete", A).await;
    assert_eq!(service.status(A).await, "complete");

    mock.fault(Fault::response_lost().on(path::OFFLINE_DOWNLOAD));
    let other = json!([[URL], { "gid": B, "dir": "/x", "out": "b.bin" }]);
    service.call("addUri", other.clone()).await;
    socket.notified("Error", B).await;
    service.call("pan123.settle", json!([B, "drop"])).await;
    socket.notified("Stop", B).await;
    assert_eq!(service.status(B).await, "removed");
    // It is given up, so the same again is a download of its own.
    let again = json!([[URL], { "dir": "/x", "out": "b.bin" }]);
    let again = service.call("addUri", again).await;
    socket.notified("Start", again.as_str().unwrap()).await;
    assert_eq!(created(&mock), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn file_of_another_download_settles_nothing() {
    let mock = mock_with(TaskScript::succeeds_within(Duration::ZERO)).await;
    let home = Home::at(&mock);
    // It was not carried out, but nothing tells.
    mock.fault(Fault::bad_gateway().on(path::OFFLINE_DOWNLOAD));
    let service = home.start(&[]).await;
    let mut socket = service.socket().await;
    service.call("addUri", add(A)).await;
    socket.notified("Error", A).await;
    let other = json!([["http://source.example/b"], { "gid": B, "dir": "/x", "out": "a.bin" }]);
    service.call("addUri", other).await;
    socket.notified("Complete", B).await;
    let message = service.refused("pan123.settle", json!([A, "find"])).await;
    assert!(
        message.contains("another download has that name"),
        "{message}"
    );
    assert_eq!(service.status(A).await, "error");
    assert_eq!(created(&mock), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_service_was_about_to_send_is_not_sent_by_a_retry() {
    let mock = mock_with(TaskScript::never_ends()).await;
    let home = Home::at(&mock);
    mock.fault(Fault::hang_after_acting().on(path::OFFLINE_DOWNLOAD));
    let service = home.start(&[]).await;
    service.call("addUri", add(A)).await;
    let sent = || mock.wait_for(LIMIT, |service| service.tasks().first().map(|_| ()));
    tokio::task::block_in_place(sent).expect("it is sent");
    service.kill().await;
    let service = home.start(&[]).await;
    assert_eq!(service.call("addUri", add(B)).await, B);
    assert_eq!(service.status(B).await, "error");
    assert_eq!(service.gids("tellStopped").await, [B]);
    service.stop().await;
    assert_eq!(created(&mock), 1);
}
