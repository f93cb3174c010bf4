//! Measures the program `pan123-mock` on one core: progress calls per second, and the memory of 10,000 tasks in progress. Linux only,
//! because it reads `/proc`.
//!
//! `cargo bench -p pan123-mock --features program --bench program`; to give the program a core of its own, set `WRAPPER="taskset -c 1"` and
//! run the benchmark under `taskset -c 0`.

#![allow(clippy::print_stdout, reason = "that is what a benchmark is for")]

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use pan123_mock::{CLIENT_ID, CLIENT_SECRET, path};
use serde_json::{Value, json};

const CONNECTIONS: usize = 64;
const ROUNDS: usize = 4000;
const TASKS: u64 = 10_000;

fn main() {
    for args in [&[][..], &["--quiet"]] {
        let program = Program::start(args);
        println!("pan123-mock {}", args.join(" "));
        program.load();
        program.tasks();
    }
}

struct Program {
    process: Child,
    base_url: String,
}

impl Program {
    fn start(args: &[&str]) -> Self {
        let program = env!("CARGO_BIN_EXE_pan123-mock").to_owned();
        let wrapper = std::env::var("WRAPPER").unwrap_or_default();
        let words: Vec<String> = wrapper
            .split_whitespace()
            .map(str::to_owned)
            .chain([program])
            .collect();
        let mut process = Command::new(&words[0])
            .args(&words[1..])
            .args(["--listen", "127.0.0.1:0"])
            .args(args)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the program starts");
        let out = process.stdout.take().expect("it is piped");
        let mut base_url = String::new();
        BufReader::new(out)
            .read_line(&mut base_url)
            .expect("a line");
        let base_url = base_url.trim().to_owned();
        Self { process, base_url }
    }

    fn connect(&self) -> TcpStream {
        let address = self.base_url.trim_start_matches("http://");
        let stream = TcpStream::connect(address).expect("it listens");
        stream.set_nodelay(true).expect("a socket");
        stream
    }

    fn load(&self) {
        let mut one = self.connect();
        exchange(
            &mut one,
            &request("PUT", "/__admin/script", "", r#"{"steps":[[50,0]]}"#),
        );
        let token = Self::token(&mut one);
        let task = create(&mut one, &token);
        let target = format!("{}?taskID={task}", path::OFFLINE_PROGRESS);
        let poll = request("GET", &target, &token, "");
        let mut all: Vec<TcpStream> = (0..CONNECTIONS).map(|_| self.connect()).collect();
        let before = self.cpu();
        let began = Instant::now();
        for _ in 0..ROUNDS {
            for stream in &mut all {
                stream
                    .write_all(poll.as_bytes())
                    .expect("it takes a request");
            }
            for stream in &mut all {
                let response = read_response(stream);
                assert!(response.contains(r#""process":50"#), "{response}");
            }
        }
        let (took, cpu) = (began.elapsed(), self.cpu().saturating_sub(before));
        let calls = u32::try_from(CONNECTIONS * ROUNDS).expect("not so many");
        println!(
            "  {calls} progress calls over {CONNECTIONS} connections: {:.0} a second, {:.0} a second of its CPU",
            f64::from(calls) / took.as_secs_f64(),
            f64::from(calls) / cpu.as_secs_f64(),
        );
    }

    fn tasks(&self) {
        let before = self.resident();
        let mut one = self.connect();
        let token = Self::token(&mut one);
        for _ in 0..TASKS {
            create(&mut one, &token);
        }
        let state = exchange(&mut one, &request("GET", "/__admin/state", "", ""));
        assert_eq!(state["running"], TASKS + 1);
        println!(
            "  {TASKS} tasks in progress: {:.1} MB resident, {before:.1} MB before",
            self.resident()
        );
    }

    fn token(stream: &mut TcpStream) -> String {
        let pair = json!({"clientID": CLIENT_ID, "clientSecret": CLIENT_SECRET}).to_string();
        let response = exchange(stream, &request("POST", path::ACCESS_TOKEN, "", &pair));
        response["data"]["accessToken"]
            .as_str()
            .expect("a token")
            .to_owned()
    }

    /// User and system time.
    fn cpu(&self) -> Duration {
        let stat =
            fs::read_to_string(format!("/proc/{}/stat", self.process.id())).expect("a process");
        let fields: Vec<&str> = stat
            .rsplit(')')
            .next()
            .expect("fields")
            .split_whitespace()
            .collect();
        let ticks: u64 = [11, 12]
            .map(|at: usize| fields[at].parse::<u64>().expect("a number"))
            .iter()
            .sum();
        Duration::from_millis(ticks * 10)
    }

    fn resident(&self) -> f64 {
        let status =
            fs::read_to_string(format!("/proc/{}/status", self.process.id())).expect("a process");
        let line = status
            .lines()
            .find(|line| line.starts_with("VmRSS:"))
            .expect("its size");
        let kilobytes: f64 = line
            .split_whitespace()
            .nth(1)
            .expect("a number")
            .parse()
            .expect("a number");
        kilobytes / 1024.0
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

fn create(stream: &mut TcpStream, token: &str) -> u64 {
    let body = r#"{"url":"https://example.com/films/2026/a-film-with-a-name.mp4","fileName":"a film.mp4"}"#;
    let response = exchange(
        stream,
        &request("POST", path::OFFLINE_DOWNLOAD, token, body),
    );
    response["data"]["taskID"].as_u64().expect("a task")
}

fn exchange(stream: &mut TcpStream, request: &str) -> Value {
    stream
        .write_all(request.as_bytes())
        .expect("it takes a request");
    serde_json::from_str(&read_response(stream)).expect("JSON")
}

fn request(method: &str, target: &str, token: &str, body: &str) -> String {
    format!(
        "{method} {target} HTTP/1.1\r\nHost: localhost\r\nPlatform: open_platform\r\nAuthorization: Bearer {token}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// Reads the body of one response.
fn read_response(stream: &mut TcpStream) -> String {
    let mut seen = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let read = stream.read(&mut buffer).expect("a response");
        assert!(read > 0, "the connection stays");
        seen.extend_from_slice(&buffer[..read]);
        let text = String::from_utf8_lossy(&seen);
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            continue;
        };
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "));
        let length: usize = length.expect("a length").parse().expect("a number");
        if body.len() == length {
            return body.to_owned();
        }
    }
}
