//! Real processes of two machines on one ledger.

use std::cell::Cell;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use pan123_ledger::{Postgres, PostgresLedger};
use pan123_proto::ledger::{ItemState, Ledger, LedgerAnswer, LedgerOp, ListItems, OpenLedger};

use super::server::{TestServer, control, server, server_alone};
use super::{account, add, ask, claim};
use crate::common::workers::{
    ITEMS, LONG, Workers, assert_each_once, pause, report, said, spawn, work,
};

const SCHEMA: &str = "PAN123_LEDGER_SCHEMA";
const SPILL: &str = "PAN123_LEDGER_SPILL";
const LOG: &str = "PAN123_LEDGER_LOG";
const SEED: &str = "PAN123_LEDGER_SEED";
const URL: &str = "PAN123_LEDGER_URL";
const LEASE: &str = "PAN123_LEDGER_LEASE_MILLIS";

#[test]
#[ignore = "a process of other tests"]
#[allow(clippy::print_stdout, reason = "the test that started it reads it")]
fn process() {
    let setting = |name| std::env::var(name).ok();
    let Some(schema) = setting(SCHEMA) else {
        return;
    };
    let [url, spill, log, seed] = [URL, SPILL, LOG, SEED].map(|name| setting(name).unwrap());
    let lease = Duration::from_millis(setting(LEASE).unwrap().parse().unwrap());
    let database = Postgres::new(&url).unwrap().schema(schema).unwrap();
    let ledger = database.ledger(spill).lease(lease);
    // Its connection may be cut at once.
    let opened = loop {
        match ledger.open(&account()) {
            Ok(opened) => break opened,
            Err(fault) => {
                println!("# {fault}");
                pause();
            }
        }
    };
    if log.is_empty() {
        hold(opened);
    } else {
        work(opened, Path::new(&log), seed.parse().unwrap());
    }
}

/// Holds three items until it is killed.
#[allow(clippy::print_stdout, reason = "the test that started it reads it")]
fn hold(mut ledger: Box<dyn OpenLedger>) {
    println!("> {}", claim(&mut *ledger, 3).to_create.len());
    drop(std::io::stdin().read_line(&mut String::new()));
}

/// A ledger with items, and the workers of two machines.
struct Work {
    server: TestServer,
    log: PathBuf,
}

impl Work {
    fn new(server: TestServer) -> Work {
        let log = server.folder.path().join("log");
        let work = Work { server, log };
        add(&mut *work.machine("here").open(&account()).unwrap(), ITEMS);
        work
    }

    fn machine(&self, name: &str) -> PostgresLedger {
        self.server.ledger_of(&self.server.url, name)
    }

    fn workers(&self, lease: Duration) -> Workers {
        Workers::new(&self.log, Box::new(self.command(lease)))
    }

    /// Starts processes of the two machines in turn.
    fn command(&self, lease: Duration) -> impl Fn(u64) -> Command + use<> {
        let schema = self.server.schema.clone();
        let url = format!("{}&application_name={schema}", self.server.url);
        let folder = self.server.folder.path().to_owned();
        let (log, started) = (self.log.clone(), Cell::new(0));
        move |seed: u64| {
            started.set(started.get() + 1);
            let machine = ["here", "there"][started.get() % 2];
            let mut command = Command::new(std::env::current_exe().unwrap());
            command
                .args([
                    "postgres::processes::process",
                    "--exact",
                    "--ignored",
                    "--nocapture",
                ])
                .env(URL, &url)
                .env(SCHEMA, &schema)
                .env(SPILL, folder.join(machine))
                .env(LOG, &log)
                .env(SEED, seed.to_string())
                .env(LEASE, lease.as_millis().to_string())
                .stdout(Stdio::piped());
            command
        }
    }

    /// Closes the connections of all workers.
    fn cut(&self) -> usize {
        let condition = format!("application_name = '{}'", self.server.schema);
        let cut =
            format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {condition}");
        self.server.admin().ask(&cut).len()
    }

    fn assert_each_once(&self) -> (usize, usize) {
        // What the last ones kept aside on each machine.
        for machine in ["here", "there"] {
            claim(&mut *self.machine(machine).open(&account()).unwrap(), 0);
        }
        let list = LedgerOp::List(ListItems::first(usize::MAX).with_hidden());
        let mut ledger = self.machine("here").open(&account()).unwrap();
        let Ok(LedgerAnswer::Page(items)) = ask(&mut *ledger, list) else {
            panic!("no list");
        };
        let items: Vec<_> = items.into_iter().map(|(_, item)| item).collect();
        assert_each_once(&self.log, &items)
    }
}

#[test]
fn process_that_is_killed_is_seen_at_once_on_its_machine() {
    let Some(server) = server() else {
        return;
    };
    let work = Work::new(server);
    let mut command = work.command(LONG)(1);
    let mut process = spawn(command.env(LOG, "").stdin(Stdio::piped())).unwrap();
    let output = BufReader::new(process.stdout.take().unwrap());
    let mut lines = output.lines().map_while(Result::ok);
    assert!(lines.any(|line| said(&line) == Some("3")));
    process.kill().unwrap();
    process.wait().unwrap();
    let held = |machine: &str| {
        let mut ledger = work.machine(machine).lease(LONG).open(&account()).unwrap();
        let claimed = claim(&mut *ledger, 1).to_create.len() as u64;
        let Ok(LedgerAnswer::Counts(counts)) = ask(&mut *ledger, LedgerOp::Counts) else {
            panic!("no totals");
        };
        counts.of(ItemState::Claimed) + counts.of(ItemState::Intended) - claimed
    };
    assert_eq!(held("here"), 3);
    assert_eq!(held("there"), 0);
}

#[test]
fn killed_processes_connections_and_servers_send_each_item_once_and_lose_no_task() {
    let Some(server) = server_alone() else {
        return;
    };
    let work = Work::new(server);
    let (mut kills, mut cuts, mut stops) = (0, 0, 0);
    // Those of a machine on which no other worker is left are taken over when their lease has lapsed.
    let lease = Duration::from_secs(1);
    work.workers(lease)
        .work(|workers, victim| match workers.random.u8(0..8) {
            0..=3 => {
                kills += 1;
                workers.kill(victim);
                workers.start();
            }
            4 if control(&["--mode", "immediate", "stop"]) => {
                stops += 1;
                assert!(control(&["start"]));
            }
            _ => cuts += work.cut(),
        });
    assert!(kills > 5 && cuts > 5, "{kills} kills, {cuts} cuts");
    let what = format!("{kills} kills, {cuts} cut connections, {stops} killed servers");
    report(&what, work.assert_each_once());
}

#[cfg(unix)]
#[test]
fn processes_that_freeze_for_longer_than_their_lease_send_each_item_once() {
    let Some(server) = server() else {
        return;
    };
    let work = Work::new(server);
    let lease = Duration::from_millis(50);
    let signal = |signal: &str, process: &Child| {
        let mut kill = Command::new("kill");
        let kill = kill.args([signal, &process.id().to_string()]);
        assert!(spawn(kill).unwrap().wait().unwrap().success());
    };
    let mut freezes = 0;
    work.workers(lease).work(|workers, victim| {
        freezes += 1;
        signal("-STOP", &workers.running[&victim]);
        thread::sleep(3 * lease);
        signal("-CONT", &workers.running[&victim]);
    });
    assert!(freezes > 5, "{freezes} freezes");
    report(&format!("{freezes} freezes"), work.assert_each_once());
}
