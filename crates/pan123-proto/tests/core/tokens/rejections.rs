//! The life of a token after its fetch: rejected, stale, with an absurd expiry, given.

use std::time::{Duration, SystemTime};

use crate::support::callers::{
    ask_many, ask_user, assert_all_well, assert_many_succeed, get_user, unpaced,
};
use crate::support::server::{LATENCY, issue_token, issue_token_until, token_in};
use crate::support::{Reply, World, fixed, millis, path, routine, secs, session};
use pan123_proto::ErrorKind;
use serde_json::json;

#[test]
fn many_rejections_of_one_token_cause_one_fetch() {
    let mut world = World::new(|view, request| {
        if token_in(request.headers()) == "token-1" {
            return Reply::code(401, "tokens number has exceeded the limit");
        }
        routine(view, request)
    });
    let session = unpaced();
    assert_many_succeed(&mut world, &session, 64);
    assert_eq!(world.sent_to(path::TOKEN).len(), 2);
    assert_eq!(world.sent_to(path::USER_INFO).len(), 128);
}

#[test]
fn late_rejection_does_not_affect_a_newer_token() {
    let mut world = World::new(|view, request| {
        let refused = Reply::code(401, "token is expired");
        match token_in(request.headers()) {
            "token-1" if view.count(path::USER_INFO) == 0 => refused.after(secs(10)),
            "token-1" => refused,
            _ => routine(view, request),
        }
    });
    let session = unpaced();
    assert_many_succeed(&mut world, &session, 2);
    assert_eq!(world.sent_to(path::TOKEN).len(), 2);
    let last = world.sent().last().unwrap();
    assert_eq!((last.at, last.token()), (LATENCY + secs(10), "token-2"));
}

#[test]
fn rejection_of_a_fresh_token_is_the_error_and_names_the_other_process() {
    let mut world = World::new(|view, request| match request.uri().path() {
        path::TOKEN => routine(view, request),
        _ => Reply::code(401, "tokens number has exceeded the limit"),
    });
    let error = get_user(&mut world, &session()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unauthorized);
    assert!(error.to_string().contains("another process"), "{error}");
    assert_eq!(world.sent_to(path::USER_INFO).len(), 2);
    assert_eq!(world.sent_to(path::TOKEN).len(), 2);
}

#[test]
fn stale_token_is_used_while_one_caller_fetches_the_next() {
    let mut world = World::new(|view, request| match request.uri().path() {
        path::TOKEN if view.count(path::TOKEN) == 0 => issue_token(view, 1, secs(1200)),
        path::TOKEN => routine(view, request).after(secs(5)),
        _ => routine(view, request),
    });
    let session = unpaced();
    let first = ask_user(&mut world, &session);
    world.run_until(secs(1100));
    let near_end = ask_many(&mut world, &session, 8);
    world.run_until(secs(1106));
    let after = ask_user(&mut world, &session);
    world.run();
    first.get().unwrap();
    assert_all_well(&near_end);
    after.get().unwrap();
    assert_eq!(world.times(path::TOKEN), [secs(0), secs(1100)]);
    let asked = world.sent_to(path::USER_INFO);
    for sent in &asked[1..9] {
        assert_eq!((sent.at, sent.token()), (secs(1100), "token-1"));
    }
    assert_eq!(asked[9].token(), "token-2");
}

#[test]
fn failed_fetch_leaves_a_stale_token_in_use() {
    let mut world = World::new(|view, request| match request.uri().path() {
        path::TOKEN if view.count(path::TOKEN) == 0 => issue_token(view, 1, secs(1200)),
        path::TOKEN => Reply::code(1, "内部错误"),
        _ => routine(view, request),
    });
    let session = unpaced();
    let first = ask_user(&mut world, &session);
    world.run_until(secs(1100));
    let near_end = ask_many(&mut world, &session, 8);
    // During the cool-down nothing is fetched.
    world.run_until(millis(1_100_500));
    let in_the_pause = ask_many(&mut world, &session, 2);
    world.run_until(secs(1150));
    let later = ask_user(&mut world, &session);
    world.run();
    first.get().unwrap();
    assert_all_well(&near_end);
    assert_all_well(&in_the_pause);
    later.get().unwrap();
    assert_eq!(world.times(path::TOKEN), [secs(0), secs(1100), secs(1150)]);
}

#[test]
fn expired_token_is_not_sent() {
    let mut world = World::new(|view, request| match request.uri().path() {
        path::TOKEN => issue_token(view, view.count(path::TOKEN) + 1, secs(1200)),
        _ => routine(view, request),
    });
    let session = unpaced();
    let first = ask_user(&mut world, &session);
    world.run_until(secs(1201));
    let second = ask_many(&mut world, &session, 4);
    world.run();
    first.get().unwrap();
    assert_all_well(&second);
    assert_eq!(world.times(path::TOKEN), [secs(0), secs(1201)]);
    assert_eq!(world.sent().last().unwrap().token(), "token-2");
}

#[test]
fn token_with_an_absurd_expiry_is_used_until_rejected() {
    let epoch = SystemTime::UNIX_EPOCH;
    let year = secs(365 * 24 * 3600);
    let long_ago =
        move |_: &crate::support::ServerView<'_>, number| issue_token_until(number, epoch);
    let unreadable = |_: &crate::support::ServerView<'_>, number| {
        let token = format!("token-{number}");
        Reply::data(json!({"accessToken": token, "expiredAt": "soon"}))
    };
    let undated = |view: &crate::support::ServerView<'_>, number| {
        issue_token_until(number, view.wall() + secs(2_592_000))
    };
    let seconds_left =
        |view: &crate::support::ServerView<'_>, number| issue_token(view, number, secs(5));
    assert_used_until_refused(None, long_ago);
    assert_used_until_refused(None, unreadable);
    assert_used_until_refused(None, seconds_left);
    assert_used_until_refused(Some(epoch), undated);
    assert_used_until_refused(Some(epoch + 200 * year), undated);
}

#[test]
fn fetches_are_bounded_when_every_token_is_rejected() {
    refuses_every_token(|| Reply::code(401, "token is expired"));
    refuses_every_token(|| Reply::http(401, "Unauthorized"));
}

fn refuses_every_token(refusal: fn() -> Reply) {
    let mut world = World::new(move |view, request| match request.uri().path() {
        path::TOKEN => routine(view, request),
        _ => refusal(),
    });
    let session = unpaced();
    for nth in 0..400 {
        world.run_until(secs(5 * nth));
        let kind = get_user(&mut world, &session).unwrap_err().kind();
        assert!(
            matches!(kind, ErrorKind::Unauthorized | ErrorKind::TokenBackoff),
            "{kind:?}"
        );
    }
    let issued = world.sent_to(path::TOKEN).len() as u64;
    let minutes = world.now().as_secs() / 60;
    assert!(
        (8..=8 + minutes * 60 / 225).contains(&issued),
        "{issued} tokens in {minutes} minutes"
    );
}

#[test]
fn rejected_given_token_is_not_replaced() {
    for refusal in [
        Reply::code(401, "token is expired"),
        Reply::http(401, "Unauthorized"),
    ] {
        let mut refusal = Some(refusal);
        let mut world = World::new(move |_, _| refusal.take().unwrap());
        let asked = ask_user(&mut world, &fixed());
        world.run();
        let (when, result) = asked.timed();
        assert_eq!(
            (when, result.unwrap_err().kind()),
            (LATENCY, ErrorKind::Unauthorized)
        );
        assert_eq!(world.sent().len(), 1);
        assert_eq!(world.sent()[0].token(), "fixed-token");
    }
}

#[test]
fn rejected_given_token_is_used_by_the_next_call() {
    let mut world = World::new(|view, request| match view.earlier.len() {
        0..3 => Reply::code(401, "token is expired"),
        _ => routine(view, request),
    });
    let session = fixed();
    for nth in 0..4 {
        let asked = ask_user(&mut world, &session);
        world.run();
        assert_eq!(asked.get().is_ok(), nth == 3);
    }
    assert_eq!(world.sent().len(), 4);
}

/// Calls every minute for an hour; the token is rejected after half of it.
fn assert_used_until_refused(
    wall: Option<SystemTime>,
    issue: impl Fn(&crate::support::ServerView<'_>, usize) -> Reply + 'static,
) {
    let mut world = World::new(move |view, request| match request.uri().path() {
        path::TOKEN => issue(view, view.count(path::TOKEN) + 1),
        _ if view.at >= secs(1800) && token_in(request.headers()) == "token-1" => {
            Reply::code(401, "token is expired")
        }
        _ => routine(view, request),
    });
    if let Some(wall) = wall {
        world = world.local_clock(wall);
    }
    let session = unpaced();
    for minute in 0..60 {
        world.run_until(secs(60 * minute));
        get_user(&mut world, &session).unwrap();
    }
    assert_eq!(
        world.times(path::TOKEN),
        [Duration::ZERO, secs(1800) + LATENCY]
    );
}
