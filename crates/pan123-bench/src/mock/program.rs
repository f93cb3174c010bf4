//! The program `pan123-mock` on one core: progress calls a second, and the memory of 10,000 tasks in progress. Linux only.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use pan123_mock::{CLIENT_ID, CLIENT_SECRET, path};
use serde_json::{Value, json};

use crate::measure::{build, number, on_cpu};
use crate::process::{cpu, status};

const CONNECTIONS: usize = 64;
const ROUNDS: usize = 4000;
const TASKS: u64 = 10_000;

pub(crate) fn table(out: &mut dyn Write) -> io::Result<()> {
    let folder = build(&["--package=pan123-mock", "--features=program", "--bins"]);
    writeln!(
        out,
        "| program | calls a second, {CONNECTIONS} connections | a second of its CPU | resident | with {TASKS} tasks |\n|---|---|---|---|---|"
    )?;
    for arguments in [&[][..], &["--quiet"]] {
        let program = Program::start(&folder, arguments);
        let [calls, of_cpu] = program.load();
        let [before, after] = program.tasks();
        writeln!(
            out,
            "| pan123-mock {} | {calls:.0} | {of_cpu:.0} | {before:.1} MB | {after:.1} MB |",
            arguments.join(" ")
        )?;
    }
    Ok(())
}

struct Program {
    process: Child,
    base_url: String,
}

impl Program {
    /// Starts it on a processor of its own, where there are two.
    fn start(folder: &Path, arguments: &[&str]) -> Self {
        let program = folder.join("pan123-mock");
        let mut command = match on_cpu("1") {
            [first, rest @ ..] => {
                let mut command = Command::new(first);
                command.args(rest).arg(program);
                command
            }
            [] => Command::new(program),
        };
        let mut process = command
            .args(["--listen", "127.0.0.1:0"])
            .args(arguments)
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

    /// Returns progress calls a second, and a second of its CPU.
    fn load(&self) -> [f64; 2] {
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
        [took, cpu].map(|time| f64::from(calls) / time.as_secs_f64())
    }

    /// Returns the memory before there are many tasks, and with them.
    fn tasks(&self) -> [f64; 2] {
        let before = self.resident();
        let mut one = self.connect();
        let token = Self::token(&mut one);
        for _ in 0..TASKS {
            create(&mut one, &token);
        }
        let state = exchange(&mut one, &request("GET", "/__admin/state", "", ""));
        assert_eq!(state["running"], TASKS + 1);
        [before, self.resident()]
    }

    fn token(stream: &mut TcpStream) -> String {
        let pair = json!({"clientID": CLIENT_ID, "clientSecret": CLIENT_SECRET}).to_string();
        let response = exchange(stream, &request("POST", path::ACCESS_TOKEN, "", &pair));
        response["data"]["accessToken"]
            .as_str()
            .expect("a token")
            .to_owned()
    }

    fn cpu(&self) -> Duration {
        cpu(&self.process.id().to_string()).expect("a process")
    }

    /// In MB.
    fn resident(&self) -> f64 {
        let kilobytes = status(&self.process.id().to_string(), "VmRSS");
        number(kilobytes.expect("a process")) / 1024.0
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
