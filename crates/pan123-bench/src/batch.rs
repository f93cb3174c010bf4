//! Measures whole batches in virtual time, on the ledger in memory and on one in a file: each item is added, sent, polled once and
//! ended. Each row is a process of its own, so that its memory counts alone.

use std::io::{self, Write};
use std::time::{Duration, Instant, SystemTime};

use pan123_ledger::SqliteLedger;
use pan123_proto::batch::{Batch, BatchPolicy, BatchStep, Job};
use pan123_proto::ledger::{ItemKey, Ledger, MemoryLedger, NewItem};
use pan123_proto::offline::Download;
use pan123_proto::{Input, Machine, Now, Pacing, Session, Step};

use crate::measure::{output, this_program};
use crate::process::{folder, peak_memory};

const ITEMS: usize = 100_000;
/// What is allowed with a ledger in a file, beside what the program takes itself.
const MAX_MEGABYTES: f64 = 17.0;
/// More requests at once make larger groups for the file.
const AT_ONCE: usize = 64;
/// The memory of a batch grows with the tasks that it follows, up to this number; the default is 10,000.
const FOLLOWED: usize = 2000;

/// Prints a row for few and for many items of each ledger; the argument is how many.
pub(crate) fn table(out: &mut dyn Write, arguments: &[&str]) -> io::Result<()> {
    let items = arguments.first().and_then(|items| items.parse().ok());
    writeln!(
        out,
        "| ledger | items | an item | a step | memory at most | of it an item |\n|---|---|---|---|---|---|"
    )?;
    for kind in ["memory", "file"] {
        for count in [1000, items.unwrap_or(ITEMS)] {
            let row = output(&mut this_program(
                &[],
                &["batch-row", kind, &count.to_string()],
            ));
            out.write_all(&row.stdout)?;
        }
    }
    Ok(())
}

/// What a child process does.
pub(crate) fn row(out: &mut dyn Write, kind: &str, items: &str) -> io::Result<()> {
    let items = items.parse().expect("a number");
    let folder = folder();
    let ledger: Box<dyn Ledger> = if kind == "file" {
        Box::new(SqliteLedger::new(folder.path().join("batch.db")).spill_slots(AT_ONCE))
    } else {
        Box::new(MemoryLedger::new())
    };
    let builder = Session::builder()
        .access_token("token")
        .pacing(Pacing::off());
    let session = builder.build().expect("good settings");
    let opened = ledger.open(&session.ledger_account()).expect("it opens");
    let policy = BatchPolicy::default()
        .max_creates(AT_ONCE)
        .max_polls(AT_ONCE)
        .max_followed(FOLLOWED);
    let before = peak_memory();
    let start = Instant::now();
    let steps = drive(session.batch(opened, policy), items);
    let took = start.elapsed();
    let peak = peak_memory();
    let nanos = |count: usize| took.as_nanos() / count as u128;
    #[expect(clippy::cast_precision_loss, reason = "it is a figure")]
    let each = (peak - before) * 1e6 / items as f64;
    assert!(
        kind != "file" || peak - before < MAX_MEGABYTES,
        "{before:.1} to {peak:.1} MB"
    );
    writeln!(
        out,
        "| {kind} | {items} | {} ns | {} ns | {peak:.1} MB | {each:.0} bytes |",
        nanos(items),
        nanos(steps)
    )
}

/// Runs a batch to its end. Returns how many steps it took.
fn drive(mut batch: Batch, count: usize) -> usize {
    let mut items = (0..count).map(|number| {
        let key = ItemKey::new(format!("item-{number}")).expect("a key");
        let url = format!("https://example.com/{number}");
        NewItem::new(key, Download::new(url).expect("a URL"))
    });
    let start = Instant::now();
    let mut elapsed = Duration::ZERO;
    let (mut steps, mut tasks) = (0, 0);
    loop {
        for _ in 0..batch.room() {
            match items.next() {
                Some(item) => batch.add(item),
                None => batch.items_ended(),
            }
        }
        let now = Now {
            mono: start + elapsed,
            wall: SystemTime::UNIX_EPOCH + Duration::from_secs(1_750_000_000) + elapsed,
        };
        steps += 1;
        match batch.next(now) {
            BatchStep::Start(mut job) => {
                answer(&mut job, now, &mut tasks);
                batch.finish(now, job);
            }
            BatchStep::Ledger(mut job) => {
                job.run();
                batch.recorded(now, job);
            }
            BatchStep::Event(_) => {}
            BatchStep::Wait(wait) => elapsed = wait.until.duration_since(start),
            BatchStep::Done(report) => {
                assert_eq!(report.succeeded(), count as u64, "{report:?}");
                return steps;
            }
        }
    }
}

/// Answers the request of a job: each create succeeds, and each task has ended.
fn answer(job: &mut Job, now: Now, tasks: &mut usize) {
    let mut input = Input::Wake;
    while let Step::Transmit(transmit) = job.resume(now, input) {
        let body = if transmit.request.uri().path().ends_with("/process") {
            r#"{"code":0,"data":{"process":100,"status":2}}"#.to_owned()
        } else {
            *tasks += 1;
            format!(r#"{{"code":0,"data":{{"taskID":{tasks}}}}}"#)
        };
        input = Input::Response(pan123_proto::http::Response::new(body.into()));
    }
}
