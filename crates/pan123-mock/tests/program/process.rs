//! A program that runs.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Instant;

use pan123_mock::http::Request;
use serde_json::{Value, json};

use crate::support::TIMEOUT;
use crate::support::client::{Client, agent, read};

/// It ends when it is dropped.
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

/// What comes of a program that does not start.
pub(crate) fn refused(args: &[&str]) -> Output {
    command(args).output().expect("the program runs")
}

/// A program that has begun to listen, and its base URL. Nobody reads what it says on stderr.
pub(crate) fn spawned(args: &[&str]) -> (Child, String) {
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
    let out = process.stdout.take().expect("it is piped");
    let read = BufReader::new(out).read_line(&mut base_url);
    read.expect("the program says where it listens");
    (process, base_url.trim().to_owned())
}

pub(crate) fn started(args: &[&str]) -> Program {
    let (mut process, base_url) = spawned(args);
    let lines = lines_of(process.stderr.take().expect("it is piped"));
    Program {
        process,
        base_url,
        lines,
    }
}

fn lines_of(stream: impl Read + Send + 'static) -> Receiver<String> {
    let (tell, told) = mpsc::channel();
    thread::spawn(move || {
        let lines = BufReader::new(stream).lines().map_while(Result::ok);
        lines.for_each(|line| drop(tell.send(line)));
    });
    told
}

/// Looks again and again until it is so.
pub(crate) fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < TIMEOUT, "{what}: it does not come");
        thread::yield_now();
    }
}

impl Program {
    pub(crate) fn client(&self) -> Client {
        Client::new(&self.base_url)
    }

    /// The next line on stderr.
    pub(crate) fn line(&self) -> String {
        self.lines.recv_timeout(TIMEOUT).expect("a line")
    }

    /// All lines on stderr until it ends.
    pub(crate) fn lines(&self) -> impl Iterator<Item = String> {
        self.lines.iter()
    }

    /// The status and the JSON that an admin request is answered with.
    pub(crate) fn ask<'a>(
        &self,
        method: &str,
        what: &str,
        body: impl Into<Option<&'a Value>>,
    ) -> (u16, Value) {
        let body = body.into().map_or(String::new(), Value::to_string);
        let request = Request::builder()
            .method(method)
            .uri(format!("{}/__admin/{what}", self.base_url))
            .body(body)
            .expect("a request");
        let (parts, answer) = read(agent().run(request));
        (parts.status.as_u16(), answer)
    }

    /// How many requests came to the service.
    pub(crate) fn requests(&self) -> usize {
        self.get("requests").as_array().expect("a list").len()
    }

    pub(crate) fn get(&self, what: &str) -> Value {
        let (status, answer) = self.ask("GET", what, None);
        assert_eq!(status, 200, "{answer}");
        answer
    }

    pub(crate) fn send<'a>(
        &self,
        method: &str,
        what: &str,
        body: impl Into<Option<&'a Value>>,
    ) -> Value {
        let (status, answer) = self.ask(method, what, body);
        assert_eq!(status, 200, "{answer}");
        answer
    }

    pub(crate) fn fault(&self, name: &str) {
        self.send("POST", "faults", &json!({ "fault": name }));
    }

    /// Tells it to end, as a system does with its programs.
    pub(crate) fn terminate(&self) {
        let id = self.process.id().to_string();
        let told = Command::new("kill").args(["-TERM", &id]).status();
        assert!(told.expect("a program `kill`").success());
    }

    pub(crate) fn ended(&mut self) -> ExitStatus {
        self.process.wait().expect("it ends")
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended by itself.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}
