//! Downloads and callbacks that really happen.

use std::sync::Mutex;
use std::sync::mpsc;

use pan123_mock::{TcpServer, path};
use serde_json::{Value, json};

use crate::process::{Program, started, until};
use crate::support::TIMEOUT;
use crate::support::client::Client;
use crate::support::peers::callback_receiver;

struct Kept {
    directory: tempfile::TempDir,
    program: Program,
    client: Client,
}

fn fetching(args: &[&str]) -> Kept {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().to_str().expect("a path").to_owned();
    let program = started(&[&["--quiet", "--fetch", &path, "--fetch-pause", "0"], args].concat());
    let client = program.client();
    Kept {
        directory,
        program,
        client,
    }
}

impl Kept {
    /// How the callback of a task is, which comes at its end.
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

/// More than any buffer on the way takes.
const LONG: usize = 4 << 20;

fn film() -> Vec<u8> {
    (0..LONG)
        .map(|at| u8::try_from(at % 251).expect("a byte"))
        .collect()
}

fn answer(body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

#[test]
fn a_source_is_kept_byte_for_byte_and_its_progress_follows_its_bytes() {
    let (release, released) = mpsc::channel::<()>();
    let released = Mutex::new(released);
    let source = TcpServer::start(move |mut connection| {
        if connection.read_request().is_none() {
            return;
        }
        let whole = answer(&film());
        let half = whole.len() - LONG / 2;
        connection.send(&whole[..half]);
        let _ = released.lock().expect("one at a time").recv();
        connection.send(&whole[half..]);
    });
    let kept = fetching(&[]);
    let url = source.url("http") + "/film.bin";
    let (callback, received) = callback_receiver();
    let body = json!({"url": url, "fileName": "我的/film.bin", "callBackUrl": callback});
    let task = kept.client.create(&body);
    until("half of it", || {
        kept.client.poll(task)["process"] == json!(50)
    });
    assert_eq!(
        kept.files().len(),
        1,
        "nothing has its name before it is whole"
    );
    assert!(kept.files()[0].contains(".part"));
    release.send(()).expect("the source waits");

    let notice = received.recv_timeout(TIMEOUT).expect("a callback");
    assert_eq!(
        (&notice["status"], &notice["url"]),
        (&json!(0), &json!(url))
    );
    assert_eq!(kept.client.poll(task), json!({"process": 100, "status": 2}));
    assert_eq!(kept.files(), [format!("{task}-我的_film.bin")]);
    let file = kept.directory.path().join(&kept.files()[0]);
    assert!(std::fs::read(file).expect("a file") == film());
    let told = kept.program.get("tasks")[0].clone();
    assert_eq!(told["fetched_bytes"], LONG);
}

#[test]
fn a_source_that_is_cut_off_is_tried_again_with_status_3_meanwhile() {
    let (tell, told) = mpsc::channel();
    let (release, released) = mpsc::channel::<()>();
    let released = Mutex::new(released);
    let source = TcpServer::start(move |mut connection| {
        if connection.read_request().is_none() {
            return;
        }
        let whole = answer(&film());
        if connection.number() == 0 {
            connection.send(&whole[..1000]);
            return;
        }
        let _ = tell.send(connection.number());
        let _ = released.lock().expect("one at a time").recv();
        connection.send(&whole);
    });
    let kept = fetching(&[]);
    let (callback, received) = callback_receiver();
    let body = json!({"url": source.url("http") + "/%E7%89%87.bin?a=b", "callBackUrl": callback});
    let task = kept.client.create(&body);
    told.recv_timeout(TIMEOUT).expect("it is tried again");
    assert_eq!(kept.client.poll(task), json!({"process": 0, "status": 3}));
    release.send(()).expect("the source waits");
    let notice = received.recv_timeout(TIMEOUT).expect("a callback");
    assert_eq!(notice["status"], 0);
    assert_eq!(kept.files(), [format!("{task}-片.bin")]);
    let files = kept.program.get("files");
    let names: Vec<_> = files
        .as_array()
        .expect("a list")
        .iter()
        .map(|it| it["name"].clone())
        .collect();
    assert_eq!(names, ["来自:离线下载", "片.bin"]);
    assert_eq!(
        (&files[1]["id"], &files[1]["size"]),
        (&notice["fileID"], &json!(LONG))
    );
}

#[test]
fn a_source_that_cannot_be_had_fails_and_leaves_nothing_behind() {
    let kept = fetching(&["--fetch-limit", "1000", "--fetch-retries", "1"]);
    for (answer, tries, reason) in [
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
        let source = TcpServer::responding(answer);
        let (_, notice) = kept.ended(&json!({"url": source.url("http")}));
        assert_eq!(
            (&notice["status"], &notice["failReason"]),
            (&json!(1), &json!(reason))
        );
        assert_eq!(source.requests(), tries, "{reason}");
    }
    let source = TcpServer::responding("HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\n");
    let (task, notice) = kept.ended(&json!({"url": source.url("http")}));
    assert_eq!(notice["failReason"], "longer than 1000 bytes");
    assert_eq!(kept.client.poll(task), json!({"process": 0, "status": 1}));
    assert_eq!(kept.files(), [""; 0]);
}

#[test]
fn nothing_leaves_this_machine_unless_it_is_allowed() {
    let kept = fetching(&[]);
    let remote = json!({"url": "https://192.0.2.1/a"});
    let (task, notice) = kept.ended(&remote);
    assert_eq!(notice["status"], 1);
    let reason = notice["failReason"].as_str().expect("a reason");
    assert!(reason.contains("--allow-remote"), "{reason}");
    assert_eq!(kept.client.poll(task), json!({"process": 0, "status": 1}));

    let told = json!({"url": "https://192.0.2.1/a", "succeeds_after": 1});
    kept.program.send("PUT", "script", &told);
    let body = json!({"url": "https://192.0.2.1/a", "callBackUrl": "http://192.0.2.1/cb"});
    let task = kept.client.create(&body);
    assert_eq!(
        kept.client.poll(task),
        json!({"process": 100, "status": 2}),
        "by its course"
    );
    let delivery = || kept.program.get("callbacks")[1]["delivery"].clone();
    until("the delivery", || delivery() != json!(null));
    assert_eq!(delivery(), "not_loopback");
    assert_eq!(kept.files(), [""; 0]);
}

#[test]
fn without_a_directory_nothing_is_fetched() {
    let source = TcpServer::responding("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    let program = started(&["--quiet"]);
    let client = program.client();
    let task = client.create(&json!({"url": source.url("http")}));
    for status in [0, 0, 2] {
        assert_eq!(client.poll(task)["status"], status);
    }
    assert_eq!(source.accepted(), 0);
}

#[test]
fn a_fetch_of_an_earlier_service_has_nothing_to_say_to_the_next() {
    let (release, released) = mpsc::channel::<()>();
    let released = Mutex::new(released);
    let (tell, told) = mpsc::channel();
    let source = TcpServer::start(move |mut connection| {
        connection.read_request();
        let _ = tell.send(());
        let _ = released.lock().expect("one at a time").recv();
        connection.send(&answer(b"film"));
    });
    let kept = fetching(&[]);
    let first = kept.client.create(&json!({"url": source.url("http")}));
    told.recv_timeout(TIMEOUT).expect("it is fetched");
    kept.program.send("POST", "reset", None);
    let url = "https://example.com/a";
    let told = json!({"url": url, "steps": [[7, 0]]});
    kept.program.send("PUT", "script", &told);
    let client = kept.program.client();
    let second = client.create(&json!({ "url": url }));
    assert_eq!(first, second, "ids begin again");
    release.send(()).expect("the source waits");
    source.wait_until_ended(1);
    assert_eq!(client.poll(second), json!({"process": 7, "status": 0}));
}

/// A source that sends a little and then nothing more.
fn stalls() -> TcpServer {
    TcpServer::start(|mut connection| {
        connection.read_request();
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nfilm");
        connection.wait_until_closed();
    })
}

#[test]
fn fetches_of_an_earlier_service_do_not_hold_up_the_next() {
    let stalls = stalls();
    let kept = fetching(&[]);
    for _ in 0..80 {
        kept.client.create(&json!({"url": stalls.url("http")}));
    }
    // As many as the program fetches at once.
    until("64 fetches", || stalls.accepted() == 64);
    kept.program.send("POST", "reset", None);
    let good = TcpServer::responding(answer(b"film"));
    let client = kept.program.client();
    let (callback, received) = callback_receiver();
    client.create(&json!({"url": good.url("http"), "callBackUrl": callback}));
    let notice = received.recv_timeout(TIMEOUT).expect("a callback");
    assert_eq!(notice["status"], 0);
}

#[test]
fn nothing_is_left_half_fetched_when_the_program_ends() {
    let stalls = stalls();
    let mut kept = fetching(&[]);
    for _ in 0..3 {
        kept.client.create(&json!({"url": stalls.url("http")}));
    }
    until("three parts", || kept.files().len() == 3);
    kept.program.terminate();
    assert!(kept.program.ended().success());
    assert_eq!(kept.files(), [""; 0]);
}

#[test]
fn callbacks_come_late_and_twice_by_the_clock() {
    let program = started(&["--quiet"]);
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
fn a_callback_that_is_late_comes_by_itself_when_the_time_runs() {
    let program = started(&["--quiet"]);
    program.send("PUT", "script", &json!({"succeeds_within_ms": 30}));
    program.send("PUT", "callbacks", &json!({"delay_ms": 30}));
    let (callback, received) = callback_receiver();
    let body = json!({"url": "https://example.com/a", "callBackUrl": callback});
    program.client().create(&body);
    let notice = received
        .recv_timeout(TIMEOUT)
        .expect("nobody asks, and it comes");
    assert_eq!(notice["status"], 0);
}
