//! What the shared pace in PostgreSQL costs.

use std::io::{self, Write};
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use pan123_ledger::PostgresPace;
use pan123_proto::{Account, PaceOp, PaceResult, RateClass, SharedPace};

const CLASSES: [RateClass; 4] = [
    RateClass::new("create", Duration::ZERO),
    RateClass::new("progress", Duration::ZERO),
    RateClass::new("list", Duration::ZERO),
    RateClass::new("detail", Duration::ZERO),
];
/// In all, for each number of connections.
const RESERVATIONS: u32 = 10_000;

pub(crate) fn table(out: &mut dyn Write, url: &str) -> io::Result<()> {
    writeln!(
        out,
        "| reserve | median / 99 % within | a second |\n|---|---|---|"
    )?;
    let database = super::database(url);
    let one = [database.pace()];
    for classes in [1, 4] {
        report(
            out,
            &format!("1 connection, {classes} classes"),
            &one,
            classes,
        )?;
    }
    for count in [8, 90] {
        let paces: Vec<_> = (0..count).map(|_| database.pace()).collect();
        report(out, &format!("{count} connections, 1 class"), &paces, 1)?;
    }
    Ok(())
}

/// Reserves with a thread for each pace and class.
fn report(
    out: &mut dyn Write,
    what: &str,
    paces: &[PostgresPace],
    classes: usize,
) -> io::Result<()> {
    let start = Barrier::new(paces.len() * classes + 1);
    let each = RESERVATIONS as usize / paces.len() / classes;
    let (latencies, seconds) = thread::scope(|scope| {
        let mut threads = Vec::new();
        for pace in paces {
            for class in &CLASSES[..classes] {
                let start = &start;
                threads.push(scope.spawn(move || {
                    reserve(pace, *class);
                    start.wait();
                    (0..each).map(|_| reserve(pace, *class)).collect::<Vec<_>>()
                }));
            }
        }
        start.wait();
        let began = Instant::now();
        let joined = threads
            .into_iter()
            .map(|thread| thread.join().expect("it ends well"));
        let latencies: Vec<_> = joined.flatten().collect();
        (latencies, began.elapsed().as_secs_f64())
    });
    writeln!(
        out,
        "| {what} | {} | {:.0} |",
        super::summary(latencies),
        f64::from(RESERVATIONS) / seconds
    )
}

fn reserve(pace: &PostgresPace, class: RateClass) -> Duration {
    let began = Instant::now();
    let account = Account::new("https://open-api.123pan.com", "bench");
    let every = class.interval();
    let result = pace.run(&account, PaceOp::Reserve { class, every });
    assert!(matches!(result, PaceResult::Reserved(_)), "{result:?}");
    began.elapsed()
}
