//! What is easily got wrong: the token's way out, tokens made for nothing, settings that make every create fail.

use std::time::Duration;

use crate::support::callers::{ask_user, get_user, unpaced};
use crate::support::single::ask;
use crate::support::{
    Plan, Reply, World, at, builder, fixed, hand, millis, path, routine, secs, task,
};
use pan123_proto::access_token::IssueToken;
use pan123_proto::offline::{Progress, TaskStatus, WatchError, WatchPolicy};
use pan123_proto::{
    BuildError, Endpoint, Error, ErrorKind, Idempotency, Input, Machine, RateClass, RetryPolicy,
    TransportError, http,
};
use serde_json::json;

macro_rules! endpoint {
    ($name:ident, $method:ident, $path:literal) => {
        struct $name;

        impl Endpoint for $name {
            const METHOD: http::Method = http::Method::$method;
            const PATH: &'static str = $path;
            const RATE: RateClass = RateClass::new($path, Duration::ZERO);
            const IDEMPOTENCY: Idempotency = Idempotency::Idempotent;
            type Response = ();
        }
    };
}

endpoint!(NoSlash, GET, ".example.org/x");
endpoint!(User, GET, "@example.org/x");
endpoint!(WithQuery, GET, "/x?a=1");
endpoint!(WithFragment, GET, "/x#a");
endpoint!(EmptyPost, POST, "/api/v1/x");
endpoint!(EmptyGet, GET, "/api/v1/x");

/// The host would go on with such a path, and the token go to that host.
#[test]
fn a_path_cannot_send_the_token_to_another_host() {
    fn refused(endpoint: &impl Endpoint) {
        let error = fixed().call(endpoint).unwrap_err();
        assert!(matches!(error, BuildError::Setting { .. }), "{error}");
        assert!(error.to_string().contains("must start with `/`"), "{error}");
    }
    refused(&NoSlash);
    refused(&User);
    refused(&WithQuery);
    refused(&WithFragment);
}

#[test]
fn an_empty_body_is_announced_where_one_is_expected() {
    fn length(endpoint: &impl Endpoint<Response = ()>) -> Option<http::HeaderValue> {
        let mut call = fixed().call(endpoint).unwrap();
        let transmit = hand::transmit(call.resume(at(secs(0)), Input::Wake));
        transmit.request.headers().get("content-length").cloned()
    }
    assert_eq!(length(&EmptyPost).unwrap(), "0");
    assert_eq!(length(&EmptyGet), None);
}

/// Each answer that is lost may be a token that pushes another one out.
#[test]
fn a_token_that_is_asked_for_by_hand_is_asked_for_twice_at_most() {
    let mut world = World::new(|_, _| Reply::cut());
    let call = fixed().call(&IssueToken::new("id", "secret")).unwrap();
    let asked = world.start(call);
    world.run();
    let Error::RetriesExhausted { attempts, .. } = asked.get().unwrap_err() else {
        panic!("it was asked for once more");
    };
    assert_eq!((attempts, world.sent().len()), (2, 2));
}

/// Fetches that nobody runs any more may each have made a token.
#[test]
fn fetches_whose_leases_run_out_cool_down() {
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

/// Somebody else's fetch failed while its request was out: it waits for the next one as anybody who comes now does.
#[test]
fn a_failed_fetch_is_not_told_to_one_whose_request_was_out() {
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
fn a_call_stopped_on_its_last_attempt_was_stopped() {
    let mut call = ask(&fixed()).retry(RetryPolicy::none());
    let handle = call.handle();
    hand::transmit(call.resume(at(secs(0)), Input::Wake));
    handle.stop();
    let error = hand::ready(call.resume(at(secs(1)), Input::Wake)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Stopped);
}

#[test]
fn a_token_that_cannot_be_fetched_for_good_is_not_to_be_tried_again() {
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

/// A program that creates and waits in one function has one error to hand on.
#[test]
fn the_end_of_a_watch_is_an_error_of_a_call_too() {
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
