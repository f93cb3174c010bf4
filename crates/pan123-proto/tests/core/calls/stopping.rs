//! Stops, nudges and wake-ups at any time.

use crate::support::server::LATENCY;
use crate::support::single::{ask, create};
use crate::support::watches::{end_error, even, status, watch};
use crate::support::{
    Reply, ServerView, World, at, fixed, hand, millis, path, routine, secs, session,
};
use http::Request;
use pan123_proto::offline::WatchError;
use pan123_proto::user::GetUserInfo;
use pan123_proto::{Call, CallHandle, ErrorKind, Input, Machine, RetryPolicy, TransportError};
use serde_json::json;

#[test]
fn waiting_call_stops_at_once() {
    // One waits for the token, one for its slot, one for its next attempt.
    let mut world = World::new(|view, request| match request.uri().path() {
        path::TOKEN => routine(view, request).after(secs(10)),
        path::PROGRESS => Reply::http(503, "").header("retry-after", "30"),
        _ => routine(view, request),
    });
    let (with_token, without) = (fixed(), session());
    let calls = [
        without.call(&GetUserInfo).unwrap(),
        with_token.call(&GetUserInfo).unwrap(),
        with_token.call(&GetUserInfo).unwrap(),
    ];
    let handles = calls.each_ref().map(Call::handle);
    let retrying = ask(&with_token);
    let retrying_handle = retrying.handle();
    let retrying = world.start(retrying);
    let calls = calls.map(|call| world.start(call));
    world.run_until(millis(70));
    handles[0].stop();
    handles[2].stop();
    retrying_handle.stop();
    world.run();
    for (when, result) in [calls[0].timed(), calls[2].timed()] {
        assert_eq!(
            (when, result.unwrap_err().kind()),
            (millis(70), ErrorKind::Stopped)
        );
    }
    let (when, result) = retrying.timed();
    assert_eq!(
        (when, result.unwrap_err().kind()),
        (millis(70), ErrorKind::Stopped)
    );
    calls[1].get().unwrap();
}

#[test]
fn stop_drops_a_request_in_flight_and_a_create_is_ambiguous() {
    let slow = |view: &ServerView<'_>, request: &Request<_>| routine(view, request).after(secs(20));
    let mut world = World::new(slow);
    let session = fixed();
    let (asking, creating) = (ask(&session), create(&session));
    let handles = [asking.handle(), creating.handle()];
    let asked = world.start(asking);
    let created = world.start(creating);
    world.run_until(secs(1));
    handles.iter().for_each(CallHandle::stop);
    world.run();
    let (when, result) = asked.timed();
    assert_eq!(
        (when, result.unwrap_err().kind()),
        (secs(1), ErrorKind::Stopped)
    );
    let (when, result) = created.timed();
    assert_eq!(
        (when, result.unwrap_err().kind()),
        (secs(1), ErrorKind::Ambiguous)
    );
    assert_eq!(world.sent().len(), 2);
}

#[test]
fn response_is_used_where_a_driver_cannot_cancel() {
    let slow = |view: &ServerView<'_>, request: &Request<_>| routine(view, request).after(secs(20));
    let mut world = World::new(slow).without_cancellation();
    let call = create(&fixed());
    let handle = call.handle();
    let created = world.start(call);
    world.run_until(secs(1));
    handle.stop();
    world.run();
    let (when, result) = created.timed();
    assert_eq!((when, result.unwrap().task.get()), (secs(20), 1));
}

#[test]
fn handle_made_later_cancels_a_request_in_flight() {
    let session = fixed();
    let mut call = ask(&session);
    let transmit = hand::transmit(call.resume(at(secs(0)), Input::Wake));
    let signal = transmit.cancelled.unwrap();
    let handle = call.handle();
    handle.stop();
    assert!(signal.wait_until(at(secs(0)).mono), "it has fired");
}

#[test]
fn wake_with_nothing_in_flight_changes_nothing() {
    let session = session();
    let mut call = create(&session);
    let mut refresh = hand::detached(call.resume(at(secs(0)), Input::Wake));
    // For the token.
    for _ in 0..100 {
        hand::wait(call.resume(at(secs(0)), Input::Wake));
    }
    hand::transmit(refresh.resume(at(secs(0)), Input::Wake));
    let never_left = || Input::Failed(TransportError::never_left("refused"));
    let until = hand::wait(refresh.resume(at(secs(1)), never_left())).until;
    for _ in 0..100 {
        let again = hand::wait(refresh.resume(at(secs(1)), Input::Wake));
        assert_eq!(again.until, until);
    }
    hand::transmit(refresh.resume(at(secs(4)), Input::Wake));
    hand::ready(refresh.resume(at(secs(4)), hand::data(json!({"accessToken": "t"}))));
    // For the next attempt.
    let sent = hand::transmit(call.resume(at(secs(4)), Input::Wake));
    let until = hand::wait(call.resume(at(secs(4)), never_left())).until;
    for _ in 0..100 {
        assert_eq!(
            hand::wait(call.resume(at(secs(4)), Input::Wake)).until,
            until
        );
    }
    // For the slot.
    let mut other = create(&session);
    let until = hand::wait(other.resume(at(secs(4)), Input::Wake)).until;
    for _ in 0..100 {
        assert_eq!(
            hand::wait(other.resume(at(secs(4)), Input::Wake)).until,
            until
        );
    }
    let again = hand::transmit(call.resume(at(secs(9)), Input::Wake));
    assert_eq!(sent.request.body(), again.request.body());
    assert_eq!(sent.request.headers(), again.request.headers());
}

#[test]
fn nudge_polls_at_once() {
    let mut world = even(secs(7200));
    let watch = watch(&fixed());
    let handle = watch.handle();
    world.follow(watch);
    world.run_until(secs(1000));
    let before = world.sent().len();
    handle.nudge();
    world.run_until(secs(1000) + LATENCY);
    assert_eq!(world.sent().len(), before + 1);
    assert_eq!(world.sent().last().unwrap().at, secs(1000));
    world.run_until(secs(1001));
    assert_eq!(world.sent().len(), before + 1, "one nudge, one poll");
}

#[test]
fn nudge_during_a_poll_polls_once_more() {
    let mut world = World::new(|view, _| status(view.at.as_secs_f64() / 100.0, 0).after(secs(2)));
    let watch = watch(&fixed());
    let handle = watch.handle();
    world.follow(watch);
    world.run_until(secs(1));
    handle.nudge();
    world.run_until(millis(3900));
    assert_eq!(world.times(path::PROGRESS), [secs(0), secs(2)]);
    world.run_until(secs(7));
    let third = world.times(path::PROGRESS)[2];
    assert!(third >= secs(5), "after the poll and the wait: {third:?}");
}

#[test]
fn waiting_watch_stops_at_once() {
    let mut world = even(secs(7200));
    let watch = watch(&fixed());
    let handle = watch.handle();
    let watched = world.follow(watch);
    world.run_until(secs(1000));
    handle.stop();
    world.run();
    let (when, error) = end_error(&watched);
    assert_eq!(when, secs(1000));
    let WatchError::Stopped {
        last: Some(last), ..
    } = error
    else {
        panic!("{error:?}");
    };
    assert!(last.percent > Some(13.0));
}

#[test]
fn polling_watch_stops_too() {
    for drops in [true, false] {
        let mut world = World::new(|_, _| status(1.0, 0).after(secs(5)));
        if !drops {
            world = world.without_cancellation();
        }
        let watch = watch(&fixed());
        let handle = watch.handle();
        let watched = world.follow(watch);
        world.run_until(secs(2));
        handle.stop();
        world.run();
        let (when, error) = end_error(&watched);
        assert!(matches!(error, WatchError::Stopped { .. }), "{error:?}");
        assert_eq!(when, if drops { secs(2) } else { secs(5) });
    }
}

#[test]
fn wake_of_a_waiting_watch_changes_nothing() {
    let session = fixed();
    let mut watch = watch(&session);
    hand::transmit(watch.resume(at(secs(0)), Input::Wake));
    let running = hand::data(json!({"process": 1, "status": 0}));
    assert!(hand::ready(watch.resume(at(secs(0)), running)).is_some());
    let until = hand::wait(watch.resume(at(secs(0)), Input::Wake)).until;
    for step in 0..100 {
        let wait = hand::wait(watch.resume(at(millis(step)), Input::Wake));
        assert_eq!(wait.until, until);
    }
    hand::transmit(watch.resume(at(secs(1)), Input::Wake));
}

#[test]
fn call_stopped_during_its_last_attempt_is_stopped() {
    let mut call = ask(&fixed()).retry(RetryPolicy::none());
    let handle = call.handle();
    hand::transmit(call.resume(at(secs(0)), Input::Wake));
    handle.stop();
    let error = hand::ready(call.resume(at(secs(1)), Input::Wake)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Stopped);
}
