//! A gated call: it asks its owner before it sends, and sends at most once.

use crate::support::callers::get_user;
use crate::support::{
    World, at, builder, download, elapsed, fixed, hand, millis, path, routine, secs,
};
use pan123_proto::file::TrashFiles;
use pan123_proto::offline::CreatedDownload;
use pan123_proto::user::GetUserInfo;
use pan123_proto::{
    EntryId, Error, ErrorKind, GateEvent, GatedCall, Input, Machine, Now, Pacing, Session, Step,
    TransportError, Wait,
};
use serde_json::json;

type Event = GateEvent<CreatedDownload>;

fn create(session: &Session) -> GatedCall<CreatedDownload> {
    session.call(&download()).expect("a good request").gated()
}

fn ended(step: Step<Event>) -> Result<CreatedDownload, Error> {
    match hand::ready(step) {
        GateEvent::Ended(result) => result,
        GateEvent::AtGate => panic!("the end was expected"),
    }
}

fn at_gate(step: Step<Event>) {
    assert!(matches!(hand::ready(step), GateEvent::AtGate));
}

/// A call that has passed its gate and sent at the start.
fn sent(session: &Session) -> GatedCall<CreatedDownload> {
    let mut call = create(session);
    at_gate(call.resume(at(secs(0)), Input::Wake));
    call.proceed();
    hand::transmit(call.resume(at(secs(0)), Input::Wake));
    call
}

#[test]
fn call_waits_at_the_gate_until_it_may_proceed() {
    let mut call = create(&fixed());
    call.proceed();
    for second in 0..3 {
        at_gate(call.resume(at(secs(second)), Input::Wake));
    }
    call.proceed();
    let transmit = hand::transmit(call.resume(at(secs(3)), Input::Wake));
    assert_eq!(transmit.request.uri().path(), path::CREATE);
    let created = hand::data(json!({"taskID": 7}));
    let created = ended(call.resume(at(secs(4)), created)).unwrap();
    assert_eq!(created.task.get(), 7);
    let error = ended(call.resume(at(secs(5)), Input::Wake)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Finished);
}

#[test]
fn calls_that_were_held_up_at_their_gates_keep_their_pace() {
    let session = fixed();
    let mut calls: Vec<_> = (0..3).map(|_| create(&session)).collect();
    for (second, call) in (0..).zip(&mut calls) {
        at_gate(call.resume(at(secs(second)), Input::Wake));
        call.proceed();
    }
    // Nothing was sent for two seconds, as when the disk under a ledger is slow.
    let late = millis(2_600);
    let mut sent = Vec::new();
    for call in &mut calls {
        match call.resume(at(late), Input::Wake) {
            Step::Wait(wait) => {
                hand::transmit(call.resume(now_of(&wait), Input::Wake));
                sent.push(wait.until);
            }
            other => panic!("{other:?}"),
        }
    }
    let expected = [3, 4, 5].map(|second| at(secs(second)).mono);
    assert_eq!(sent, expected);
}

#[test]
fn call_whose_driver_wakes_too_late_for_its_second_slot_sends_nothing() {
    let session = fixed();
    let (mut call, mut other) = (create(&session), create(&session));
    at_gate(call.resume(at(secs(0)), Input::Wake));
    at_gate(other.resume(at(secs(1)), Input::Wake));
    call.proceed();
    let wait = hand::wait(call.resume(at(millis(1_600)), Input::Wake));
    assert_eq!(wait.until, at(secs(2)).mono);
    let error = ended(call.resume(at(secs(11)), Input::Wake)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::GateExpired);
}

/// The time at which a wait ends.
fn now_of(wait: &Wait) -> Now {
    at(elapsed(wait.until))
}

#[test]
fn gate_comes_after_token_and_slot() {
    let session = builder().build().unwrap();
    let mut world = World::new(routine);
    get_user(&mut world, &session).unwrap();
    let at = |elapsed| at(world.now() + elapsed);
    let mut first = create(&session);
    at_gate(first.resume(at(secs(0)), Input::Wake));
    let mut second = create(&session);
    let wait = hand::wait(second.resume(at(secs(0)), Input::Wake));
    assert_eq!(wait.until, at(secs(1)).mono, "its slot");
    at_gate(second.resume(at(secs(1)), Input::Wake));
    second.proceed();
    let transmit = hand::transmit(second.resume(at(secs(1)), Input::Wake));
    assert!(transmit.request.headers().contains_key("authorization"));
}

#[test]
fn call_that_was_not_carried_out_ends_and_may_be_made_again() {
    for (input, kind) in [
        (
            Input::Failed(TransportError::never_left("refused")),
            ErrorKind::Transport,
        ),
        (hand::code(429, "请求太频繁"), ErrorKind::RateLimited),
        (hand::code(1, "同时下载的任务超出最大限制"), ErrorKind::Api),
    ] {
        let mut call = sent(&fixed());
        let error = ended(call.resume(at(millis(10)), input)).unwrap_err();
        assert_eq!(error.kind(), kind);
        assert!(error.is_retryable(), "{error}");
    }
}

#[test]
fn rejected_token_ends_the_call_and_the_next_call_fetches_another() {
    let session = builder().build().unwrap();
    let mut world = World::new(routine);
    get_user(&mut world, &session).unwrap();
    let now = at(world.now());
    let mut call = create(&session);
    at_gate(call.resume(now, Input::Wake));
    call.proceed();
    hand::transmit(call.resume(now, Input::Wake));
    let error = ended(call.resume(now, hand::code(401, "token is expired"))).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TokenRejected);
    assert!(error.is_retryable() && error.code().is_some(), "{error}");
    let mut next = create(&session);
    assert!(matches!(next.resume(now, Input::Wake), Step::Detach(_)));
}

#[test]
fn given_token_that_is_rejected_is_final() {
    let mut call = sent(&fixed());
    let error = ended(call.resume(at(secs(1)), hand::code(401, "token is expired"))).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unauthorized);
    assert!(!error.is_retryable());
}

#[test]
fn lost_response_is_ambiguous() {
    for input in [
        Input::Failed(TransportError::timed_out()),
        Input::Wake,
        hand::answer(502, "<html>"),
    ] {
        let mut call = sent(&fixed());
        let error = ended(call.resume(at(secs(1)), input)).unwrap_err();
        let Error::Ambiguous(ambiguous) = error else {
            panic!("{error}");
        };
        assert_eq!(ambiguous.request(), Some(download()));
    }
}

#[test]
fn request_is_not_sent_long_after_the_gate() {
    for (delay, sends) in [(secs(10), true), (millis(10_001), false)] {
        let mut call = create(&fixed());
        at_gate(call.resume(at(secs(0)), Input::Wake));
        call.proceed();
        match call.resume(at(delay), Input::Wake) {
            Step::Transmit(_) => assert!(sends),
            step => {
                assert!(!sends);
                assert_eq!(ended(step).unwrap_err().kind(), ErrorKind::GateExpired);
            }
        }
    }
    let mut call = create(&fixed()).max_send_delay(secs(1));
    at_gate(call.resume(at(secs(0)), Input::Wake));
    call.proceed();
    let error = ended(call.resume(at(millis(1001)), Input::Wake)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::GateExpired);
}

#[test]
fn deadline_and_stop_hold_at_the_gate() {
    let mut late = create(&fixed()).max_send_delay(secs(1000));
    at_gate(late.resume(at(secs(0)), Input::Wake));
    late.proceed();
    let error = ended(late.resume(at(millis(119_001)), Input::Wake)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Deadline);

    let mut stopped = create(&fixed());
    at_gate(stopped.resume(at(secs(0)), Input::Wake));
    stopped.handle().stop();
    stopped.proceed();
    let error = ended(stopped.resume(at(secs(1)), Input::Wake)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Stopped);
}

#[test]
fn idempotent_request_that_may_have_arrived_is_ambiguous_too() {
    for input in [
        Input::Failed(TransportError::interrupted("reset")),
        Input::Failed(TransportError::redirected()),
        hand::answer(502, "<html>"),
        hand::answer(200, "<html>"),
        Input::Wake,
    ] {
        let entry = EntryId::new(7).unwrap();
        let trash = TrashFiles::new([entry]).unwrap();
        let mut call = fixed().call(&trash).unwrap().gated();
        let step = call.resume(at(secs(0)), Input::Wake);
        assert!(matches!(hand::ready(step), GateEvent::AtGate));
        call.proceed();
        hand::transmit(call.resume(at(secs(0)), Input::Wake));
        call.handle().stop();
        let GateEvent::Ended(result) = hand::ready(call.resume(at(secs(1)), input)) else {
            panic!("the end was expected");
        };
        assert_eq!(result.unwrap_err().kind(), ErrorKind::Ambiguous);
    }
}

#[test]
fn token_that_is_rejected_at_the_gate_is_not_sent() {
    let session = builder().pacing(Pacing::off()).build().unwrap();
    let mut world = World::new(routine);
    get_user(&mut world, &session).unwrap();
    let now = at(world.now());
    let mut call = create(&session);
    at_gate(call.resume(now, Input::Wake));
    let mut other = session.call(&GetUserInfo).unwrap();
    hand::transmit(other.resume(now, Input::Wake));
    let rejected = other.resume(now, hand::code(401, "token is expired"));
    assert!(matches!(rejected, Step::Detach(_)));
    call.proceed();
    let error = ended(call.resume(now, Input::Wake)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::GateExpired);
    assert!(error.is_retryable());
}

#[test]
fn stop_and_deadline_end_a_call_that_is_never_told_to_proceed() {
    let mut stopped = create(&fixed());
    at_gate(stopped.resume(at(secs(0)), Input::Wake));
    stopped.handle().stop();
    let error = ended(stopped.resume(at(secs(1)), Input::Wake)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Stopped);
    let mut late = create(&fixed());
    at_gate(late.resume(at(secs(0)), Input::Wake));
    let error = ended(late.resume(at(secs(120)), Input::Wake)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Deadline);
}
