//! Real processes of two machines on one ledger.

use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use pan123_ledger::PostgresLedger;
use pan123_proto::ledger::{Ledger, LedgerAnswer, LedgerOp, ListItems};

use crate::server::{TestServer, server};
use crate::workers::{ITEMS, Workers, assert_each_once, report, work};
use crate::{account, add, ask, claim};

const SCHEMA: &str = "PAN123_LEDGER_SCHEMA";
const SPILL: &str = "PAN123_LEDGER_SPILL";
const LOG: &str = "PAN123_LEDGER_LOG";
const SEED: &str = "PAN123_LEDGER_SEED";
const URL: &str = "PAN123_LEDGER_URL";

#[test]
#[ignore = "a process of other tests"]
#[allow(clippy::print_stdout, reason = "the test that started it reads it")]
fn process() {
    let setting = |name| std::env::var(name).ok();
    let Some(schema) = setting(SCHEMA) else {
        return;
    };
    let [url, spill, log, seed] = [URL, SPILL, LOG, SEED].map(|name| setting(name).unwrap());
    let ledger = PostgresLedger::new(&url, spill).unwrap().schema(schema);
    // Its connection may be cut at once.
    let opened = loop {
        match ledger.as_ref().unwrap().open(&account()) {
            Ok(opened) => break opened,
            Err(fault) => println!("# {fault}"),
        }
    };
    work(opened, Path::new(&log), seed.parse().unwrap());
}

fn workers(server: &TestServer, log: &Path) -> Workers {
    let url = format!("{}&application_name={}", server.url, server.schema);
    let (schema, folder) = (server.schema.clone(), server.folder.path().to_owned());
    let (log_path, started) = (log.to_owned(), Cell::new(0));
    let command = move |seed: u64| {
        started.set(started.get() + 1);
        let machine = ["here", "there"][started.get() % 2];
        let mut command = Command::new(std::env::current_exe().unwrap());
        command
            .args(["processes::process", "--exact", "--ignored", "--nocapture"])
            .env(URL, &url)
            .env(SCHEMA, &schema)
            .env(SPILL, folder.join(machine))
            .env(LOG, &log_path)
            .env(SEED, seed.to_string())
            .stdout(Stdio::piped());
        command
    };
    Workers::new(log, Box::new(command))
}

#[test]
fn killed_processes_and_backends_send_each_item_once_and_lose_no_task() {
    let Some(server) = server() else {
        return;
    };
    let log: PathBuf = server.folder.path().join("log");
    let machines = ["here", "there"].map(|folder| server.ledger_of(&server.url, folder));
    add(&mut *machines[0].open(&account()).unwrap(), ITEMS);
    let admin = server.admin();
    let cut = format!(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = '{}'",
        server.schema
    );
    let (mut kills, mut cuts) = (0, 0);
    workers(&server, &log).work(|workers, victim| {
        if workers.random.bool() {
            kills += 1;
            workers.kill(victim);
            workers.start();
        } else {
            cuts += admin.ask(&cut).len();
        }
    });
    assert!(kills > 5 && cuts > 5, "{kills} kills, {cuts} cuts");
    // What the last ones kept aside on each machine.
    for machine in &machines {
        claim(&mut *machine.open(&account()).unwrap(), 0);
    }
    let list = LedgerOp::List(ListItems::first(usize::MAX).with_hidden());
    let mut ledger = server
        .ledger_of(&server.url, "here")
        .open(&account())
        .unwrap();
    let Ok(LedgerAnswer::Page(items)) = ask(&mut *ledger, list) else {
        panic!("no list");
    };
    let items: Vec<_> = items.into_iter().map(|(_, item)| item).collect();
    let unconfirmed = assert_each_once(&log, &items);
    report(
        &format!("{kills} kills, {cuts} cut connections"),
        unconfirmed,
    );
}
