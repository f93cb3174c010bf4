//! The processes of the tests: this program again, with only this test of it.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

use pan123_ledger::SqliteLedger;
use pan123_proto::ledger::{
    Counts, Ending, ItemId, Ledger, LedgerAnswer, LedgerFault, LedgerOp, OpenLedger, SpilledTask,
    Transaction,
};

use crate::{account, item, task};

const KIND: &str = "PAN123_LEDGER_PROCESS";
const PATH: &str = "PAN123_LEDGER_PATH";
const SEED: &str = "PAN123_LEDGER_SEED";
const LEASE: &str = "PAN123_LEDGER_LEASE_MILLIS";

/// A process of this kind on a ledger. The lines of its output that begin with `> ` are its own.
pub(crate) fn command(kind: &str, ledger: &Path, seed: u64, lease: Duration) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    command
        .args(["worker::process", "--exact", "--ignored", "--nocapture"])
        .env(KIND, kind)
        .env(PATH, ledger)
        .env(SEED, seed.to_string())
        .env(LEASE, lease.as_millis().to_string())
        .stdout(Stdio::piped());
    command
}

/// What the process says.
pub(crate) fn said(line: &str) -> Option<&str> {
    line.split_once("> ").map(|(_, said)| said)
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

/// Asks until the ledger answers. It waits for the others itself, so it is hardly ever busy.
fn run(ledger: &mut dyn OpenLedger, ops: &[LedgerOp]) -> Vec<LedgerAnswer> {
    let ask =
        |ledger: &mut dyn OpenLedger| ledger.run(Transaction::new(SystemTime::now(), ops.to_vec()));
    let answers = ask(ledger).or_else(|fault| match fault {
        LedgerFault::Busy(_) => ask(ledger),
        fault => Err(fault),
    });
    answers.expect("the ledger answers")
}

/// Sends every item once, as a batch does.
#[allow(clippy::print_stdout, reason = "the test that started it reads it")]
fn work(mut ledger: Box<dyn OpenLedger>, service: &Path, seed: u64) {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut log = OpenOptions::new().append(true).open(service).expect("it");
    let mut log = |line: String| log.write_all(line.as_bytes()).expect("it is written");
    let mut tasks = u64::from(std::process::id()) << 20;
    loop {
        let claim = LedgerOp::Claim {
            create: 3,
            follow: 50,
        };
        let ops = [LedgerOp::Beat, claim, LedgerOp::Counts];
        let answers = run(&mut *ledger, &ops);
        let [
            _,
            LedgerAnswer::Claimed(claimed),
            LedgerAnswer::Counts(counts),
        ] = &answers[..]
        else {
            panic!("{answers:?}");
        };
        if counts.open() == 0 {
            return println!("> done");
        }
        println!("> claimed");
        let mut ended: Vec<_> = claimed.to_follow.iter().map(|(id, _)| *id).collect();
        let mut running: Vec<(ItemId, _)> = Vec::new();
        running.extend(
            claimed
                .to_follow
                .iter()
                .filter_map(|(id, item)| Some((*id, item.task?))),
        );
        for (id, claimed) in &claimed.to_create {
            let (id, fence) = (*id, claimed.fence);
            let intend = LedgerOp::Intend { item: id, fence };
            if run(&mut *ledger, &[intend]) != [LedgerAnswer::Done] {
                continue;
            }
            println!("> intended");
            tasks += 1;
            let (key, created) = (claimed.key.as_str(), task(tasks));
            log(format!("sent {key} {created}\n"));
            if random.u8(0..3) == 0 {
                ledger
                    .spill(SpilledTask::new(id, fence, created))
                    .expect("there is room");
                log(format!("kept {key} {created}\n"));
                println!("> spilled");
            }
            let answers = run(
                &mut *ledger,
                &[LedgerOp::Created {
                    item: id,
                    fence,
                    task: created,
                }],
            );
            assert_eq!(answers, [LedgerAnswer::Done], "{key}");
            log(format!("kept {key} {created}\n"));
            println!("> created");
            running.push((id, created));
            ended.push(id);
        }
        let ends = running.into_iter().map(|(item, task)| LedgerOp::End {
            item,
            task,
            ending: Ending::Succeeded(None),
        });
        run(&mut *ledger, &ends.collect::<Vec<_>>());
        if ended.is_empty() {
            std::thread::sleep(Duration::from_millis(5));
        }
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
