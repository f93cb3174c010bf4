//! A running program.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Instant;

use pan123_mock::http::Request;
use serde_json::{Value, json};

use crate::support::TIMEOUT;
use crate::support::client::{Client, agent, read};

/// Killed when it is dropped.
pub(crate) struct Program {
    process: Child,
    pub(crate) base_url: String,
    lines: Receiver<String>,
}

fn command(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pan123-mock"));
    command.args(args).stdin(Stdio::null());
    command
}

/// Runs the program until it exits.
pub(crate) fn run(args: &[&str]) -> Output {
    command(args).output().expect("the program runs")
}

/// Starts the program and returns its base URL. Its stderr is not read.
pub(crate) fn spawn(args: &[&str]) -> (Child, String) {
    let listen: &[&str] = match args.first() {
        Some(&"--listen") => &[],
        _ => &["--listen", "127.0.0.1:0"],
    };
    let mut process = command(listen)
        .args(args)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut base_url = String::new();
    let out = process.stdout.take().expect("a pipe");
    let read = BufReader::new(out).read_line(&mut base_url);
    read.expect("the base URL");
    (process, base_url.trim().to_owned())
}

pub(crate) fn start(args: &[&str]) -> Program {
    let (mut process, base_url) = spawn(args);
    let lines = read_lines(process.stderr.take().expect("a pipe"));
    Program {
        process,
        base_url,
        lines,
    }
}

fn read_lines(stream: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let lines = BufReader::new(stream).lines().map_while(Result::ok);
        lines.for_each(|line| drop(sender.send(line)));
    });
    receiver
}

/// Polls a condition until it holds.
pub(crate) fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let began = Instant::now();
    while !condition() {
        assert!(began.elapsed() < TIMEOUT, "timed out waiting for {what}");
        thread::yield_now();
    }
}

impl Program {
    pub(crate) fn client(&self) -> Client {
        Client::new(&self.base_url)
    }

    /// Returns the next line of stderr.
    pub(crate) fn line(&self) -> String {
        self.lines.recv_timeout(TIMEOUT).expect("a line")
    }

    /// Returns the lines of stderr until the program ends.
    pub(crate) fn lines(&self) -> impl Iterator<Item = String> {
        self.lines.iter()
    }

    /// Sends an admin request and returns the status and the JSON.
    pub(crate) fn request<'a>(
        &self,
        method: &str,
        path: &str,
        body: impl Into<Option<&'a Value>>,
    ) -> (u16, Value) {
        let body = body.into().map_or(String::new(), Value::to_string);
        let request = Request::builder()
            .method(method)
            .uri(format!("{}/__admin/{path}", self.base_url))
            .body(body)
            .expect("a request");
        let (parts, response) = read(agent().run(request));
        (parts.status.as_u16(), response)
    }

    /// Returns how many requests the service has recorded.
    pub(crate) fn request_count(&self) -> usize {
        self.get("requests").as_array().expect("a list").len()
    }

    pub(crate) fn get(&self, path: &str) -> Value {
        let (status, response) = self.request("GET", path, None);
        assert_eq!(status, 200, "{response}");
        response
    }

    pub(crate) fn send<'a>(
        &self,
        method: &str,
        path: &str,
        body: impl Into<Option<&'a Value>>,
    ) -> Value {
        let (status, response) = self.request(method, path, body);
        assert_eq!(status, 200, "{response}");
        response
    }

    pub(crate) fn fault(&self, name: &str) {
        self.send("POST", "faults", &json!({ "fault": name }));
    }

    /// Sends SIGTERM.
    pub(crate) fn terminate(&self) {
        let id = self.process.id().to_string();
        let status = Command::new("kill").args(["-TERM", &id]).status();
        assert!(status.expect("the program `kill`").success());
    }

    pub(crate) fn kill(&mut self) {
        self.process.kill().expect("a running program");
        self.wait();
    }

    pub(crate) fn wait(&mut self) -> ExitStatus {
        self.process.wait().expect("an exit status")
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended already.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}
