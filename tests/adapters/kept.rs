//! How many connections the blocking client keeps.

use std::sync::{Arc, Barrier};
use std::thread;

use pan123_blocking::{Client, ClientBuilder, Pacing};
use pan123_mock::TcpServer;
use ureq::Agent;

use crate::adapters::both::ok;

const THREADS: usize = 16;

/// Lets all threads call at once, three times, and returns how many connections that took.
fn connections(builder: ClientBuilder) -> usize {
    let in_flight = Arc::new(Barrier::new(THREADS));
    let server = TcpServer::start(move |mut connection| {
        while connection.read_request().is_some() {
            in_flight.wait();
            connection.send(&ok(r#"{"code":0,"data":{"uid":7,"nickname":"alice"}}"#));
        }
    });
    let builder = builder.access_token("t").base_url(server.url("http"));
    let client = builder
        .pacing(Pacing::off())
        .build()
        .expect("the settings are good");
    let round = Barrier::new(THREADS);
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                for _ in 0..3 {
                    round.wait();
                    client.user_info().expect("it succeeds");
                }
            });
        }
    });
    server.accepted()
}

#[test]
fn as_many_connections_are_kept_as_threads_call() {
    assert_eq!(connections(Client::builder()), THREADS);
}

#[test]
fn figures_of_a_configuration_count() {
    let config = Agent::config_builder().max_idle_connections_per_host(2);
    let builder = Client::builder().with_config(config.build());
    assert_eq!(connections(builder), THREADS + 2 * (THREADS - 2));
}
