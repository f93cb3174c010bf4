//! Processes that hold the lock of the token store, and are killed or frozen.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use pan123_ledger::Postgres;
use pan123_proto::{OpenTokenStore, StoreOp};

use super::server::{TestServer, server};
use super::tokens::{load, lock, open, save, token, unlock};
use crate::common::workers::said;

const URL: &str = "PAN123_TOKENS_URL";
const SCHEMA: &str = "PAN123_TOKENS_SCHEMA";
/// Of the other process.
const LEASE: Duration = Duration::from_millis(400);

/// Locks, and saves once its test says so.
#[test]
#[ignore = "a process of other tests"]
#[allow(clippy::print_stdout, reason = "the test that started it reads it")]
fn process() {
    let [Ok(url), Ok(schema)] = [URL, SCHEMA].map(std::env::var) else {
        return;
    };
    let database = Postgres::new(&url).unwrap().schema(schema).unwrap();
    let mut store = open(&database.token_store().lease(LEASE));
    println!("> {}", lock(&mut *store));
    std::io::stdin().read_line(&mut String::new()).unwrap();
    println!("> {:?}", store.run(StoreOp::Save(token("late"))));
}

/// A process that holds the lock.
struct Holder {
    process: Child,
    lines: Box<dyn Iterator<Item = String>>,
}

impl Holder {
    fn start(server: &TestServer) -> Holder {
        let mut process = Command::new(std::env::current_exe().unwrap())
            .args([
                "postgres::holders::process",
                "--exact",
                "--ignored",
                "--nocapture",
            ])
            .env(URL, &server.url)
            .env(SCHEMA, &server.schema)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let output = BufReader::new(process.stdout.take().unwrap()).lines();
        let lines = output.map_while(Result::ok);
        let lines = lines.filter_map(|line| said(&line).map(str::to_owned));
        let mut holder = Holder {
            process,
            lines: Box::new(lines),
        };
        assert_eq!(holder.lines.next().as_deref(), Some("true"));
        holder
    }

    #[cfg(unix)]
    fn signal(&self, signal: &str) {
        let mut kill = Command::new("kill");
        let kill = kill.args([signal, &self.process.id().to_string()]);
        assert!(kill.status().unwrap().success());
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

/// Takes the lock over as soon as the other one's lease has ended.
fn take_over(store: &mut dyn OpenTokenStore) {
    let since = Instant::now();
    while !lock(store) {
        assert!(since.elapsed() < LEASE + Duration::from_secs(10));
        thread::yield_now();
    }
}

#[test]
fn holder_that_is_killed_is_taken_over_when_its_lease_has_ended() {
    let Some(server) = server() else {
        return;
    };
    let mut store = open(&server.database().token_store());
    let mut holder = Holder::start(&server);
    assert!(!lock(&mut *store));
    holder.process.kill().unwrap();
    take_over(&mut *store);
    save(&mut *store, "next");
}

#[cfg(unix)]
#[test]
fn holder_that_was_frozen_for_longer_than_its_lease_replaces_no_newer_token() {
    let Some(server) = server() else {
        return;
    };
    let mut store = open(&server.database().token_store());
    let mut holder = Holder::start(&server);
    holder.signal("-STOP");
    take_over(&mut *store);
    save(&mut *store, "newer");
    unlock(&mut *store);
    holder.signal("-CONT");
    holder
        .process
        .stdin
        .take()
        .unwrap()
        .write_all(b"save\n")
        .unwrap();
    let saved = holder.lines.next().unwrap();
    assert!(
        saved.starts_with("Unavailable") && saved.contains("the lock of the token was lost"),
        "{saved}"
    );
    assert_eq!(load(&mut *store).as_deref(), Some("newer"));
}
