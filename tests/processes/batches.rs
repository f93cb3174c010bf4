//! Real processes that work on one batch in an SQLite file, killed and stopped at any moment.
//!
//! `PAN123_BATCH_ITEMS` sets the number of items.

use std::process::{Command, Stdio};

use pan123_ledger::SqliteLedger;
use pan123_mock::{CLIENT_ID, MockPan123, RateLimits};
use pan123_proto::ledger::Ledger;
use pan123_store::Account;

use super::WORKER;
use super::fleet::{Fleet, audit, read};

const WORKERS: usize = 8;
const ITEMS: usize = 120;
/// Shorter than a worker stays stopped.
const LEASE_MILLIS: u64 = 700;
/// A worker is killed, stopped or woken each time that so many tasks were created.
const CREATES_BETWEEN: usize = 4;

#[test]
fn workers_that_are_killed_and_stopped_lose_nothing_and_send_nothing_twice() {
    let items = std::env::var("PAN123_BATCH_ITEMS").map_or(ITEMS, |items| items.parse().unwrap());
    let builder = MockPan123::builder().rate_limits(RateLimits::none());
    let mock = builder.start_blocking();
    let folder = tempfile::tempdir().unwrap();
    let (url, path) = (mock.base_url(), folder.path().to_owned());
    let mut fleet = Fleet::start(&mock, WORKERS, items, move |_| {
        let mut command = Command::new(WORKER);
        command.args(["batch", &url]).arg(&path);
        command.args([items as u64, LEASE_MILLIS].map(|number| number.to_string()));
        command.stdout(Stdio::piped());
        command
    });
    let mut target = CREATES_BETWEEN;
    // The last ones are left alone: an item whose worker was killed before it sent it is never created.
    while target < items * 8 / 10 {
        fleet.await_created(target);
        fleet.disturb();
        target += CREATES_BETWEEN;
    }
    fleet.end();

    let account = Account::new(mock.base_url(), CLIENT_ID);
    let ledger = SqliteLedger::new(folder.path().join("batch.db"));
    let mut ledger = ledger.open(&account).unwrap();
    let audit = audit(&read(&mut *ledger, &mock), &mock);
    println!(
        "{} kills, {} stops: {audit}; {} tokens",
        fleet.kills,
        fleet.stops,
        mock.service(|service| service.tokens_issued()),
    );
    audit.check(items);
}
