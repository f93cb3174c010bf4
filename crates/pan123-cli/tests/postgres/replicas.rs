//! `serve` on several machines.

use std::net::TcpListener;
use std::time::Duration;

use pan123_mock::{Delivery, MockPan123, TaskEnd, TaskScript};
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use super::{Database, write_private};
use crate::serve::support::{Home, LIMIT, Service, mock_with};

const A: &str = "00000000000000a1";
const B: &str = "00000000000000b1";
const C: &str = "00000000000000c1";

/// Two machines with one secret.
struct Machines {
    homes: [Home; 2],
    options: Vec<String>,
}

impl Machines {
    fn new(database: &Database, mock: &MockPan123) -> Machines {
        let homes = [(); 2].map(|()| database.home(mock));
        let secret = write_private(&homes[0].path("secret"), "a secret of both\n");
        let secret = secret.to_str().unwrap().to_owned();
        let options = ["--ledger", &database.url(), "--secret-file", &secret];
        Machines {
            options: options.map(str::to_owned).to_vec(),
            homes,
        }
    }

    fn options(&self) -> Vec<&str> {
        self.options.iter().map(String::as_str).collect()
    }

    async fn start(&self, machine: usize) -> Service {
        self.homes[machine].start(&self.options()).await
    }
}

/// Waits until a call returns this: replicas hear of each other in their own time.
async fn until(service: &Service, method: &str, params: Value, expected: Value) {
    let seen = async {
        while service.call(method, params.clone()).await != expected {
            sleep(Duration::from_millis(50)).await;
        }
    };
    let seen = timeout(LIMIT, seen).await;
    seen.unwrap_or_else(|_| panic!("{method} does not become {expected}"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_knows_what_another_took_and_finishes_it_after_its_death() {
    let Some(database) = Database::find() else {
        return;
    };
    let mock = mock_with(TaskScript::never_ends()).await;
    let machines = Machines::new(&database, &mock);
    let (first, second) = (machines.start(0).await, machines.start(1).await);
    let mut socket = first.socket().await;
    let url = "http://source.example/a";
    let options = json!({ "gid": A, "dir": "/x", "out": "a.bin" });
    first
        .call("addUri", json!([[url, "http://h/2"], options]))
        .await;
    let row = second
        .call("tellStatus", json!([A, ["dir", "files"]]))
        .await;
    assert_eq!(row["dir"], "/x");
    assert_eq!(row["files"][0]["uris"][1]["uri"], "http://h/2");
    for service in [&first, &second] {
        let taken = service.refused("addUri", json!([["http://h/"], { "gid": A }]));
        assert_eq!(taken.await, format!("GID {A} is not unique."));
    }
    // Whoever creates it, the sockets of both hear of it.
    socket.notified("Start", A).await;
    let mut socket = second.socket().await;
    first.kill().await;

    assert_eq!(second.status(A).await, "active");
    let task = mock.service(|service| service.tasks()[0].id());
    mock.end_task(task, TaskEnd::Succeeded { size: 7 });
    database.end_leases();
    socket.notified("Complete", A).await;
    assert_eq!(second.status(A).await, "complete");
    mock.assert_created_once(url);
    mock.assert_tokens_issued(1);
    second.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_replica_changes_the_queue_of_all() {
    let Some(database) = Database::find() else {
        return;
    };
    let mock = MockPan123::start().await;
    let machines = Machines::new(&database, &mock);
    let (first, second) = (machines.start(0).await, machines.start(1).await);
    let mut socket = first.socket().await;
    for gid in [A, B, C] {
        first.add_paused(gid).await;
    }
    let moved = second.call("changePosition", json!([C, 0, "POS_SET"]));
    assert_eq!(moved.await, 0);
    assert_eq!(second.gids("tellWaiting").await, [C, A, B]);
    let rows = |gids: &[&str]| gids.iter().map(|gid| json!({ "gid": gid })).collect();
    until(
        &first,
        "tellWaiting",
        json!([0, 9, ["gid"]]),
        rows(&[C, A, B]),
    )
    .await;
    second
        .call("changeOption", json!([A, { "out": "a.bin" }]))
        .await;
    let option = first.call("getOption", json!([A])).await;
    assert_eq!(option["out"], "a.bin");
    second.call("remove", json!([B])).await;
    socket.notified("Stop", B).await;
    let gone = first.refused("tellStatus", json!([B])).await;
    assert!(gone.contains("not found"), "{gone}");

    second.call("unpause", json!([C])).await;
    socket.notified("Complete", C).await;
    first.call("unpauseAll", json!([])).await;
    socket.notified("Complete", A).await;
    until(
        &second,
        "tellStopped",
        json!([0, 9, ["gid"]]),
        rows(&[C, A]),
    )
    .await;
    first.call("removeDownloadResult", json!([C])).await;
    until(&second, "tellStopped", json!([0, 9, ["gid"]]), rows(&[A])).await;
    second.call("purgeDownloadResult", json!([])).await;
    until(&first, "tellStopped", json!([0, 9, ["gid"]]), json!([])).await;
    for service in [first, second] {
        service.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_callback_reaches_the_download_through_any_replica() {
    let Some(database) = Database::find() else {
        return;
    };
    let mock = mock_with(TaskScript::never_ends()).await;
    let machines = Machines::new(&database, &mock);
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let (address, public) = (
        format!("127.0.0.1:{port}"),
        format!("http://localhost:{port}/hook"),
    );
    let mut options = machines.options();
    options.extend(["--public-url", &public]);
    let first = machines.homes[0].start(&options).await;
    let mut socket = first.socket().await;
    first
        .call("addUri", json!([["http://source.example/a"], { "gid": A }]))
        .await;
    socket.notified("Start", A).await;
    // The first one follows it, and the second one is where callbacks arrive.
    options.extend(["--listen", &address]);
    let second = machines.homes[1].start_at(&options).await;
    let task = mock.service(|service| service.tasks()[0].id());
    mock.end_task(task, TaskEnd::Succeeded { size: 9 });
    let delivered = tokio::task::block_in_place(|| {
        mock.wait_for(LIMIT, |service| service.callbacks()[0].delivery().cloned())
    });
    assert_eq!(delivered, Some(Delivery::Responded(200)));
    socket.notified("Complete", A).await;
    // It came with the callback: the progress has no file.
    let files = database.ask("SELECT file FROM items");
    assert_ne!(files, [""]);
    for service in [first, second] {
        service.stop().await;
    }
}
