//! A process that responds with 200 MB to all but a progress: with a length, or in chunks.

use std::io::{Read, Write};

use pan123_mock::{Connection, Flood, TcpServer, path};

const LENGTH: u64 = 200 << 20;

/// Prints where it listens, and serves until its input ends.
pub(crate) fn run() {
    let servers = [Flood::with_length(LENGTH), Flood::chunked(LENGTH)]
        .map(|flood| TcpServer::start(move |connection| response(connection, flood)));
    for server in &servers {
        println!("{}", server.url("http"));
    }
    std::io::stdout().flush().expect("somebody listens");
    let ended = std::io::stdin().read_to_end(&mut Vec::new());
    ended.expect("an end");
}

fn response(mut connection: Connection, flood: Flood) {
    let body = r#"{"code":0,"data":{"process":1,"status":0}}"#;
    let small = format!(
        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    while let Some(request) = connection.read_request() {
        let going = if request.uri().path() == path::OFFLINE_PROGRESS {
            connection.send(small.as_bytes())
        } else {
            connection.flood(flood)
        };
        if !going {
            return;
        }
    }
}
