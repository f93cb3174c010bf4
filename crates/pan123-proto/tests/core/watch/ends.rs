//! How a watch ends.

use std::time::Duration;

use crate::support::server::LATENCY;
use crate::support::watches::{end_error, events_and_end, follow_many, polls, run, status, watch};
use crate::support::{Reply, World, at, fixed, hand, path, routine, secs, session, task};
use pan123_proto::offline::{
    GetDownloadProgress, Progress, TaskStatus, WatchError, WatchEvent, WatchPolicy,
};
use pan123_proto::{
    Endpoint, Error, ErrorKind, Input, Machine, Pacing, RetryPolicy, Session, TransportError,
};
use serde_json::json;

#[test]
fn failed_download_is_an_error_with_its_task() {
    let world = polls(|number| status(10.0, i64::from(number == 2)));
    let (_, watched) = run(world, WatchPolicy::default());
    let (_, error) = end_error(&watched);
    let WatchError::DownloadFailed {
        task: failed, last, ..
    } = error
    else {
        panic!("{error:?}");
    };
    assert_eq!((failed, last.status), (task(), TaskStatus::Failed));
}

#[test]
fn watch_ends_at_its_deadline_although_polls_succeed() {
    let policy = WatchPolicy::default().deadline(secs(100));
    let world = World::new(|view, _| match view.earlier.len() {
        3 => Reply::code(1, "内部错误"),
        _ => status(view.at.as_secs_f64() / 2.0, 0),
    });
    let (_, watched) = run(world, policy);
    let (when, error) = end_error(&watched);
    assert!(error.polls().is_none(), "an old failure: {error}");
    assert!(matches!(error, WatchError::Deadline { .. }), "{error:?}");
    assert_eq!(when, secs(100));
    assert!(error.last().unwrap().percent > Some(35.0));
    assert_eq!(error.task(), task());
}

#[test]
fn poll_in_flight_at_the_deadline_is_cut_short() {
    let policy = WatchPolicy::default().deadline(secs(10));
    let (_, watched) = run(polls(|_| Reply::hang()), policy);
    let (events, error) = events_and_end(&watched);
    let (when, error) = error.unwrap();
    assert!(matches!(error, WatchError::Deadline { last: None, .. }));
    assert_eq!((when, events.len()), (secs(10), 0));
}

#[test]
fn progress_received_after_the_deadline_is_kept_in_the_error() {
    let policy = WatchPolicy::default().deadline(secs(10));
    let mut watch = fixed().watch(task(), policy);
    hand::transmit(watch.resume(at(secs(0)), Input::Wake));
    let running = hand::data(json!({"process": 70, "status": 0}));
    let item = hand::ready(watch.resume(at(secs(11)), running));
    let Some(Err(WatchError::Deadline {
        last: Some(last), ..
    })) = item
    else {
        panic!("{item:?}");
    };
    assert_eq!(last.status, TaskStatus::Running);
    assert!(hand::ready(watch.resume(at(secs(11)), Input::Wake)).is_none());
}

#[test]
fn success_received_after_the_deadline_counts() {
    let policy = WatchPolicy::default().deadline(secs(10));
    let session = fixed();
    let mut watch = session.watch(task(), policy);
    hand::transmit(watch.resume(at(secs(0)), Input::Wake));
    let done = hand::data(json!({"process": 100, "status": 2}));
    let item = hand::ready(watch.resume(at(secs(11)), done));
    assert!(
        matches!(item, Some(Ok(WatchEvent::Progress(_)))),
        "{item:?}"
    );
    assert!(hand::ready(watch.resume(at(secs(11)), Input::Wake)).is_none());
}

#[test]
fn watch_stalls_after_half_an_hour_without_progress() {
    // Something changes once, after ten minutes.
    let world = World::new(|view, _| status(if view.at < secs(600) { 5.0 } else { 6.0 }, 0));
    let (_, watched) = run(world, WatchPolicy::default());
    let (when, error) = end_error(&watched);
    let WatchError::Stalled {
        last: Some(last), ..
    } = error
    else {
        panic!("{error:?}");
    };
    assert!(last.percent > Some(5.0), "the latest one: {last:?}");
    let half_an_hour = secs(600 + 1800)..secs(600 + 1800 + 32);
    assert!(half_an_hour.contains(&when), "{when:?}");
}

#[test]
fn percentage_that_is_not_known_is_no_progress() {
    let percents = |number: usize, rise: f64| match number % 3 {
        #[expect(clippy::cast_precision_loss, reason = "few polls")]
        0 => json!(30.0 + rise * number as f64),
        1 => json!(null),
        _ => json!("100%"),
    };
    for (rise, stalls) in [(0.0, true), (1e-3, false)] {
        let world = polls(move |number| match number {
            400 => status(100.0, 2),
            _ => Reply::data(json!({"process": percents(number, rise), "status": 0})),
        });
        let (_, watched) = run(world, WatchPolicy::default());
        let (events, end) = events_and_end(&watched);
        assert_eq!(end.is_some(), stalls, "{end:?}");
        if let Some((when, error)) = end {
            assert!(matches!(error, WatchError::Stalled { .. }), "{error:?}");
            assert!((secs(1800)..secs(1900)).contains(&when), "{when:?}");
        }
        let unknown = |event: &WatchEvent| match event {
            WatchEvent::Progress(progress) => progress.percent.is_none(),
            _ => false,
        };
        assert!(events.iter().filter(|event| unknown(event)).count() > 50);
    }
}

#[test]
fn change_of_status_alone_counts_as_progress() {
    let world = World::new(|view, _| match view.at.as_secs() {
        0..1500 => status(0.0, 3),
        1500..3000 => status(0.0, 0),
        _ => status(100.0, 2),
    });
    let (_, watched) = run(world, WatchPolicy::default());
    assert!(events_and_end(&watched).1.is_none());
}

#[test]
fn polls_without_an_answer_are_no_stall_but_the_cause_at_the_deadline() {
    let policy = WatchPolicy::default()
        .max_failed_polls(u32::MAX)
        .deadline(secs(3 * 3600));
    let answers: [fn() -> Reply; 2] = [|| Reply::http(503, ""), || status(1.0, 0)];
    for (before, last) in [(0, None), (1, Some(1.0))] {
        let server = polls(move |number| answers[usize::from(number < before)]());
        let (_, watched) = run(server, policy.clone());
        let (when, error) = end_error(&watched);
        assert!(matches!(error, WatchError::Deadline { .. }), "{error:?}");
        assert_eq!(when, secs(3 * 3600));
        assert_eq!(error.last().and_then(|progress| progress.percent), last);
        assert!(error.to_string().contains("HTTP 503"), "{error}");
        assert_eq!(Error::from(error).http_status().unwrap(), 503);
    }
}

#[test]
fn watch_ends_after_ten_failed_polls_in_a_row() {
    let (world, watched) = run(
        polls(|_| Reply::code(1, "内部错误")),
        WatchPolicy::default(),
    );
    let (events, error) = events_and_end(&watched);
    assert_eq!(events.len(), 9);
    let Some((_, WatchError::Polls { error, .. })) = error else {
        panic!("{error:?}");
    };
    assert_eq!(error.kind(), ErrorKind::Api);
    assert_eq!(world.sent().len(), 10);
}

#[test]
fn end_keeps_the_error_of_the_failed_polls() {
    let policy = WatchPolicy::default().max_failed_polls(1);
    let (_, watched) = run(polls(|_| Reply::code(1, "内部错误")), policy.clone());
    let (_, error) = end_error(&watched);
    assert_eq!(error.polls().unwrap().kind(), ErrorKind::Api);
    let error = pan123_proto::Error::from(error);
    assert_eq!(error.trace_id(), Some("trace"));

    let lost = || Reply::failure(TransportError::interrupted(std::io::Error::other("cause")));
    let (_, watched) = run(polls(move |_| lost()), policy);
    let (_, error) = end_error(&watched);
    let cause = std::error::Error::source(&error).unwrap();
    assert!(cause.to_string().contains("cause"), "{cause}");
    assert!(WatchError::polls(&error).is_some());
}

#[test]
fn to_end_of_a_finished_watch_repeats_its_end() {
    for (number, kind) in [(1, "failed"), (0, "was stopped")] {
        let mut watch = watch(&fixed());
        let now = at(Duration::ZERO);
        hand::transmit(watch.resume(now, Input::Wake));
        let seen = hand::data(json!({"process": 10, "status": number}));
        assert!(hand::ready(watch.resume(now, seen)).is_some());
        watch.handle().stop();
        while hand::ready(watch.resume(now, Input::Wake)).is_some() {}
        let error = hand::ready(watch.to_end().resume(now, Input::Wake)).unwrap_err();
        assert!(error.to_string().contains(kind), "{error}");
    }
}

/// A service that cannot be reached from `from` to `until`, each attempt of a poll failing after `after`, and a task that succeeds at
/// `end`.
fn outage(from: Duration, until: Duration, after: Duration, end: Duration) -> World {
    World::new(move |view, _| match view.at {
        at if at >= from && at < until => {
            Reply::failure(TransportError::never_left("refused")).after(after)
        }
        at if at >= end => status(100.0, 2),
        at => status(at.as_secs_f64() / end.as_secs_f64() * 100.0, 0),
    })
}

#[test]
fn outage_of_the_network_does_not_end_a_watch() {
    let hasty = WatchPolicy::default()
        .interval(Duration::ZERO)
        .max_interval(Duration::ZERO);
    for (policy, after) in [
        (WatchPolicy::default(), LATENCY),
        (WatchPolicy::default(), secs(10)),
        (hasty, LATENCY),
    ] {
        let world = outage(secs(100), secs(100 + 28 * 60), after, secs(2000));
        let (world, watched) = run(world, policy);
        let (events, error) = events_and_end(&watched);
        assert!(error.is_none(), "{error:?}");
        let failed = events
            .iter()
            .filter(|event| matches!(event, WatchEvent::PollFailed(_)));
        let failed = failed.count();
        assert!((25..120).contains(&failed), "{failed} polls failed");
        // The last poll before the outage ends is followed within 15 s by one that finds it over.
        let times = world.times(path::PROGRESS);
        let back = times.iter().find(|at| **at >= secs(100 + 28 * 60));
        assert!(*back.unwrap() < secs(100 + 28 * 60 + 16), "{back:?}");
    }
}

#[test]
fn outage_does_not_end_a_watch_that_polls_rarely() {
    for interval in [secs(600), secs(1800), secs(3600)] {
        for lasts in [secs(5), secs(600), secs(29 * 60)] {
            let from = secs(3600 - 2);
            let policy = WatchPolicy::default()
                .interval(interval)
                .max_interval(interval);
            let (world, watched) = run(outage(from, from + lasts, LATENCY, secs(7000)), policy);
            let (_, error) = events_and_end(&watched);
            assert!(error.is_none(), "{interval:?}, {lasts:?}: {error:?}");
            let times = world.times(path::PROGRESS);
            let back = times.iter().find(|at| **at >= from + lasts).unwrap();
            assert!(*back < from + lasts + secs(20), "{back:?}");
        }
    }
}

#[test]
fn failed_poll_is_followed_after_the_wait_that_the_service_asks_for() {
    let busy = || Reply::http(503, "").header("retry-after", "250");
    let world = World::new(move |view, _| match view.at.as_secs() {
        0..700 => busy(),
        _ => status(100.0, 2),
    });
    let (world, watched) = run(world, WatchPolicy::default());
    let (events, error) = events_and_end(&watched);
    assert!(error.is_none(), "{error:?}");
    assert_eq!((events.len(), world.sent().len()), (4, 4));
}

#[test]
fn outage_that_lasts_ends_a_watch_after_half_an_hour() {
    let never = secs(1_000_000);
    for (after, policy, most) in [
        (LATENCY, WatchPolicy::default(), secs(1800 + 20)),
        (secs(10), WatchPolicy::default(), secs(1800 + 100)),
        (
            LATENCY,
            WatchPolicy::default().unreachable_timeout(secs(60)),
            secs(60 + 30),
        ),
    ] {
        let (_, watched) = run(outage(secs(100), never, after, never), policy);
        let (events, error) = events_and_end(&watched);
        let (when, error) = error.unwrap();
        assert!(matches!(error, WatchError::Polls { .. }), "{error:?}");
        assert!(
            error.to_string().contains("could not be reached"),
            "{error}"
        );
        assert!(error.is_retryable() && error.last().is_some());
        assert!(events.len() > 10, "{} events", events.len());
        let in_time = when < secs(100) + most && when >= most;
        assert!(in_time, "{when:?}");
    }
    // A token that cannot be fetched is no different.
    let mut world = outage(Duration::ZERO, never, LATENCY, never);
    let watched = world.follow(watch(&session()));
    world.run();
    let (when, error) = end_error(&watched);
    assert!(when > secs(1800) && when < secs(1800 + 40), "{when:?}");
    assert_eq!(error.polls().unwrap().kind(), ErrorKind::Token);
}

#[test]
fn poll_that_never_left_neither_counts_as_failed_nor_makes_the_failed_ones_forgotten() {
    let policy = WatchPolicy::default().max_failed_polls(3);
    let once = RetryPolicy::none();
    let builder = Session::builder().access_token("t").retry(once);
    let session = builder.build().unwrap();
    let mut world = polls(|number| match number {
        3 | 6 | 9 => Reply::code(1, "内部错误"),
        _ => Reply::failure(TransportError::never_left("refused")),
    });
    let watched = world.follow(session.watch(task(), policy));
    world.run();
    let (events, error) = events_and_end(&watched);
    assert_eq!(events.len(), 9);
    let error = error.unwrap().1;
    assert_eq!(error.polls().unwrap().kind(), ErrorKind::Api, "{error}");
}

/// Twenty watches whose turn comes every 2,000 s, like that of ten thousand at the default pace.
#[test]
fn rarely_polled_watches_neither_stall_nor_end_by_an_outage() {
    let pacing = Pacing::default().every(GetDownloadProgress::RATE, secs(100));
    let builder = Session::builder().access_token("t").pacing(pacing);
    let session = builder.retry(RetryPolicy::none()).build().unwrap();
    let mut world = World::new(|view, _| match view.at.as_secs() {
        4000..4300 => Reply::failure(TransportError::never_left("refused")),
        70_000.. => status(100.0, 2),
        _ => status(0.0, 0),
    });
    let watched = follow_many(&mut world, &session, 20, &WatchPolicy::default());
    world.run();
    for one in watched {
        let (events, error) = events_and_end(&one);
        assert!(error.is_none(), "{error:?}");
        assert!((30..40).contains(&events.len()), "{}", events.len());
    }
}

#[test]
fn suspended_machine_neither_stalls_nor_is_unreachable() {
    let night = 8 * 3600;
    let mut world = World::new(move |view, _| match view.at.as_secs() {
        at if at < night => status(1.0, 0),
        at if at < night + 600 => Reply::failure(TransportError::never_left("refused")),
        at if at < night + 1500 => status(1.0, 0),
        _ => status(100.0, 2),
    });
    let watched = world.follow(watch(&fixed()));
    world.run_until(secs(10));
    world.suspend(secs(night));
    world.run();
    let (_, error) = events_and_end(&watched);
    assert!(error.is_none(), "{error:?}");
}

#[test]
fn successful_poll_resets_the_failure_count() {
    let world = polls(|number| match number {
        40 => status(100.0, 2),
        number if number % 10 == 9 => status(1.0, 0),
        _ => Reply::code(1, "内部错误"),
    });
    let (_, watched) = run(world, WatchPolicy::default());
    assert!(events_and_end(&watched).1.is_none());
}

#[test]
fn max_failed_polls_is_a_setting_of_at_least_one() {
    for (setting, sent) in [(0, 1), (1, 1), (3, 3)] {
        let policy = WatchPolicy::default().max_failed_polls(setting);
        let (world, watched) = run(polls(|_| Reply::code(1, "")), policy);
        assert!(matches!(end_error(&watched).1, WatchError::Polls { .. }));
        assert_eq!(world.sent().len(), sent);
    }
}

#[test]
fn wrong_credentials_end_a_watch_at_once() {
    let mut world = World::new(|_, _| Reply::code(401, "no"));
    let issued = world.follow(watch(&session()));
    world.run();
    let given = world.follow(watch(&fixed()));
    world.run();
    for (watched, kind) in [
        (issued, ErrorKind::Credentials),
        (given, ErrorKind::Unauthorized),
    ] {
        let (events, error) = events_and_end(&watched);
        let Some((
            _,
            WatchError::Polls {
                error, last: None, ..
            },
        )) = error
        else {
            panic!("{error:?}");
        };
        assert_eq!((error.kind(), events.len()), (kind, 0));
    }
    assert_eq!(world.sent().len(), 2);
}

#[test]
fn wrong_credentials_end_all_watches_before_their_turns() {
    let mut world = World::new(|_, _| Reply::code(401, "no"));
    let watched = follow_many(&mut world, &session(), 50, &WatchPolicy::default());
    world.run();
    let ends = watched.iter().map(|one| end_error(one).0);
    assert!(ends.max() < Some(secs(1)));
}

#[test]
fn replaceable_token_does_not_end_a_watch() {
    let mut world = World::new(|view, request| match request.uri().path() {
        path::PROGRESS if view.at < secs(100) => Reply::code(401, "token is expired"),
        path::PROGRESS => status(100.0, 2),
        _ => routine(view, request),
    });
    let watched = world.follow(watch(&session()));
    world.run();
    let (events, error) = events_and_end(&watched);
    assert!(error.is_none(), "{error:?}");
    assert!(matches!(events[0], WatchEvent::PollFailed(_)));
    let issued = world.sent_to(path::TOKEN).len();
    assert!(issued <= 7, "{issued} tokens");
}

#[test]
fn slot_past_the_end_of_the_watch_is_its_deadline() {
    let mut world = World::new(routine);
    let session = fixed();
    let policy = WatchPolicy::default().deadline(secs(10));
    let watched = follow_many(&mut world, &session, 200, &policy);
    world.run();
    for one in watched {
        let (events, error) = events_and_end(&one);
        assert!(matches!(error, Some((_, WatchError::Deadline { .. }))));
        let failed = |event: &WatchEvent| matches!(event, WatchEvent::PollFailed(_));
        assert!(!events.iter().any(failed));
    }
    assert!(world.now() <= secs(10) + LATENCY);
}

#[test]
fn policy_accepts_any_duration() {
    let endless = WatchPolicy::default()
        .interval(Duration::MAX)
        .max_interval(Duration::MAX)
        .deadline(Duration::MAX)
        .stall_timeout(Duration::MAX)
        .unreachable_timeout(Duration::MAX)
        .max_failed_polls(u32::MAX);
    let refused = || Reply::failure(TransportError::never_left("refused"));
    let year = secs(365 * 24 * 3600);
    for (reply, lasts) in [
        ((|| status(1.0, 0)) as fn() -> Reply, 100 * year),
        (|| Reply::code(1, ""), 100 * year),
        (Reply::hang, 100 * year),
        // Polled every 15 s.
        (refused, year / 365),
    ] {
        let mut world = polls(move |_| reply());
        let watched = world.follow(fixed().watch(task(), endless.clone()));
        world.run_until(lasts);
        assert!(!watched.all().is_empty());
    }
}

/// A function that creates and waits can return one error type.
#[test]
fn watch_error_converts_to_error() {
    let mut watch = fixed().watch(task(), WatchPolicy::default()).to_end();
    hand::transmit(watch.resume(at(secs(0)), Input::Wake));
    let failed = hand::data(json!({"process": 0, "status": 1}));
    for input in [failed, Input::Wake] {
        let end = hand::ready(watch.resume(at(secs(1)), input)).unwrap_err();
        assert!(matches!(end, WatchError::DownloadFailed { .. }), "{end}");
        assert_eq!(end.last(), Some(Progress::new(0.0, TaskStatus::Failed)));
        let text = end.to_string();
        let error = Error::from(end);
        assert_eq!((error.kind(), error.to_string()), (ErrorKind::Watch, text));
        assert!(!error.is_retryable());
    }
}
