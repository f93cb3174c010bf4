//! What the shared pace in PostgreSQL costs: `.ci/postgres cargo bench -p pan123-ledger --features postgres --bench pace`.

#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a program for people, who see what fails"
)]

mod shared;

use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use pan123_ledger::{Postgres, PostgresPace};
use pan123_proto::{Account, PaceOp, PaceResult, RateClass, SharedPace};

const CLASSES: [RateClass; 4] = [
    RateClass::new("create", Duration::ZERO),
    RateClass::new("progress", Duration::ZERO),
    RateClass::new("list", Duration::ZERO),
    RateClass::new("detail", Duration::ZERO),
];
/// In all, for each number of connections.
const RESERVATIONS: u32 = 10_000;

fn main() {
    let Ok(url) = std::env::var("PAN123_TEST_POSTGRES") else {
        println!("PAN123_TEST_POSTGRES names no server");
        return;
    };
    let schema = format!("pan123_bench_{:x}", fastrand::u64(..));
    let database = Postgres::new(&url).unwrap().schema(schema).unwrap();
    let one = [database.pace()];
    for classes in [1, 4] {
        report(&format!("1 connection, {classes} classes"), &one, classes);
    }
    for count in [8, 90] {
        let paces: Vec<_> = (0..count).map(|_| database.pace()).collect();
        report(&format!("{count} connections, 1 class"), &paces, 1);
    }
}

/// Reserves with a thread for each pace and class.
fn report(what: &str, paces: &[PostgresPace], classes: usize) {
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
        let joined = threads.into_iter().map(|thread| thread.join().unwrap());
        let latencies: Vec<_> = joined.flatten().collect();
        (latencies, began.elapsed().as_secs_f64())
    });
    println!(
        "{what}: median / 99 % within {}, {:.0} a second",
        shared::summary(latencies),
        f64::from(RESERVATIONS) / seconds
    );
}

fn reserve(pace: &PostgresPace, class: RateClass) -> Duration {
    let began = Instant::now();
    let account = Account::new("https://open-api.123pan.com", "bench");
    let every = class.interval();
    let result = pace.run(&account, PaceOp::Reserve { class, every });
    assert!(matches!(result, PaceResult::Reserved(_)), "{result:?}");
    began.elapsed()
}
