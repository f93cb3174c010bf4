//! Answers, HTTP clients and callbacks that echo secrets: no error shows one, in no way of showing it.

use std::error::Error as StdError;
use std::fmt::{self, Write};

use crate::support::reading::read;
use crate::support::{at, hand, secs};
use bytes::Bytes;
use http::Request;
use pan123_proto::api::access_token::IssueToken;
use pan123_proto::file::{GetDownloadUrl, ListFilesV1};
use pan123_proto::image_bed::ImageBedDownload;
use pan123_proto::offline::{CallbackNotice, Download};
use pan123_proto::{
    Endpoint, Error, FileId, Idempotency, Input, Machine, Parent, RateClass, Refresh, RetryPolicy,
    Secrets, Session, Step, TransportError, http,
};
use serde_json::json;

const CLIENT_SECRET: &str = "canary-client-secret";
const TOKEN: &str = "canary.issued-token_0123456789";
const SOURCE: &str = "https://canary-user:canary-word@files.example/f.mp4?expires=canary-1&sig=canary%2Fsig%3D#canary-f";
const CALLBACK: &str = "https://bot.example/cb?job=7&key=canary%2Bkey";

fn session() -> Session {
    let builder = Session::builder().credentials("client-id", CLIENT_SECRET);
    builder.retry(RetryPolicy::none()).build().unwrap()
}

fn download() -> Download {
    let download = Download::new(SOURCE).unwrap();
    download.callback(CALLBACK).unwrap()
}

/// All that a request carries, as a careless server or HTTP client would quote it.
fn quoted(request: &Request<Bytes>) -> String {
    let body = String::from_utf8_lossy(request.body());
    let token = request.headers().get("authorization");
    let token = token.map_or("", |token| token.to_str().unwrap());
    let encoded = body
        .replace('%', "%25")
        .replace('&', "%26")
        .replace('=', "%3D");
    let decoded = body
        .replace("%2F", "/")
        .replace("%2B", "+")
        .replace("%3D", "=");
    let json = serde_json::to_string(&decoded).unwrap().replace('/', "\\/");
    format!(
        "{token} {body} {encoded} {decoded} {json} {} {CLIENT_SECRET}",
        request.uri()
    )
}

#[track_caller]
fn assert_hidden(error: &(impl StdError + 'static), what: &str) {
    let mut shown = format!("{error:?}\n{error:#?}\n{error}");
    let mut cause = error.source();
    while let Some(source) = cause {
        write!(shown, "\n{source:?}\n{source}").expect("a string takes it");
        cause = source.source();
    }
    assert!(!shown.to_lowercase().contains("canary"), "{what}: {shown}");
}

/// What a machine sends next, with a token that was just issued.
fn ready_to_send<T: fmt::Debug>(call: &mut impl Machine<Output = T>) -> Request<Bytes> {
    let mut refresh = hand::detached(call.resume(at(secs(0)), Input::Wake));
    hand::transmit(refresh.resume(at(secs(0)), Input::Wake));
    let issued = hand::data(json!({"accessToken": TOKEN}));
    hand::ready(refresh.resume(at(secs(0)), issued));
    hand::transmit(call.resume(at(secs(0)), Input::Wake)).request
}

type Echo = fn(&str) -> Input;

fn with_headers(status: u16, text: &str, body: &str) -> Input {
    let response = http::Response::builder()
        .status(status)
        .header("x-traceid", text)
        .header("location", text)
        .header("server", text);
    Input::Response(
        response
            .body(Bytes::copy_from_slice(body.as_bytes()))
            .unwrap(),
    )
}

/// The ways to echo a text, each under a name.
const ECHOES: [(&str, Echo); 11] = [
    ("in a message", |text| {
        hand::answer(200, &json!({"code": 1, "message": text}).to_string())
    }),
    ("in the refusal of a token", |text| {
        hand::answer(200, &json!({"code": 401, "message": text}).to_string())
    }),
    ("in a request for patience", |text| {
        let body = json!({"code": 429, "message": text}).to_string();
        let response = http::Response::builder().header("retry-after", "999");
        Input::Response(response.body(body.into()).unwrap())
    }),
    ("in the trace id of a body", |text| {
        hand::answer(
            500,
            &json!({"code": 5, "message": "", "x-traceID": text}).to_string(),
        )
    }),
    ("in the headers of an envelope", |text| {
        with_headers(200, text, r#"{"code":5}"#)
    }),
    ("in the headers of a redirect", |text| {
        with_headers(302, text, "")
    }),
    ("in a page", |text| {
        hand::answer(403, &format!("<html>{text}"))
    }),
    ("in what is no JSON", |text| hand::answer(200, text)),
    ("in place of the data", |text| hand::data(json!(text))),
    ("in place of a number", |text| {
        hand::data(json!({"taskID": text, "uid": text, "accessToken": {"a": text}}))
    }),
    ("in place of the code", |text| {
        hand::answer(200, &json!({"code": text}).to_string())
    }),
];

#[test]
fn no_answer_to_a_download_brings_a_secret_into_an_error() {
    for (how, echo) in ECHOES {
        let mut call = session().call(&download()).unwrap();
        let request = ready_to_send(&mut call);
        let step = call.resume(at(secs(0)), echo(&quoted(&request)));
        if let Step::Refresh(_) = step {
            // The token was refused: the error is kept until another one is refused, too.
            let shown = format!("{call:?} {step:?}");
            assert!(!shown.contains("canary"), "{how}: {shown}");
            continue;
        }
        assert_hidden(&hand::ready(step).unwrap_err(), how);
    }
}

#[test]
fn no_answer_to_a_download_into_the_image_bed_does_either() {
    let download = ImageBedDownload::new(SOURCE).unwrap();
    let download = download.callback(CALLBACK).unwrap();
    for (how, echo) in ECHOES {
        let given = Session::builder()
            .access_token(TOKEN)
            .retry(RetryPolicy::none());
        let mut call = given.build().unwrap().call(&download).unwrap();
        let request = hand::transmit(call.resume(at(secs(0)), Input::Wake)).request;
        // It is not this session that knows the client secret.
        let quoted = quoted(&request).replace(CLIENT_SECRET, "");
        let step = call.resume(at(secs(0)), echo(&quoted));
        match step {
            Step::Wait(_) => assert!(!format!("{call:?} {step:?}").contains("canary"), "{how}"),
            step => assert_hidden(&hand::ready(step).unwrap_err(), how),
        }
    }
}

#[test]
fn no_answer_that_holds_a_signed_url_is_quoted() {
    let file = FileId::new(7).unwrap();
    let list = ListFilesV1::of(Parent::Root);
    for body in [
        format!(r#"{{"code":0,"data":{{"downloadUrl":7,"url":"{SOURCE}"}}}}"#),
        format!(r#"{{"code":0,"data":{{"fileList":[{{"downloadUrl":"{SOURCE}"}}]}}}}"#),
        format!(r#"{{"code":0,"data":"{SOURCE}"}}"#),
        format!("<a href={SOURCE}>"),
    ] {
        let url = read(&GetDownloadUrl::new(file), &body).unwrap_err();
        let page = read(&list, &body).unwrap_err();
        for error in [url, page] {
            assert!(matches!(error, Error::Decode(_)), "{error}");
            assert_hidden(&error, &body);
        }
    }
}

#[test]
fn no_refused_token_comes_out_with_the_last_refusal() {
    let given = Session::builder().access_token(TOKEN).build().unwrap();
    let mut call = given.call(&download()).unwrap();
    let request = hand::transmit(call.resume(at(secs(0)), Input::Wake)).request;
    let refused = hand::code(401, &quoted(&request));
    let error = hand::ready(call.resume(at(secs(0)), refused)).unwrap_err();
    assert!(matches!(error, Error::Unauthorized(_)));
    // It was not this session that knew the client secret.
    let shown = format!("{error:?} {error}").replace(CLIENT_SECRET, "");
    assert!(!shown.contains("canary"), "{shown}");
}

/// Drives a fetch whose answer is this, and tells what a caller who waits for it is told.
fn caller_after(echo: Echo) -> Error {
    let session = session();
    let mut call = session.call(&download()).unwrap();
    let mut refresh: Refresh = hand::detached(call.resume(at(secs(0)), Input::Wake));
    let request = hand::transmit(refresh.resume(at(secs(0)), Input::Wake)).request;
    let step = refresh.resume(at(secs(0)), echo(&quoted(&request)));
    let shown = format!("{refresh:?} {step:?}");
    assert!(!shown.contains("canary"), "{shown}");
    hand::ready(step);
    hand::ready(call.resume(at(secs(0)), Input::Wake)).unwrap_err()
}

#[test]
fn no_answer_to_the_fetch_of_a_token_brings_a_secret_into_an_error() {
    for (how, echo) in ECHOES {
        assert_hidden(&caller_after(echo), how);
    }
}

/// The session knows its own client secret, but not one that is asked with by hand.
#[test]
fn a_token_that_is_asked_for_by_hand_has_a_secret_too() {
    for (how, echo) in ECHOES {
        let given = Session::builder()
            .access_token("t")
            .retry(RetryPolicy::none());
        let mut call = given
            .build()
            .unwrap()
            .call(&IssueToken::new("id", CLIENT_SECRET))
            .unwrap();
        let request = hand::transmit(call.resume(at(secs(0)), Input::Wake)).request;
        let step = call.resume(at(secs(0)), echo(&quoted(&request)));
        assert_hidden(&hand::ready(step).unwrap_err(), how);
    }
}

/// An HTTP client that tells too much, at some depth and in one way of showing it only.
struct Loose {
    shown: String,
    debugged: String,
    source: Option<Box<Loose>>,
}

impl fmt::Debug for Loose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.debugged)
    }
}

impl fmt::Display for Loose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl StdError for Loose {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

fn loose(shown: &str, debugged: &str, source: Option<Loose>) -> Loose {
    Loose {
        shown: shown.to_owned(),
        debugged: debugged.to_owned(),
        source: source.map(Box::new),
    }
}

#[test]
fn no_http_client_brings_a_secret_into_an_error() {
    let ways: [fn(&str) -> Loose; 4] = [
        |text| loose(text, "", None),
        |text| loose("", text, None),
        |text| {
            loose(
                "broken pipe",
                "",
                Some(loose("", "", Some(loose(text, "", None)))),
            )
        },
        |text| loose("broken pipe", text, Some(loose("", "", None))),
    ];
    let kinds: [fn(Loose) -> TransportError; 4] = [
        |error| TransportError::interrupted(error),
        |error| TransportError::never_left(error),
        |error| TransportError::certificate(error),
        |error| TransportError::not_connected(error),
    ];
    for make in kinds {
        for way in ways {
            let mut call = session().call(&download()).unwrap();
            let request = ready_to_send(&mut call);
            let failed = Input::Failed(make(way(&quoted(&request))));
            let error = hand::ready(call.resume(at(secs(0)), failed)).unwrap_err();
            assert_hidden(&error, "an HTTP client");
        }
    }
    // What tells nothing stays as it was.
    let mut call = session().call(&download()).unwrap();
    ready_to_send(&mut call);
    let failed = Input::Failed(TransportError::interrupted(loose(
        "broken pipe",
        "BrokenPipe",
        None,
    )));
    let error = hand::ready(call.resume(at(secs(0)), failed)).unwrap_err();
    let source = error.source().expect("the HTTP client's own error");
    assert!(source.is::<Loose>(), "{source:?}");
}

/// An endpoint of a user's own, with a key in its query.
struct Form;

impl Endpoint for Form {
    const METHOD: http::Method = http::Method::POST;
    const PATH: &'static str = "/api/v1/oauth2/access_token";
    const RATE: RateClass = RateClass::new("oauth2", std::time::Duration::ZERO);
    const IDEMPOTENCY: Idempotency = Idempotency::Idempotent;
    type Response = ();

    fn query(&self, query: &mut pan123_proto::Query) {
        query.push("client_secret", "canary/form");
    }

    fn secrets(&self, secrets: &mut Secrets) {
        secrets.push("canary/form");
    }
}

#[test]
fn an_endpoint_of_ones_own_names_its_secrets() {
    let mut call = session().call(&Form).unwrap();
    let request = ready_to_send(&mut call);
    assert!(request.uri().to_string().contains("canary%2Fform"));
    let failed = TransportError::interrupted(format!("no answer from {}", request.uri()));
    let error = hand::ready(call.resume(at(secs(0)), Input::Failed(failed))).unwrap_err();
    assert_hidden(&error, "a URL");
    assert!(error.source().unwrap().to_string().contains("[redacted]"));
}

#[test]
fn a_callback_shows_no_query() {
    let body = json!({"url": SOURCE, "status": 1, "failReason": format!("cannot fetch {SOURCE}")});
    let notice = CallbackNotice::parse(body.to_string().as_bytes()).unwrap();
    assert_eq!(notice.url.as_deref(), Some(SOURCE));
    let shown = format!("{notice:?} {notice:#?} {:?}", notice.outcome);
    assert!(!shown.contains("canary"), "{shown}");
    assert!(shown.contains("cannot fetch https://"), "{shown}");
    for body in [
        json!(SOURCE).to_string(),
        json!({"status": SOURCE}).to_string(),
        format!("{{{SOURCE}}}"),
    ] {
        assert_hidden(&CallbackNotice::parse(body.as_bytes()).unwrap_err(), &body);
    }
}

/// What says nothing of a secret is told in full.
#[test]
fn what_is_no_secret_is_told() {
    let mut call = session().call(&download()).unwrap();
    ready_to_send(&mut call);
    let refused = hand::code(1, "任务 7 的文件 f.mp4 不存在 at files.example");
    let error = hand::ready(call.resume(at(secs(0)), refused)).unwrap_err();
    let message = error.api().unwrap().message();
    assert_eq!(message, "任务 7 的文件 f.mp4 不存在 at files.example");
}
