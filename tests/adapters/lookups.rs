//! The addresses of names in the blocking client: remembered, looked up once for all who wait, by four threads at most.

#[path = "../../crates/pan123-blocking/src/transport/addresses.rs"]
mod addresses;
#[path = "../../crates/pan123-blocking/src/transport/connect.rs"]
#[expect(dead_code, reason = "the tests need only agents that look names up")]
mod connect;
#[path = "../../crates/pan123-blocking/src/transport/interrupt.rs"]
mod interrupt;

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::{self, ThreadId};
use std::time::Duration;

use pan123_blocking::context::{Clock, SystemClock};
use pan123_mock::TcpServer;
use pan123_proto::user::GetUserInfo;
use pan123_proto::{Input, Machine, Step};
use pan123_tests::watchdog::Watchdog;
use ureq::config::{Config, IpFamily};
use ureq::{Agent, Proxy};

use self::addresses::{Addresses, Found, NotFound};
use self::connect::{Agents, NotConnected};
use self::interrupt::Interruptible;
use crate::adapters::both::{SHORT, ok};

/// Longer than any test takes, but not for ever: one that fails ends, too.
const LONG: Duration = Duration::from_secs(30);

/// Looks a name up that nobody stops.
fn look_up(addresses: &Addresses, name: &str, timeout: Duration) -> Result<Found, NotFound> {
    addresses.look_up(name, 80, Some(timeout), &AtomicBool::new(false))
}

fn address() -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, 80))
}

/// Name servers that report each lookup, on which thread it runs, and answer when the test lets them.
struct NameServers {
    begun: Receiver<(String, ThreadId)>,
    answers: Sender<io::Result<SocketAddr>>,
}

impl NameServers {
    /// Lookups of a name that begins with `slow` wait for an answer; all others get one at once.
    fn start(lifetime: Duration) -> (Addresses, NameServers) {
        let (begins, begun) = channel();
        let (answers, answered) = channel::<io::Result<SocketAddr>>();
        let answered = Mutex::new(answered);
        let look_up = move |name: &str, _: u16| {
            // The test may have ended.
            let _ = begins.send((name.to_owned(), thread::current().id()));
            let address = if name.starts_with("slow") {
                let answer = answered.lock().expect("no panic").recv();
                answer.unwrap_or_else(|_| Err(io::ErrorKind::Other.into()))?
            } else {
                address()
            };
            Ok(vec![address])
        };
        let addresses = Addresses::new(lifetime, look_up);
        (addresses, NameServers { begun, answers })
    }

    /// Waits until the next lookup has begun.
    fn next(&self) -> (String, ThreadId) {
        let next = self.begun.recv_timeout(Duration::from_secs(30));
        next.expect("a lookup begins")
    }
}

#[test]
fn addresses_are_remembered_for_their_lifetime_or_until_they_are_forgotten() {
    for (lifetime, expected) in [(LONG, 1), (Duration::ZERO, 3)] {
        let (addresses, servers) = NameServers::start(lifetime);
        for _ in 0..3 {
            let found = look_up(&addresses, "name", LONG).unwrap();
            assert_eq!(*found, [address()]);
        }
        assert_eq!(servers.begun.try_iter().count(), expected);
        assert_eq!(addresses.known("name", 80).is_some(), lifetime == LONG);
        assert!(addresses.known("name", 81).is_none());
        assert!(addresses.known("other", 80).is_none());
    }
    let (addresses, servers) = NameServers::start(LONG);
    for _ in 0..2 {
        look_up(&addresses, "name", LONG).unwrap();
        addresses.forget();
    }
    assert_eq!(servers.begun.try_iter().count(), 2);
}

#[test]
fn one_lookup_serves_all_who_wait() {
    let (addresses, servers) = NameServers::start(LONG);
    thread::scope(|scope| {
        let first = scope.spawn(|| look_up(&addresses, "slow", LONG));
        servers.next();
        let second = look_up(&addresses, "slow", SHORT);
        assert!(matches!(second, Err(NotFound::TimedOut)), "{second:?}");
        servers.answers.send(Ok(address())).unwrap();
        assert_eq!(*first.join().unwrap().unwrap(), [address()]);
    });
    assert_eq!(servers.begun.try_iter().count(), 0);
}

#[test]
fn failure_reaches_all_who_wait_and_is_not_remembered() {
    let (addresses, servers) = NameServers::start(LONG);
    let failure = || io::Error::new(io::ErrorKind::HostUnreachable, "no such name");
    thread::scope(|scope| {
        let calls = [(); 3].map(|()| scope.spawn(|| look_up(&addresses, "slow", LONG)));
        // For each one that comes after the failure of another.
        for _ in &calls {
            servers.answers.send(Err(failure())).unwrap();
        }
        for call in calls {
            let Err(NotFound::Failed(error)) = call.join().unwrap() else {
                panic!("it fails");
            };
            assert_eq!(error.kind(), failure().kind());
            assert_eq!(error.to_string(), "no such name");
        }
    });
    let (addresses, servers) = NameServers::start(LONG);
    servers.answers.send(Err(failure())).unwrap();
    look_up(&addresses, "slow", LONG).unwrap_err();
    servers.answers.send(Ok(address())).unwrap();
    look_up(&addresses, "slow", LONG).unwrap();

    let nothing = Addresses::new(LONG, |_, _| Ok(Vec::new()));
    assert!(look_up(&nothing, "name", LONG).unwrap().is_empty());
    assert!(nothing.known("name", 80).is_none());
}

#[test]
fn four_names_are_looked_up_at_once() {
    let (addresses, servers) = NameServers::start(LONG);
    thread::scope(|scope| {
        for name in ["slow 0", "slow 1", "slow 2", "slow 3"] {
            let addresses = &addresses;
            scope.spawn(move || look_up(addresses, name, LONG).unwrap());
            servers.next();
        }
        let fifth = look_up(&addresses, "fifth", SHORT);
        assert!(matches!(fifth, Err(NotFound::TimedOut)), "{fifth:?}");
        servers.answers.send(Ok(address())).unwrap();
        look_up(&addresses, "fifth", LONG).unwrap();
        for _ in 0..3 {
            servers.answers.send(Ok(address())).unwrap();
        }
    });
}

/// Their threads cannot be ended, so that others take their places.
#[test]
fn stuck_lookups_do_not_stop_others() {
    let (addresses, servers) = NameServers::start(LONG);
    let addresses = &addresses;
    thread::scope(|scope| {
        let stuck = ["slow 0", "slow 1", "slow 2", "slow 3"].map(|name| {
            let call = scope.spawn(move || look_up(addresses, name, SHORT));
            servers.next();
            call
        });
        look_up(addresses, "fifth", LONG).unwrap();
        servers.next();
        for call in stuck {
            let outcome = call.join().unwrap();
            assert!(matches!(outcome, Err(NotFound::TimedOut)), "{outcome:?}");
        }
        let again = scope.spawn(|| look_up(addresses, "slow 0", LONG));
        assert_eq!(servers.next().0, "slow 0");
        for _ in 0..5 {
            servers.answers.send(Ok(address())).unwrap();
        }
        again.join().unwrap().unwrap();
    });
}

#[test]
fn threads_are_kept_until_the_last_user_is_gone() {
    let (addresses, servers) = NameServers::start(LONG);
    let threads = ["one", "two", "three"].map(|name| {
        look_up(&addresses, name, LONG).unwrap();
        servers.next().1
    });
    assert_eq!(threads, [threads[0]; 3]);
    drop(addresses);
    let ended = servers.begun.recv_timeout(Duration::from_secs(5));
    assert_eq!(ended, Err(RecvTimeoutError::Disconnected));
}

#[test]
fn stop_ends_the_wait_for_a_lookup() {
    let _watched = Watchdog::watch(|| "a stopped lookup".to_owned());
    let (begins, begun) = channel();
    let (ends, ended) = channel::<()>();
    let ended = Mutex::new(ended);
    let agents = Agents::looking_up(move |_, _| {
        begins.send(()).unwrap();
        let _ = ended.lock().unwrap().recv();
        Ok(Vec::new())
    });
    let agent = agents.build(config());
    let client = pan123_blocking::Client::builder().access_token("t").build();
    let mut call = client.unwrap().session().call(&GetUserInfo).unwrap();
    let handle = call.handle();
    let Step::Transmit(transmit) = call.resume(SystemClock.now(), Input::Wake) else {
        panic!("it is sent at once");
    };
    thread::scope(|scope| {
        let request = scope.spawn(|| {
            let interruptible = Interruptible::until(transmit.cancelled);
            let sent = agent.get("http://slow.test/").call().map(drop);
            assert!(interruptible.has_fired());
            sent
        });
        begun.recv().unwrap();
        handle.stop();
        let error = request.join().unwrap().unwrap_err();
        assert!(is_not_connected(&error), "{error:?}");
    });
    drop(ends);
}

/// ureq asks for the addresses even if it has a connection.
#[test]
fn agents_share_addresses_and_forget_them_when_a_connection_fails() {
    let closed = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .unwrap()
        .local_addr();
    let closed = closed.unwrap();
    let server = TcpServer::start(|mut connection| {
        while connection.read_request().is_some() && connection.send(&ok("{}")) {}
    });
    let url: http::Uri = server.url("http").parse().unwrap();
    let open = SocketAddr::from((Ipv4Addr::LOCALHOST, url.port_u16().unwrap()));
    let lookups = Arc::<AtomicUsize>::default();
    let counted = Arc::clone(&lookups);
    let agents = Agents::looking_up(move |_, _| {
        let is_first = counted.fetch_add(1, Ordering::Relaxed) == 0;
        Ok(vec![if is_first { closed } else { open }])
    });
    let (one, other) = (agents.build(config()), agents.build(config()));
    let error = one.get("http://moved.test/").call().unwrap_err();
    assert!(is_not_connected(&error), "{error:?}");
    for agent in [&one, &other, &one, &other] {
        let mut response = agent.get("http://moved.test/").call().unwrap();
        response.body_mut().read_to_vec().unwrap();
    }
    assert_eq!(lookups.load(Ordering::Relaxed), 2);
    assert_eq!(server.accepted(), 2);

    let only_v6 = Agent::config_builder()
        .proxy(None)
        .ip_family(IpFamily::Ipv6Only);
    let error = agents
        .build(only_v6.build())
        .get("http://moved.test/")
        .call();
    let error = error.unwrap_err();
    assert!(is_not_connected(&error), "{error:?}");
    one.get(server.url("http")).call().unwrap();
    one.get("http://[::1]:1/").call().unwrap_err();
    assert_eq!(lookups.load(Ordering::Relaxed), 2, "nor for a literal");
}

#[test]
fn name_of_a_proxy_is_looked_up_in_place_of_the_target() {
    let server = TcpServer::start(|mut connection| {
        if connection.read_request().is_some() {
            connection.send(b"HTTP/1.1 200 OK\r\n\r\n");
        }
        while connection.read_request().is_some() && connection.send(&ok("{}")) {}
    });
    let url: http::Uri = server.url("http").parse().unwrap();
    let port = url.port_u16().unwrap();
    let names = Arc::<Mutex<Vec<String>>>::default();
    let noted = Arc::clone(&names);
    let agents = Agents::looking_up(move |name, port| {
        noted.lock().unwrap().push(format!("{name}:{port}"));
        Ok(vec![SocketAddr::from((Ipv4Addr::LOCALHOST, port))])
    });
    let proxy = Proxy::new(&format!("http://proxy.test:{port}")).unwrap();
    let config = Agent::config_builder()
        .proxy(Some(proxy))
        .max_idle_connections(0);
    let agent = agents.build(config.build());
    for _ in 0..2 {
        agent.get("http://target.test/").call().unwrap();
    }
    assert_eq!(server.accepted(), 2);
    assert_eq!(*names.lock().unwrap(), [format!("proxy.test:{port}")]);
}

fn config() -> Config {
    let builder = Agent::config_builder().proxy(None);
    let hour = Duration::from_secs(3600);
    builder.timeout_global(Some(hour)).build()
}

fn is_not_connected(error: &ureq::Error) -> bool {
    matches!(error, ureq::Error::Other(source) if source.is::<NotConnected>())
}
