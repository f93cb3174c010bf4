//! One call to its result: what is sent again, what is not, and how it ends.

use crate::support::single::{always, ask, create, first, run_ask, run_create};
use crate::support::{Reply, World, download, fixed, path, progress, routine, task};
use pan123_proto::{Error, ErrorCode, ErrorKind, Reach, RetryPolicy, Session, TransportError};
use serde_json::json;

/// Replies that leave unknown whether the request was carried out.
fn losses() -> Vec<Reply> {
    let failure = Reply::failure;
    let mut lost = vec![
        Reply::hang(),
        Reply::give_up(),
        failure(TransportError::interrupted("reset")),
        failure(TransportError::timed_out()),
        failure(TransportError::body_too_large()),
        Reply::http(200, "<html>"),
        Reply::http(200, ""),
        Reply::http(200, &"x".repeat((1 << 20) + 1)),
        Reply::http(200, r#"{"code":0,"message":"ok"}"#),
        Reply::data(json!(null)),
        Reply::data(json!({})),
        Reply::data(json!([])),
    ];
    for status in [408, 500, 502, 503, 504] {
        lost.push(Reply::http(status, "<html>nginx</html>"));
    }
    lost
}

#[test]
fn create_is_not_resent_after_lost_response() {
    for reply in losses() {
        let shown = format!("{:?}", reply.what);
        let (world, created) = run_create(first(reply));
        assert_eq!(world.sent().len(), 1, "{shown}");
        let Err(Error::Ambiguous(ambiguous)) = created else {
            panic!("{shown}: {created:?}");
        };
        assert_eq!(ambiguous.request(), Some(download()), "{shown}");
        assert_eq!(ambiguous.path(), path::CREATE);
        assert_eq!(ambiguous.method(), "POST");
        assert_eq!(ambiguous.body(), &world.sent()[0].body);
        assert!(!Error::Ambiguous(ambiguous).is_retryable());
    }
}

fn assert_ambiguous(reply: Reply, reach: Reach, text: &str) {
    let (_, created) = run_create(first(reply));
    let Err(Error::Ambiguous(ambiguous)) = created else {
        panic!("{text}: {created:?}");
    };
    assert_eq!(ambiguous.reach(), reach, "{text}");
    let shown = ambiguous.to_string();
    let meaning = "the task may exist, and the service can neither list nor cancel";
    for text in [text, path::CREATE, "was not sent again", meaning] {
        assert!(shown.contains(text), "{text}: {shown}");
    }
}

#[test]
fn ambiguous_says_how_far_the_request_got() {
    let sent = |reply, why| assert_ambiguous(reply, Reach::Sent, why);
    sent(
        Reply::hang(),
        "no complete response came back (the request timed",
    );
    sent(
        Reply::give_up(),
        "no complete response came back (the request was abandoned",
    );
    sent(
        Reply::cut(),
        "no complete response came back (the connection was interrupted)",
    );
    let answered = |reply, why| {
        let text = format!("the response does not tell the outcome ({why}");
        assert_ambiguous(reply, Reach::Responded, &text);
    };
    let failure = Reply::failure;
    answered(
        failure(TransportError::body_too_large()),
        "the response body",
    );
    let redirected = failure(TransportError::redirected());
    answered(redirected, "the response came from another URL");
    answered(Reply::http(502, "<html>"), "HTTP 502");
    answered(Reply::data(json!(null)), "HTTP 200: success without");
}

#[test]
fn idempotent_request_is_resent_after_lost_response() {
    for reply in losses() {
        let shown = format!("{:?}", reply.what);
        let (world, asked) = run_ask(first(reply));
        assert!(asked.is_ok(), "{shown}: {asked:?}");
        assert_eq!(world.sent().len(), 2, "{shown}");
    }
}

#[test]
fn create_is_resent_when_it_was_certainly_not_carried_out() {
    for reply in [
        Reply::failure(TransportError::never_left("refused")),
        Reply::code(429, "请求太频繁"),
        Reply::code(42902, "操作频繁"),
        Reply::code(42903, "请稍后"),
        Reply::http(429, "Too Many Requests"),
        Reply::http(429, r#"{"code":429,"message":"m"}"#),
    ] {
        let shown = format!("{:?}", reply.what);
        let (world, created) = run_create(first(reply));
        assert!(created.is_ok(), "{shown}: {created:?}");
        assert_eq!(world.sent_to(path::CREATE).len(), 2, "{shown}");
        let bodies: Vec<_> = world.sent().iter().map(|sent| &sent.body).collect();
        assert_eq!(bodies[0], bodies[1]);
    }
}

#[test]
fn redirect_is_an_error_and_not_followed() {
    for status in [300, 301, 302, 303, 304, 307, 308] {
        let redirect = move || Reply::http(status, "").header("location", "https://elsewhere/");
        let (world, created) = run_create(always(redirect));
        let (other, asked) = run_ask(always(redirect));
        assert_eq!((world.sent().len(), other.sent().len()), (1, 1));
        for error in [created.unwrap_err(), asked.unwrap_err()] {
            assert_eq!(error.kind(), ErrorKind::Http, "{status}");
            assert_eq!(error.http_status().unwrap(), status);
            assert!(error.to_string().contains("redirect"), "{error}");
        }
    }
}

#[test]
fn http_error_without_envelope_is_not_retried() {
    for status in [400, 402, 403, 404, 405, 409, 413, 415, 422, 451] {
        let refusal = move || Reply::http(status, "<html>no</html>").header("x-traceid", "t");
        let (world, created) = run_create(always(refusal));
        let (other, asked) = run_ask(always(refusal));
        assert_eq!((world.sent().len(), other.sent().len()), (1, 1), "{status}");
        for error in [created.unwrap_err(), asked.unwrap_err()] {
            assert_eq!(error.kind(), ErrorKind::Http, "{status}");
            assert_eq!(error.http_status().unwrap(), status);
            assert_eq!(error.trace_id(), Some("t"));
            let Error::Http(answer) = error else { panic!() };
            assert_eq!(answer.excerpt(), "<html>no</html>");
        }
    }
}

#[test]
fn text_of_too_many_downloads_is_a_setting() {
    for (setting, expected) in [
        ("slots are taken", ErrorCode::TooManyDownloads),
        ("", ErrorCode::Internal),
    ] {
        let builder = Session::builder().access_token("t");
        let session = builder.too_many_downloads_text(setting).build().unwrap();
        let mut world = always(|| Reply::code(1, "all slots are taken"));
        let created = world.start(create(&session));
        world.run();
        assert_eq!(created.get().unwrap_err().code(), Some(expected));
    }
}

#[test]
fn call_as_reads_the_data_into_any_type() {
    let mut world = World::new(routine);
    let call = fixed().call_as::<serde_json::Value>(&progress()).unwrap();
    let asked = world.start(call);
    world.run();
    assert_eq!(asked.get().unwrap(), json!({"process": 10, "status": 0}));
    let query = format!("taskID={}", task());
    assert_eq!(world.sent()[0].query.as_deref(), Some(query.as_str()));
}

#[test]
fn is_retryable_matches_the_cause() {
    let failure = Reply::failure;
    for (reply, again) in [
        (Reply::cut(), true),
        (Reply::hang(), true),
        (failure(TransportError::never_left("refused")), true),
        (failure(TransportError::certificate("self-signed")), false),
        (failure(TransportError::redirected()), false),
        (Reply::http(200, "<html>"), true),
        (Reply::http(503, ""), true),
        (Reply::http(408, ""), true),
        (Reply::http(404, ""), false),
        (Reply::http(302, ""), false),
        (Reply::code(5066, ""), false),
        (Reply::code(1, ""), false),
        (Reply::code(1, "同时下载的任务超出最大限制"), true),
        (Reply::code(401, ""), false),
    ] {
        let shown = format!("{:?}", reply.what);
        let mut world = first(reply);
        let asked = world.start(ask(&fixed()).retry(RetryPolicy::none()));
        world.run();
        assert_eq!(asked.get().unwrap_err().is_retryable(), again, "{shown}");
    }
}
