//! Batches that are stopped or dropped, and jobs that end early.

use std::collections::HashSet;
use std::panic::resume_unwind;
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use pan123_mock::path::{ACCESS_TOKEN, OFFLINE_DOWNLOAD, OFFLINE_PROGRESS};
use pan123_mock::{CLIENT_ID, CLIENT_SECRET, TcpServer};
use pan123_proto::batch::{BatchEvent, BatchPolicy, ItemChange};
use pan123_proto::ledger::{ItemState, MemoryLedger};
use pan123_tests::block_on::block_on;
use pan123_tests::clock::JumpClock;
use pan123_tests::transports::Scripted;
use pan123_tests::watchdog::Watchdog;

use super::setup::{client, count, fixture, go_on, items, items_of, sent_once, slowly};
use crate::adapters::both::{Adapter, BOTH, basics, ok, on_tokio};

/// Runs everything in place.
struct Refusing;

impl pan123_async::context::Spawner for Refusing {
    fn spawn(
        &self,
        work: pan123_async::context::BoxFuture<'static, ()>,
    ) -> Result<(), pan123_async::context::BoxFuture<'static, ()>> {
        Err(work)
    }
}

impl pan123_blocking::context::Spawner for Refusing {
    fn spawn(
        &self,
        work: pan123_blocking::context::Work,
    ) -> Result<(), pan123_blocking::context::Work> {
        Err(work)
    }
}

#[test]
fn batch_goes_on_where_nothing_can_be_spawned() {
    for adapter in BOTH {
        let _watched = Watchdog::watch(move || format!("{adapter:?}"));
        let (fixture, ledger) = fixture();
        // Items come in while requests are in flight.
        fixture.transport.delay_polls(5);
        let clock = &fixture.clock;
        let report = match adapter {
            Adapter::Async => {
                let client = client!(pan123_async::Client::builder(), fixture, Refusing);
                let offline = client.offline_download();
                let batch = offline.batch_of_stream(&ledger, slowly(20), BatchPolicy::default());
                block_on(clock.drive(batch.unwrap().to_end()))
            }
            Adapter::Blocking => {
                let client = client!(pan123_blocking::Client::builder(), fixture, Refusing);
                let batch = client.offline_download().batch(&ledger, items(20));
                clock.drive_blocking(|| batch.unwrap().to_end())
            }
        };
        assert_eq!(report.succeeded(), 20, "{adapter:?}: {report:?}");
        assert_eq!(sent_once(&fixture, adapter), 20);
    }
}

#[test]
fn stop_may_come_from_another_thread() {
    for adapter in BOTH {
        let _watched = Watchdog::watch(move || format!("{adapter:?}"));
        let (fixture, ledger) = fixture();
        let (clock, transport) = (&fixture.clock, &fixture.transport);
        transport.hold(OFFLINE_PROGRESS);
        let stopping = |handle: pan123_proto::batch::BatchHandle| {
            let transport = transport.clone();
            thread::spawn(move || {
                transport.block_until_sent(OFFLINE_PROGRESS, 1);
                handle.stop();
                transport.release();
            })
        };
        let policy = BatchPolicy::default().max_creates(1);
        let report = match adapter {
            Adapter::Async => {
                let offline = fixture.client().offline_download();
                let batch = offline.batch_with(&ledger, items(500), policy).unwrap();
                let stopped = stopping(batch.handle());
                let report = on_tokio(clock.drive(batch.to_end()));
                stopped.join().unwrap();
                report
            }
            Adapter::Blocking => {
                let offline = fixture.blocking().offline_download();
                let batch = offline.batch_with(&ledger, items(500), policy).unwrap();
                let stopped = stopping(batch.handle());
                let report = clock.drive_blocking(|| batch.to_end());
                stopped.join().unwrap();
                report
            }
        };
        let sent = sent_once(&fixture, adapter) as u64;
        assert!(sent < 10 && report.succeeded() == sent, "{report:?}");
        assert_eq!(report.not_submitted(), 500 - sent, "{report:?}");
    }
}

/// The server creates a task, and never answers a poll.
#[test]
fn stopped_blocking_batch_does_not_wait_for_a_poll_that_hangs() {
    let _watched = Watchdog::watch(|| "a poll that hangs".to_owned());
    let server = TcpServer::start(|mut connection| {
        while let Some(request) = connection.read_request() {
            if request.uri().path() == OFFLINE_PROGRESS {
                connection.wait_until_closed();
                return;
            }
            connection.send(&ok(r#"{"code":0,"data":{"taskID":7,"id":7}}"#));
        }
    });
    let clock = JumpClock::new();
    let builder = basics!(
        pan123_blocking::Client::builder(),
        &server.url("http"),
        clock
    );
    let builder = builder.request_timeout(Duration::from_secs(3600));
    let offline = builder.build().unwrap().offline_download();
    let ledger = MemoryLedger::new();
    let policy = BatchPolicy::default().grace(Duration::ZERO);
    let mut batch = offline.batch_with(&ledger, items(1), policy).unwrap();
    let handle = batch.handle();
    let stopped = thread::scope(|scope| {
        let stopping = scope.spawn(|| {
            while server.requests() < 2 {
                thread::yield_now();
            }
            let now = clock.elapsed();
            handle.stop();
            now
        });
        clock.drive_blocking(|| assert!(batch.by_ref().count() >= 1));
        stopping.join().unwrap()
    });
    let report = batch.report().expect("it has ended");
    assert_eq!(report.running(), 1, "{report:?}");
    assert!(clock.elapsed().saturating_sub(stopped) < Duration::from_secs(1));
}

#[test]
fn blocking_batch_may_be_dropped_between_any_two_events() {
    let _watched = Watchdog::watch(|| "a dropped batch".to_owned());
    let mut running = 0;
    for events in 0.. {
        let (fixture, ledger) = fixture();
        let offline = fixture.blocking().offline_download();
        let mut batch = offline.batch(&ledger, items(3)).unwrap();
        let taken = fixture.clock.drive_blocking(|| {
            let taken = batch.by_ref().take(events).count();
            drop(batch);
            taken
        });
        fixture.clock.until_idle();
        let items = items_of(&fixture, &ledger);
        assert_eq!(count(&items, ItemState::Unconfirmed), 0, "{items:?}");
        running += count(&items, ItemState::Running);
        let open = count(&items, ItemState::Queued) + count(&items, ItemState::Claimed);
        assert_eq!(sent_once(&fixture, events), items.len() - open, "{items:?}");
        go_on(&fixture, &ledger);
        let items = items_of(&fixture, &ledger);
        assert_eq!(count(&items, ItemState::Succeeded), items.len());
        assert_eq!(sent_once(&fixture, events), items.len());
        if taken < events {
            break;
        }
    }
    assert!(running > 0);
}

/// The create in flight is awaited and recorded, though nobody has the batch any more.
#[test]
fn create_in_flight_is_recorded_after_its_batch_is_dropped_or_stopped() {
    for adapter in BOTH {
        let _watched = Watchdog::watch(move || format!("{adapter:?}"));
        let (fixture, ledger) = fixture();
        let (clock, transport) = (&fixture.clock, &fixture.transport);
        transport.hold(OFFLINE_DOWNLOAD);
        match adapter {
            Adapter::Async => on_tokio(async {
                let offline = fixture.client().offline_download();
                let mut batch = offline.batch(&ledger, items(1)).unwrap();
                tokio::select! {
                    event = clock.drive(batch.next()) => panic!("{event:?}"),
                    () = transport.until_sent(OFFLINE_DOWNLOAD, 1) => {}
                }
                drop(batch);
                transport.release();
                while clock.running() > 0 {
                    tokio::task::yield_now().await;
                }
            }),
            Adapter::Blocking => {
                let offline = fixture.blocking().offline_download();
                let batch = offline.batch(&ledger, items(1)).unwrap();
                let handle = batch.handle();
                let theirs = transport.clone();
                let stopping = thread::spawn(move || {
                    theirs.block_until_sent(OFFLINE_DOWNLOAD, 1);
                    handle.stop();
                    theirs.release();
                });
                clock.drive_blocking(|| drop(batch.to_end()));
                stopping.join().unwrap();
                clock.until_idle();
            }
        }
        let items = items_of(&fixture, &ledger);
        let task = transport.service(|service| service.tasks()[0].id());
        let recorded = items[0].task.map(pan123_proto::TaskId::get);
        assert_eq!(recorded, Some(task), "{adapter:?}: {items:?}");
        assert_eq!(go_on(&fixture, &ledger).succeeded(), 1);
        assert_eq!(sent_once(&fixture, adapter), 1);
    }
}

/// A transport that panics ends the thread of its job, and no more.
#[test]
fn job_that_panics_does_not_hold_up_its_batch() {
    let _watched = Watchdog::watch(|| "a panic".to_owned());
    let (fixture, ledger) = fixture();
    let service = fixture.transport.clone();
    let sound = Mutex::new(HashSet::from([ACCESS_TOKEN.to_owned()]));
    let transport = Scripted(move |transmit: pan123_proto::Transmit| {
        let path = transmit.request.uri().path().to_owned();
        let response = pan123_blocking::context::Transport::send(&service, transmit);
        // The first request to each path.
        let panics = sound.lock().unwrap().insert(path);
        if panics {
            // Without the report of a panic.
            resume_unwind(Box::new(()));
        }
        response
    });
    let builder = pan123_blocking::Client::builder().credentials(CLIENT_ID, CLIENT_SECRET);
    let clock = &fixture.clock;
    let builder = builder.transport(transport).clock(clock.clone());
    let offline = builder
        .spawner(clock.clone())
        .build()
        .unwrap()
        .offline_download();
    let policy = BatchPolicy::default().max_creates(1);
    let batch = offline.batch_with(&ledger, items(3), policy).unwrap();
    let events: Vec<_> = clock.drive_blocking(|| batch.collect());
    let unconfirmed = |event: &BatchEvent| {
        matches!(
            event,
            BatchEvent::Item {
                change: ItemChange::Unconfirmed { .. },
                ..
            }
        )
    };
    assert_eq!(events.iter().filter(|event| unconfirmed(event)).count(), 1);
    let items = items_of(&fixture, &ledger);
    assert_eq!(count(&items, ItemState::Succeeded), 2, "{items:?}");
    assert_eq!(sent_once(&fixture, "panics"), 3);
}

/// Nothing was sent, so that everything is sent later.
#[test]
fn batch_goes_on_when_the_service_can_be_reached_again() {
    for adapter in BOTH {
        let _watched = Watchdog::watch(move || format!("{adapter:?}"));
        let (fixture, ledger) = fixture();
        fixture.transport.disconnect();
        let mut pauses = 0;
        let mut on_event = |event: &BatchEvent| {
            if matches!(event, BatchEvent::Paused { .. }) {
                pauses += 1;
                if pauses == 3 {
                    fixture.transport.reconnect();
                }
            }
        };
        let clock = &fixture.clock;
        match adapter {
            Adapter::Async => {
                let offline = fixture.client().offline_download();
                let mut batch = offline.batch(&ledger, items(3)).unwrap();
                on_tokio(clock.drive(async {
                    while let Some(event) = batch.next().await {
                        on_event(&event);
                    }
                }));
            }
            Adapter::Blocking => {
                let offline = fixture.blocking().offline_download();
                let batch = offline.batch(&ledger, items(3)).unwrap();
                clock.drive_blocking(|| batch.for_each(|event| on_event(&event)));
            }
        }
        let items = items_of(&fixture, &ledger);
        assert_eq!(count(&items, ItemState::Succeeded), 3, "{items:?}");
        assert_eq!((pauses, sent_once(&fixture, adapter)), (3, 3));
    }
}

/// As two processes on one ledger.
#[test]
fn two_batches_share_the_items_of_a_ledger() {
    let _watched = Watchdog::watch(|| "two batches".to_owned());
    let (fixture, ledger) = fixture();
    let clock = &fixture.clock;
    let offline = fixture.client().offline_download();
    let one = offline.batch(&ledger, items(20)).unwrap();
    let offline = fixture.blocking().offline_download();
    let other = offline.batch(&ledger, items(30)).unwrap();
    // No time passes before both run.
    let starting = clock.enter();
    let [one, other] = thread::scope(|scope| {
        let other = scope.spawn(|| {
            clock.drive_blocking(|| {
                drop(starting);
                other.to_end()
            })
        });
        let one = on_tokio(clock.drive(one.to_end()));
        [one, other.join().unwrap()]
    });
    assert_eq!((one.succeeded(), other.succeeded()), (30, 30));
    assert_eq!(sent_once(&fixture, "two"), 30);
}
