//! Each call is stopped after each number of polls.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;

use pan123_mock::path::OFFLINE_DOWNLOAD;
use pan123_proto::file::Entry;
use pan123_proto::offline::GetDownloadProgress;
use pan123_proto::user::GetUserInfo;
use pan123_proto::{CallHandle, Endpoint, TaskId, TransportErrorKind};
use pan123_tests::observed::{Observed, Outcome};
use pan123_tests::run::task;
use pan123_tests::scenario::{Act, Call, Scenario};
use pan123_tests::table::rows;
use pan123_tests::watchdog::Watchdog;

use super::setup::{Client, OnFailure, Setup, Variant};

const VARIANT: Variant = Variant {
    runtime: true,
    store: false,
};

type PendingCall = Pin<Box<dyn Future<Output = Outcome>>>;

/// The call of an act, with a handle to stop it; none for watches and for endpoints of a user's own.
fn calling(client: &Client, act: &Act, last: Option<TaskId>) -> Option<(CallHandle, PendingCall)> {
    let Act::Call(call) = act else { return None };
    match call {
        Call::Create(download) => Some(start_call(client, download)),
        Call::Progress(of) => {
            let progress = GetDownloadProgress::new(task(*of, last));
            Some(start_call(client, &progress))
        }
        Call::UserInfo => Some(start_call(client, &GetUserInfo)),
        Call::EnsureDir(path) => {
            let ensure = client.client.session().ensure_dir(path).ok()?;
            let handle = ensure.handle();
            let driven = client.clock.drive(client.client.drive(ensure));
            Some((handle, Box::pin(async move { Outcome::of(&driven.await) })))
        }
        Call::Find(path) => {
            let find = client.client.session().find(path).ok()?;
            let handle = find.handle();
            let driven = client.clock.drive(client.client.drive(find));
            let outcome = |found: Option<Entry>| found.map(|entry| entry.id);
            Some((
                handle,
                Box::pin(async move { Outcome::of(&driven.await.map(outcome)) }),
            ))
        }
        _ => None,
    }
}

fn start_call<E: Endpoint>(client: &Client, endpoint: &E) -> (CallHandle, PendingCall)
where
    E::Response: std::fmt::Debug,
{
    let call = client
        .client
        .session()
        .call(endpoint)
        .expect("it can be built");
    let handle = call.handle();
    let driven = client.clock.drive(client.client.drive(call));
    (handle, Box::pin(async move { Outcome::of(&driven.await) }))
}

/// The outcome of a call.
struct Ended {
    polls: usize,
    outcome: Outcome,
    observed: Observed,
}

/// Runs the acts before this one, and stops its call after this many polls; none if it cannot be stopped.
fn run(scenario: &Scenario, act: usize, polls: usize) -> Option<Ended> {
    let setup = Setup::new(scenario, VARIANT);
    // The stop comes before the response: one that has arrived is returned all the same.
    setup.transport.delay_polls(2);
    let client = setup.client(scenario);
    let mut last = None;
    for act in &scenario.acts[..act] {
        last = setup.act(&client, act, last);
    }
    let (handle, mut calling) = calling(&client, &scenario.acts[act], last)?;
    let mut made = 0;
    let mut outcome = setup.run(poll_fn(|context| {
        if made == polls {
            return Poll::Ready(None);
        }
        made += 1;
        match calling.as_mut().poll(context) {
            Poll::Pending if made == polls => Poll::Ready(None),
            polled => polled.map(Some),
        }
    }));
    if outcome.is_none() {
        let stopped = setup.clock.elapsed();
        handle.stop();
        outcome = Some(setup.run(calling));
        assert_eq!(setup.clock.elapsed(), stopped, "it went on after the stop");
    }
    setup.settle();
    setup.assert_nothing_is_held(client.client.session());
    Some(Ended {
        polls: made,
        outcome: outcome?,
        observed: setup.observed(),
    })
}

#[test]
fn every_call_may_be_stopped_at_any_poll() {
    let mut stopped = [0; 2];
    for scenario in rows() {
        let name = scenario.name;
        let _watched = Watchdog::watch(move || name.to_owned());
        for act in 0..scenario.acts.len() {
            let Some(undisturbed) = run(&scenario, act, usize::MAX) else {
                continue;
            };
            let before = run(&scenario, act, 0).expect("the same call").observed;
            for polls in 0..undisturbed.polls {
                let _on_failure =
                    OnFailure(format!("{:?}, act {act}, {polls} polls", scenario.name));
                let ended = run(&scenario, act, polls).expect("the same call");
                let sent = |observed: &Observed| observed.count(OFFLINE_DOWNLOAD);
                match ended.outcome.kind.as_str() {
                    "Stopped" => {
                        assert_eq!(
                            ended.observed.tasks, before.tasks,
                            "a task that the caller does not learn of"
                        );
                        stopped[0] += 1;
                    }
                    "Ambiguous" if ended.outcome.reached == Some(TransportErrorKind::Abandoned) => {
                        // A request that was abandoned may have reached the service.
                        let out = !scenario.reachable || sent(&ended.observed) > sent(&before);
                        assert!(out, "nothing was sent");
                        stopped[1] += 1;
                    }
                    _ => assert_eq!(ended.outcome, undisturbed.outcome),
                }
                assert!(sent(&ended.observed) <= sent(&undisturbed.observed));
                assert!(ended.observed.issued <= undisturbed.observed.issued);
            }
        }
    }
    assert!(stopped.iter().all(|times| *times > 0), "{stopped:?}");
}
