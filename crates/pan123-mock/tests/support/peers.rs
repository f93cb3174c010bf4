//! Sources and callback receivers.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;

use serde_json::Value;

/// Starts a server for one connection. `serve` gets the body of the request and the stream to respond on.
pub(crate) fn once(serve: impl FnOnce(Vec<u8>, &mut TcpStream) + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a connection");
        let body = read_request(&stream);
        serve(body, &mut stream);
    });
    url
}

fn read_request(stream: &TcpStream) -> Vec<u8> {
    let mut reader = BufReader::new(stream);
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).expect("a line");
        let line = line.trim_end().to_ascii_lowercase();
        if line.is_empty() {
            break;
        }
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().expect("a length");
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).expect("a body");
    body
}

/// Starts a receiver of one callback.
pub(crate) fn callback_receiver() -> (String, Receiver<Value>) {
    let (sender, receiver): (Sender<Value>, _) = mpsc::channel();
    let url = once(move |body, stream| {
        let _ = sender.send(serde_json::from_slice(&body).expect("JSON"));
        let _ = stream.write_all(b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n");
    });
    (url, receiver)
}
