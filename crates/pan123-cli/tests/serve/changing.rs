//! Downloads that are paused, moved, changed and removed.

use pan123_mock::{MockPan123, TaskEnd, TaskScript};
use serde_json::{Value, json};

use crate::serve::support::{Home, LIMIT, mock_with};

const A: &str = "00000000000000a1";
const B: &str = "00000000000000b1";
const C: &str = "00000000000000c1";
const D: &str = "00000000000000d1";

#[tokio::test(flavor = "multi_thread")]
async fn queue_is_listed_and_moved_as_in_aria2() {
    let mock = MockPan123::start().await;
    let home = Home::at(&mock);
    let service = home.start(&[]).await;
    for gid in [A, B, C, D] {
        service.add_paused(gid).await;
    }
    for (offset, count, gids) in [
        (0, 10, vec![A, B, C, D]),
        (1, 2, vec![B, C]),
        (-1, 10, vec![D, C, B, A]),
        (-3, 5, vec![B, A]),
        (-9, 20, vec![]),
        (4, 1, vec![]),
    ] {
        let rows = service
            .call("tellWaiting", json!([offset, count, ["gid"]]))
            .await;
        let expected: Vec<_> = gids.iter().map(|gid| json!({ "gid": gid })).collect();
        assert_eq!(rows, Value::from(expected), "{offset} {count}");
    }
    for (gid, by, how, place, order) in [
        (D, 0, "POS_SET", 0, [D, A, B, C]),
        (D, 99, "POS_SET", 3, [A, B, C, D]),
        (C, -1, "POS_CUR", 1, [A, C, B, D]),
        (A, 2, "POS_CUR", 2, [C, B, A, D]),
        (C, -1, "POS_END", 2, [B, A, C, D]),
    ] {
        let moved = service.call("changePosition", json!([gid, by, how])).await;
        assert_eq!(moved, place, "{gid} {by} {how}");
        assert_eq!(service.gids("tellWaiting").await, order, "{gid} {by} {how}");
    }
    let added = service
        .call("addUri", json!([["http://h/"], { "pause": "true" }, 1]))
        .await;
    let added = added.as_str().unwrap();
    assert_eq!(service.gids("tellWaiting").await, [B, added, A, C, D]);
    assert_eq!(
        service
            .refused("changePosition", json!([A, 0, "POS_X"]))
            .await,
        "Illegal argument."
    );
    mock.assert_requests(pan123_mock::path::OFFLINE_DOWNLOAD, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn queued_download_is_paused_removed_and_never_sent() {
    let mock = MockPan123::builder().running_limit(0).start().await;
    let home = Home::at(&mock);
    let service = home.start(&[]).await;
    let mut socket = service.socket().await;
    let add = |gid: &str| json!([[format!("http://source.example/{gid}")], { "gid": gid }]);
    for gid in [A, B] {
        service.call("addUri", add(gid)).await;
    }
    // The account takes none, so they wait. One may be on its way for a moment.
    for gid in [A, B] {
        while service
            .post(service.call_of("pause", json!([gid])).to_string())
            .await
            .0
            != 200
        {}
        socket.notified("Pause", gid).await;
        assert_eq!(service.status(gid).await, "paused");
    }
    assert_eq!(
        service.refused("pause", json!([A])).await,
        format!("GID#{A} cannot be paused now")
    );
    assert_eq!(service.call("remove", json!([A])).await, A);
    socket.notified("Stop", A).await;
    assert_eq!(service.call("forceRemove", json!([&B[..15]])).await, B);
    for gid in [A, B] {
        let message = service.refused("tellStatus", json!([gid])).await;
        assert_eq!(message, format!("GID {gid} is not found"));
    }
    assert_eq!(mock.service(|service| service.tasks().len()), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn all_are_paused_and_queued_again() {
    let mock = mock_with(TaskScript::never_ends()).await;
    let home = Home::at(&mock);
    let service = home.start(&[]).await;
    let mut socket = service.socket().await;
    for gid in [A, B] {
        service.add_paused(gid).await;
    }
    assert_eq!(
        service.refused("unpause", json!([C])).await,
        format!("GID {C} is not found")
    );
    assert_eq!(service.call("pauseAll", json!([])).await, "OK");
    assert_eq!(service.call("unpause", json!([A])).await, A);
    socket.notified("Start", A).await;
    assert_eq!(
        service.refused("unpause", json!([A])).await,
        format!("GID#{A} cannot be unpaused now")
    );
    assert_eq!(service.call("unpauseAll", json!([])).await, "OK");
    socket.notified("Start", B).await;
    assert_eq!(service.gids("tellActive").await, [A, B]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_sent_is_neither_paused_nor_cancelled() {
    let mock = mock_with(TaskScript::never_ends()).await;
    let home = Home::at(&mock);
    let service = home.start(&[]).await;
    let mut socket = service.socket().await;
    service
        .call("addUri", json!([["http://source.example/a"], { "gid": A }]))
        .await;
    socket.notified("Start", A).await;
    for (method, message) in [
        ("pause", "cannot be paused now: 123pan has no pause"),
        ("forcePause", "cannot be paused now: 123pan has no pause"),
        ("remove", "cannot be removed now: 123pan cannot cancel"),
    ] {
        assert_eq!(
            service.refused(method, json!([A])).await,
            format!("GID#{A} {message}")
        );
    }
    let message = service
        .refused("changeOption", json!([A, { "out": "b" }]))
        .await;
    assert_eq!(
        message,
        format!("Cannot change option for GID#{A}: it is running")
    );
    let message = service
        .refused("changePosition", json!([A, 0, "POS_SET"]))
        .await;
    assert_eq!(message, format!("GID#{A} not found in the waiting queue."));
    let message = service.refused("removeDownloadResult", json!([A])).await;
    assert_eq!(
        message,
        format!("Could not remove download result of GID#{A}")
    );
    assert_eq!(
        service.call("getServers", json!([A])).await,
        json!([{ "index": "1", "servers": [] }])
    );

    assert_eq!(service.call("forceRemove", json!([A])).await, A);
    socket.notified("Stop", A).await;
    let removed = service.call("tellStatus", json!([A])).await;
    assert_eq!(
        (&removed["status"], &removed["errorCode"]),
        (&json!("removed"), &json!("31"))
    );
    assert!(
        removed["errorMessage"]
            .as_str()
            .unwrap()
            .contains("may still arrive")
    );
    for method in ["remove", "forceRemove"] {
        let message = service.refused(method, json!([A])).await;
        assert_eq!(message, format!("Active Download not found for GID#{A}"));
    }
    // That it ends after all is no news, not even after a restart.
    let task = mock.service(|service| service.tasks()[0].id());
    service.stop().await;
    mock.end_task(task, TaskEnd::Succeeded { size: 1 });
    let service = home.start(&[]).await;
    assert_eq!(service.call("tellStatus", json!([A])).await, removed);
    assert_eq!(service.call("removeDownloadResult", json!([A])).await, "OK");
    assert_eq!(
        service.refused("tellStatus", json!([A])).await,
        format!("GID {A} is not found")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn folder_and_name_change_until_it_is_sent_and_options_round_trip() {
    let mock = mock_with(TaskScript::never_ends()).await;
    let home = Home::at(&mock);
    let service = home.start(&["--map-dir", "/=/aria2"]).await;
    let options = json!({ "gid": A, "pause": "true", "dir": "/x", "out": "a.bin", "header": ["Cookie: hidden"] });
    service
        .call("addUri", json!([["http://source.example/a"], options]))
        .await;
    let option = service.call("getOption", json!([A])).await;
    assert_eq!(option, json!({ "dir": "/x", "out": "a.bin" }));
    service
        .call(
            "changeOption",
            json!([A, { "out": "b.bin", "max-download-limit": "1" }]),
        )
        .await;
    assert_eq!(
        service.call("getOption", json!([A])).await,
        json!({ "dir": "/x", "out": "b.bin" })
    );
    service
        .call("changeOption", json!([A, { "dir": "/y" }]))
        .await;
    let option = service.call("getOption", json!([A])).await;
    assert_eq!(option, json!({ "dir": "/y", "out": "b.bin" }));

    let again = service
        .call("addUri", json!([["http://source.example/a"], option]))
        .await;
    service.call("unpause", json!([A])).await;
    assert_eq!(service.call("getOption", json!([again])).await, option);
    let two = tokio::task::block_in_place(|| {
        mock.wait_for(LIMIT, |service| (service.tasks().len() == 2).then_some(()))
    });
    assert!(two.is_some());
    mock.service(|service| {
        let [first, second] = service.tasks() else {
            panic!()
        };
        assert_eq!(first.dir_id(), second.dir_id());
        assert_eq!(
            (first.name(), second.file_name()),
            ("b.bin".to_owned(), Some("b.bin"))
        );
    });
}
