//! A create whose future is dropped, after each number of polls: before its request is sent, nothing is sent any more; afterwards the
//! request is not sent again, and its task is not lost.

use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;

use pan123_mock::path::OFFLINE_DOWNLOAD;
use pan123_mock::{CannedResponse, TaskScript};
use pan123_proto::offline::Download;
use pan123_proto::{DetachedCall, Error, ErrorKind, TaskId, TransportErrorKind};
use pan123_tests::fixture::Fixture;
use pan123_tests::observed::{Outcome, reached};
use pan123_tests::run::Caller;
use pan123_tests::scenario::{Act, Call, Scenario};
use pan123_tests::table::rows;
use pan123_tests::watchdog::Watchdog;

use super::setup::{OnFailure, Setup, Variant};
use crate::adapters::both::{download, on_tokio};

/// What happens to the rest of a call when its future is dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rest {
    Runs,
    /// No runtime can run it.
    NoRuntime,
    /// Its runtime is shut down before it runs.
    Shutdown,
}

/// A create that was dropped, unless it ended before.
struct Dropped {
    polls: usize,
    result: Option<Result<TaskId, Error>>,
    in_flight: usize,
    detached: Vec<DetachedCall<TaskId>>,
    /// Requests that create a download, when it was dropped and in the end.
    sent: [usize; 2],
    /// Tasks that exist because of it.
    tasks: Vec<u64>,
}

/// Runs the acts before this one, polls the future of its create this many times and drops it.
fn run(scenario: &Scenario, act: usize, polls: usize, rest: Rest) -> Option<Dropped> {
    let Act::Call(Call::Create(download)) = &scenario.acts[act] else {
        return None;
    };
    let variant = Variant {
        runtime: rest != Rest::NoRuntime,
        store: false,
    };
    let mut setup = Setup::new(scenario, variant);
    let client = setup.client(scenario);
    let mut last = None;
    for act in &scenario.acts[..act] {
        last = setup.act(&client, act, last);
    }
    let before = setup.observed().tasks;

    let mut call = Box::pin(client.create(download));
    let mut made = 0;
    let result = setup.run(poll_fn(|context| {
        if made == polls {
            return Poll::Ready(None);
        }
        made += 1;
        match call.as_mut().poll(context) {
            Poll::Pending if made == polls => Poll::Ready(None),
            polled => polled.map(Some),
        }
    }));
    let sent = setup.transport.sent(OFFLINE_DOWNLOAD);
    // Outside of any runtime.
    drop(call);
    let session = client.client.session();
    let in_flight = session.detached_in_flight();
    if rest == Rest::Shutdown {
        setup.restart();
    }
    setup.settle();
    setup.assert_nothing_is_held(session);
    assert_eq!(session.detached_in_flight(), 0);
    let detached = client.client.offline_download().take_detached();
    assert!(client.client.offline_download().take_detached().is_empty());
    Some(Dropped {
        polls: made,
        result,
        in_flight,
        detached,
        sent: [sent, setup.transport.sent(OFFLINE_DOWNLOAD)],
        tasks: setup.observed().task_ids.split_off(before),
    })
}

/// The kinds of outcomes that a test has met.
#[derive(Debug, Default)]
struct Met {
    nothing_sent: usize,
    created: usize,
    ambiguous: usize,
    rejected: usize,
}

fn check(dropped: &Dropped, undisturbed: &Dropped, rest: Rest, met: &mut Met) {
    assert_eq!(dropped.sent[0], dropped.sent[1], "it was sent later");
    assert!(dropped.tasks.len() <= 1, "{:?}", dropped.tasks);
    let [call] = &dropped.detached[..] else {
        assert!(dropped.detached.is_empty() && dropped.tasks.is_empty());
        met.nothing_sent += 1;
        return;
    };
    assert!(call.request::<Download>().is_some());
    if rest != Rest::Runs {
        let error = call.result().as_ref().expect_err("it is lost");
        assert_eq!(error.kind(), ErrorKind::Ambiguous);
        assert_eq!(reached(error), Some(TransportErrorKind::Abandoned));
        met.ambiguous += 1;
        return;
    }
    assert_eq!(dropped.in_flight, 1);
    match call.result() {
        Ok(_) | Err(Error::Ambiguous(_)) => {
            let expected = undisturbed.result.as_ref().map(Outcome::of);
            assert_eq!(Some(Outcome::of(call.result())), expected);
            *(if call.result().is_ok() {
                &mut met.created
            } else {
                &mut met.ambiguous
            }) += 1;
        }
        Err(_) => {
            assert!(dropped.tasks.is_empty(), "a task that nobody learns of");
            met.rejected += 1;
        }
    }
}

fn drop_everywhere(rest: Rest) -> Met {
    let mut met = Met::default();
    for scenario in rows() {
        let name = scenario.name;
        let _watched = Watchdog::watch(move || name.to_owned());
        for act in 0..scenario.acts.len() {
            let Some(undisturbed) = run(&scenario, act, usize::MAX, rest) else {
                continue;
            };
            assert!(undisturbed.detached.is_empty(), "{name:?}");
            for polls in 0..undisturbed.polls {
                let _on_failure = OnFailure(format!("{name:?}, act {act}, {polls} polls"));
                let dropped = run(&scenario, act, polls, rest).expect("the same call");
                assert!(dropped.result.is_none());
                check(&dropped, &undisturbed, rest, &mut met);
            }
        }
    }
    met
}

#[test]
fn create_may_be_dropped_at_any_poll_and_its_task_is_not_lost() {
    let met = drop_everywhere(Rest::Runs);
    let all = [met.nothing_sent, met.created, met.ambiguous, met.rejected];
    assert!(all.iter().all(|times| *times > 0), "{met:?}");
}

#[test]
fn dropped_create_is_reported_as_ambiguous_if_its_rest_cannot_run() {
    for rest in [Rest::NoRuntime, Rest::Shutdown] {
        let met = drop_everywhere(rest);
        assert!(met.nothing_sent > 0 && met.ambiguous > 0, "{met:?}");
    }
}

/// Yields until no dropped call waits for a response.
async fn until_none_is_in_flight(client: &pan123_async::Client) {
    while client.session().detached_in_flight() > 0 {
        tokio::task::yield_now().await;
    }
}

#[test]
fn create_may_be_dropped_by_a_select_on_its_own_runtime() {
    let fixture = Fixture::new(TaskScript::default());
    let client = fixture.client();
    let offline = client.offline_download();
    fixture.transport.hold(OFFLINE_DOWNLOAD);
    on_tokio(async {
        tokio::select! {
            created = fixture.clock.drive(offline.download(&download())) => panic!("{created:?}"),
            () = fixture.transport.until_sent(OFFLINE_DOWNLOAD, 1) => {}
        }
        assert!(offline.take_detached().is_empty());
        fixture.transport.release();
        until_none_is_in_flight(&client).await;
    });
    let calls = offline.take_detached();
    assert_eq!(calls.len(), 1, "{calls:?}");
    let task = calls[0].result().as_ref().expect("a task");
    let created = fixture.transport.service(|service| service.tasks()[0].id());
    assert_eq!(task.get(), created);
    assert_eq!(calls[0].request::<Download>(), Some(download()));
    assert_eq!(calls[0].sent_at(), fixture.clock.now().wall);
}

#[test]
fn stopped_rest_of_a_dropped_create_is_ambiguous() {
    let fixture = Fixture::new(TaskScript::default());
    let client = fixture.client();
    fixture.transport.hold(OFFLINE_DOWNLOAD);
    on_tokio(async {
        let call = client.session().call(&download()).unwrap();
        let handle = call.handle();
        tokio::select! {
            created = fixture.clock.drive(client.drive(call)) => panic!("{created:?}"),
            () = fixture.transport.until_sent(OFFLINE_DOWNLOAD, 1) => {}
        }
        handle.stop();
        until_none_is_in_flight(&client).await;
    });
    let calls = client.take_detached::<Download>();
    let error = calls[0].result().as_ref().expect_err("it is lost");
    assert_eq!(error.kind(), ErrorKind::Ambiguous);
    assert_eq!(fixture.transport.sent(OFFLINE_DOWNLOAD), 1);
}

#[test]
fn only_the_last_hundred_outcomes_are_kept() {
    let fixture = Fixture::new(TaskScript::default());
    let client = fixture.client();
    let offline = client.offline_download();
    fixture.transport.service(|service| {
        let full = CannedResponse::envelope(1, "no");
        (0..3).for_each(|_| service.respond_next(OFFLINE_DOWNLOAD, full.clone()));
    });
    on_tokio(async {
        for created in 1..=101 {
            fixture.transport.hold(OFFLINE_DOWNLOAD);
            tokio::select! {
                created = fixture.clock.drive(offline.download(&download())) => panic!("{created:?}"),
                () = fixture.transport.until_sent(OFFLINE_DOWNLOAD, created) => {}
            }
            fixture.transport.release();
            until_none_is_in_flight(&client).await;
            fixture.clock.advance(Duration::from_secs(1));
        }
    });
    let calls = offline.take_detached();
    assert_eq!(calls.len(), 100);
    let rejected = calls.iter().take_while(|call| call.result().is_err());
    assert_eq!(rejected.count(), 2, "the oldest is gone");
}
