//! One call in time: backoff, rate limits, deadlines.

use std::time::Duration;

use crate::support::server::LATENCY;
use crate::support::single::{always, ask, create, first, run_ask, run_create};
use crate::support::{Reply, World, at, builder, fixed, gaps, hand, millis, path, routine, secs};
use pan123_proto::user::GetUserInfo;
use pan123_proto::{
    Endpoint, Error, ErrorCode, ErrorKind, Input, Machine, Pacing, RetryPolicy, Session,
    TransportError,
};
use serde_json::json;

#[test]
fn idempotent_call_makes_four_attempts_with_growing_backoff() {
    let (world, asked) = run_ask(always(|| Reply::http(503, "busy")));
    let error = asked.unwrap_err();
    assert_eq!(error.http_status().unwrap(), 503, "the last one is kept");
    assert!(matches!(error, Error::RetriesExhausted { attempts: 4, .. }));
    let times = world.times(path::PROGRESS);
    assert_eq!(times.len(), 4);
    for (gap, most) in gaps(&times).into_iter().zip([500, 1000, 2000]) {
        assert!(gap <= millis(most) + LATENCY, "{times:?}");
    }
}

#[test]
fn backoff_depends_on_the_seed() {
    let times = |seed| {
        let builder = Session::builder().access_token("t").seed(seed);
        let mut world = always(Reply::cut);
        world.start(ask(&builder.build().unwrap()));
        world.run();
        world.times(path::PROGRESS)
    };
    assert_eq!(times(1), times(1));
    assert_ne!(times(1), times(2));
}

#[test]
fn endless_429_ends_by_the_deadline_with_retry_after() {
    let refusals: [fn() -> Reply; 2] = [
        || Reply::code(429, "请求太频繁"),
        || Reply::http(429, "Too Many Requests"),
    ];
    for refusal in refusals {
        let (world, created) = run_create(always(refusal));
        let error = created.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::RateLimited);
        assert!(error.retry_after().unwrap() >= secs(1));
        assert!(error.is_retryable());
        assert!(error.http_status().is_some(), "the last error is kept");
        assert!(world.now() <= secs(120));
        let sent = world.sent().len();
        assert!(
            (5..60).contains(&sent),
            "{sent} requests in {:?}",
            world.now()
        );
        let gaps = gaps(&world.times(path::CREATE));
        assert!(gaps.iter().all(|gap| *gap >= secs(1) + LATENCY));
    }
}

#[test]
fn backoff_after_429_grows() {
    let builder = Session::builder().access_token("t").pacing(Pacing::off());
    let session = builder.build().unwrap();
    let policy = RetryPolicy::default()
        .initial_backoff(secs(2))
        .max_backoff(secs(1000));
    let mut world = always(|| Reply::code(429, "请求太频繁"));
    world
        .output_of(ask(&session).retry(policy).timeout(secs(3600)))
        .unwrap_err();
    let gaps = gaps(&world.times(path::PROGRESS));
    let mut most = secs(2);
    for gap in &gaps {
        assert!(*gap <= most.max(secs(1)) + LATENCY, "{gap:?}");
        most = (most * 2).min(secs(1000));
    }
    let longest = gaps.iter().max();
    assert!(longest > Some(&secs(100)), "{longest:?}");
}

#[test]
fn backoff_past_the_deadline_fails_at_once() {
    for (limit, fails) in [(20, false), (19, true)] {
        let mut world = first(Reply::http(503, "").header("retry-after", "20"));
        let asked = world.start(ask(&fixed()).timeout(secs(limit) + 3 * LATENCY));
        world.run();
        let (when, result) = asked.timed();
        let kind = result.err().map(|error| error.kind());
        assert_eq!(kind, fails.then_some(ErrorKind::Deadline), "{limit}");
        assert_eq!(when == LATENCY, fails, "{when:?}");
    }
}

#[test]
fn retry_after_past_the_deadline_fails_at_once() {
    let mut world = first(Reply::code(429, "").header("retry-after", "200"));
    let created = world.start(create(&fixed()));
    world.run();
    let (when, result) = created.timed();
    let error = result.unwrap_err();
    assert_eq!((when, error.retry_after()), (LATENCY, Some(secs(200))));
    assert_eq!(error.code(), Some(ErrorCode::RateLimited));
}

#[test]
fn retry_after_of_a_503_is_respected() {
    let mut world = first(Reply::http(503, "").header("retry-after", "20"));
    world.output_of(ask(&fixed())).unwrap();
    let expected = [Duration::ZERO, LATENCY + secs(20)];
    assert_eq!(world.times(path::PROGRESS), expected);
}

#[test]
fn create_is_not_sent_with_less_than_a_second_left() {
    let mut world = World::new(routine);
    let session = fixed();
    let hurried = world.start(create(&session).timeout(millis(999)));
    let unhurried = world.start(create(&session).timeout(millis(1000)));
    // The next slot comes after a second, and too late for this one.
    let queued = world.start(create(&session).timeout(millis(1500)));
    world.run();
    assert_eq!(hurried.get().unwrap_err().kind(), ErrorKind::Deadline);
    unhurried.get().unwrap();
    assert_eq!(queued.get().unwrap_err().kind(), ErrorKind::QueueTooLong);
    assert_eq!(world.sent().len(), 1);
}

#[test]
fn deadline_counts_from_the_first_step() {
    let mut world = World::new(routine);
    let made_early = ask(&fixed()).timeout(secs(1));
    world.run_until(secs(1000));
    world.output_of(made_early).unwrap();

    let mut silent = World::new(|_, _| Reply::hang());
    let call = ask(&fixed()).timeout(secs(5));
    let asked = silent.start(call);
    silent.run();
    let (when, result) = asked.timed();
    assert_eq!(
        (when, result.unwrap_err().kind()),
        (secs(5), ErrorKind::Deadline)
    );
}

#[test]
fn request_timeout_is_capped_by_the_deadline() {
    let session = fixed();
    for (start, timeout, expected) in [(0, 120, 30), (1, 8, 8)] {
        let mut call = session.call(&GetUserInfo).unwrap().timeout(secs(timeout));
        let transmit = hand::transmit(call.resume(at(secs(start)), Input::Wake));
        assert_eq!(transmit.timeout, secs(expected));
    }
}

#[test]
fn response_is_used_even_after_the_deadline() {
    let session = fixed();
    let mut call = create(&session).timeout(secs(2));
    hand::transmit(call.resume(at(secs(0)), Input::Wake));
    let answer = hand::data(json!({"taskID": 9}));
    let result = hand::ready(call.resume(at(secs(50)), answer));
    assert_eq!(result.unwrap().task.get(), 9);

    let mut call = session.call(&GetUserInfo).unwrap().timeout(secs(2));
    hand::transmit(call.resume(at(secs(0)), Input::Wake));
    let refusal = hand::code(5066, "gone");
    let error = hand::ready(call.resume(at(secs(50)), refusal)).unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::FileNotFound));
}

#[test]
fn deadline_error_keeps_the_last_failure() {
    let mut world = always(|| Reply::http(503, "busy").after(secs(3)));
    let call = ask(&fixed()).retry(RetryPolicy::default().max_attempts(u32::MAX));
    let error = world.output_of(call.timeout(secs(10))).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Deadline);
    assert!(world.now() <= secs(10));
    assert!(world.sent().len() >= 3);
}

#[test]
fn settings_accept_any_duration() {
    let endless = RetryPolicy::default()
        .max_attempts(u32::MAX)
        .initial_backoff(Duration::MAX)
        .max_backoff(Duration::MAX);
    let refusals: [fn() -> Reply; 4] = [
        || Reply::code(429, "").header("retry-after", "9999999999"),
        || Reply::http(503, ""),
        || Reply::failure(TransportError::never_left("refused")),
        || Reply::code(1, ""),
    ];
    for refusal in refusals {
        for (seed, refused) in (0..20).zip([path::TOKEN, path::USER_INFO].into_iter().cycle()) {
            let rate = <GetUserInfo as Endpoint>::RATE;
            let pacing = Pacing::default().every(rate, Duration::MAX);
            let builder = builder().seed(seed).retry(endless.clone()).pacing(pacing);
            let session = builder.build().unwrap();
            let mut world = World::new(move |view, request| {
                if request.uri().path() == refused {
                    return refusal();
                }
                routine(view, request)
            });
            for timeout in [Duration::ZERO, secs(60), Duration::MAX] {
                let call = session.call(&GetUserInfo).unwrap();
                world.start(call.timeout(timeout));
            }
            world.run_until(secs(100 * 365 * 24 * 3600));
        }
    }
}
