//! The fetch of a token: one for all callers, whatever becomes of it.

use std::time::Duration;

use crate::support::callers::{
    ask_many, ask_user, assert_all_well, assert_many_succeed, get_user, kinds, unpaced,
};
use crate::support::server::{LATENCY, token_in};
use crate::support::single::ask;
use crate::support::{
    Plan, Reply, ServerView, World, at, builder, elapsed, hand, millis, path, routine, secs,
    session,
};
use bytes::Bytes;
use http::Request;
use pan123_proto::user::GetUserInfo;
use pan123_proto::{ErrorKind, Input, Machine, RetryPolicy, TransportError};
use serde_json::json;

#[test]
fn cold_start_fetches_one_token_for_all_callers() {
    let mut world = World::new(routine);
    let session = unpaced();
    assert_many_succeed(&mut world, &session, 64);
    assert_eq!(world.times(path::TOKEN), [Duration::ZERO]);
    assert_eq!(world.detached(), 1);
    assert_eq!(
        world.times(path::USER_INFO),
        [LATENCY; 64],
        "all continue at once"
    );
}

#[test]
fn dropped_fetch_is_taken_over_at_once() {
    let slow =
        |view: &ServerView<'_>, request: &Request<Bytes>| routine(view, request).after(secs(5));
    let mut world = World::new(slow).plan(|nth| match nth {
        0 => Plan::InPlace,
        _ => Plan::Detach,
    });
    let session = unpaced();
    let leaving = ask_user(&mut world, &session);
    let staying = ask_many(&mut world, &session, 8);
    world.run_until(secs(1));
    world.abandon(&leaving);
    world.run();
    assert_all_well(&staying);
    assert_eq!(world.times(path::TOKEN), [Duration::ZERO, secs(1)]);
}

#[test]
fn repeatedly_dropped_fetches_cool_down() {
    let slow =
        |view: &ServerView<'_>, request: &Request<Bytes>| routine(view, request).after(secs(5));
    let mut world = World::new(slow).plan(|nth| match nth {
        0 | 1 => Plan::InPlace,
        _ => Plan::Detach,
    });
    let session = unpaced();
    let asked = ask_many(&mut world, &session, 3);
    world.run_until(secs(1));
    world.abandon(&asked[0]);
    world.run_until(secs(2));
    world.abandon(&asked[1]);
    world.run();
    asked[2].get().unwrap();
    // The pause counts from the last step of the second fetch.
    assert_eq!(
        world.times(path::TOKEN),
        [Duration::ZERO, secs(1), secs(31)]
    );
}

#[test]
fn driver_that_drops_every_fetch_does_not_spin() {
    let mut world = World::new(routine).plan(|_| Plan::Drop);
    let asked = ask_user(&mut world, &session());
    world.run();
    let (when, result) = asked.timed();
    assert_eq!(
        (when, result.unwrap_err().kind()),
        (secs(120), ErrorKind::Deadline)
    );
    assert!(world.detached() <= 8, "{} fetches", world.detached());
    assert!(world.sent().is_empty());
}

#[test]
fn leaked_fetch_is_taken_over_after_its_lease() {
    let mut world = World::new(routine).plan(|nth| match nth {
        0 => Plan::Leak,
        _ => Plan::Detach,
    });
    assert_many_succeed(&mut world, &unpaced(), 4);
    // The timeout of a request, and a margin.
    assert_eq!(world.times(path::TOKEN), [secs(40)]);
}

/// After a suspend another caller may be resumed before the driver of the request that was in flight.
#[test]
fn suspended_fetch_is_not_joined_by_a_second_one() {
    let session = unpaced();
    let mut first = session.call(&GetUserInfo).unwrap();
    let mut fetch = hand::detached(first.resume(at(secs(0)), Input::Wake));
    hand::transmit(fetch.resume(at(secs(0)), Input::Wake));
    let resumed = secs(9000);
    let mut second = session.call(&GetUserInfo).unwrap();
    let wait = hand::wait(second.resume(at(resumed), Input::Wake));
    assert_eq!(elapsed(wait.until), resumed + secs(10));
    let token = hand::data(json!({"accessToken": "token-1"}));
    hand::ready(fetch.resume(at(resumed), token));
    assert!(wait.signal.wait_until(at(resumed).mono), "it is woken");
    let sent = hand::transmit(second.resume(at(resumed), Input::Wake));
    assert_eq!(token_in(sent.request.headers()), "token-1");
}

#[test]
fn slow_fetch_keeps_its_lease() {
    let mut world = World::new(|view, request| match request.uri().path() {
        path::TOKEN if view.count(path::TOKEN) == 0 => Reply::hang(),
        path::TOKEN => routine(view, request).after(secs(29)),
        _ => routine(view, request),
    });
    assert_many_succeed(&mut world, &unpaced(), 4);
    assert_eq!(world.detached(), 1);
    assert_eq!(world.sent_to(path::TOKEN).len(), 2);
}

#[test]
fn fetch_without_lease_sends_nothing() {
    let session = unpaced();
    let mut first = session.call(&GetUserInfo).unwrap();
    let mut lost = hand::detached(first.resume(at(secs(0)), Input::Wake));
    hand::transmit(lost.resume(at(secs(0)), Input::Wake));
    let mut second = session.call(&GetUserInfo).unwrap();
    let mut taken_over = hand::detached(second.resume(at(secs(41)), Input::Wake));
    hand::transmit(taken_over.resume(at(secs(41)), Input::Wake));

    let broken = Input::Failed(TransportError::never_left("refused"));
    hand::ready(lost.resume(at(secs(42)), broken));
    let waiting = hand::wait(second.resume(at(secs(42)), Input::Wake));
    assert!(
        waiting.until > at(secs(50)).mono,
        "the newer fetch goes on undisturbed"
    );
}

#[test]
fn late_token_does_not_replace_a_newer_one() {
    let token = |name: &str| hand::data(json!({"accessToken": name}));
    for newer_first in [true, false] {
        let session = unpaced();
        let mut call = session.call(&GetUserInfo).unwrap();
        let mut lost = hand::detached(call.resume(at(secs(0)), Input::Wake));
        hand::transmit(lost.resume(at(secs(0)), Input::Wake));
        let mut newer = hand::detached(call.resume(at(secs(41)), Input::Wake));
        hand::transmit(newer.resume(at(secs(41)), Input::Wake));
        if newer_first {
            hand::ready(newer.resume(at(secs(42)), token("newer")));
        }
        hand::ready(lost.resume(at(secs(43)), token("late")));
        let expected = if newer_first { "newer" } else { "late" };
        let sent = hand::transmit(call.resume(at(secs(44)), Input::Wake));
        assert_eq!(token_in(sent.request.headers()), expected);
    }
}

#[test]
fn failed_fetch_fails_its_waiters_and_is_retried_later() {
    let mut world = World::new(|view, request| match request.uri().path() {
        path::TOKEN if view.count(path::TOKEN) == 0 => Reply::code(1, "内部错误"),
        _ => routine(view, request),
    });
    let session = unpaced();
    let waited = ask_many(&mut world, &session, 8);
    world.run_until(millis(500));
    assert_eq!(kinds(&waited), [ErrorKind::Token; 8]);
    get_user(&mut world, &session).unwrap();
    assert_eq!(
        world.times(path::TOKEN),
        [Duration::ZERO, LATENCY + secs(1)]
    );
}

#[test]
fn caller_whose_deadline_is_before_the_next_fetch_fails_at_once() {
    let mut world = World::new(|_, _| Reply::code(1, "内部错误"));
    let session = unpaced();
    let first = ask_user(&mut world, &session);
    world.run_until(millis(500));
    let hurried = session.call(&GetUserInfo).unwrap().timeout(millis(200));
    let hurried = world.start(hurried);
    world.run();
    assert_eq!(first.get().unwrap_err().kind(), ErrorKind::Token);
    let (when, result) = hurried.timed();
    assert_eq!(
        (when, result.unwrap_err().kind()),
        (millis(500), ErrorKind::Token)
    );
    assert_eq!(world.sent().len(), 1);
}

#[test]
fn wrong_credentials_fail_fast_and_are_retried_after_a_cool_down() {
    let refusals: [fn() -> Reply; 2] = [
        || Reply::code(401, "clientID or clientSecret is wrong"),
        || Reply::http(401, "<html>Unauthorized</html>"),
    ];
    for refusal in refusals {
        let mut world = World::new(move |_, _| refusal());
        let session = unpaced();
        let waited = ask_many(&mut world, &session, 8);
        world.run_until(secs(1));
        assert_eq!(kinds(&waited), [ErrorKind::Credentials; 8]);
        assert_eq!(world.sent().len(), 1, "only the token endpoint, once");

        world.run_until(secs(59));
        let soon = ask_user(&mut world, &session);
        world.run_until(secs(60));
        let (when, result) = soon.timed();
        let error = result.unwrap_err();
        assert_eq!((when, error.kind()), (secs(59), ErrorKind::Credentials));
        assert!(!error.to_string().contains("access token"), "{error}");
        assert!(!error.is_retryable());
        assert_eq!(world.sent().len(), 1);

        world.run_until(secs(61));
        let late = ask_user(&mut world, &session);
        world.run();
        assert_eq!(late.get().unwrap_err().kind(), ErrorKind::Credentials);
        assert_eq!(world.times(path::TOKEN), [secs(0), secs(61)]);
    }
}

#[test]
fn fetch_whose_response_was_lost_is_resent_once() {
    let lost: [fn() -> Reply; 4] = [
        Reply::cut,
        Reply::hang,
        || Reply::http(502, "Bad Gateway"),
        || Reply::http(200, "<html>"),
    ];
    for reply in lost {
        let mut world = World::new(move |_, _| reply());
        let asked = ask_user(&mut world, &session());
        world.run();
        assert_eq!(asked.get().unwrap_err().kind(), ErrorKind::Token);
        assert_eq!(world.sent_to(path::TOKEN).len(), 2);
    }
}

#[test]
fn fetch_that_never_left_makes_four_attempts() {
    let mut world = World::new(|_, _| Reply::failure(TransportError::never_left("refused")));
    let asked = ask_user(&mut world, &session());
    world.run();
    assert_eq!(asked.get().unwrap_err().kind(), ErrorKind::Token);
    assert_eq!(world.sent_to(path::TOKEN).len(), 4);
}

/// Each fetch that is no longer run may have been issued a token.
#[test]
fn fetches_whose_leases_expire_cool_down() {
    let mut world = World::new(routine).plan(|_| Plan::Leak);
    let session = unpaced();
    for _ in 0..20 {
        get_user(&mut world, &session).unwrap_err();
    }
    // Two leases of 40 s, then a pause of 30 s.
    let seconds = usize::try_from(world.now().as_secs()).unwrap();
    let fetches = world.detached();
    assert!(
        (10..=seconds / 55 + 2).contains(&fetches),
        "{fetches} in {seconds} s"
    );
}

/// A call whose request was in flight while a fetch failed waits for the next fetch.
#[test]
fn failed_fetch_does_not_fail_a_call_in_flight() {
    let mut world = World::new(|view, request| match request.uri().path() {
        path::TOKEN if view.count(path::TOKEN) == 1 => Reply::code(5, "not now").after(secs(1)),
        path::PROGRESS if view.count(path::PROGRESS) == 0 => {
            Reply::code(401, "token is expired").after(millis(1600))
        }
        path::USER_INFO if view.count(path::USER_INFO) == 0 => Reply::code(401, "token is expired"),
        _ => routine(view, request),
    });
    let session = unpaced();
    let slow = world.start(ask(&session));
    world.run_until(millis(400));
    let quick = ask_user(&mut world, &session);
    world.run();
    assert_eq!(quick.get().unwrap_err().kind(), ErrorKind::Token);
    slow.get().unwrap();
    assert_eq!(world.times(path::TOKEN).len(), 3);
}

#[test]
fn token_error_is_retryable_like_its_cause() {
    for (failure, again) in [
        (TransportError::certificate("self-signed"), false),
        (TransportError::never_left("refused"), true),
    ] {
        let mut failure = Some(failure);
        let mut world = World::new(move |_, _| match failure.take() {
            Some(failure) => Reply::failure(failure),
            None => Reply::http(404, ""),
        });
        let session = builder().retry(RetryPolicy::none()).build().unwrap();
        let error = get_user(&mut world, &session).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Token);
        assert_eq!(error.is_retryable(), again, "{error}");
    }
}

#[test]
fn fetch_has_its_own_deadline_and_outlives_short_calls() {
    let mut world = World::new(|view, request| match request.uri().path() {
        path::TOKEN if view.count(path::TOKEN) == 0 => {
            Reply::code(429, "请求太频繁").header("retry-after", "10")
        }
        _ => routine(view, request),
    });
    let session = builder().call_timeout(secs(5)).build().unwrap();
    let impatient = ask_user(&mut world, &session);
    world.run_until(secs(20));
    let later = ask_user(&mut world, &session);
    world.run();
    impatient.get().unwrap_err();
    later.get().unwrap();
    let fetched = world.times(path::TOKEN);
    assert_eq!(fetched.len(), 2);
    assert!(
        fetched[1] >= secs(10) && fetched[1] < secs(20),
        "{fetched:?}"
    );
}
