//! How it starts, what it says, and how it ends.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};

use pan123_mock::path;
use serde_json::{Value, json};

use crate::process::{refused, spawned, started, until};
use crate::support::TIMEOUT;
use crate::support::client::{agent, read};

#[test]
fn it_says_where_it_listens_and_writes_a_line_a_request() {
    let program = started(&[]);
    let listening = program.line();
    assert!(listening.contains(&program.base_url), "{listening}");

    let client = program.client();
    let minted = program.line();
    assert!(
        minted.ends_with("POST /api/v1/access_token -> 200 code 0"),
        "{minted}"
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
fn nobody_has_to_read_the_lines() {
    let (mut process, base_url) = spawned(&[]);
    let address = base_url.trim_start_matches("http://");
    let mut stream = TcpStream::connect(address).expect("it listens");
    stream.set_read_timeout(Some(TIMEOUT)).expect("a timeout");
    let mut answers = BufReader::new(stream.try_clone().expect("a socket"));
    // More lines than a pipe and all that wait for it take.
    for _ in 0..13_000 {
        let request = "GET /x HTTP/1.1\r\nHost: a\r\n\r\n";
        stream.write_all(request.as_bytes()).expect("it is sent");
        let mut answer = Vec::new();
        let read = answers.read_until(b'}', &mut answer);
        read.expect("an answer");
        assert!(answer.starts_with(b"HTTP/1.1 404 ") && answer.ends_with(b"}"));
    }
    drop(process.kill());
    drop(process.wait());
}

#[test]
fn machines_read_json() {
    let program = started(&["--json"]);
    let line = || serde_json::from_str::<Value>(&program.line()).expect("a line of JSON");
    assert_eq!(line(), json!({ "listening": program.base_url }));
    program.client();
    let minted = line();
    assert_eq!(minted["path"], path::ACCESS_TOKEN);
    assert_eq!(
        (&minted["status"], &minted["code"]),
        (&json!(200), &json!(0))
    );
}

#[test]
fn no_line_shows_a_secret() {
    let program = started(&["--client-secret", "hush-hush", "--json"]);
    let url = format!("{}{}", program.base_url, path::ACCESS_TOKEN);
    let answer = agent()
        .post(url)
        .header("Platform", "open_platform")
        .send(r#"{"clientID":"mock-client-id","clientSecret":"hush-hush"}"#);
    let token = read(answer).1["data"]["accessToken"].clone();
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
    let told = format!(
        "{lines}{}{}",
        program.get("requests"),
        program.get("options")
    );
    assert!(!told.contains("hush") && !told.contains(token), "{told}");

    let all = format!(
        "{}{}",
        program.get("requests?secrets=true"),
        program.get("options?secrets=true")
    );
    assert!(all.contains("hush-hush") && all.contains(token), "{all}");
}

#[test]
fn quiet_is_quiet() {
    let mut program = started(&["--quiet"]);
    program.client();
    program.terminate();
    assert!(program.ended().success());
    assert_eq!(program.lines().next(), None);
}

#[test]
fn it_ends_when_it_is_told_to_and_sends_the_answers_that_are_out() {
    let mut program = started(&[]);
    let mut asking =
        TcpStream::connect(program.base_url.trim_start_matches("http://")).expect("it listens");
    program.send(
        "POST",
        "faults",
        &json!({"path": path::USER_INFO, "delay_ms": 300}),
    );
    let request = format!("GET {} HTTP/1.1\r\nHost: a\r\n\r\n", path::USER_INFO);
    asking.write_all(request.as_bytes()).expect("it is sent");
    until("the request", || program.requests() == 1);
    program.terminate();
    let mut answer = String::new();
    asking.read_to_string(&mut answer).expect("a whole answer");
    assert!(
        answer.starts_with("HTTP/1.1 200") && answer.ends_with('}'),
        "{answer}"
    );
    assert!(program.ended().success());
}

#[test]
fn nobody_is_waited_for_who_is_never_answered() {
    for (fault, args) in [("hang", &["--quiet"][..]), ("flood", &["--quiet"])] {
        let mut program = started(args);
        program.fault(fault);
        let address = program.base_url.trim_start_matches("http://");
        let mut asking = TcpStream::connect(address).expect("it listens");
        let sent = asking.write_all(b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n");
        sent.expect("it is sent");
        until("the request", || program.requests() == 1);
        program.terminate();
        assert!(program.ended().success(), "{fault}");
    }
}

fn said(args: &[&str]) -> String {
    let output = refused(args);
    assert!(!output.status.success(), "{args:?}");
    let said = String::from_utf8(output.stderr).expect("a text");
    assert!(said.starts_with("error: "), "{said}");
    said
}

#[test]
fn what_cannot_be_had_is_said_in_a_line() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address").to_string();
    let said_of_it = said(&["--listen", &address]);
    assert!(
        said_of_it.contains(&format!("{address} is taken")),
        "{said_of_it}"
    );
    assert_eq!(said_of_it.lines().count(), 1);

    for open in ["0.0.0.0:0", "[::]:0", "192.0.2.1:0"] {
        let refused = said(&["--listen", open]);
        assert!(refused.contains("--allow-remote-clients"), "{refused}");
    }
    drop(started(&["--listen", "localhost:0"]));
    assert!(said(&["--config", "/nowhere/at/all"]).contains("/nowhere/at/all"));
    assert!(said(&["--listen", "here"]).contains("--listen here"));
    assert!(said(&["--rate-limits", "fast"]).contains("free"));
}

#[test]
fn options_come_from_a_file_and_the_command_line_goes_before_it() {
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
    let program = started(&["--config", file, "--seed", "2", "--running-limit", "3"]);
    let told = program.get("options?secrets=true");
    for (key, value) in [("seed", json!(2)), ("running_limit", json!(3))] {
        assert_eq!(told[key], value);
    }
    for key in ["client_id", "client_secret", "strict", "rate_limits"] {
        assert_eq!(told[key], options[key]);
    }
    assert_eq!(told["default_script"]["fails_after"], 1);
    let kept = started(&[]).get("options")["kept_requests"].clone();
    assert_eq!(told["kept_requests"], kept, "as without a file");

    std::fs::write(file, r#"{"tsrict": true}"#).expect("a file");
    assert!(said(&["--config", file]).contains("unknown field `tsrict`"));
}
