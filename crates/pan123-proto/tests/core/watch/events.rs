//! The events of a watch, and when it polls.

use std::time::Duration;

use crate::support::server::LATENCY;
use crate::support::watches::{
    even, events_and_end, follow_many, poll_gaps, polls, run, status, watch,
};
use crate::support::{Reply, World, at, fixed, millis, path, routine, secs, task};
use pan123_proto::offline::{
    GetDownloadProgress, Progress, TaskStatus, WatchError, WatchEvent, WatchPolicy,
};
use pan123_proto::{Endpoint, ErrorKind, Pacing, Session};

#[test]
fn first_poll_is_immediate_and_yields_before_any_wait() {
    let mut world = even(secs(60));
    let watched = world.follow(watch(&fixed()));
    world.run_until(LATENCY);
    let (when, first) = watched.all().remove(0);
    let Some(Ok(WatchEvent::Progress(progress))) = first else {
        panic!("{first:?}");
    };
    assert_eq!(when, LATENCY);
    assert_eq!(
        (progress.percent, progress.status),
        (Some(0.0), TaskStatus::Running)
    );
}

#[test]
fn task_is_followed_for_two_hours() {
    let (world, watched) = run(even(secs(7200)), WatchPolicy::default());
    let (events, error) = events_and_end(&watched);
    assert!(error.is_none(), "{error:?}");
    let Some(WatchEvent::Progress(last)) = events.last() else {
        panic!("{:?}", events.last());
    };
    assert_eq!(
        (last.percent, last.status),
        (Some(100.0), TaskStatus::Succeeded)
    );
    assert!(world.now() < secs(7200 + 2), "{:?}", world.now());
    let asked = world.sent().len();
    assert!((480..520).contains(&asked), "{asked} polls");
    assert_eq!(events.len(), asked, "one event a poll");
}

#[test]
fn poll_interval_grows_to_fifteen_seconds() {
    let (world, _) = run(even(secs(7200)), WatchPolicy::default());
    let gaps = poll_gaps(&world);
    assert_eq!(gaps[0], secs(1) + LATENCY);
    assert_eq!(gaps[1], millis(1500) + LATENCY);
    for pair in gaps[..100].windows(2) {
        assert!(pair[0] <= pair[1]);
    }
    assert_eq!(*gaps.iter().max().unwrap(), secs(15) + LATENCY);
}

#[test]
fn polls_are_more_frequent_near_the_expected_end() {
    // The end comes 7 s after a poll, at a time when 15 s lie between two.
    let ten_minutes = secs(600);
    let (world, _) = run(even(ten_minutes), WatchPolicy::default());
    let times = world.times(path::PROGRESS);
    let last = *times.last().unwrap();
    assert!(last <= ten_minutes + secs(1) + LATENCY, "{last:?}");
    let gaps = poll_gaps(&world);
    assert!(gaps.contains(&(secs(15) + LATENCY)));
    assert!(*gaps.last().unwrap() < secs(14), "{gaps:?}");
    assert!(gaps.iter().all(|gap| *gap >= secs(1)));
}

#[test]
fn policy_sets_the_poll_interval() {
    let policy = WatchPolicy::default()
        .interval(secs(3))
        .max_interval(secs(4));
    let (world, _) = run(even(secs(600)), policy);
    let gaps = poll_gaps(&world);
    assert_eq!(
        gaps[..3],
        [secs(3), secs(4), secs(4)].map(|gap| gap + LATENCY)
    );
}

#[test]
fn zero_interval_polls_at_the_pace_of_the_class() {
    let policy = WatchPolicy::default().interval(Duration::ZERO);
    let (world, _) = run(even(secs(20)), policy);
    assert!(poll_gaps(&world).iter().all(|gap| *gap >= millis(200)));
    assert_eq!(world.sent().len(), 101);
}

#[test]
fn failed_poll_is_an_event_and_not_the_end() {
    // The second poll fails in all four of its attempts.
    let world = polls(|number| match number {
        0 => status(10.0, 0),
        1..=4 => Reply::cut(),
        5 => status(50.0, 0),
        _ => status(100.0, 2),
    });
    let (_, watched) = run(world, WatchPolicy::default());
    let (events, error) = events_and_end(&watched);
    assert!(error.is_none(), "{error:?}");
    let [
        WatchEvent::Progress(_),
        WatchEvent::PollFailed(failed),
        WatchEvent::Progress(half),
        WatchEvent::Progress(done),
    ] = &events[..]
    else {
        panic!("{events:?}");
    };
    assert_eq!(failed.kind(), ErrorKind::RetriesExhausted);
    assert_eq!((half.percent, done.percent), (Some(50.0), Some(100.0)));
}

#[test]
fn unknown_status_and_retrying_do_not_end_a_watch() {
    let world = polls(|number| match number {
        0 => status(50.0, 13),
        1 => status(0.0, 3),
        2 => status(0.0, -1),
        3 => status(100.0, 0),
        _ => status(100.0, 2),
    });
    let (_, watched) = run(world, WatchPolicy::default());
    let (events, error) = events_and_end(&watched);
    assert!(error.is_none(), "{error:?}");
    let statuses: Vec<_> = events
        .iter()
        .map(|event| match event {
            WatchEvent::Progress(progress) => progress.status,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(
        statuses,
        [
            TaskStatus::Other(13),
            TaskStatus::Retrying,
            TaskStatus::Other(-1),
            TaskStatus::Running,
            TaskStatus::Succeeded
        ]
    );
}

#[test]
fn long_wait_for_a_slot_is_not_a_failed_poll() {
    let mut world = World::new(|view, request| {
        if view.at > secs(150) {
            return status(100.0, 2);
        }
        routine(view, request)
    });
    let session = fixed();
    let watched = follow_many(&mut world, &session, 1000, &WatchPolicy::default());
    world.run();
    for one in watched {
        let (events, error) = events_and_end(&one);
        assert!(error.is_none(), "{error:?}");
        let all_good = events
            .iter()
            .all(|event| matches!(event, WatchEvent::Progress(_)));
        assert!(all_good);
    }
}

#[test]
fn to_end_returns_only_the_end() {
    let mut world = even(secs(7200));
    let done = world.output_of(watch(&fixed()).to_end()).unwrap();
    assert_eq!(done.task, task());
    assert_eq!(done.progress.status, TaskStatus::Succeeded);

    let mut world = polls(|number| match number {
        0 => Reply::code(1, ""),
        number => status(0.0, i64::from(number > 2)),
    });
    let error = world.output_of(watch(&fixed()).to_end()).unwrap_err();
    assert!(matches!(error, WatchError::DownloadFailed { .. }));
    assert!(error.to_string().contains("394756 failed"), "{error}");
}

#[test]
fn dropped_watch_frees_its_slot() {
    let mut world = World::new(routine);
    let pacing = Pacing::default().every(GetDownloadProgress::RATE, secs(10));
    let builder = Session::builder().access_token("t").pacing(pacing);
    let session = builder.build().unwrap();
    let first = world.follow(watch(&session));
    let second = world.follow(watch(&session));
    world.run_until(secs(2));
    assert_eq!(
        session
            .pace(GetDownloadProgress::RATE, at(secs(2)).mono)
            .waiting,
        2
    );
    world.abandon(&second);
    world.abandon(&first);
    assert_eq!(
        session
            .pace(GetDownloadProgress::RATE, at(secs(2)).mono)
            .waiting,
        0
    );
}

#[test]
fn any_percentage_is_harmless() {
    let values = [-1e308, 1e308, 0.0, 1e-308, -0.0, 250.0, 99.9];
    let world = polls(move |number| match values.get(number) {
        Some(percent) => status(*percent, 0),
        None => status(100.0, 2),
    });
    let (world, watched) = run(world, WatchPolicy::default());
    let (events, error) = events_and_end(&watched);
    assert!(error.is_none());
    let seen = |event: &WatchEvent| match event {
        WatchEvent::Progress(Progress { percent, .. }) => (0.0..=100.0).contains(&percent.unwrap()),
        _ => false,
    };
    assert!(events.iter().all(seen));
    assert!(poll_gaps(&world).iter().all(|gap| *gap >= secs(1)));
}
