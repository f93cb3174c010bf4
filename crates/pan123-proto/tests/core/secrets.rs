//! Responses, HTTP clients, callbacks and stores that echo secrets: no error, step or machine shows one.

use std::error::Error as StdError;
use std::fmt::{self, Debug, Write};
use std::time::Duration;

use crate::support::oauth_service::{REDIRECT, SERVICE};
use crate::support::reading::read;
use crate::support::{at, hand, millis, secs};
use bytes::Bytes;
use http::{Request, Response};
use pan123_proto::access_token::IssueToken;
use pan123_proto::file::{GetDownloadUrl, ListFilesV1};
use pan123_proto::image_bed::ImageBedDownload;
use pan123_proto::oauth::{AuthorizationCodeGrant, RefreshTokenGrant};
use pan123_proto::offline::{CallbackNotice, Download};
use pan123_proto::user::GetUserInfo;
use pan123_proto::{
    Account, ClockSkew, Endpoint, Error, FileId, Idempotency, Input, Machine, Now, OAuth, Parent,
    RateClass, RetryPolicy, Session, SessionBuilder, Step, StoreOp, StoreResult, StoredToken,
    TransportError,
};
use percent_encoding::percent_decode_str;
use serde_json::json;

const SECRET: &str = "canary/secret+a-b_c~d=页 1";
const TOKEN: &str = "canary.issued-token_0123456789";
const CODE: &str = "canary-code&x=1/2";
const REFRESH: &str = "canary.refresh+token/=%";
const SOURCE: &str = "https://canary-user:canary-word@files.example/bot7:canary-bot/f.mp4?expires=canary-1&sig=canary%2Fsig%3D#canary-f";
const CALLBACK: &str = "https://bot.example/cb?job=7&key=canary%2Bkey";

fn built(builder: SessionBuilder) -> Session {
    builder.retry(RetryPolicy::none()).build().unwrap()
}

fn given() -> Session {
    built(Session::builder().access_token(TOKEN))
}

fn app() -> OAuth {
    OAuth::new("client-id", SECRET).refresh_token("canary-first-refresh-token")
}

fn oauth() -> Session {
    built(Session::builder().oauth(app()).persist_token(true))
}

fn download() -> Download {
    let download = Download::new(SOURCE).unwrap();
    download.callback(CALLBACK).unwrap()
}

fn now() -> Now {
    at(secs(0))
}

fn stored() -> Input {
    let account = Account::new(SERVICE, "client-id");
    let skew = ClockSkew::Ahead(secs(0));
    let token = StoredToken::new(account, TOKEN, Some(now().wall), skew);
    Input::Stored(StoreResult::Loaded(Some(token.with_refresh_token(REFRESH))))
}

/// Everything that a request carries, spelled as careless servers and HTTP clients quote it.
fn quoted(request: &Request<Bytes>) -> String {
    let token = request.headers().get("authorization");
    let token = token.map_or("", |token| token.to_str().unwrap());
    let body = String::from_utf8_lossy(request.body());
    let url = request.uri().to_string();
    let mut quoted = token.to_owned();
    for text in [&*url, &*body] {
        let decoded = percent_decode_str(text).decode_utf8().unwrap();
        let encoded = text.replace('%', "%25").replace('&', "%26");
        let form = text.replace("%20", "+");
        let some = text.replace("%2F", "/").replace("%3D", "=");
        let json = serde_json::to_string(&decoded).unwrap().replace('/', "\\/");
        let lower = text.to_lowercase();
        write!(
            quoted,
            " ({text}) {encoded} {form} {some} {decoded} {json} {lower}"
        )
        .unwrap();
        for byte in decoded.bytes() {
            write!(quoted, "%{byte:02x}").unwrap();
        }
    }
    quoted
}

/// The ways in which a response, or an HTTP client that gets none, echoes a text.
fn echoes(text: &str) -> Vec<Input> {
    let body = |status, body: serde_json::Value| hand::answer(status, &body.to_string());
    let with_headers = |status: u16, body: &str| {
        let response = Response::builder()
            .status(status)
            .header("retry-after", "999");
        let printable: String = text.chars().filter(char::is_ascii_graphic).collect();
        let response = ["x-traceid", "location", "server"]
            .into_iter()
            .fold(response, |response, name| response.header(name, &printable));
        let body = Bytes::copy_from_slice(body.as_bytes());
        Input::Response(response.body(body).unwrap())
    };
    vec![
        body(200, json!({"code": 1, "message": text, "x-traceID": text})),
        body(200, json!({"code": 401, "message": text})),
        body(500, json!({"code": 5, "message": "", "x-traceID": text})),
        body(200, json!({"code": text})),
        body(200, json!({"code": 0, "data": text})),
        body(
            200,
            json!({"code": 0, "data": {"taskID": text, "uid": text, "accessToken": {"a": text}}}),
        ),
        body(200, json!({"error": text})),
        body(
            400,
            json!({"error": "invalid_grant", "error_description": text}),
        ),
        body(400, json!({"error": {"text": text}})),
        body(503, json!({"error": text})),
        body(429, json!({"error": text})),
        body(
            200,
            json!({"access_token": {"a": text}, "refresh_token": text}),
        ),
        body(200, json!(text)),
        with_headers(200, r#"{"code":5}"#),
        with_headers(200, &json!({"code": 429, "message": text}).to_string()),
        with_headers(302, ""),
        hand::answer(200, text),
        hand::answer(502, text),
        hand::answer(403, &format!("<html>{text}")),
        Input::Failed(TransportError::interrupted(text)),
        Input::Failed(TransportError::never_left(text)),
        Input::Failed(TransportError::not_connected(text)),
        Input::Failed(TransportError::certificate(text)),
    ]
}

/// An error in every way of showing it.
fn shown(error: &(dyn StdError + 'static)) -> String {
    let mut shown = format!("{error:?}\n{error:#?}\n{error}");
    let mut cause = error.source();
    while let Some(source) = cause {
        write!(shown, "\n{source:?}\n{source}").unwrap();
        cause = source.source();
    }
    shown
}

/// Neither as it is nor percent-encoded.
#[track_caller]
fn assert_redacted(shown: &str, what: &str) {
    let decoded = percent_decode_str(shown).decode_utf8_lossy();
    for text in [shown, &decoded] {
        assert!(!text.to_lowercase().contains("canary"), "{what}: {shown}");
    }
}

#[track_caller]
fn assert_step_redacted<T: Debug>(machine: &impl Debug, step: &Step<T>, what: &str)
where
    Step<T>: Debug,
{
    assert_redacted(&format!("{machine:?} {step:?}"), what);
}

/// Sends a request of this endpoint, and feeds every echo of it.
#[track_caller]
fn assert_call_redacted<E: Endpoint<Response: Debug>>(session: fn() -> Session, endpoint: &E) {
    let in_flight = || {
        let mut call = session().call(endpoint).unwrap();
        let mut step = call.resume(now(), Input::Wake);
        if let Step::Detach(mut fetch) = step {
            hand::transmit(fetch.resume(now(), Input::Wake));
            hand::ready(fetch.resume(now(), hand::data(json!({"accessToken": TOKEN}))));
            step = call.resume(now(), Input::Wake);
        }
        assert_step_redacted(&call, &step, "a request");
        (call, hand::transmit(step).request)
    };
    for input in echoes(&quoted(&in_flight().1)) {
        let what = format!("{input:?}");
        let mut call = in_flight().0;
        let step = call.resume(now(), input);
        assert_step_redacted(&call, &step, &what);
        if let Step::Ready(Err(error)) = step {
            assert_redacted(&shown(&error), &what);
        }
    }
}

#[test]
fn calls_show_no_secret_that_a_response_echoes() {
    let fetching = || built(Session::builder().credentials("client-id", SECRET));
    assert_call_redacted(fetching, &download());
    assert_call_redacted(given, &download());
    let image = ImageBedDownload::new(SOURCE).unwrap();
    assert_call_redacted(given, &image.callback(CALLBACK).unwrap());
    // Each URL alone: parts of the other one must not stand in for its own.
    let harmless = "https://files.example/f.mp4";
    let download = Download::new(harmless).unwrap();
    assert_call_redacted(given, &download.callback(CALLBACK).unwrap());
    let image = ImageBedDownload::new(harmless).unwrap();
    assert_call_redacted(given, &image.callback(CALLBACK).unwrap());
    // Requested directly, so that the session does not know the secrets.
    assert_call_redacted(given, &IssueToken::new("client-id", SECRET));
    assert_call_redacted(
        given,
        &AuthorizationCodeGrant::new("client-id", SECRET, CODE, REDIRECT),
    );
    let refresh = RefreshTokenGrant::new("client-id", SECRET, REFRESH);
    assert_call_redacted(given, &refresh);
    assert_call_redacted(given, &WithSecret);
}

/// An endpoint defined by a user, with a key in its query.
struct WithSecret;

impl Endpoint for WithSecret {
    const METHOD: http::Method = http::Method::POST;
    const PATH: &'static str = "/api/v1/own";
    const RATE: RateClass = RateClass::new("own", Duration::ZERO);
    const IDEMPOTENCY: Idempotency = Idempotency::Idempotent;
    const SECRET_FIELDS: &'static [&'static str] = &["key"];
    type Response = ();

    fn query(&self, query: &mut pan123_proto::Query) {
        query.push("key", "canary/form");
    }
}

/// Feeds a fetch of a token every echo of its request, and shows what its caller receives.
fn assert_fetch_redacted(session: fn() -> Session) {
    let in_flight = || {
        let session = session();
        let mut call = session.call(&GetUserInfo).unwrap();
        let mut fetch = hand::detached(call.resume(now(), Input::Wake));
        let mut step = fetch.resume(now(), Input::Wake);
        while let Step::Store(op) = step {
            let input = match op {
                StoreOp::Lock => Input::Stored(StoreResult::Locked),
                StoreOp::Load => stored(),
                op => hand::proof(Step::<()>::Store(op)),
            };
            step = fetch.resume(now(), input);
        }
        (session, call, fetch, hand::transmit(step).request)
    };
    for input in echoes(&quoted(&in_flight().3)) {
        let what = format!("{input:?}");
        let (session, mut call, mut fetch, _) = in_flight();
        let step = fetch.resume(now(), input);
        assert_step_redacted(&(&fetch, &session), &step, &what);
        if let Step::Store(_) = step {
            fetch.resume(now(), Input::Stored(StoreResult::Unlocked));
        }
        let step = call.resume(now(), Input::Wake);
        assert_step_redacted(&call, &step, &what);
        if let Step::Ready(Err(error)) = step {
            assert_redacted(&shown(&error), &what);
        }
    }
}

#[test]
fn fetches_of_a_token_show_no_secret_that_a_response_echoes() {
    assert_fetch_redacted(|| built(Session::builder().credentials("client-id", SECRET)));
    assert_fetch_redacted(oauth);
}

#[test]
fn an_authorization_shows_no_secret_that_a_response_echoes() {
    let in_flight = || {
        let mut authorize = oauth().authorize(CODE, REDIRECT).unwrap();
        assert_redacted(&format!("{authorize:?}"), "before its first step");
        authorize.resume(now(), Input::Wake);
        authorize.resume(now(), Input::Stored(StoreResult::Locked));
        let proof = hand::proof(authorize.resume(now(), stored()));
        let request = hand::transmit(authorize.resume(now(), proof)).request;
        (authorize, request)
    };
    for input in echoes(&quoted(&in_flight().1)) {
        let what = format!("{input:?}");
        let (mut authorize, _) = in_flight();
        let step = authorize.resume(now(), input);
        assert_step_redacted(&authorize, &step, &what);
        if let Step::Store(_) = step {
            let unlocked = Input::Stored(StoreResult::Unlocked);
            let error = hand::ready(authorize.resume(now(), unlocked)).unwrap_err();
            assert_redacted(&shown(&error), &what);
        }
    }
}

#[test]
fn a_store_that_fails_shows_nothing_of_a_pair() {
    let session = oauth();
    let mut call = session.call(&GetUserInfo).unwrap();
    let mut fetch = hand::detached(call.resume(now(), Input::Wake));
    fetch.resume(now(), Input::Wake);
    fetch.resume(now(), stored());
    fetch.resume(now(), Input::Stored(StoreResult::Locked));
    let proof = hand::proof(fetch.resume(now(), stored()));
    hand::transmit(fetch.resume(now(), proof));
    let pair = json!({"access_token": "canary-a", "refresh_token": "canary-r", "expires_in": 7200});
    let step = fetch.resume(now(), hand::answer(200, &pair.to_string()));
    assert_step_redacted(&fetch, &step, "a pair that is being saved");
    let text = format!("cannot write canary-a canary-r over {TOKEN} {REFRESH} with {SECRET}");
    for second in 1..4 {
        let failed = Input::Stored(StoreResult::Failed(text.clone()));
        let step = fetch.resume(at(secs(second)), failed);
        assert_step_redacted(&fetch, &step, "a pair that is saved again");
        fetch.resume(at(secs(second) + millis(900)), Input::Wake);
    }
    let fault = session.token_store_fault().unwrap();
    assert_redacted(&shown(&fault), "a store");
    assert!(
        fault.to_string().contains("cannot write [redacted]"),
        "{fault}"
    );
    assert_redacted(&format!("{session:?}"), "a pair that is not saved");
}

#[test]
fn settings_show_no_secret() {
    let builder = || Session::builder().oauth(app());
    assert_redacted(&format!("{:?} {:?}", builder(), app()), "settings");
    for builder in [builder(), builder().access_token(TOKEN)] {
        assert_redacted(&shown(&builder.build().unwrap_err()), "settings");
    }
    let error = oauth()
        .authorize(CODE, "canary redirect")
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("registered for the app") && !error.contains(CODE),
        "{error}"
    );
}

#[test]
fn a_response_that_holds_a_signed_url_is_not_quoted() {
    let file = FileId::new(7).unwrap();
    let list = ListFilesV1::of(Parent::Root);
    for body in [
        format!(r#"{{"code":0,"data":{{"downloadUrl":7,"url":"{SOURCE}"}}}}"#),
        format!(r#"{{"code":0,"data":{{"fileList":[{{"downloadUrl":"{SOURCE}"}}]}}}}"#),
        format!("<a href={SOURCE}>"),
    ] {
        let url = read(&GetDownloadUrl::new(file), &body).unwrap_err();
        assert!(matches!(url, Error::Decode(_)), "{url}");
        let page = match read(&list, &body) {
            Ok(page) => Error::UnreadableRow(Box::new(page.unreadable[0].clone())),
            Err(error) => error,
        };
        for error in [url, page] {
            assert_redacted(&shown(&error), &body);
        }
    }
}

/// The error of an HTTP client: its `Display`, its `Debug`, and its source.
struct ClientError(String, String, Option<Box<ClientError>>);

impl Debug for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.1)
    }
}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl StdError for ClientError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.2.as_deref().map(|source| source as _)
    }
}

/// The error of a create whose HTTP client fails with this.
fn error_after(client_error: impl FnOnce(&str) -> ClientError) -> Error {
    let mut call = given().call(&download()).unwrap();
    let request = hand::transmit(call.resume(now(), Input::Wake)).request;
    let failed = TransportError::interrupted(client_error(&quoted(&request)));
    hand::ready(call.resume(now(), Input::Failed(failed))).unwrap_err()
}

#[test]
fn an_error_of_an_http_client_is_redacted_at_every_depth_and_else_kept() {
    let error = |shown: &str, debugged: &str, source| {
        ClientError(shown.to_owned(), debugged.to_owned(), source)
    };
    let ways: [&dyn Fn(&str) -> ClientError; 4] = [
        &|text| error(text, "", None),
        &|text| error("", text, None),
        &|text| {
            let inner = error("", "", Some(Box::new(error(text, "", None))));
            error("broken pipe", "", Some(Box::new(inner)))
        },
        &|text| error("broken pipe", text, Some(Box::new(error("", "", None)))),
    ];
    for way in ways {
        assert_redacted(&shown(&error_after(way)), "an HTTP client");
    }
    let kept = error_after(|_| error("broken pipe", "BrokenPipe", None));
    let source = kept.source().expect("the HTTP client's own error");
    assert!(source.is::<ClientError>(), "{source:?}");
}

#[test]
fn a_callback_shows_only_the_host_of_a_url() {
    let body = json!({"url": SOURCE, "status": 1, "failReason": format!("cannot fetch {SOURCE}")});
    let notice = CallbackNotice::parse(body.to_string().as_bytes()).unwrap();
    assert_eq!(notice.url.as_deref(), Some(SOURCE));
    let text = format!("{notice:?} {notice:#?} {:?}", notice.outcome);
    assert_redacted(&text, "a notice");
    assert!(
        text.contains("cannot fetch https://[redacted]@files.example/[redacted]"),
        "{text}"
    );
    for body in [
        json!(SOURCE).to_string(),
        json!({"status": SOURCE}).to_string(),
    ] {
        let error = CallbackNotice::parse(body.as_bytes()).unwrap_err();
        assert_redacted(&shown(&error), &body);
    }
}

#[test]
fn texts_without_a_secret_stay_whole() {
    let mut call = given().call(&download()).unwrap();
    hand::transmit(call.resume(now(), Input::Wake));
    let refused = hand::code(1, "任务 7 的文件 f.mp4 不存在 at files.example");
    let error = hand::ready(call.resume(now(), refused)).unwrap_err();
    let message = error.api().unwrap().message();
    assert_eq!(message, "任务 7 的文件 f.mp4 不存在 at files.example");
}
