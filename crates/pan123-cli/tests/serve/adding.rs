//! Downloads that are added, and run to their ends.

use pan123_mock::{MockPan123, TaskScript};
use serde_json::json;

use crate::serve::support::{Home, LIMIT, mock_with};

const GID: &str = "00000000000000a1";

#[tokio::test(flavor = "multi_thread")]
async fn download_runs_to_its_end_and_sockets_are_told() {
    let url = "http://source.example/film.mp4?key=1";
    let mock = MockPan123::builder()
        .script_for(url, TaskScript::succeeds_after(1).size(12_345))
        .start()
        .await;
    let home = Home::at(&mock);
    let service = home.start(&[]).await;
    let mut socket = service.socket().await;
    let options = json!({ "gid": GID, "dir": "/videos/2026", "out": "影.mp4" });
    socket
        .send(&service.call_of("addUri", json!([[url, "http://other.example/"], options])))
        .await;
    let answer = socket.next().await.unwrap();
    assert_eq!(
        answer,
        json!({ "id": "test", "jsonrpc": "2.0", "result": GID })
    );
    socket.notified("Start", GID).await;
    socket.notified("Complete", GID).await;

    // The file is looked for after that.
    let row = loop {
        let row = service.call("tellStatus", json!([GID])).await;
        if row["totalLength"] != "100" {
            break row;
        }
    };
    let uris = json!([{ "status": "used", "uri": url }, { "status": "waiting", "uri": "http://other.example/" }]);
    assert_eq!(
        row,
        json!({
            "gid": GID, "status": "complete", "errorCode": "0", "errorMessage": "",
            "totalLength": "12345", "completedLength": "12345", "uploadLength": "0",
            "downloadSpeed": "0", "uploadSpeed": "0", "connections": "0", "numPieces": "1", "pieceLength": "1048576",
            "dir": "/videos/2026",
            "files": [{
                "index": "1", "path": "/videos/2026/影.mp4", "length": "12345", "completedLength": "12345",
                "selected": "true", "uris": uris,
            }],
        })
    );
    assert_eq!(service.call("getUris", json!([GID])).await, uris);
    assert_eq!(service.gids("tellStopped").await, [GID]);
    let stat = service.call("getGlobalStat", json!([])).await;
    let expected = json!({
        "downloadSpeed": "0", "uploadSpeed": "0",
        "numActive": "0", "numWaiting": "0", "numStopped": "1", "numStoppedTotal": "1",
    });
    assert_eq!(stat, expected);
    mock.assert_created_once(url);
    let name = mock.service(|service| service.tasks()[0].name());
    assert_eq!(name, "影.mp4");

    // The size is kept, too.
    service.stop().await;
    let service = home.start(&[]).await;
    assert_eq!(service.call("tellStatus", json!([GID])).await, row);
}

#[tokio::test(flavor = "multi_thread")]
async fn added_download_is_sent_within_a_second() {
    let mock = mock_with(TaskScript::never_ends()).await;
    let home = Home::at(&mock);
    let service = home.start(&[]).await;
    let mut socket = service.socket().await;
    // The token is there after this one.
    service
        .call(
            "addUri",
            json!([["http://source.example/1"], { "gid": GID }]),
        )
        .await;
    socket.notified("Start", GID).await;
    let later = tokio::time::Instant::now();
    let gid = service
        .call("addUri", json!([["http://source.example/2"]]))
        .await;
    socket.notified("Start", gid.as_str().unwrap()).await;
    // One a second is created; otherwise it would take up to 5 s.
    assert!(later.elapsed().as_millis() < 3000, "{:?}", later.elapsed());
    assert_eq!(service.gids("tellActive").await.len(), 2);
    let row = service
        .call(
            "tellStatus",
            json!([GID, ["totalLength", "completedLength", "connections"]]),
        )
        .await;
    assert_eq!(
        row,
        json!({ "totalLength": "100", "completedLength": "0", "connections": "1" })
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn failure_names_what_was_dropped_and_keeps_nothing_of_it() {
    let url = "http://source.example/a";
    let mock = mock_with(TaskScript::fails_after(1, "gone")).await;
    let home = Home::at(&mock);
    let mut service = home.start(&[]).await;
    let mut socket = service.socket().await;
    let options = json!({
        "gid": GID, "header": ["Cookie: k=unkept-cookie", "X-Key: unkept-key"], "referer": "http://unkept.referer/",
    });
    // A name that the service refuses at once, so that it is not sent again.
    mock.fault(pan123_mock::Fault::business_error().on(pan123_mock::path::OFFLINE_DOWNLOAD));
    service.call("addUri", json!([[url], options])).await;
    socket.notified("Error", GID).await;
    let row = service.call("tellStatus", json!([GID])).await;
    assert_eq!(
        (&row["status"], &row["errorCode"]),
        (&json!("error"), &json!("1"))
    );
    let message = row["errorMessage"].as_str().unwrap();
    assert!(message.contains("内部错误"), "{message}");
    assert!(
        message.ends_with("fetched without: cookie, referer, x-key"),
        "{message}"
    );
    let line = service.log("change", "failed").await;
    assert!(!line.to_string().contains("unkept"), "{line}");
    let kept = home.kept();
    assert!(!kept.windows(6).any(|part| part == b"unkept"));
    assert!(kept.windows(url.len()).any(|part| part == url.as_bytes()));
}

#[tokio::test(flavor = "multi_thread")]
async fn folders_are_mapped_made_and_refused() {
    let mock = mock_with(TaskScript::never_ends()).await;
    let home = Home::at(&mock);
    let service = home
        .start(&["--map-dir", "/downloads=/media", "--dir", "/inbox"])
        .await;
    let add = |dir: &str| json!([["http://source.example/a"], { "dir": dir }]);
    service.call("addUri", add("/downloads/films")).await;
    service.call("addUri", add("/downloads/films")).await;
    service
        .call("addUri", json!([["http://source.example/b"]]))
        .await;
    let sent = tokio::task::block_in_place(|| {
        mock.wait_for(LIMIT, |service| (service.tasks().len() == 3).then_some(()))
    });
    assert!(sent.is_some());
    let mut dirs: Vec<_> = mock.service(|service| {
        service
            .tasks()
            .iter()
            .map(pan123_mock::Task::dir_id)
            .collect()
    });
    dirs.sort_unstable();
    dirs.dedup();
    assert_eq!(dirs.len(), 2, "{dirs:?}");
    // `/media`, `films` in it, and `/inbox`, each once.
    mock.assert_requests(pan123_mock::path::MKDIR, 3);

    let option = service.call("getGlobalOption", json!([])).await;
    assert_eq!(option, json!({ "dir": "/inbox" }));
    service
        .call(
            "changeGlobalOption",
            json!([{ "dir": "/downloads/x", "split": "5" }]),
        )
        .await;
    let option = service.call("getGlobalOption", json!([])).await;
    assert_eq!(option, json!({ "dir": "/downloads/x" }));
    for (dir, text) in [
        ("/", "root folder"),
        ("C:\\Users\\me", "--map-dir"),
        ("/a/../b", "`.` or `..`"),
    ] {
        let message = service.refused("addUri", add(dir)).await;
        assert!(message.contains(text), "{message}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_http_is_taken() {
    let mock = MockPan123::start().await;
    let home = Home::at(&mock);
    let service = home.start(&[]).await;
    let message = service
        .refused("addUri", json!([["magnet:?xt=urn:btih:0"]]))
        .await;
    assert!(message.contains("magnet"), "{message}");
    for method in ["addTorrent", "addMetalink"] {
        let message = service.refused(method, json!(["eA=="])).await;
        assert_eq!(message, "123pan fetches http and https only");
    }
    let message = service
        .refused("addUri", json!([["http://h/"], { "out": "a/b" }]))
        .await;
    assert!(message.contains("file name"), "{message}");
    assert_eq!(service.gids("tellWaiting").await, [""; 0]);
}
