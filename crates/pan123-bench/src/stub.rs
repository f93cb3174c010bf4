//! A service in a process of its own that answers everything at once: keep-alive, one thread a connection, every answer the same, or
//! until a task was asked for so often that it has succeeded.

use std::collections::HashMap;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use crate::measure::this_program;

const ANSWER: &str = r#"{"code":0,"message":"ok","data":{"process":37.5,"status":0},"x-traceID":"3c24b2a1-0b5c-4c22-a31d-f31b8e8e8f20"}"#;
/// The path under which it tells what it has counted.
const COUNTS: &str = "/counts";

const SUCCEEDED: &str = r#"{"code":0,"message":"ok","data":{"process":100,"status":2}}"#;

#[derive(Default)]
struct Counted {
    connections: AtomicUsize,
    requests: AtomicUsize,
    ending: Option<Ending>,
}

/// Tasks that end.
struct Ending {
    /// With this poll.
    last: u32,
    /// How often each path was asked for.
    polls: Mutex<HashMap<String, u32>>,
}

impl Ending {
    fn has_ended(&self, path: &str) -> bool {
        let mut polls = self.polls.lock().unwrap_or_else(PoisonError::into_inner);
        let polls = polls.entry(path.to_owned()).or_default();
        *polls += 1;
        *polls >= self.last
    }
}

/// Prints its address and serves until it is killed. Tasks end with this poll, if one is given.
pub(crate) fn serve(out: &mut impl Write, last: Option<u32>) -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    writeln!(out, "{}", listener.local_addr()?)?;
    out.flush()?;
    let counted = Arc::new(Counted {
        ending: last.map(|last| Ending {
            last,
            polls: Mutex::default(),
        }),
        ..Counted::default()
    });
    for stream in listener.incoming() {
        let (stream, counted) = (stream?, Arc::clone(&counted));
        thread::spawn(move || answer_all(stream, &counted));
    }
    Ok(())
}

fn answer_all(mut stream: TcpStream, counted: &Counted) -> io::Result<()> {
    let head = |body: &str| {
        let length = body.len();
        format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
        )
    };
    let (running, succeeded) = (head(ANSWER), head(SUCCEEDED));
    stream.set_nodelay(true)?;
    let mut buffer = [0; 4096];
    let mut filled = 0;
    let mut is_first = true;
    loop {
        let read = stream.read(&mut buffer[filled..])?;
        if read == 0 {
            return Ok(());
        }
        filled += read;
        let Some(path) = complete(&buffer[..filled]) else {
            continue;
        };
        filled = 0;
        if path == COUNTS {
            let connections = counted.connections.load(Ordering::Relaxed);
            let requests = counted.requests.load(Ordering::Relaxed);
            stream.write_all(head(&format!("{connections} {requests}")).as_bytes())?;
            return Ok(());
        }
        if is_first {
            counted.connections.fetch_add(1, Ordering::Relaxed);
            is_first = false;
        }
        counted.requests.fetch_add(1, Ordering::Relaxed);
        let ending = counted.ending.as_ref();
        let has_ended = ending.is_some_and(|ending| ending.has_ended(path));
        let answer = if has_ended { &succeeded } else { &running };
        stream.write_all(answer.as_bytes())?;
    }
}

/// The path of a request without a body, once it is complete.
fn complete(bytes: &[u8]) -> Option<&str> {
    let mut headers = [httparse::EMPTY_HEADER; 32];
    let mut request = httparse::Request::new(&mut headers);
    let is_complete = request
        .parse(bytes)
        .is_ok_and(|status| status.is_complete());
    request.path.filter(|_| is_complete)
}

/// The stub as a child process, which ends with this value.
pub(crate) struct Stub {
    child: Child,
    address: SocketAddr,
}

impl Stub {
    pub(crate) fn start() -> Stub {
        Stub::start_by(&mut this_program(&[], &["stub"]))
    }

    /// Starts it with another command, such as one that chooses its CPU.
    pub(crate) fn start_by(command: &mut Command) -> Stub {
        let mut child = command
            .stdout(Stdio::piped())
            .spawn()
            .expect("the stub starts");
        let out = child.stdout.take().expect("it is piped");
        let mut address = String::new();
        BufReader::new(out)
            .read_line(&mut address)
            .expect("the stub prints its address");
        let address = address.trim().parse().expect("an address");
        Stub { child, address }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// How many connections it has had that carried a request, and how many requests.
    pub(crate) fn counts(&self) -> (usize, usize) {
        let mut stream = TcpStream::connect(self.address).expect("the stub answers");
        let request = format!("GET {COUNTS} HTTP/1.1\r\n\r\n");
        stream.write_all(request.as_bytes()).expect("it is sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        let (_, counts) = answer.split_once("\r\n\r\n").expect("a body");
        let (connections, requests) = counts.split_once(' ').expect("two numbers");
        let number = |text: &str| text.parse().expect("a number");
        (number(connections), number(requests))
    }
}

impl Drop for Stub {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
