//! What a client observes of each fault, on a plain socket.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;

use pan123_mock::{FAULT_NAMES, path};
use serde_json::{Value, json};

use crate::program::process::{Program, start, until};
use crate::support::TIMEOUT;

struct FaultyProgram {
    program: Program,
    token: String,
    task: u64,
}

fn faulty() -> FaultyProgram {
    let program = start(&["--quiet"]);
    program.send("PUT", "script", &json!({"steps": [[12.5, 0]]}));
    let client = program.client();
    let task = client.create(&json!({"url": "https://example.com/a"}));
    let token = client.token;
    program.send("DELETE", "requests", None);
    FaultyProgram {
        program,
        token,
        task,
    }
}

impl FaultyProgram {
    fn connect(&self) -> TcpStream {
        let address = self.program.base_url.trim_start_matches("http://");
        let stream = TcpStream::connect(address).expect("a listening server");
        let set = stream.set_read_timeout(Some(TIMEOUT));
        set.expect("a timeout");
        stream
    }

    fn request(&self, close: bool) -> String {
        let connection = if close { "Connection: close\r\n" } else { "" };
        format!(
            "GET {}?taskID={} HTTP/1.1\r\nHost: a\r\nPlatform: open_platform\r\n\
             Authorization: Bearer {}\r\n{connection}\r\n",
            path::OFFLINE_PROGRESS,
            self.task,
            self.token
        )
    }

    /// Returns what is received until the connection ends, and how it ends.
    fn exchange(&self) -> (String, Result<(), ErrorKind>) {
        let mut stream = self.connect();
        let sent = stream.write_all(self.request(true).as_bytes());
        sent.expect("the request is sent");
        let mut response = Vec::new();
        let ended = stream.read_to_end(&mut response);
        let ended = ended.map(drop).map_err(|error| error.kind());
        (String::from_utf8_lossy(&response).into_owned(), ended)
    }
}

fn body(response: &str) -> &str {
    response.split_once("\r\n\r\n").map_or("", |(_, body)| body)
}

fn data(response: &str) -> Value {
    let envelope: Value = serde_json::from_str(body(response)).expect("an envelope");
    assert_eq!(envelope["code"], 0);
    envelope["data"].clone()
}

/// Checks what a client received under this fault.
fn check(name: &str, response: &str, ended: Result<(), ErrorKind>) {
    let whole = || assert_eq!(ended, Ok(()), "{name}");
    let status = |number: &str| {
        whole();
        assert!(
            response.starts_with(&format!("HTTP/1.1 {number} ")),
            "{name}: {response}"
        );
    };
    let code = |code: i64| {
        status("200");
        let envelope: Value = serde_json::from_str(body(response)).expect("an envelope");
        assert_eq!(envelope["code"], code, "{name}");
        assert!(
            envelope["x-traceID"]
                .as_str()
                .is_some_and(|it| it.len() > 36)
        );
    };
    match name {
        "rate_limited" => code(429),
        "http_rate_limited" => {
            status("429");
            assert!(response.contains("retry-after: 2\r\n"), "{response}");
        }
        "unauthorized" => code(401),
        "http_unauthorized" => status("401"),
        "business_error" => code(1),
        "bad_gateway" => {
            status("502");
            assert!(body(response).contains("<html>"));
        }
        "gateway_timeout" => status("504"),
        "html" => {
            status("200");
            assert!(body(response).starts_with("<html>"));
        }
        "empty_body" => {
            status("200");
            assert_eq!(body(response), "");
        }
        "truncated_json" => {
            status("200");
            let half = body(response);
            assert!(response.contains(&format!("content-length: {}\r\n", half.len())));
            assert!(half.starts_with(r#"{"code":0,"#) && !half.ends_with('}'));
        }
        "cut_short" => {
            status("200");
            assert_eq!(body(response), r#"{"code":0,"message":"#);
        }
        "reset" | "response_lost" => {
            assert_eq!((response, ended), ("", Err(ErrorKind::ConnectionReset)));
        }
        "closed" => assert_eq!((response, ended), ("", Ok(()))),
        "drip" => {
            status("200");
            assert_eq!(data(response), json!({"process": 12.5, "status": 0}));
        }
        "flood" => {
            status("200");
            assert!(body(response).len() > 200 << 20);
        }
        "null_data" => {
            status("200");
            assert_eq!(data(response), Value::Null);
            assert!(response.contains(r#""data":null"#));
        }
        "no_data" => {
            status("200");
            assert!(!response.contains("\"data\""));
        }
        "numbers_as_strings" => {
            assert_eq!(data(response), json!({"process": "12.5", "status": "0"}));
        }
        "unknown_status" => assert_eq!(data(response), json!({"process": 12.5, "status": 7})),
        "forbidden_by_load_balancer" => assert!(body(response).starts_with(r#"{"code":"403","#)),
        other => panic!("the fault {other} is not checked"),
    }
}

#[test]
fn each_fault_happens_once_and_then_requests_succeed() {
    let faulty = faulty();
    for name in FAULT_NAMES {
        if name.starts_with("hang") || *name == "late" {
            continue; // below
        }
        faulty.program.fault(name);
        let (response, ended) = faulty.exchange();
        check(name, &response, ended);
        let (response, ended) = faulty.exchange();
        assert_eq!(ended, Ok(()));
        assert_eq!(
            data(&response),
            json!({"process": 12.5, "status": 0}),
            "after {name}"
        );
    }
}

#[test]
fn silent_faults_keep_the_connection_open() {
    let faulty = faulty();
    for (number, name) in ["hang", "hang_after_acting", "late"]
        .into_iter()
        .enumerate()
    {
        faulty.program.fault(name);
        let mut stream = faulty.connect();
        let sent = stream.write_all(faulty.request(true).as_bytes());
        sent.expect("the request is sent");
        until("the request", || {
            faulty.program.request_count() == number + 1
        });
        stream.set_nonblocking(true).expect("a socket");
        let read = stream.read(&mut [0; 100]).map_err(|error| error.kind());
        assert_eq!(read, Err(ErrorKind::WouldBlock), "{name}");
    }
}

#[test]
fn connection_is_reused_after_a_drip() {
    let faulty = faulty();
    let mut stream = faulty.connect();
    for fault in [
        json!({"break": {"what": {"drip": 1}, "end": "stay"}}),
        json!({}),
    ] {
        faulty.program.send("POST", "faults", &fault);
        stream
            .write_all(faulty.request(false).as_bytes())
            .expect("the request is sent");
        let mut response = Vec::new();
        while !response.ends_with(b"wnv6h\"}") {
            let mut byte = [0];
            stream.read_exact(&mut byte).expect("a response");
            response.push(byte[0]);
        }
        let response = String::from_utf8(response).expect("a text");
        assert_eq!(data(&response), json!({"process": 12.5, "status": 0}));
    }
}

#[test]
fn pipelined_requests_survive_a_break() {
    let faulty = faulty();
    let drip =
        json!({"break": {"what": {"drip": 1}, "end": "stay"}, "path": path::OFFLINE_PROGRESS});
    faulty.program.send("POST", "faults", &drip);
    let mut stream = faulty.connect();
    let three = faulty.request(false).repeat(2) + &faulty.request(true);
    stream
        .write_all(three.as_bytes())
        .expect("the requests are sent");
    let mut responses = String::new();
    stream
        .read_to_string(&mut responses)
        .expect("all responses");
    assert_eq!(
        responses.matches(r#""process":12.5"#).count(),
        3,
        "{responses}"
    );
}

#[test]
fn slow_readers_do_not_block_other_clients() {
    let faulty = faulty();
    faulty
        .program
        .send("POST", "faults", &json!({"fault": "flood", "times": 40}));
    faulty.program.send(
        "POST",
        "faults",
        &json!({"break": {"what": {"drip": 600_000}, "end": "stay"}, "times": 40}),
    );
    let waiting: Vec<TcpStream> = (0..80)
        .map(|_| {
            let mut stream = faulty.connect();
            let sent = stream.write_all(faulty.request(false).as_bytes());
            sent.expect("the request is sent");
            stream
        })
        .collect();
    until("all of them", || faulty.program.get("faults") == json!([]));
    faulty.program.fault("reset");
    assert_eq!(faulty.exchange().1, Err(ErrorKind::ConnectionReset));
    assert_eq!(
        data(&faulty.exchange().0),
        json!({"process": 12.5, "status": 0})
    );
    drop(waiting);
}

#[test]
fn faults_have_a_path_and_a_count_and_can_be_cleared() {
    let faulty = faulty();
    let code = |path: &str| faulty.program.client().get(path).2["code"].clone();
    let set = |fault: Value| faulty.program.send("POST", "faults", &fault);
    set(json!({"code": 7, "message": "seven", "path": path::USER_INFO, "times": 2}));
    set(json!({"fault": "business_error", "path": path::USER_INFO, "always": true}));
    let codes = [0; 5].map(|_| code(path::USER_INFO));
    assert_eq!(codes, [7, 7, 1, 1, 1].map(|code| json!(code)));
    let left = faulty.program.get("faults");
    assert_eq!(left.as_array().map(Vec::len), Some(1));
    assert_eq!(left[0]["fault"], "business_error");
    faulty.program.send("DELETE", "faults", None);
    assert_eq!(code(path::USER_INFO), 0);
}
