//! Start, log and shutdown.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};

use pan123_mock::path;
use serde_json::{Value, json};

use crate::program::process::{run, spawn, start, until};
use crate::support::TIMEOUT;
use crate::support::client::{agent, read};

#[test]
fn logs_its_address_and_one_line_per_request() {
    let program = start(&[]);
    let listening = program.line();
    assert!(listening.contains(&program.base_url), "{listening}");

    let client = program.client();
    let issued = program.line();
    assert!(
        issued.ends_with("POST /api/v1/access_token -> 200 code 0"),
        "{issued}"
    );
    client.get("/api/v1/user/info?client%5Fsecret=hush&a=b");
    let asked = program.line();
    let query = "?client%5Fsecret=[redacted]&a=b";
    assert!(
        asked.ends_with(&format!("GET /api/v1/user/info{query} -> 200 code 0")),
        "{asked}"
    );
    client.get("/nowhere");
    assert!(program.line().ends_with("GET /nowhere -> 404"));
    program.fault("reset");
    let url = format!("{}/x", program.base_url);
    assert!(agent().get(url).call().is_err());
    assert!(program.line().ends_with("GET /x -> cut off"));
    let last = &program.get("requests")[3];
    assert_eq!(
        (&last["wire_outcome"], &last["status"]),
        (&json!("cut off"), &Value::Null)
    );

    let long = vec![b'a'; (1 << 20) + 1];
    let url = format!("{}/x", program.base_url);
    assert_eq!(read(agent().post(url).send(&long[..])).0.status, 413);
    assert!(program.line().ends_with("POST /x -> 413"));
}

#[test]
fn unread_log_does_not_block() {
    let (mut process, base_url) = spawn(&[]);
    let address = base_url.trim_start_matches("http://");
    let mut stream = TcpStream::connect(address).expect("a listening server");
    stream.set_read_timeout(Some(TIMEOUT)).expect("a timeout");
    let mut responses = BufReader::new(stream.try_clone().expect("a socket"));
    // More lines than the pipe and the queue can hold.
    for _ in 0..13_000 {
        let request = "GET /x HTTP/1.1\r\nHost: a\r\n\r\n";
        stream
            .write_all(request.as_bytes())
            .expect("the request is sent");
        let mut response = Vec::new();
        let read = responses.read_until(b'}', &mut response);
        read.expect("a response");
        assert!(response.starts_with(b"HTTP/1.1 404 ") && response.ends_with(b"}"));
    }
    drop(process.kill());
    drop(process.wait());
}

#[test]
fn json_log() {
    let program = start(&["--json"]);
    let line = || serde_json::from_str::<Value>(&program.line()).expect("a line of JSON");
    assert_eq!(line(), json!({ "listening": program.base_url }));
    program.client();
    let issued = line();
    assert_eq!(issued["path"], path::ACCESS_TOKEN);
    assert_eq!(
        (&issued["status"], &issued["code"]),
        (&json!(200), &json!(0))
    );
}

#[test]
fn secrets_are_redacted_unless_requested() {
    let program = start(&["--client-secret", "hush-hush", "--json"]);
    let url = format!("{}{}", program.base_url, path::ACCESS_TOKEN);
    let response = agent()
        .post(url)
        .header("Platform", "open_platform")
        .send(r#"{"clientID":"mock-client-id","clientSecret":"hush-hush"}"#);
    let token = read(response).1["data"]["accessToken"].clone();
    let token = token.as_str().expect("a token");
    let url = format!(
        "{}/api/v1/x?access_token={token}&clientSecret=hush-hush",
        program.base_url
    );
    let sent = agent()
        .get(url)
        .header("Authorization", format!("Bearer {token}"))
        .call();
    read(sent);
    let lines = [program.line(), program.line(), program.line()].concat();
    let output = format!(
        "{lines}{}{}",
        program.get("requests"),
        program.get("options")
    );
    assert!(
        !output.contains("hush") && !output.contains(token),
        "{output}"
    );

    let all = format!(
        "{}{}",
        program.get("requests?secrets=true"),
        program.get("options?secrets=true")
    );
    assert!(all.contains("hush-hush") && all.contains(token), "{all}");
}

#[test]
fn quiet_logs_nothing() {
    let mut program = start(&["--quiet"]);
    program.client();
    program.terminate();
    assert!(program.wait().success());
    assert_eq!(program.lines().next(), None);
}

#[test]
fn shutdown_finishes_responses_in_flight() {
    let mut program = start(&[]);
    let mut asking = TcpStream::connect(program.base_url.trim_start_matches("http://"))
        .expect("a listening server");
    program.send(
        "POST",
        "faults",
        &json!({"path": path::USER_INFO, "delay_ms": 300}),
    );
    let request = format!("GET {} HTTP/1.1\r\nHost: a\r\n\r\n", path::USER_INFO);
    asking
        .write_all(request.as_bytes())
        .expect("the request is sent");
    until("the request", || program.request_count() == 1);
    program.terminate();
    let mut response = String::new();
    asking
        .read_to_string(&mut response)
        .expect("a whole response");
    assert!(
        response.starts_with("HTTP/1.1 200") && response.ends_with('}'),
        "{response}"
    );
    assert!(program.wait().success());
}

#[test]
fn shutdown_does_not_wait_for_broken_exchanges() {
    for (fault, args) in [("hang", &["--quiet"][..]), ("flood", &["--quiet"])] {
        let mut program = start(args);
        program.fault(fault);
        let address = program.base_url.trim_start_matches("http://");
        let mut asking = TcpStream::connect(address).expect("a listening server");
        let sent = asking.write_all(b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n");
        sent.expect("the request is sent");
        until("the request", || program.request_count() == 1);
        program.terminate();
        assert!(program.wait().success(), "{fault}");
    }
}

fn startup_error(args: &[&str]) -> String {
    let output = run(args);
    assert!(!output.status.success(), "{args:?}");
    let error = String::from_utf8(output.stderr).expect("a text");
    assert!(error.starts_with("error: "), "{error}");
    error
}

#[test]
fn startup_errors_are_one_line() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address").to_string();
    let error = startup_error(&["--listen", &address]);
    assert!(error.contains(&format!("{address} is in use")), "{error}");
    assert_eq!(error.lines().count(), 1);

    for open in ["0.0.0.0:0", "[::]:0", "192.0.2.1:0"] {
        let refused = startup_error(&["--listen", open]);
        assert!(refused.contains("--allow-remote-clients"), "{refused}");
    }
    drop(start(&["--listen", "localhost:0"]));
    assert!(startup_error(&["--config", "/nowhere/at/all"]).contains("/nowhere/at/all"));
    assert!(startup_error(&["--listen", "here"]).contains("--listen here"));
    assert!(startup_error(&["--rate-limits", "fast"]).contains("free"));
}

#[test]
fn command_line_overrides_the_config_file() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("options.json");
    let options = json!({
        "client_id": "a",
        "client_secret": "b",
        "strict": true,
        "seed": 1,
        "default_script": {"fails_after": 1, "reason": "no"},
        "rate_limits": {(path::USER_INFO): 0.5},
    });
    std::fs::write(&file, options.to_string()).expect("a file");
    let file = file.to_str().expect("a path");
    let program = start(&["--config", file, "--seed", "2", "--running-limit", "3"]);
    let in_use = program.get("options?secrets=true");
    for (key, value) in [("seed", json!(2)), ("running_limit", json!(3))] {
        assert_eq!(in_use[key], value);
    }
    for key in ["client_id", "client_secret", "strict", "rate_limits"] {
        assert_eq!(in_use[key], options[key]);
    }
    assert_eq!(in_use["default_script"]["fails_after"], 1);
    let kept = start(&[]).get("options")["kept_requests"].clone();
    assert_eq!(
        in_use["kept_requests"], kept,
        "same default as without a file"
    );

    std::fs::write(file, r#"{"tsrict": true}"#).expect("a file");
    assert!(startup_error(&["--config", file]).contains("unknown field `tsrict`"));
}

#[test]
fn connections_on_which_nothing_arrives_are_closed() {
    let program = start(&["--quiet", "--idle-timeout", "0.2"]);
    let whole = "GET /x HTTP/1.1\r\nHost: a\r\n\r\n";
    for (sent, answer) in [
        ("", ""),
        ("GET /x HTTP/1.1\r\nHo", ""),
        (whole, "HTTP/1.1 404"),
        (
            "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nhalf",
            "HTTP/1.1 408",
        ),
    ] {
        let address = program.base_url.trim_start_matches("http://");
        let mut stream = TcpStream::connect(address).expect("a listening server");
        stream.set_read_timeout(Some(TIMEOUT)).expect("a timeout");
        stream
            .write_all(sent.as_bytes())
            .expect("the bytes are sent");
        let mut response = String::new();
        stream
            .read_to_string(&mut response)
            .expect("the end of the connection");
        assert!(response.starts_with(answer), "{sent:?}: {response}");
    }
    assert!(startup_error(&["--idle-timeout", "0"]).contains("positive number of seconds"));
}
