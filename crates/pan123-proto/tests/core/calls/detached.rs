//! A call whose caller has gone away.

use crate::support::{at, builder, download, fixed, hand, secs};
use pan123_proto::file::{CopyFile, CopyFiles};
use pan123_proto::image_bed::ImageBedDownload;
use pan123_proto::offline::Download;
use pan123_proto::user::GetUserInfo;
use pan123_proto::{
    DirId, Endpoint, Error, ErrorKind, FileId, Input, Machine, Step, TaskId, TransportError,
};
use serde_json::json;

#[test]
fn only_a_request_in_flight_that_must_not_be_sent_again_is_left() {
    let session = builder().build().unwrap();
    assert!(session.call(&download()).unwrap().detach().is_none());
    let mut waits = session.call(&download()).unwrap();
    let fetch = waits.resume(at(secs(0)), Input::Wake);
    assert!(matches!(fetch, Step::Detach(_)));
    assert!(waits.detach().is_none());

    let session = fixed();
    let mut asks = session.call(&GetUserInfo).unwrap();
    hand::transmit(asks.resume(at(secs(0)), Input::Wake));
    assert!(asks.detach().is_none());
    let mut ended = session.call(&download()).unwrap();
    hand::transmit(ended.resume(at(secs(0)), Input::Wake));
    let created = hand::data(json!({"taskID": 7}));
    hand::ready(ended.resume(at(secs(0)), created)).unwrap();
    assert!(ended.detach().is_none());

    let mut borrowed = session.call(&download()).unwrap();
    hand::transmit(borrowed.resume(at(secs(1)), Input::Wake));
    assert!((&mut borrowed).detach().is_none(), "its owner has it");
    assert_eq!(session.detached_in_flight(), 0);
    assert!(session.take_detached::<Download>().is_empty());
}

/// What comes of a create that was sent and then detached.
fn outcome(input: Input) -> Result<TaskId, Error> {
    let session = fixed();
    let mut call = session.call(&download()).unwrap();
    hand::transmit(call.resume(at(secs(5)), Input::Wake));
    let mut rest = call.detach().expect("a request in flight");
    assert_eq!(session.detached_in_flight(), 1);
    let step = rest.resume(at(secs(6)), input);
    assert!(matches!(step, Step::Ready(())), "{step:?}");
    assert_eq!(session.detached_in_flight(), 0);
    assert!(session.take_detached::<ImageBedDownload>().is_empty());
    let call = session.take_detached::<Download>().pop().expect("it");
    assert_eq!(call.sent_at(), at(secs(5)).wall);
    assert_eq!(call.request(), Some(download()));
    call.map(|created| created.task).into_result()
}

#[test]
fn response_to_a_detached_request_ends_it_whatever_it_says() {
    let created = outcome(hand::data(json!({"taskID": 7}))).unwrap();
    assert_eq!(created.get(), 7);
    let never_left = Input::Failed(TransportError::never_left("refused"));
    for (input, expected) in [
        (Input::Wake, ErrorKind::Ambiguous),
        (
            Input::Failed(TransportError::timed_out()),
            ErrorKind::Ambiguous,
        ),
        (hand::answer(502, "<html>"), ErrorKind::Ambiguous),
        (never_left, ErrorKind::Transport),
        (hand::code(429, "slower"), ErrorKind::RateLimited),
        (hand::code(401, "token"), ErrorKind::Unauthorized),
        (hand::code(1, "no"), ErrorKind::Api),
    ] {
        let text = format!("{input:?}");
        let error = outcome(input).unwrap_err();
        assert_eq!(error.kind(), expected, "{text}");
    }
}

#[test]
fn detached_request_whose_driver_ends_is_ambiguous() {
    let session = fixed();
    let mut call = session.call(&download()).unwrap().gated();
    hand::ready(call.resume(at(secs(0)), Input::Wake));
    call.proceed();
    hand::transmit(call.resume(at(secs(0)), Input::Wake));
    drop(call.detach());
    let call = session.take_detached::<Download>().pop().expect("it");
    let error = call.into_result().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Ambiguous);
    assert_eq!(session.detached_in_flight(), 0);
}

/// Sends this, detaches it and returns the outcome with a response as a type of the test's own.
fn ended_as<E: Endpoint>(endpoint: &E, own: bool) -> (usize, usize) {
    let session = fixed();
    let data = || hand::data(json!({"taskID": 7, "targetFileId": 8, "sourceFileId": 9}));
    let finish = |step: Option<pan123_proto::Detached>| {
        let step = step.expect("in flight").resume(at(secs(1)), data());
        assert!(matches!(step, Step::Ready(())));
    };
    if own {
        let mut call = session.call_as::<serde_json::Value>(endpoint).unwrap();
        hand::transmit(call.resume(at(secs(0)), Input::Wake));
        finish(call.detach());
    } else {
        let mut call = session.call(endpoint).unwrap();
        let step = call.resume(at(secs(0)), Input::Wake);
        assert!(matches!(step, Step::Transmit(_)));
        finish(call.detach());
    }
    let typed = session.take_detached::<E>().len();
    let own = session.take_detached_as::<E, serde_json::Value>().len();
    (typed, own)
}

#[test]
fn outcomes_are_taken_by_endpoint_and_type() {
    let file = FileId::new(9).unwrap();
    let dir = DirId::new(1).unwrap();
    let image = ImageBedDownload::new("https://example.com/a.jpg").unwrap();
    assert_eq!(ended_as(&CopyFile::new(file, dir), false), (1, 0));
    assert_eq!(
        ended_as(&CopyFiles::new([file], dir).unwrap(), false),
        (1, 0)
    );
    assert_eq!(ended_as(&image, false), (1, 0));
    assert_eq!(ended_as(&download(), true), (0, 1));
}
