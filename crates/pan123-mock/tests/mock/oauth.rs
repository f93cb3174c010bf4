//! Codes and token pairs of apps.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use pan123_mock::bytes::Bytes;
use pan123_mock::http::Request;
use pan123_mock::{
    CLIENT_ID, CLIENT_SECRET, CannedResponse, Edit, OauthErrorFormat, RateLimits, Service,
    TokenPair, path,
};
use serde_json::{Value, json};

use crate::mock::file_shapes::{keys, text};
use crate::mock::shapes::{fixture, shape};
use crate::mock::world::{World, code_and_message, envelope, world};

const BACK: &str = "https://example.com/back?x=1";
const DAY: Duration = Duration::from_secs(86_400);

/// Adds the default credentials unless `pairs` contains others; empty values are omitted.
fn request(pairs: &[(&str, &str)]) -> Request<Bytes> {
    let own = [("client_id", CLIENT_ID), ("client_secret", CLIENT_SECRET)];
    let given = |key: &str| pairs.iter().any(|(given, _)| *given == key);
    let own = own.iter().filter(|(key, _)| !given(key));
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(own.chain(pairs).filter(|(_, value)| !value.is_empty()));
    let uri = format!("{}?{}", path::OAUTH_TOKEN, query.finish());
    let request = Request::post(uri).header("Platform", "open_platform");
    request.body(Bytes::new()).expect("a request")
}

fn by_code(code: &str, redirect_uri: &str) -> Request<Bytes> {
    request(&[
        ("grant_type", "authorization_code"),
        ("code", code),
        ("redirect_uri", redirect_uri),
    ])
}

fn by_refresh(token: &str) -> Request<Bytes> {
    request(&[("grant_type", "refresh_token"), ("refresh_token", token)])
}

/// Returns the HTTP status and the body.
fn send(world: &mut World, request: &Request<Bytes>) -> (u16, Value) {
    let response = world.handle(request).reply.response;
    let body = serde_json::from_slice(response.body()).expect("JSON");
    (response.status().as_u16(), body)
}

/// Returns the two tokens of a response.
fn pair(world: &mut World, request: &Request<Bytes>) -> (String, String) {
    let (status, body) = send(world, request);
    assert_eq!(status, 200, "{body}");
    let text = |key: &str| body[key].as_str().expect("a token").to_owned();
    (text("access_token"), text("refresh_token"))
}

#[track_caller]
fn refused(world: &mut World, request: &Request<Bytes>, error: &str) {
    let (status, body) = send(world, request);
    assert_eq!((status, &body["error"]), (400, &json!(error)), "{body}");
    let described = body["error_description"].as_str();
    assert!(described.is_some_and(|it| !it.is_empty()), "{body}");
    assert_eq!(body.as_object().map(serde_json::Map::len), Some(2));
}

#[test]
fn code_is_exchanged_for_a_documented_pair() {
    let mut world = World::new(Service::builder().strict(true).service());
    let code = world.service.authorize(world.now, BACK);
    let response = world.handle(&by_code(&code, BACK)).reply.response;
    let body = std::str::from_utf8(response.body()).expect("UTF-8");
    assert_eq!(
        response.headers()["content-type"],
        "application/json; charset=utf-8"
    );
    assert_eq!(
        keys(body),
        keys(text!("official_oauth2_access_token_response_flat"))
    );
    let pair: Value = serde_json::from_str(body).expect("JSON");
    let official = fixture!("official_oauth2_access_token_response_flat");
    assert_eq!(shape(&pair), shape(&official));
    for same in ["expires_in", "scope", "token_type"] {
        assert_eq!(pair[same], official[same]);
    }
    let length = |pair: &Value| pair["refresh_token"].as_str().map(str::len);
    assert_eq!(length(&pair), length(&official));

    let token = pair["access_token"].as_str().expect("a token");
    assert_eq!(world.user_info(token)["code"], 0);
    world.service.assert_oauth_refreshes(0);
    world.service.assert_tokens_issued(0);
}

#[test]
fn code_works_once_within_ten_minutes_for_its_redirect() {
    let mut world = world();
    let codes = [(); 2].map(|()| world.service.authorize(world.now, BACK));
    refused(&mut world, &by_code("made up", BACK), "invalid_grant");
    refused(
        &mut world,
        &by_code(&codes[0], "https://example.com"),
        "invalid_grant",
    );
    pair(&mut world, &by_code(&codes[0], BACK));
    refused(&mut world, &by_code(&codes[0], BACK), "invalid_grant");

    world.now += Duration::from_secs(600);
    refused(&mut world, &by_code(&codes[1], BACK), "invalid_grant");
    world.now -= Duration::from_nanos(1);
    pair(&mut world, &by_code(&codes[1], BACK));
}

#[test]
fn refresh_replaces_the_pair() {
    let mut world = world();
    let TokenPair {
        access_token,
        refresh_token,
        ..
    } = world.service.oauth_pair(world.now);
    assert_eq!(world.user_info(&access_token)["code"], 0);
    let (next_access, next_refresh) = pair(&mut world, &by_refresh(&refresh_token));
    assert!(next_access != access_token && next_refresh != refresh_token);

    let old = world.user_info(&access_token);
    assert_eq!(code_and_message(&old), (401, "token is expired"));
    assert_eq!(world.user_info(&next_access)["code"], 0);
    refused(&mut world, &by_refresh(&refresh_token), "invalid_grant");
    assert_eq!(
        world.user_info(&next_access)["code"],
        0,
        "the new pair is not revoked"
    );
    // A redirect is also accepted.
    let again = request(&[
        ("grant_type", "refresh_token"),
        ("refresh_token", &next_refresh),
        ("redirect_uri", BACK),
    ]);
    pair(&mut world, &again);
    assert_eq!(world.service.oauth_refreshes(), 2);
    world.service.assert_oauth_refreshes(2);
}

#[test]
fn access_token_lives_two_hours_and_refresh_token_ninety_days() {
    let mut world = world();
    let first = world.service.oauth_pair(world.now);
    let second = world.service.oauth_pair(world.now);
    let start = world.now;
    world.now = start + Duration::from_secs(7200) - Duration::from_nanos(1);
    assert_eq!(world.user_info(&first.access_token)["code"], 0);
    world.now = start + Duration::from_secs(7200);
    let expired = world.user_info(&first.access_token);
    assert_eq!(code_and_message(&expired), (401, "token is expired"));

    world.now = start + 90 * DAY - Duration::from_nanos(1);
    pair(&mut world, &by_refresh(&first.refresh_token));
    world.now = start + 90 * DAY;
    refused(
        &mut world,
        &by_refresh(&second.refresh_token),
        "invalid_grant",
    );
    world.service.assert_oauth_refreshes(1);
}

#[test]
fn app_and_developer_tokens_are_independent() {
    let mut world = world();
    let mine = [(); 3].map(|()| world.token());
    let pairs = [(); 5].map(|()| world.service.oauth_pair(world.now));
    for pair in &pairs {
        assert_eq!(world.user_info(&pair.access_token)["code"], 0);
    }
    for token in &mine {
        assert_eq!(world.user_info(token)["code"], 0);
    }
    world.service.revoke_tokens(world.now);
    assert_eq!(world.user_info(&mine[2])["code"], 401);
    assert_eq!(world.user_info(&pairs[0].access_token)["code"], 0);
    world.service.assert_tokens_issued(3);
    let no_access = world.user_info(&pairs[0].refresh_token);
    assert_eq!(code_and_message(&no_access), (401, "token is invalid"));
}

/// Invalid requests, each with its error.
fn invalid_requests(world: &mut World) -> Vec<(Request<Bytes>, &'static str)> {
    let code = world.service.authorize(world.now, BACK);
    let token = world.service.oauth_pair(world.now).refresh_token;
    let refresh = [("grant_type", "refresh_token"), ("refresh_token", &*token)];
    let exchange = [
        ("grant_type", "authorization_code"),
        ("code", &*code),
        ("redirect_uri", BACK),
    ];
    let with = |base: &[(&'static str, &str)], key: &'static str, value: &'static str| {
        let others = base.iter().filter(|(other, _)| *other != key).copied();
        request(&others.chain([(key, value)]).collect::<Vec<_>>())
    };
    vec![
        (with(&refresh, "client_id", "wrong"), "invalid_client"),
        (with(&refresh, "client_secret", "wrong"), "invalid_client"),
        (with(&exchange, "client_secret", "wrong"), "invalid_client"),
        (with(&refresh, "client_id", ""), "invalid_request"),
        (with(&refresh, "client_secret", ""), "invalid_request"),
        (with(&refresh, "grant_type", ""), "invalid_request"),
        (with(&refresh, "refresh_token", ""), "invalid_request"),
        (with(&exchange, "code", ""), "invalid_request"),
        (with(&exchange, "redirect_uri", ""), "invalid_request"),
        (
            with(&refresh, "grant_type", "password"),
            "unsupported_grant_type",
        ),
        (with(&refresh, "refresh_token", "made up"), "invalid_grant"),
        (with(&exchange, "code", "made up"), "invalid_grant"),
    ]
}

#[test]
fn errors_follow_rfc_6749() {
    for strict in [true, false] {
        let mut world = World::new(Service::builder().strict(strict).service());
        for (request, error) in invalid_requests(&mut world) {
            refused(&mut world, &request, error);
        }
        assert_eq!(world.service.oauth_refreshes(), 0);
    }
    let mut strict = World::new(Service::builder().strict(true).service());
    let undocumented = request(&[("grant_type", "refresh_token"), ("colour", "red")]);
    refused(&mut strict, &undocumented, "invalid_request");
}

#[test]
fn errors_can_use_the_envelope() {
    let builder = Service::builder().oauth_error_format(OauthErrorFormat::Envelope);
    let mut world = World::new(builder.service());
    for (request, error) in invalid_requests(&mut world) {
        let rejected = envelope(&world.handle(&request));
        let (code, message) = code_and_message(&rejected);
        assert_eq!(code, 401);
        assert!(message.starts_with(&format!("{error}: ")), "{message}");
    }
    let json = serde_json::to_value(Service::builder()).unwrap();
    assert_eq!(json["oauth_error_format"], "rfc6749");
}

#[test]
fn parameters_are_read_from_the_query_only() {
    let mut world = world();
    let request = by_refresh(&world.service.oauth_pair(world.now).refresh_token);
    let query = request.uri().query().unwrap_or_default().to_owned();
    let mut in_body = request.clone();
    *in_body.uri_mut() = path::OAUTH_TOKEN.parse().unwrap();
    *in_body.body_mut() = query.into();
    refused(&mut world, &in_body, "invalid_request");
    let mut without_platform = request.clone();
    without_platform.headers_mut().remove("Platform");
    assert_eq!(send(&mut world, &without_platform).1["code"], 1);
    let mut get = request.clone();
    *get.method_mut() = pan123_mock::http::Method::GET;
    assert_eq!(send(&mut world, &get).0, 404);
    pair(&mut world, &request);
}

#[test]
fn rate_limit_is_100_per_minute() {
    let mut world = World::new(Service::builder().rate_limits(RateLimits::free()).service());
    // The start of a minute.
    world.now += Duration::from_secs(23);
    for _ in 0..100 {
        refused(&mut world, &by_refresh("made up"), "invalid_grant");
    }
    let pair = world.service.oauth_pair(world.now);
    world.now += Duration::from_secs(59);
    let late = by_refresh(&pair.refresh_token);
    assert_eq!(send(&mut world, &late).1["code"], 429);
    world.now += Duration::from_secs(1);
    assert_eq!(send(&mut world, &late).0, 200);
}

#[test]
fn flat_response_can_be_edited() {
    let mut world = world();
    let mut token = world.service.oauth_pair(world.now).refresh_token;
    for (edit, expires_in) in [
        (Edit::NumbersAsStrings, json!("7200")),
        (Edit::NullData, json!(7200)),
        (Edit::NoData, json!(7200)),
        (Edit::Status(13), json!(7200)),
    ] {
        let canned = CannedResponse::passthrough().edited(edit);
        world.service.respond_next(path::OAUTH_TOKEN, canned);
        let (status, body) = send(&mut world, &by_refresh(&token));
        assert_eq!(
            (status, &body["expires_in"]),
            (200, &expires_in),
            "{edit:?}"
        );
        token = body["refresh_token"].as_str().expect("a token").to_owned();
    }
}

#[test]
fn debug_output_and_messages_contain_no_secrets() {
    let mut world = world();
    let code = world.service.authorize(world.now, BACK);
    let first = pair(&mut world, &by_code(&code, BACK));
    let outcome = world.handle(&by_refresh(&first.1));
    let second: Value = serde_json::from_slice(outcome.reply.response.body()).unwrap();
    let other_case = request(&[("grant_type", "refresh_token"), ("Refresh_Token", "hush")]);
    world.handle(&other_case);
    let panic = catch_unwind(AssertUnwindSafe(|| world.service.assert_oauth_refreshes(7)));
    let message = panic
        .unwrap_err()
        .downcast_ref::<String>()
        .cloned()
        .unwrap();
    assert!(
        message.starts_with("1 token pairs were refreshed, expected 7"),
        "{message}"
    );
    assert!(
        message.contains("grant_type=authorization_code&code=[redacted]"),
        "{message}"
    );

    let pair = world.service.oauth_pair(world.now);
    let shown = format!("{outcome:?} {:?} {message} {pair:?}", world.service);
    let second = [&second["access_token"], &second["refresh_token"]];
    let second = second.map(|token| token.as_str().expect("a token"));
    for secret in [
        CLIENT_SECRET,
        &code,
        &first.0,
        &first.1,
        second[0],
        second[1],
        "hush",
    ] {
        assert!(!shown.contains(secret), "{secret}: {shown}");
    }
    assert!(!shown.contains(&pair.access_token) && !shown.contains(&pair.refresh_token));
    // The fields keep the original values.
    assert!(world.service.requests()[0].query().contains(&code));
}
