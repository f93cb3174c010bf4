//! How many requests of a class are in flight at once.

use std::time::Duration;

use pan123_proto::offline::{GetDownloadProgress, TaskStatus, WatchError, WatchEvent, WatchPolicy};
use pan123_proto::user::GetUserInfo;
use pan123_proto::{Call, Endpoint, Input, Machine, Pacing, Priority, Session, Step};

use crate::support::server::LATENCY;
use crate::support::watches::{even, follow_many};
use crate::support::{Reply, World, at, millis, path, progress, routine, secs, task};

const MAX: usize = 10;

/// Without a pace.
fn session(max: usize) -> Session {
    let pacing = Pacing::off().max_in_flight(max);
    let builder = Session::builder().access_token("t").pacing(pacing);
    builder.build().unwrap()
}

fn poll(session: &Session) -> Call<pan123_proto::offline::Progress> {
    session.call(&progress()).unwrap()
}

/// How many of these requests, each of which takes a latency, were in flight at most.
fn most_at_once(times: &[Duration]) -> usize {
    let at_once = |at: &Duration| {
        let running = times
            .iter()
            .filter(|sent| *sent <= at && *at < **sent + LATENCY);
        running.count()
    };
    times.iter().map(at_once).max().unwrap_or_default()
}

#[test]
fn a_thousand_watches_without_a_pace_make_no_storm() {
    let mut world = even(secs(5));
    let policy = WatchPolicy::default();
    let watched = follow_many(&mut world, &session(MAX), 1000, &policy);
    world.run();
    for one in &watched {
        let has_succeeded = one.all().into_iter().any(|(_, item)| {
            let progress = item.and_then(Result::ok);
            matches!(progress, Some(WatchEvent::Progress(one)) if one.status == TaskStatus::Succeeded)
        });
        assert!(has_succeeded);
    }
    let times = world.times(path::PROGRESS);
    assert_eq!(most_at_once(&times), MAX);
    let rounds = u32::try_from(times.len() / MAX).unwrap();
    assert_eq!(
        times.last(),
        Some(&(LATENCY * (rounds - 1))),
        "no time is lost"
    );
}

#[test]
fn default_is_a_hundred_of_each_class() {
    let pacing = Pacing::off();
    let builder = Session::builder().access_token("t").pacing(pacing);
    let session = builder.build().unwrap();
    let mut world = World::new(routine);
    for _ in 0..250 {
        world.start(poll(&session));
        world.start(session.call(&GetUserInfo).unwrap());
    }
    world.run();
    for path in [path::PROGRESS, path::USER_INFO] {
        assert_eq!(most_at_once(&world.times(path)), 100, "{path}");
    }
}

#[test]
fn call_that_backs_off_lets_another_go() {
    let mut world = World::new(|view, request| match view.earlier.len() {
        0 => Reply::http(500, ""),
        _ => routine(view, request),
    });
    let session = session(0);
    let calls = [(); 2].map(|()| world.start(poll(&session)));
    world.run();
    assert!(calls.iter().all(|call| call.get().is_ok()));
    let times = world.times(path::PROGRESS);
    assert_eq!(times[..2], [Duration::ZERO, LATENCY]);
    assert_eq!(times.len(), 3);
}

#[test]
fn request_of_a_call_that_is_dropped_counts_no_more() {
    let mut world = World::new(routine);
    let session = session(1);
    let [first, second, third] = [(); 3].map(|()| world.start(poll(&session)));
    world.run_until(millis(1));
    world.abandon(&first);
    world.abandon(&second);
    world.run();
    assert!(third.get().is_ok());
    assert_eq!(world.times(path::PROGRESS), [Duration::ZERO, millis(1)]);
}

#[test]
fn watch_that_is_dropped_while_it_waits_takes_no_turn() {
    for pacing in [Pacing::off().max_in_flight(1), Pacing::default()] {
        let builder = Session::builder().access_token("t").pacing(pacing);
        let session = builder.build().unwrap();
        let mut world = World::new(routine);
        let policy = WatchPolicy::default();
        let watched = follow_many(&mut world, &session, 3, &policy);
        world.run_until(millis(1));
        assert_eq!(world.times(path::PROGRESS).len(), 1);
        world.abandon(&watched[1]);
        let status = session.pace(GetDownloadProgress::RATE, at(millis(1)).mono);
        assert!(status.waiting <= 1, "{status:?}");
        world.run_until(millis(500));
        assert_eq!(watched[2].all().len(), 1);
    }
}

#[test]
fn caller_goes_before_watches() {
    let mut world = World::new(routine);
    let session = session(1);
    follow_many(&mut world, &session, 20, &WatchPolicy::default());
    let call = world.start(poll(&session).priority(Priority::High));
    world.run_until(LATENCY * 2);
    assert!(call.get().is_ok());
}

#[test]
fn wait_for_others_to_end_has_an_end_of_its_own() {
    let session = session(1);
    let mut first = poll(&session);
    assert!(matches!(
        first.resume(at(secs(0)), Input::Wake),
        Step::Transmit(_)
    ));
    let mut second = poll(&session);
    let Step::Wait(wait) = second.resume(at(secs(0)), Input::Wake) else {
        panic!("one is in flight");
    };
    assert_eq!(wait.until, at(secs(10)).mono);
    drop(first);
    assert!(
        wait.signal.wait_until(at(secs(0)).mono),
        "its end wakes the next"
    );
    assert!(matches!(
        second.resume(at(secs(1)), Input::Wake),
        Step::Transmit(_)
    ));
}

#[test]
fn watch_that_waits_for_others_ends_at_its_deadline() {
    let session = session(1);
    let mut running = poll(&session);
    assert!(matches!(
        running.resume(at(secs(0)), Input::Wake),
        Step::Transmit(_)
    ));
    let policy = WatchPolicy::default().deadline(secs(3));
    let mut watch = session.watch(task(), policy);
    let Step::Wait(wait) = watch.resume(at(secs(0)), Input::Wake) else {
        panic!("one is in flight");
    };
    assert_eq!(wait.until, at(secs(3)).mono);
    let step = watch.resume(at(secs(3)), Input::Wake);
    let Step::Ready(Some(Err(WatchError::Deadline { .. }))) = step else {
        panic!("{step:?}");
    };
}
