//! A service in a process of its own that answers everything at once: keep-alive, one thread a connection, every answer the same.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

const ANSWER: &str = r#"{"code":0,"message":"ok","data":{"process":37.5,"status":0},"x-traceID":"3c24b2a1-0b5c-4c22-a31d-f31b8e8e8f20"}"#;
/// The path under which it tells what it has counted.
const COUNTS: &str = "/counts";

#[derive(Default)]
struct Counted {
    connections: AtomicUsize,
    requests: AtomicUsize,
}

/// Prints its address and serves until it is killed.
pub(crate) fn serve(out: &mut impl Write) -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    writeln!(out, "{}", listener.local_addr()?)?;
    out.flush()?;
    let counted = Arc::<Counted>::default();
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
    let answer = head(ANSWER);
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
        let Some(asks_for_counts) = complete(&buffer[..filled]) else {
            continue;
        };
        filled = 0;
        if asks_for_counts {
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
        stream.write_all(answer.as_bytes())?;
    }
}

/// Whether a request without a body is complete, and if so, whether it asks for the counts.
fn complete(bytes: &[u8]) -> Option<bool> {
    let mut headers = [httparse::EMPTY_HEADER; 32];
    let mut request = httparse::Request::new(&mut headers);
    let is_complete = request
        .parse(bytes)
        .is_ok_and(|status| status.is_complete());
    is_complete.then(|| request.path == Some(COUNTS))
}

/// The stub as a child process, which ends with this value.
pub(crate) struct Stub {
    child: Child,
    address: SocketAddr,
}

impl Stub {
    pub(crate) fn start() -> Stub {
        let program = std::env::current_exe().expect("this program");
        let mut child = Command::new(program)
            .arg("stub")
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
