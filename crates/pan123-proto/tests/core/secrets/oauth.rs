//! Client secret, code and tokens of an app: no error shows one, however a server or an HTTP client echoes the request.

use std::error::Error as StdError;
use std::fmt::{Debug, Write};

use crate::support::rotation::{REDIRECT, SERVICE};
use crate::support::{at, fixed, hand, millis, secs};
use bytes::Bytes;
use http::Request;
use pan123_proto::api::oauth::{ExchangeCode, ExchangeRefreshToken, TokenPair};
use pan123_proto::user::GetUserInfo;
use pan123_proto::{
    Account, ClockSkew, Endpoint, Error, Input, Machine, OAuth, Refresh, RetryPolicy, Session,
    Step, StoreResult, StoredToken, TransportError,
};
use serde_json::json;

const SECRET: &str = "canary/secret+a-b_c~d=页 1";
const CODE: &str = "canary-code&x=1/2";
const REFRESH: &str = "canary.refresh+token/=%";
const NEXT: &str = "canary.next+token/=%";
const ACCESS: &str = "canary.access-token_0123456789";
const ACCESS_NEXT: &str = "canary.access-token_next";

fn app() -> OAuth {
    OAuth::new("client-id", SECRET).refresh_token("canary-first-refresh-token")
}

fn session() -> Session {
    let builder = Session::builder().oauth(app()).persist_token(true);
    builder.retry(RetryPolicy::none()).build().unwrap()
}

fn kept() -> Input {
    let account = Account::new(SERVICE, "client-id");
    let token = StoredToken::new(
        account,
        ACCESS,
        Some(at(secs(0)).wall),
        ClockSkew::Ahead(secs(0)),
    );
    Input::Stored(StoreResult::Loaded(Some(token.with_refresh_token(REFRESH))))
}

/// All that a request carries, as it stands in its URL and decoded in whole and in part.
fn quoted(request: &Request<Bytes>) -> String {
    let url = request.uri().to_string();
    let decoded = percent_encoding::percent_decode_str(&url)
        .decode_utf8()
        .unwrap();
    let form = url.replace("%20", "+");
    let lower = url.to_lowercase();
    let some = url.replace("%2F", "/").replace("%3D", "=");
    let all: String = decoded.bytes().fold(String::new(), |mut all, byte| {
        write!(all, "%{byte:02x}").unwrap();
        all
    });
    let json = serde_json::to_string(&decoded).unwrap().replace('/', "\\/");
    format!("error for url ({url}) {form} {lower} {some} {decoded} {json} {all}")
}

#[track_caller]
fn assert_hidden(error: &(impl StdError + 'static), what: &str) {
    let mut shown = format!("{error:?}\n{error:#?}\n{error}");
    let mut cause = error.source();
    while let Some(source) = cause {
        write!(shown, "\n{source:?}\n{source}").unwrap();
        cause = source.source();
    }
    assert_nothing_of_it(&shown, what);
}

/// Spelled in full, in percent or not.
#[track_caller]
fn assert_nothing_of_it(shown: &str, what: &str) {
    let decoded = percent_encoding::percent_decode_str(shown).decode_utf8_lossy();
    for text in [shown, &decoded] {
        assert!(!text.to_lowercase().contains("canary"), "{what}: {shown}");
    }
}

/// The ways in which an answer, or an HTTP client that gets none, echoes a text.
fn echoes(text: &str) -> Vec<Input> {
    let flat = |status, body: serde_json::Value| hand::answer(status, &body.to_string());
    vec![
        flat(200, json!({"error": text})),
        flat(
            400,
            json!({"error": "invalid_grant", "error_description": text}),
        ),
        flat(400, json!({"error": {"text": text}})),
        flat(503, json!({"error": text})),
        flat(200, json!({"code": 1, "message": text, "x-traceID": text})),
        flat(200, json!({"code": 401, "message": text})),
        flat(429, json!({"error": text})),
        flat(200, json!({"access_token": text})),
        flat(
            200,
            json!({"access_token": {"a": text}, "refresh_token": text}),
        ),
        flat(200, json!(text)),
        hand::answer(200, text),
        hand::answer(502, text),
        hand::answer(403, text),
        Input::Failed(TransportError::interrupted(text)),
        Input::Failed(TransportError::never_left(text)),
        Input::Failed(TransportError::not_connected(text)),
        Input::Failed(TransportError::certificate(text)),
    ]
}

/// A refresh whose request is out.
fn refreshing(
    session: &Session,
) -> (
    impl Machine<Output = Result<impl Debug, Error>>,
    Refresh,
    Request<Bytes>,
) {
    let mut call = session.call(&GetUserInfo).unwrap();
    let mut refresh = hand::detached(call.resume(at(secs(0)), Input::Wake));
    refresh.resume(at(secs(0)), Input::Wake);
    refresh.resume(at(secs(0)), kept());
    refresh.resume(at(secs(0)), Input::Stored(StoreResult::Locked));
    let request = hand::transmit(refresh.resume(at(secs(0)), kept())).request;
    (call, refresh, request)
}

#[test]
fn nothing_of_a_refresh_is_told() {
    let (_, _, request) = refreshing(&session());
    for input in echoes(&quoted(&request)) {
        let what = format!("{input:?}");
        let session = session();
        let (mut call, mut refresh, _) = refreshing(&session);
        let step = refresh.resume(at(secs(0)), input);
        assert_nothing_of_it(&format!("{refresh:?} {step:?} {session:?}"), &what);
        match step {
            Step::Store(_) => refresh.resume(at(secs(0)), Input::Stored(StoreResult::Unlocked)),
            // Too many requests: it is waited out, with the refusal kept.
            other => other,
        };
        match call.resume(at(secs(0)), Input::Wake) {
            Step::Ready(told) => assert_hidden(&told.unwrap_err(), &what),
            Step::Wait(_) => {}
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn nothing_of_a_code_is_told() {
    let exchanging = || {
        let mut authorize = session().authorize(CODE, REDIRECT).unwrap();
        authorize.resume(at(secs(0)), Input::Wake);
        authorize.resume(at(secs(0)), Input::Stored(StoreResult::Locked));
        let request = hand::transmit(authorize.resume(at(secs(0)), kept())).request;
        (authorize, request)
    };
    let shown = format!("{:?}", session().authorize(CODE, REDIRECT).unwrap());
    assert_nothing_of_it(&shown, "before its first step");
    for input in echoes(&quoted(&exchanging().1)) {
        let what = format!("{input:?}");
        let (mut authorize, _) = exchanging();
        let step = authorize.resume(at(secs(0)), input);
        assert_nothing_of_it(&format!("{authorize:?} {step:?}"), &what);
        if let Step::Store(_) = step {
            let unlocked = Input::Stored(StoreResult::Unlocked);
            let told = hand::ready(authorize.resume(at(secs(0)), unlocked));
            assert_hidden(&told.unwrap_err(), &what);
        }
    }
}

/// Asked by hand, where the session does not know the secrets.
fn assert_hidden_by_hand<E: Endpoint<Response = TokenPair>>(endpoint: &E) {
    let asked = || {
        let call = fixed().call(endpoint).unwrap();
        let mut call = call.retry(RetryPolicy::none());
        let transmit = hand::transmit(call.resume(at(secs(0)), Input::Wake));
        assert_nothing_of_it(&format!("{transmit:?} {call:?}"), "a request");
        (call, transmit.request)
    };
    for input in echoes(&quoted(&asked().1)) {
        let what = format!("{input:?}");
        match asked().0.resume(at(secs(0)), input) {
            Step::Ready(told) => assert_hidden(&told.unwrap_err(), &what),
            Step::Wait(_) => {}
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn nothing_of_a_pair_that_is_asked_for_by_hand_is_told() {
    assert_hidden_by_hand(&ExchangeCode::new("client-id", SECRET, CODE, REDIRECT));
    assert_hidden_by_hand(&ExchangeRefreshToken::new("client-id", SECRET, REFRESH));
}

#[test]
fn nothing_that_a_store_says_tells_of_a_pair() {
    let session = session();
    let (_call, mut refresh, _) = refreshing(&session);
    let pair = json!({"access_token": ACCESS_NEXT, "refresh_token": NEXT, "expires_in": "7200"});
    let step = refresh.resume(at(secs(0)), hand::answer(200, &pair.to_string()));
    assert_nothing_of_it(&format!("{step:?} {refresh:?}"), "a pair to be saved");
    let text = format!("cannot write {ACCESS_NEXT} {NEXT} over {ACCESS} {REFRESH} with {SECRET}");
    for second in 1..4 {
        let failed = StoreResult::Failed(text.clone());
        let step = refresh.resume(at(secs(second)), Input::Stored(failed));
        assert_nothing_of_it(&format!("{step:?} {refresh:?}"), "a pair to be saved again");
        refresh.resume(at(secs(second) + millis(900)), Input::Wake);
    }
    let fault = session.token_store_fault().unwrap();
    assert_hidden(&fault, "a store");
    assert!(
        fault.to_string().contains("cannot write [redacted]"),
        "{fault}"
    );
    assert_nothing_of_it(
        &format!("{session:?}"),
        "a session with a pair that is not saved",
    );
}

#[test]
fn nothing_of_the_settings_is_told() {
    let builder = Session::builder().oauth(app());
    assert_nothing_of_it(&format!("{builder:?} {:?}", app()), "settings");
    for builder in [
        builder,
        Session::builder().oauth(app()).access_token(ACCESS),
    ] {
        assert_hidden(&builder.build().unwrap_err(), "settings");
    }
    let error = session().authorize(CODE, "canary redirect").err();
    let error = error.unwrap().to_string();
    assert!(
        error.contains("registered for the app") && !error.contains(CODE),
        "{error}"
    );
}
