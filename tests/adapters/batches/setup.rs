//! A service in memory, a ledger in memory, and what both have at the end.

use std::collections::BTreeMap;
use std::fmt::Debug;

use futures_core::Stream;
use futures_util::stream::unfold;
use pan123_mock::path::OFFLINE_DOWNLOAD;
use pan123_mock::{Service, TaskScript};
use pan123_proto::batch::BatchReport;
use pan123_proto::ledger::{Item, ItemState, Ledger, MemoryLedger, NewItem};
use pan123_tests::batch_run::{item, list};
use pan123_tests::block_on::block_on;
use pan123_tests::fixture::Fixture;
use tokio::task::yield_now;

/// How often the items are polled until they succeed.
pub(crate) const POLLS: u32 = 3;

/// A fixture whose tasks succeed at their third poll, and an empty ledger.
pub(crate) fn fixture() -> (Fixture, MemoryLedger) {
    let fixture = Fixture::new(TaskScript::succeeds_after(POLLS));
    (fixture, MemoryLedger::new())
}

/// This many items: `0`, `1`, …
pub(crate) fn items(count: usize) -> Vec<NewItem> {
    (0..count).map(|number| item(&number.to_string())).collect()
}

/// The same as a stream that is never ready at once.
pub(crate) fn slowly(count: usize) -> impl Stream<Item = NewItem> + Send + 'static {
    unfold(items(count).into_iter(), |mut items| async {
        for _ in 0..10 {
            yield_now().await;
        }
        items.next().map(|item| (item, items))
    })
}

/// What the ledger has.
pub(crate) fn items_of(fixture: &Fixture, ledger: &MemoryLedger) -> Vec<Item> {
    let account = fixture.blocking().session().ledger_account();
    list(&mut *ledger.open(&account).expect("the ledger of this account"))
}

/// Checks that the service received no download twice, and returns how many it received.
pub(crate) fn sent_once(fixture: &Fixture, context: impl Debug) -> usize {
    let mut sent = BTreeMap::<Vec<u8>, usize>::new();
    fixture.transport.service(|service: &mut Service| {
        for request in service.requests() {
            if request.path() == OFFLINE_DOWNLOAD {
                *sent.entry(request.body().to_vec()).or_default() += 1;
            }
        }
    });
    assert!(
        sent.values().all(|times| *times == 1),
        "{context:?}: {sent:?}"
    );
    sent.len()
}

/// Runs the next batch on the ledger to its end, in another process as it were.
pub(crate) fn go_on(fixture: &Fixture, ledger: &MemoryLedger) -> BatchReport {
    let offline = fixture.client().offline_download();
    let batch = offline.batch(ledger, []).expect("the ledger works");
    block_on(fixture.clock.drive(batch.to_end()))
}

/// How many items are in this state.
pub(crate) fn count(items: &[Item], state: ItemState) -> usize {
    items.iter().filter(|item| item.state == state).count()
}

/// A client of either adapter, with this spawner.
macro_rules! client {
    ($builder:expr, $fixture:expr, $spawner:expr) => {
        $builder
            .credentials(pan123_mock::CLIENT_ID, pan123_mock::CLIENT_SECRET)
            .transport($fixture.transport.clone())
            .clock($fixture.clock.clone())
            .spawner($spawner)
            .build()
            .expect("good settings")
    };
}

pub(crate) use client;
