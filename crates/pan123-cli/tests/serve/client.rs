//! A client for aria2 from the registry, as it is.

use aria2_ws::response::TaskStatus;
use aria2_ws::{Callbacks, Client, TaskOptions};
use futures_util::FutureExt;
use pan123_mock::TaskScript;
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::serve::support::{Home, LIMIT, mock_with};

const A: &str = "00000000000000a1";
const B: &str = "00000000000000b1";

fn options(gid: &str, is_paused: bool) -> TaskOptions {
    let mut options = TaskOptions {
        out: Some(format!("{gid}.bin")),
        dir: Some("/videos".to_owned()),
        split: Some(5),
        header: Some(vec!["Referer: https://source.example/".to_owned()]),
        ..TaskOptions::default()
    };
    let pause = is_paused.to_string();
    options.extra_options.insert("gid".to_owned(), gid.into());
    options
        .extra_options
        .insert("pause".to_owned(), pause.into());
    options
}

fn uris(gid: &str) -> Vec<String> {
    vec![format!("http://source.example/{gid}")]
}

/// On one thread: on several, the client may read an answer before it waits for it, and then waits for ever.
#[tokio::test]
async fn client_adds_lists_pauses_and_removes() {
    let script = TaskScript::succeeds_after(1).size(77);
    let mock = mock_with(script).await;
    let home = Home::at(&mock);
    let service = home.start(&[]).await;
    let url = format!("ws://{}/jsonrpc", service.address);
    let stranger = Client::connect(&url, Some("wrong")).await.unwrap();
    assert!(stranger.get_version().await.is_err());
    let client = Client::connect(&url, Some(&service.secret)).await.unwrap();
    assert_eq!(client.get_version().await.unwrap().version, "1.36.0");

    for gid in [A, B] {
        let added = client
            .add_uri(uris(gid), Some(options(gid, true)), None, None)
            .await;
        assert_eq!(added.unwrap(), gid);
    }
    let waiting = client.tell_waiting(0, 10).await.unwrap();
    let gids: Vec<_> = waiting.iter().map(|row| row.gid.as_str()).collect();
    assert_eq!(gids, [A, B]);
    assert_eq!(waiting[0].status, TaskStatus::Paused);
    assert_eq!(
        client.get_option(A).await.unwrap().dir.as_deref(),
        Some("/videos")
    );
    client.remove(B).await.unwrap();
    assert!(client.tell_status(B).await.is_err());

    let (ended, mut end) = mpsc::channel(1);
    let callbacks = Callbacks {
        on_download_complete: Some(async move { ended.send(()).await.unwrap() }.boxed()),
        on_error: None,
    };
    let gid = client
        .add_uri(uris("c"), None, None, Some(callbacks))
        .await
        .unwrap();
    timeout(LIMIT, end.recv()).await.unwrap().unwrap();
    // Not before: of two notifications at once, the client drops one.
    client.unpause(A).await.unwrap();
    let row = client.tell_status(&gid).await.unwrap();
    assert_eq!(row.status, TaskStatus::Complete);
    assert_eq!(row.files[0].uris[0].uri, uris("c")[0]);
    let stat = client.get_global_stat().await.unwrap();
    assert_eq!(stat.num_active + stat.num_waiting + stat.num_stopped, 2);
    client.purge_download_result().await.unwrap();
    assert!(client.get_files(&gid).await.is_err());
}
