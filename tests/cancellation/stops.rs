//! Calls are stopped after every number of polls.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;

use pan123_mock::path::OFFLINE_DOWNLOAD;
use pan123_proto::file::Entry;
use pan123_proto::offline::GetDownloadProgress;
use pan123_proto::user::GetUserInfo;
use pan123_proto::{CallHandle, Endpoint, TaskId, TransportErrorKind};
use pan123_tests::play::task;
use pan123_tests::scenario::{Act, Call, Scenario};
use pan123_tests::seen::{Seen, Told};
use pan123_tests::table::rows;
use pan123_tests::watchdog::Watchdog;

use crate::stage::{Client, Ground, Here, Stage};

const GROUND: Ground = Ground {
    runtime: true,
    store: false,
};

type Calling = Pin<Box<dyn Future<Output = Told>>>;

/// The call of an act, with a handle to stop it; none for watches and for endpoints of a user's own.
fn calling(client: &Client, act: &Act, last: Option<TaskId>) -> Option<(CallHandle, Calling)> {
    let Act::Call(call) = act else { return None };
    match call {
        Call::Create(download) => Some(begin(client, download)),
        Call::Progress(of) => {
            let progress = GetDownloadProgress::new(task(*of, last));
            Some(begin(client, &progress))
        }
        Call::UserInfo => Some(begin(client, &GetUserInfo)),
        Call::EnsureDir(path) => {
            let ensure = client.client.session().ensure_dir(path).ok()?;
            let handle = ensure.handle();
            let driven = client.clock.drive(client.client.drive(ensure));
            Some((handle, Box::pin(async move { Told::of(&driven.await) })))
        }
        Call::Find(path) => {
            let find = client.client.session().find(path).ok()?;
            let handle = find.handle();
            let driven = client.clock.drive(client.client.drive(find));
            let told = |found: Option<Entry>| found.map(|entry| entry.id);
            Some((
                handle,
                Box::pin(async move { Told::of(&driven.await.map(told)) }),
            ))
        }
        _ => None,
    }
}

fn begin<E: Endpoint>(client: &Client, endpoint: &E) -> (CallHandle, Calling)
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
    (handle, Box::pin(async move { Told::of(&driven.await) }))
}

/// What came of a call.
struct Ended {
    polls: usize,
    told: Told,
    seen: Seen,
}

/// Plays the acts before this one, and stops its call after so many polls; none if it cannot be stopped.
fn play(scenario: &Scenario, act: usize, polls: usize) -> Option<Ended> {
    let stage = Stage::new(scenario, GROUND);
    // A stop comes while the answer is still out: one that has come is told all the same.
    stage.held.pause(2);
    let client = stage.client(scenario);
    let mut last = None;
    for act in &scenario.acts[..act] {
        last = stage.act(&client, act, last);
    }
    let (handle, mut calling) = calling(&client, &scenario.acts[act], last)?;
    let mut made = 0;
    let mut told = stage.run(poll_fn(|context| {
        if made == polls {
            return Poll::Ready(None);
        }
        made += 1;
        match calling.as_mut().poll(context) {
            Poll::Pending if made == polls => Poll::Ready(None),
            polled => polled.map(Some),
        }
    }));
    if told.is_none() {
        let stopped = stage.clock.elapsed();
        handle.stop();
        told = Some(stage.run(calling));
        assert_eq!(stage.clock.elapsed(), stopped, "it went on after the stop");
    }
    stage.settle();
    stage.check_nothing_is_held(client.client.session());
    Some(Ended {
        polls: made,
        told: told?,
        seen: stage.seen(),
    })
}

#[test]
fn every_call_is_stopped_anywhere() {
    let mut stopped = [0; 2];
    for scenario in rows() {
        let name = scenario.name;
        let _watched = Watchdog::watch(move || name.to_owned());
        for act in 0..scenario.acts.len() {
            let Some(undisturbed) = play(&scenario, act, usize::MAX) else {
                continue;
            };
            let before = play(&scenario, act, 0).expect("the same call").seen;
            for polls in 0..undisturbed.polls {
                let _here = Here(format!("{:?}, act {act}, {polls} polls", scenario.name));
                let ended = play(&scenario, act, polls).expect("the same call");
                let sent = |seen: &Seen| seen.count(OFFLINE_DOWNLOAD);
                match ended.told.kind.as_str() {
                    "Stopped" => {
                        assert_eq!(
                            ended.seen.tasks, before.tasks,
                            "a task that nobody is told of"
                        );
                        stopped[0] += 1;
                    }
                    "Ambiguous" if ended.told.reached == Some(TransportErrorKind::Abandoned) => {
                        // Nobody who gives a request up can tell that nobody would have listened.
                        let out = !scenario.reachable || sent(&ended.seen) > sent(&before);
                        assert!(out, "nothing was sent");
                        stopped[1] += 1;
                    }
                    _ => assert_eq!(ended.told, undisturbed.told),
                }
                assert!(sent(&ended.seen) <= sent(&undisturbed.seen));
                assert!(ended.seen.minted <= undisturbed.seen.minted);
            }
        }
    }
    assert!(stopped.iter().all(|times| *times > 0), "{stopped:?}");
}
