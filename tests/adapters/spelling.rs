//! A URL goes out as the core spells it, in the first request and in those that take over what was parsed for it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use pan123_async::context::ReqwestTransport;
use pan123_async::reqwest;
use pan123_mock::TcpServer;
use pan123_proto::http::Method;
use pan123_proto::{Endpoint, Idempotency, Query, RateClass};
use pan123_tests::clock::JumpClock;

use crate::adapters::both::{basics, ok, on_tokio};

const VALUES: [&str; 6] = [
    "",
    "plain-1.2_3~4",
    "../a b+c",
    "%2e%2E/",
    "影\"<>`{|}\\^",
    "&=?#'()*!",
];

/// An endpoint with characters in its path that URL parsers like to rewrite.
struct Odd(&'static str);

impl Endpoint for Odd {
    const METHOD: Method = Method::GET;
    const PATH: &'static str = "/api/v1/odd/a%2Fb/~c;d=e,f/%E5%BD%B1'(1)";
    const RATE: RateClass = RateClass::new("odd", Duration::ZERO);
    const IDEMPOTENCY: Idempotency = Idempotency::Idempotent;
    type Response = ();

    fn query(&self, query: &mut Query) {
        if !self.0.is_empty() {
            query.push("value", self.0);
        }
    }
}

/// The target of a request with this value.
fn target(value: &str) -> String {
    let encoded: String = value
        .bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                char::from(byte).to_string()
            }
            byte => format!("%{byte:02X}"),
        })
        .collect();
    let query = if value.is_empty() { "" } else { "?value=" };
    format!("{}{query}{encoded}", Odd::PATH)
}

#[test]
fn url_goes_out_as_the_core_spells_it() {
    let targets = Arc::<Mutex<Vec<String>>>::default();
    let server = recording(&targets);
    let (clock, url) = (JumpClock::new(), server.url("http"));
    let of_async = basics!(pan123_async::Client::builder(), &url, clock)
        .build()
        .unwrap();
    on_tokio(clock.drive(async {
        for value in VALUES {
            of_async.send(&Odd(value)).await.unwrap();
        }
    }));
    let blocking = basics!(pan123_blocking::Client::builder(), &url, clock)
        .build()
        .unwrap();
    clock.drive_blocking(|| {
        for value in VALUES {
            blocking.send(&Odd(value)).unwrap();
        }
    });
    let expected = [VALUES, VALUES].concat();
    let expected: Vec<_> = expected.into_iter().map(target).collect();
    assert_eq!(*targets.lock().unwrap(), expected);
}

#[test]
fn transport_that_clients_share_serves_each_ones_host() {
    let transport = ReqwestTransport::from_client(reqwest::Client::new());
    let received = [(); 2].map(|()| Arc::<Mutex<Vec<String>>>::default());
    let servers = received.each_ref().map(recording);
    let clock = JumpClock::new();
    for (server, value) in servers.iter().zip(["first", "second"]) {
        let builder = pan123_async::Client::builder().transport(transport.clone());
        let client = basics!(builder, server.url("http"), clock).build().unwrap();
        on_tokio(clock.drive(client.send(&Odd(value)))).unwrap();
    }
    let received = received.map(|targets| targets.lock().unwrap().clone());
    assert_eq!(received, [vec![target("first")], vec![target("second")]]);
}

/// A server that notes the targets of its requests.
fn recording(targets: &Arc<Mutex<Vec<String>>>) -> TcpServer {
    let targets = Arc::clone(targets);
    TcpServer::start(move |mut connection| {
        while let Some(request) = connection.read_request() {
            let target = request.uri().to_string();
            targets.lock().expect("no panic").push(target);
            connection.send(&ok(r#"{"code":0,"data":null}"#));
        }
    })
}
