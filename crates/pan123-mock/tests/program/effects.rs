//! Downloads and callbacks over the network.

use std::sync::Mutex;
use std::sync::mpsc;

use pan123_mock::{TcpServer, path};
use serde_json::{Value, json};

use crate::program::process::{Program, start, until};
use crate::support::TIMEOUT;
use crate::support::client::Client;
use crate::support::peers::callback_receiver;

struct Fetching {
    directory: tempfile::TempDir,
    program: Program,
    client: Client,
}

fn start_fetching(args: &[&str]) -> Fetching {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().to_str().expect("a path").to_owned();
    let program = start(&[&["--quiet", "--fetch", &path, "--fetch-pause", "0"], args].concat());
    let client = program.client();
    Fetching {
        directory,
        program,
        client,
    }
}

impl Fetching {
    /// Creates a task and returns it with the body of its callback.
    fn ended(&self, body: &Value) -> (u64, Value) {
        let (callback, received) = callback_receiver();
        let mut body = body.clone();
        body["callBackUrl"] = callback.into();
        let task = self.client.create(&body);
        let notice = received.recv_timeout(TIMEOUT).expect("a callback");
        (task, notice)
    }

    fn files(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.directory.path()).expect("a directory");
        let names = entries.map(|entry| entry.expect("an entry").file_name());
        let mut names: Vec<_> = names
            .map(|name| name.into_string().expect("a name"))
            .collect();
        names.sort();
        names
    }
}

/// Larger than all buffers on the way.
const LENGTH: usize = 4 << 20;

fn film() -> Vec<u8> {
    (0..LENGTH)
        .map(|at| u8::try_from(at % 251).expect("a byte"))
        .collect()
}

fn ok_response(body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

#[test]
fn source_is_saved_and_progress_follows_its_bytes() {
    let (release, released) = mpsc::channel::<()>();
    let released = Mutex::new(released);
    let source = TcpServer::start(move |mut connection| {
        if connection.read_request().is_none() {
            return;
        }
        let whole = ok_response(&film());
        let half = whole.len() - LENGTH / 2;
        connection.send(&whole[..half]);
        let _ = released.lock().expect("the lock").recv();
        connection.send(&whole[half..]);
    });
    let fetching = start_fetching(&[]);
    let url = source.url("http") + "/film.bin";
    let (callback, received) = callback_receiver();
    let body = json!({"url": url, "fileName": "我的/film.bin", "callBackUrl": callback});
    let task = fetching.client.create(&body);
    until("half of it", || {
        fetching.client.poll(task)["process"] == json!(50)
    });
    assert_eq!(
        fetching.files().len(),
        1,
        "the file is renamed only when complete"
    );
    assert!(fetching.files()[0].contains(".part"));
    release.send(()).expect("a waiting source");

    let notice = received.recv_timeout(TIMEOUT).expect("a callback");
    assert_eq!(
        (&notice["status"], &notice["url"]),
        (&json!(0), &json!(url))
    );
    assert_eq!(
        fetching.client.poll(task),
        json!({"process": 100, "status": 2})
    );
    assert_eq!(fetching.files(), [format!("{task}-我的_film.bin")]);
    let file = fetching.directory.path().join(&fetching.files()[0]);
    assert!(std::fs::read(file).expect("a file") == film());
    let task = fetching.program.get("tasks")[0].clone();
    assert_eq!(task["fetched_bytes"], LENGTH);
}

#[test]
fn interrupted_fetch_is_retried_with_status_3_meanwhile() {
    let (sender, attempts) = mpsc::channel();
    let (release, released) = mpsc::channel::<()>();
    let released = Mutex::new(released);
    let source = TcpServer::start(move |mut connection| {
        if connection.read_request().is_none() {
            return;
        }
        let whole = ok_response(&film());
        if connection.number() == 0 {
            connection.send(&whole[..1000]);
            return;
        }
        let _ = sender.send(connection.number());
        let _ = released.lock().expect("the lock").recv();
        connection.send(&whole);
    });
    let fetching = start_fetching(&[]);
    let (callback, received) = callback_receiver();
    let body = json!({"url": source.url("http") + "/%E7%89%87.bin?a=b", "callBackUrl": callback});
    let task = fetching.client.create(&body);
    attempts.recv_timeout(TIMEOUT).expect("a second attempt");
    assert_eq!(
        fetching.client.poll(task),
        json!({"process": 0, "status": 3})
    );
    release.send(()).expect("a waiting source");
    let notice = received.recv_timeout(TIMEOUT).expect("a callback");
    assert_eq!(notice["status"], 0);
    assert_eq!(fetching.files(), [format!("{task}-片.bin")]);
    let files = fetching.program.get("files");
    let names: Vec<_> = files
        .as_array()
        .expect("a list")
        .iter()
        .map(|it| it["name"].clone())
        .collect();
    assert_eq!(names, ["来自:离线下载", "片.bin"]);
    assert_eq!(
        (&files[1]["id"], &files[1]["size"]),
        (&notice["fileID"], &json!(LENGTH))
    );
}

#[test]
fn failed_fetch_leaves_no_file() {
    let fetching = start_fetching(&["--fetch-limit", "1000", "--fetch-retries", "1"]);
    for (response, tries, reason) in [
        (
            "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
            1,
            "HTTP 404",
        ),
        (
            "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n",
            2,
            "HTTP 503",
        ),
        (
            "HTTP/1.1 302 Found\r\nLocation: /b\r\nContent-Length: 0\r\n\r\n",
            1,
            "HTTP 302",
        ),
    ] {
        let source = TcpServer::responding(response);
        let (_, notice) = fetching.ended(&json!({"url": source.url("http")}));
        assert_eq!(
            (&notice["status"], &notice["failReason"]),
            (&json!(1), &json!(reason))
        );
        assert_eq!(source.requests(), tries, "{reason}");
    }
    let source = TcpServer::responding("HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\n");
    let (task, notice) = fetching.ended(&json!({"url": source.url("http")}));
    assert_eq!(notice["failReason"], "longer than 1000 bytes");
    assert_eq!(
        fetching.client.poll(task),
        json!({"process": 0, "status": 1})
    );
    assert_eq!(fetching.files(), [""; 0]);
}

#[test]
fn remote_sources_and_callbacks_need_permission() {
    let fetching = start_fetching(&[]);
    let remote = json!({"url": "https://192.0.2.1/a"});
    let (task, notice) = fetching.ended(&remote);
    assert_eq!(notice["status"], 1);
    let reason = notice["failReason"].as_str().expect("a reason");
    assert!(reason.contains("--allow-remote"), "{reason}");
    assert_eq!(
        fetching.client.poll(task),
        json!({"process": 0, "status": 1})
    );

    let script = json!({"url": "https://192.0.2.1/a", "succeeds_after": 1});
    fetching.program.send("PUT", "script", &script);
    let body = json!({"url": "https://192.0.2.1/a", "callBackUrl": "http://192.0.2.1/cb"});
    let task = fetching.client.create(&body);
    assert_eq!(
        fetching.client.poll(task),
        json!({"process": 100, "status": 2}),
        "as its script says"
    );
    let delivery = || fetching.program.get("callbacks")[1]["delivery"].clone();
    until("the delivery", || delivery() != json!(null));
    assert_eq!(delivery(), "not_loopback");
    assert_eq!(fetching.files(), [""; 0]);
}

#[test]
fn nothing_is_fetched_without_a_directory() {
    let source = TcpServer::responding("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    let program = start(&["--quiet"]);
    let client = program.client();
    let task = client.create(&json!({"url": source.url("http")}));
    for status in [0, 0, 2] {
        assert_eq!(client.poll(task)["status"], status);
    }
    assert_eq!(source.accepted(), 0);
}

#[test]
fn fetch_of_a_replaced_service_does_not_touch_the_new_one() {
    let (release, released) = mpsc::channel::<()>();
    let released = Mutex::new(released);
    let (sender, attempts) = mpsc::channel();
    let source = TcpServer::start(move |mut connection| {
        connection.read_request();
        let _ = sender.send(());
        let _ = released.lock().expect("the lock").recv();
        connection.send(&ok_response(b"film"));
    });
    let fetching = start_fetching(&[]);
    let first = fetching.client.create(&json!({"url": source.url("http")}));
    attempts.recv_timeout(TIMEOUT).expect("a fetch");
    fetching.program.send("POST", "reset", None);
    let url = "https://example.com/a";
    let script = json!({"url": url, "steps": [[7, 0]]});
    fetching.program.send("PUT", "script", &script);
    let client = fetching.program.client();
    let second = client.create(&json!({ "url": url }));
    assert_eq!(first, second, "ids begin again");
    release.send(()).expect("a waiting source");
    source.wait_until_ended(1);
    assert_eq!(client.poll(second), json!({"process": 7, "status": 0}));
}

/// A source that sends a few bytes and then stalls.
fn stalling_source() -> TcpServer {
    TcpServer::start(|mut connection| {
        connection.read_request();
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nfilm");
        connection.wait_until_closed();
    })
}

#[test]
fn fetches_of_a_replaced_service_do_not_delay_the_new_one() {
    let source = stalling_source();
    let fetching = start_fetching(&[]);
    for _ in 0..80 {
        fetching.client.create(&json!({"url": source.url("http")}));
    }
    // The most fetches that run at once.
    until("64 fetches", || source.accepted() == 64);
    fetching.program.send("POST", "reset", None);
    let good = TcpServer::responding(ok_response(b"film"));
    let client = fetching.program.client();
    let (callback, received) = callback_receiver();
    client.create(&json!({"url": good.url("http"), "callBackUrl": callback}));
    let notice = received.recv_timeout(TIMEOUT).expect("a callback");
    assert_eq!(notice["status"], 0);
}

#[test]
fn partial_files_are_removed_at_shutdown() {
    let source = stalling_source();
    let mut fetching = start_fetching(&[]);
    for _ in 0..3 {
        fetching.client.create(&json!({"url": source.url("http")}));
    }
    until("three parts", || fetching.files().len() == 3);
    fetching.program.terminate();
    assert!(fetching.program.wait().success());
    assert_eq!(fetching.files(), [""; 0]);
}

#[test]
fn partial_files_of_a_killed_program_are_removed_at_the_next_start() {
    let source = stalling_source();
    let mut fetching = start_fetching(&[]);
    fetching.client.create(&json!({"url": source.url("http")}));
    until("a part", || fetching.files().len() == 1);
    let directory = fetching.directory.path().to_str().expect("a path");
    std::fs::write(fetching.directory.path().join(".mine.part"), "").expect("a file");

    let beside = ["--quiet", "--fetch", directory];
    drop(start(&beside));
    assert_eq!(fetching.files().len(), 2, "the part is still being written");
    fetching.program.kill();
    drop(start(&beside));
    assert_eq!(fetching.files(), [".mine.part"]);
}

#[test]
fn delayed_callbacks_are_posted_when_the_clock_advances() {
    let program = start(&["--quiet"]);
    program.send("POST", "time", &json!({"run": false}));
    program.send("PUT", "script", &json!({"fails_after": 1, "reason": "no"}));
    program.send(
        "PUT",
        "callbacks",
        &json!({"delay_ms": 5000, "times": 2, "reason_key": "fileReason"}),
    );
    let receivers = TcpServer::responding("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    let client = program.client();
    let url = receivers.url("http") + "/cb";
    let task = client.create(&json!({"url": "https://example.com/a", "callBackUrl": url}));
    client.poll(task);
    program.send("POST", "time", &json!({"advance_ms": 4999}));
    assert_eq!(program.get("state")["callbacks_due"], 2);
    program.send("POST", "time", &json!({"advance_ms": 1}));
    receivers.wait_until_ended(2);
    assert_eq!(receivers.requests_to("/cb"), 2);
    assert_eq!(program.get("state")["callbacks_due"], 0);
    assert_eq!(program.get("callbacks")[0]["body"]["fileReason"], "no");
    assert_eq!(client.get(path::USER_INFO).2["code"], 0);
}

#[test]
fn delayed_callback_is_posted_without_requests() {
    let program = start(&["--quiet"]);
    program.send("PUT", "script", &json!({"succeeds_within_ms": 30}));
    program.send("PUT", "callbacks", &json!({"delay_ms": 30}));
    let (callback, received) = callback_receiver();
    let body = json!({"url": "https://example.com/a", "callBackUrl": callback});
    program.client().create(&body);
    let notice = received.recv_timeout(TIMEOUT).expect("a callback");
    assert_eq!(notice["status"], 0);
}
