//! How items come in, and how events go out.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::time::Duration;

use futures_util::stream::poll_fn;
use pan123_proto::Account;
use pan123_proto::batch::{BatchEvent, BatchPolicy, ItemChange};
use pan123_proto::ledger::{
    Ledger, LedgerAnswer, LedgerFault, LedgerOp, MemoryLedger, OpenLedger, Transaction,
};
use pan123_tests::batch_run::item;
use pan123_tests::watchdog::Watchdog;

use super::setup::{fixture, items, items_of, sent_once, slowly};
use crate::adapters::both::{Adapter, BOTH, on_tokio};

/// How many items a batch takes at most before they are in the ledger: those that wait, and those of one transaction.
const MAX_TAKEN: usize = 1000;

/// Counts the items that were taken from the iterator, and compares them with those that were added.
#[derive(Clone)]
struct CountingLedger {
    ledger: MemoryLedger,
    taken: Arc<AtomicUsize>,
}

struct Opened {
    ledger: Box<dyn OpenLedger>,
    taken: Arc<AtomicUsize>,
    added: usize,
}

impl Ledger for CountingLedger {
    fn open(&self, account: &Account) -> Result<Box<dyn OpenLedger>, LedgerFault> {
        Ok(Box::new(Opened {
            ledger: self.ledger.open(account)?,
            taken: Arc::clone(&self.taken),
            added: 0,
        }))
    }
}

impl OpenLedger for Opened {
    fn run(&mut self, transaction: Transaction) -> Result<Vec<LedgerAnswer>, LedgerFault> {
        let held = self.taken.load(Ordering::SeqCst) - self.added;
        assert!(held <= MAX_TAKEN, "{held} items in memory");
        for op in &transaction.ops {
            if let LedgerOp::Add(items) = op {
                self.added += items.len();
            }
        }
        self.ledger.run(transaction)
    }
}

#[test]
fn items_are_taken_from_the_iterator_as_the_ledger_takes_them() {
    const ITEMS: usize = 2000;
    for adapter in BOTH {
        let _watched = Watchdog::watch(move || format!("{adapter:?}"));
        let (fixture, ledger) = fixture();
        let taken = Arc::new(AtomicUsize::new(0));
        let ledger = CountingLedger {
            ledger,
            taken: Arc::clone(&taken),
        };
        let counter = Arc::clone(&taken);
        let items = (0..ITEMS).map(move |number| {
            counter.fetch_add(1, Ordering::SeqCst);
            item(&number.to_string())
        });
        let policy = BatchPolicy::default().grace(Duration::ZERO);
        let report = match adapter {
            Adapter::Async => {
                let offline = fixture.client().offline_download();
                let mut batch = offline.batch_with(&ledger, items, policy).unwrap();
                on_tokio(fixture.clock.drive(async {
                    while taken.load(Ordering::SeqCst) < ITEMS {
                        drop(batch.next().await);
                    }
                    batch.handle().stop();
                    batch.to_end().await
                }))
            }
            Adapter::Blocking => {
                let offline = fixture.blocking().offline_download();
                let mut batch = offline.batch_with(&ledger, items, policy).unwrap();
                fixture.clock.drive_blocking(|| {
                    while taken.load(Ordering::SeqCst) < ITEMS {
                        drop(batch.next());
                    }
                    batch.handle().stop();
                    batch.to_end()
                })
            }
        };
        assert_eq!(report.counts.total(), ITEMS as u64, "{adapter:?}");
        assert!(report.not_submitted() > 1900, "{report:?}");
    }
}

#[test]
fn batch_ends_after_its_stream_has() {
    let (fixture, ledger) = fixture();
    let offline = fixture.client().offline_download();
    let policy = BatchPolicy::default();
    let batch = offline.batch_of_stream(&ledger, slowly(3), policy).unwrap();
    let report = on_tokio(fixture.clock.drive(batch.to_end()));
    assert_eq!(report.succeeded(), 3, "{report:?}");
}

/// An item of a stream that is not ready is not lost when `next` is dropped.
#[test]
fn dropped_next_loses_no_event_and_no_item() {
    let (fixture, ledger) = fixture();
    let offline = fixture.client().offline_download();
    let mut batch = offline.batch(&ledger, items(4)).unwrap();
    let mut ended = 0;
    on_tokio(fixture.clock.drive(async {
        while batch.report().is_none() {
            tokio::select! {
                biased;
                event = batch.next() => ended += usize::from(event.is_some_and(|it| is_end(&it))),
                () = tokio::task::yield_now() => {}
            }
        }
    }));
    assert_eq!(ended, 4);
    assert_eq!(sent_once(&fixture, "dropped"), 4);
}

fn is_end(event: &BatchEvent) -> bool {
    matches!(
        event,
        BatchEvent::Item {
            change: ItemChange::Succeeded(_),
            ..
        }
    )
}

/// Longer than a lease: another worker could have taken the items over.
#[test]
fn consumer_may_take_its_time() {
    let minutes = Duration::from_secs(100);
    for adapter in BOTH {
        let _watched = Watchdog::watch(move || format!("{adapter:?}"));
        let (fixture, ledger) = fixture();
        let clock = &fixture.clock;
        let mut ended = 0;
        let mut on_event = |event: &BatchEvent| {
            ended += usize::from(is_end(event));
            clock.advance(minutes);
        };
        match adapter {
            Adapter::Async => {
                let offline = fixture.client().offline_download();
                let mut batch = offline.batch(&ledger, items(4)).unwrap();
                on_tokio(async {
                    while let Some(event) = clock.drive(batch.next()).await {
                        on_event(&event);
                    }
                });
            }
            Adapter::Blocking => {
                let offline = fixture.blocking().offline_download();
                let mut batch = offline.batch(&ledger, items(4)).unwrap();
                while let Some(event) = clock.drive_blocking(|| batch.next()) {
                    on_event(&event);
                }
            }
        }
        assert_eq!(ended, 4, "{adapter:?}");
        assert_eq!(sent_once(&fixture, adapter), 4);
    }
}

/// It may panic again, with responses still awaited.
#[test]
fn iterator_that_panicked_is_not_asked_after_the_batch_is_stopped_or_dropped() {
    for is_dropped in [false, true] {
        let _watched = Watchdog::watch(move || format!("dropped: {is_dropped}"));
        let (fixture, ledger) = fixture();
        let asked = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&asked);
        let items = (0..).map(move |number: usize| {
            counter.fetch_add(1, Ordering::SeqCst);
            if number > 0 {
                // Without the report of a panic.
                resume_unwind(Box::new(()));
            }
            item(&number.to_string())
        });
        let offline = fixture.blocking().offline_download();
        let mut batch = offline.batch(&ledger, items).unwrap();
        fixture.clock.drive_blocking(|| {
            let panicked = catch_unwind(AssertUnwindSafe(|| batch.next()));
            assert!(panicked.is_err());
            if is_dropped {
                drop(batch);
            } else {
                batch.handle().stop();
                batch.to_end();
            }
        });
        fixture.clock.until_idle();
        assert_eq!(asked.load(Ordering::SeqCst), 2, "dropped: {is_dropped}");
        assert_eq!(items_of(&fixture, &ledger).len(), 1, "what it gave is kept");
    }
}

#[test]
fn stream_is_not_polled_after_its_batch_is_stopped_or_dropped() {
    for is_dropped in [false, true] {
        let (fixture, ledger) = fixture();
        let clock = &fixture.clock;
        let polls = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&polls);
        let items = poll_fn(move |_| match counter.fetch_add(1, Ordering::SeqCst) {
            0 => Poll::Ready(Some(item("0"))),
            _ => Poll::Pending,
        });
        let polls = || polls.load(Ordering::SeqCst);
        let offline = fixture.client().offline_download();
        let policy = BatchPolicy::default();
        let mut batch = offline.batch_of_stream(&ledger, items, policy).unwrap();
        let before = on_tokio(async {
            clock.drive(batch.next()).await.unwrap();
            let before = polls();
            if is_dropped {
                drop(batch);
                while clock.running() > 0 {
                    tokio::task::yield_now().await;
                }
            } else {
                batch.handle().stop();
                clock.drive(batch.to_end()).await;
            }
            before
        });
        assert_eq!(polls(), before, "dropped: {is_dropped}");
    }
}
