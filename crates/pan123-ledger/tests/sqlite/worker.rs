//! The processes of the tests: this program again, with only this test of it.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

use pan123_ledger::SqliteLedger;
use pan123_proto::ledger::{
    Counts, ItemId, Ledger, LedgerAnswer, LedgerFault, LedgerOp, OpenLedger, SpilledTask,
    Transaction,
};

use super::{account, item, task};
use crate::common::workers::work;

const KIND: &str = "PAN123_LEDGER_PROCESS";
const PATH: &str = "PAN123_LEDGER_PATH";
const SEED: &str = "PAN123_LEDGER_SEED";
const LEASE: &str = "PAN123_LEDGER_LEASE_MILLIS";

/// A process of this kind on a ledger. The lines of its output that begin with `> ` are its own.
pub(crate) fn command(kind: &str, ledger: &Path, seed: u64, lease: Duration) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    command
        .args([
            "sqlite::worker::process",
            "--exact",
            "--ignored",
            "--nocapture",
        ])
        .env(KIND, kind)
        .env(PATH, ledger)
        .env(SEED, seed.to_string())
        .env(LEASE, lease.as_millis().to_string())
        .stdout(Stdio::piped());
    command
}

/// What the service knows, one line each: `sent` a create, `kept` a task id that the ledger or the spill has.
pub(crate) fn service_log(ledger: &Path) -> PathBuf {
    ledger.with_extension("log")
}

#[test]
#[ignore = "a process of other tests"]
#[allow(clippy::print_stdout, reason = "the test that started it reads it")]
fn process() {
    let Some(kind) = std::env::var_os(KIND) else {
        return;
    };
    let number = |name| std::env::var(name).expect(name).parse().expect(name);
    let path = PathBuf::from(std::env::var_os(PATH).expect(PATH));
    let ledger = SqliteLedger::new(&path).lease(Duration::from_millis(number(LEASE)));
    let opened = match ledger.open(&account()) {
        Ok(opened) => opened,
        Err(fault) => return println!("> {fault}"),
    };
    match kind.to_str() {
        Some("work") => work(opened, &service_log(&path), number(SEED)),
        Some("fill") => fill(opened, &path),
        _ => println!("> open"),
    }
}

/// Adds items until the ledger takes no more, and again when `ballast` beside it has made room.
#[allow(clippy::print_stdout, reason = "the test that started it reads it")]
fn fill(mut ledger: Box<dyn OpenLedger>, path: &Path) {
    let mut ask = |op| {
        let answers = ledger.run(Transaction::new(SystemTime::now(), vec![op]));
        answers.map(|mut answers| answers.remove(0))
    };
    let mut count = 0;
    let mut add = |count: &mut usize| {
        let items = (*count..*count + 50).map(item).collect();
        let added = ask(LedgerOp::Add(items))?;
        *count += 50;
        Ok(added)
    };
    let fault: LedgerFault = loop {
        if let Err(fault) = add(&mut count) {
            break fault;
        }
        assert!(count < 1_000_000, "there is no limit");
    };
    println!("> {fault}");
    let counts: Result<Counts, _> = match ask(LedgerOp::Counts) {
        Ok(LedgerAnswer::Counts(counts)) => Ok(counts),
        Err(fault) => Err(fault),
        other => panic!("{other:?}"),
    };
    match &counts {
        Ok(counts) => println!("> {} of {count}", counts.total()),
        Err(fault) => println!("> {fault}"),
    }
    let ballast = path.with_file_name("ballast");
    if ballast.exists() {
        std::fs::remove_file(ballast).expect("it goes");
        let items = (count..count + 50).map(item).collect();
        println!("> {:?}", ask(LedgerOp::Add(items)).is_ok());
    }
    let kept = SpilledTask::new(ItemId(1), pan123_proto::ledger::Fence(1), task(7));
    println!("> {:?}", ledger.spill(kept));
}
