//! What a client sees of each fault: a socket and nothing else.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;

use pan123_mock::{FAULT_NAMES, path};
use serde_json::{Value, json};

use crate::process::{Program, started, until};
use crate::support::TIMEOUT;

struct Asking {
    program: Program,
    token: String,
    task: u64,
}

fn asking() -> Asking {
    let program = started(&["--quiet"]);
    program.send("PUT", "script", &json!({"steps": [[12.5, 0]]}));
    let client = program.client();
    let task = client.create(&json!({"url": "https://example.com/a"}));
    let token = client.token;
    program.send("DELETE", "requests", None);
    Asking {
        program,
        token,
        task,
    }
}

impl Asking {
    fn connect(&self) -> TcpStream {
        let address = self.program.base_url.trim_start_matches("http://");
        let stream = TcpStream::connect(address).expect("it listens");
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

    /// All that comes until the connection ends, and how it ends.
    fn exchange(&self) -> (String, Result<(), ErrorKind>) {
        let mut stream = self.connect();
        let sent = stream.write_all(self.request(true).as_bytes());
        sent.expect("it takes a request");
        let mut answer = Vec::new();
        let ended = stream.read_to_end(&mut answer);
        let ended = ended.map(drop).map_err(|error| error.kind());
        (String::from_utf8_lossy(&answer).into_owned(), ended)
    }
}

fn body(answer: &str) -> &str {
    answer.split_once("\r\n\r\n").map_or("", |(_, body)| body)
}

fn data(answer: &str) -> Value {
    let envelope: Value = serde_json::from_str(body(answer)).expect("an envelope");
    assert_eq!(envelope["code"], 0);
    envelope["data"].clone()
}

/// What comes of the fault of this name: it is met once, and then all is well.
fn seen(name: &str, answer: &str, ended: Result<(), ErrorKind>) {
    let whole = || assert_eq!(ended, Ok(()), "{name}");
    let status = |number: &str| {
        whole();
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {number} ")),
            "{name}: {answer}"
        );
    };
    let code = |code: i64| {
        status("200");
        let envelope: Value = serde_json::from_str(body(answer)).expect("an envelope");
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
            assert!(answer.contains("retry-after: 2\r\n"), "{answer}");
        }
        "unauthorized" => code(401),
        "http_unauthorized" => status("401"),
        "business_error" => code(1),
        "bad_gateway" => {
            status("502");
            assert!(body(answer).contains("<html>"));
        }
        "gateway_timeout" => status("504"),
        "html" => {
            status("200");
            assert!(body(answer).starts_with("<html>"));
        }
        "empty_body" => {
            status("200");
            assert_eq!(body(answer), "");
        }
        "truncated_json" => {
            status("200");
            let half = body(answer);
            assert!(answer.contains(&format!("content-length: {}\r\n", half.len())));
            assert!(half.starts_with(r#"{"code":0,"#) && !half.ends_with('}'));
        }
        "cut_short" => {
            status("200");
            assert_eq!(body(answer), r#"{"code":0,"message":"#);
        }
        "reset" | "response_lost" => {
            assert_eq!((answer, ended), ("", Err(ErrorKind::ConnectionReset)));
        }
        "closed" => assert_eq!((answer, ended), ("", Ok(()))),
        "drip" => {
            status("200");
            assert_eq!(data(answer), json!({"process": 12.5, "status": 0}));
        }
        "flood" => {
            status("200");
            assert!(body(answer).len() > 200 << 20);
        }
        "null_data" => {
            status("200");
            assert_eq!(data(answer), Value::Null);
            assert!(answer.contains(r#""data":null"#));
        }
        "no_data" => {
            status("200");
            assert!(!answer.contains("\"data\""));
        }
        "numbers_as_strings" => assert_eq!(data(answer), json!({"process": "12.5", "status": "0"})),
        "unknown_status" => assert_eq!(data(answer), json!({"process": 12.5, "status": 7})),
        "forbidden_by_load_balancer" => assert!(body(answer).starts_with(r#"{"code":"403","#)),
        other => panic!("nobody looks at {other}"),
    }
}

#[test]
fn a_client_sees_each_fault_once_and_then_the_answer() {
    let asking = asking();
    for name in FAULT_NAMES {
        if name.starts_with("hang") || *name == "late" {
            continue; // below
        }
        asking.program.fault(name);
        let (answer, ended) = asking.exchange();
        seen(name, &answer, ended);
        let (answer, ended) = asking.exchange();
        assert_eq!(ended, Ok(()));
        assert_eq!(
            data(&answer),
            json!({"process": 12.5, "status": 0}),
            "after {name}"
        );
    }
}

#[test]
fn silence_is_no_answer_on_a_connection_that_stays() {
    let asking = asking();
    for (number, name) in ["hang", "hang_after_acting", "late"]
        .into_iter()
        .enumerate()
    {
        asking.program.fault(name);
        let mut stream = asking.connect();
        let sent = stream.write_all(asking.request(true).as_bytes());
        sent.expect("it takes a request");
        until("the request", || asking.program.requests() == number + 1);
        stream.set_nonblocking(true).expect("a socket");
        let read = stream.read(&mut [0; 100]).map_err(|error| error.kind());
        assert_eq!(read, Err(ErrorKind::WouldBlock), "{name}");
    }
}

#[test]
fn a_connection_on_which_an_answer_dripped_goes_on() {
    let asking = asking();
    let mut stream = asking.connect();
    for fault in [
        json!({"break": {"what": {"drip": 1}, "end": "stay"}}),
        json!({}),
    ] {
        asking.program.send("POST", "faults", &fault);
        stream
            .write_all(asking.request(false).as_bytes())
            .expect("it takes a request");
        let mut answer = Vec::new();
        while !answer.ends_with(b"wnv6h\"}") {
            let mut byte = [0];
            stream.read_exact(&mut byte).expect("the answer comes");
            answer.push(byte[0]);
        }
        let answer = String::from_utf8(answer).expect("a text");
        assert_eq!(data(&answer), json!({"process": 12.5, "status": 0}));
    }
}

#[test]
fn requests_that_came_with_a_broken_one_are_answered() {
    let asking = asking();
    let drip =
        json!({"break": {"what": {"drip": 1}, "end": "stay"}, "path": path::OFFLINE_PROGRESS});
    asking.program.send("POST", "faults", &drip);
    let mut stream = asking.connect();
    let three = asking.request(false).repeat(2) + &asking.request(true);
    stream.write_all(three.as_bytes()).expect("it takes them");
    let mut answers = String::new();
    stream
        .read_to_string(&mut answers)
        .expect("all answers come");
    assert_eq!(answers.matches(r#""process":12.5"#).count(), 3, "{answers}");
}

#[test]
fn clients_that_do_not_read_hold_nobody_up() {
    let asking = asking();
    asking
        .program
        .send("POST", "faults", &json!({"fault": "flood", "times": 40}));
    asking.program.send(
        "POST",
        "faults",
        &json!({"break": {"what": {"drip": 600_000}, "end": "stay"}, "times": 40}),
    );
    let waiting: Vec<TcpStream> = (0..80)
        .map(|_| {
            let mut stream = asking.connect();
            let sent = stream.write_all(asking.request(false).as_bytes());
            sent.expect("it takes a request");
            stream
        })
        .collect();
    until("all of them", || asking.program.get("faults") == json!([]));
    asking.program.fault("reset");
    assert_eq!(asking.exchange().1, Err(ErrorKind::ConnectionReset));
    assert_eq!(
        data(&asking.exchange().0),
        json!({"process": 12.5, "status": 0})
    );
    drop(waiting);
}

#[test]
fn faults_are_for_a_path_for_so_many_or_for_ever_until_they_are_cleared() {
    let asking = asking();
    let code = |path: &str| asking.program.client().get(path).2["code"].clone();
    let set = |fault: Value| asking.program.send("POST", "faults", &fault);
    set(json!({"code": 7, "message": "seven", "path": path::USER_INFO, "times": 2}));
    set(json!({"fault": "business_error", "path": path::USER_INFO, "always": true}));
    let came = [0; 5].map(|_| code(path::USER_INFO));
    assert_eq!(came, [7, 7, 1, 1, 1].map(|code| json!(code)));
    let left = asking.program.get("faults");
    assert_eq!(left.as_array().map(Vec::len), Some(1));
    assert_eq!(left[0]["fault"], "business_error");
    asking.program.send("DELETE", "faults", None);
    assert_eq!(code(path::USER_INFO), 0);
}
