//! Broken exchanges, observed on a plain socket.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use pan123_mock::{
    Break, BrokenWire, CLIENT_ID, CLIENT_SECRET, End, Flood, MockPan123, Point, TcpServer, path,
};

fn connect(url: &str) -> TcpStream {
    TcpStream::connect(url.trim_start_matches("http://")).expect("a listening server")
}

/// A valid token request.
fn request() -> String {
    let body = format!(r#"{{"clientID":"{CLIENT_ID}","clientSecret":"{CLIENT_SECRET}"}}"#);
    format!(
        "POST {} HTTP/1.1\r\nHost: localhost\r\nPlatform: open_platform\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        path::ACCESS_TOKEN,
        body.len()
    )
}

/// Returns what is received until the connection ends, and how it ends.
fn exchange(wire: &BrokenWire) -> (String, Result<(), ErrorKind>) {
    let mut stream = connect(&wire.base_url());
    let sent = stream.write_all(request().as_bytes());
    sent.expect("the request is sent");
    let mut response = Vec::new();
    let ended = stream.read_to_end(&mut response);
    let ended = ended.map(drop).map_err(|error| error.kind());
    (String::from_utf8_lossy(&response).into_owned(), ended)
}

fn minted(mock: &MockPan123) -> usize {
    mock.service(|service| service.tokens_issued())
}

fn world() -> (MockPan123, BrokenWire) {
    let mock = MockPan123::start_blocking();
    let wire = BrokenWire::to(&mock);
    (mock, wire)
}

#[test]
fn response_is_cut_at_the_given_point() {
    let (mock, wire) = world();
    let whole = {
        wire.break_next(
            path::ACCESS_TOKEN,
            Break::response(Point::Whole, End::Close),
        );
        exchange(&wire).0
    };
    let head = whole.find("\r\n\r\n").unwrap() + 4;
    for (point, length) in [
        (Point::Bytes(0), 0),
        (Point::Bytes(12), 12),
        (Point::Head, head),
        (Point::Body(5), head + 5),
        (Point::Body(usize::MAX), whole.len()),
        (Point::Bytes(usize::MAX), whole.len()),
        (Point::AllButOne, whole.len() - 1),
    ] {
        wire.break_next(path::ACCESS_TOKEN, Break::response(point, End::Close));
        let (response, ended) = exchange(&wire);
        assert_eq!((response.len(), ended), (length, Ok(())), "{point:?}");
    }
    assert_eq!(minted(&mock), 8, "every request was handled");
}

#[test]
fn cut_request_is_counted_but_not_handled() {
    let (mock, wire) = world();
    let points = [
        Point::Bytes(0),
        Point::Bytes(20),
        Point::Head,
        Point::Body(3),
        Point::AllButOne,
        Point::Whole,
    ];
    for point in points {
        wire.break_next(path::ACCESS_TOKEN, Break::request(point, End::Reset));
        assert_eq!(
            exchange(&wire).1,
            Err(ErrorKind::ConnectionReset),
            "{point:?}"
        );
    }
    assert_eq!(wire.requests_to(path::ACCESS_TOKEN), points.len());
    assert_eq!((mock.requests().len(), minted(&mock)), (0, 0));
}

#[test]
fn request_without_a_body_can_be_cut_before_its_last_byte() {
    let (mock, wire) = world();
    let request = format!(
        "GET {} HTTP/1.1\r\nHost: localhost\r\n\r\n",
        path::USER_INFO
    );
    for (point, clean) in [(Point::AllButOne, false), (Point::Whole, true)] {
        wire.break_next(path::USER_INFO, Break::request(point, End::Close));
        let mut stream = connect(&wire.base_url());
        stream.write_all(request.as_bytes()).unwrap();
        let ended = stream.read_to_end(&mut Vec::new());
        assert_eq!(
            ended.is_ok(),
            clean,
            "{point:?}: unread bytes cause a reset"
        );
    }
    assert_eq!(wire.requests_to(path::USER_INFO), 2);
    assert!(mock.requests().is_empty());
}

#[test]
fn breaks_are_used_in_order_and_then_requests_succeed() {
    let (_mock, wire) = world();
    wire.break_next(path::USER_INFO, Break::response(Point::Head, End::Reset));
    wire.break_next(path::ACCESS_TOKEN, Break::none());
    wire.break_next(
        path::ACCESS_TOKEN,
        Break::before("HTTP/1.1 103 Early Hints\r\n\r\n"),
    );
    wire.break_next(path::ACCESS_TOKEN, Break::after("more"));
    wire.break_next(
        path::ACCESS_TOKEN,
        Break::replace("nonsense", End::Close).times(2),
    );

    let mut stream = connect(&wire.base_url());
    for _ in 0..4 {
        stream.write_all(request().as_bytes()).unwrap();
    }
    let mut responses = String::new();
    stream.read_to_string(&mut responses).unwrap();
    assert_eq!(responses.matches("HTTP/1.1 200 OK").count(), 3);
    assert_eq!(responses.matches("HTTP/1.1 103 Early Hints").count(), 1);
    assert!(responses.contains("}more"), "{responses}");
    assert!(responses.ends_with("nonsense"), "{responses}");

    assert_eq!(exchange(&wire).0, "nonsense");
    let mut stream = connect(&wire.base_url());
    stream.write_all(request().as_bytes()).unwrap();
    let mut start = [0; 15];
    stream.read_exact(&mut start).unwrap();
    assert_eq!(&start, b"HTTP/1.1 200 OK");
}

#[test]
fn flood_has_the_given_length() {
    let (_mock, wire) = world();
    for (flood, framed) in [
        (Flood::with_length(100_000), 100_000),
        (Flood::with_length(3).slow(Duration::from_millis(1)), 3),
        (Flood::chunked(3).slow(Duration::from_millis(1)), 3 * 6 + 5),
    ] {
        wire.break_next(path::ACCESS_TOKEN, Break::flood(flood));
        let (response, ended) = exchange(&wire);
        let body = response.split_once("\r\n\r\n").unwrap().1;
        assert_eq!((body.len(), ended), (framed, Ok(())), "{flood:?}");
    }
}

/// The client keeps its connections open and the response would take years, so only the server can end them.
#[test]
fn dropping_a_server_closes_its_connections() {
    let (mock, wire) = world();
    wire.break_next(
        path::ACCESS_TOKEN,
        Break::response(Point::Head, End::Silence),
    );
    wire.break_next(
        path::ACCESS_TOKEN,
        Break::drip(Duration::from_secs(1 << 30)),
    );
    let mut silent = connect(&wire.base_url());
    silent.write_all(request().as_bytes()).unwrap();
    silent.read_exact(&mut [0; 20]).unwrap();
    let mut dripping = connect(&wire.base_url());
    dripping.write_all(request().as_bytes()).unwrap();
    dripping.read_exact(&mut [0; 1]).unwrap();
    let idle = connect(&wire.base_url());

    drop((wire, mock));
    for mut stream in [silent, dripping, idle] {
        let mut rest = Vec::new();
        drop(stream.read_to_end(&mut rest));
        assert!(rest.len() < 500, "{}", rest.len());
    }
}

#[test]
fn tcp_server_runs_its_function_for_each_connection() {
    let server = TcpServer::start(|mut connection| match connection.number() {
        0 => connection.reset(),
        number => {
            connection.read_request();
            connection.send(number.to_string().as_bytes());
        }
    });
    for expected in ["", "1", "2"] {
        let mut stream = connect(&server.url("http"));
        let sent = stream.write_all(request().as_bytes());
        let mut response = String::new();
        let read = stream.read_to_string(&mut response);
        assert_eq!(response, expected);
        assert_eq!(sent.is_ok() && read.is_ok(), !expected.is_empty());
    }
    server.wait_until_ended(3);
    assert_eq!((server.accepted(), server.requests()), (3, 2));
    assert_eq!(server.requests_to(path::ACCESS_TOKEN), 2);
}
