//! Tokens, credentials and the headers of a call.

use std::time::Duration;

use pan123_mock::http::{HeaderValue, header};
use pan123_mock::{CLIENT_ID, CLIENT_SECRET, Service, path};
use serde_json::Value;

use crate::mock::world::{World, code_and_message, get, token_request, world};

#[test]
fn token_is_accepted_until_it_expires() {
    let mut world = world();
    let response = world.envelope(&token_request(CLIENT_ID, CLIENT_SECRET));
    assert_eq!(response["data"]["expiredAt"], "2025-04-22T15:38:37+08:00");
    let token = response["data"]["accessToken"].as_str().unwrap();
    assert_eq!(world.user_info(token)["code"], 0);

    world.now += Duration::from_secs(30 * 86_400);
    let expired = world.user_info(token);
    assert_eq!(code_and_message(&expired), (401, "token is expired"));
}

#[test]
fn fourth_token_revokes_only_the_first() {
    let mut world = world();
    let tokens: Vec<String> = (0..3).map(|_| world.token()).collect();
    for token in &tokens {
        assert_eq!(world.user_info(token)["code"], 0);
    }

    let fourth = world.token();
    let refused = world.user_info(&tokens[0]);
    assert_eq!(
        code_and_message(&refused),
        (401, "tokens number has exceeded the limit")
    );
    for token in [&tokens[1], &tokens[2], &fourth] {
        assert_eq!(world.user_info(token)["code"], 0);
    }
    assert_eq!(world.service.tokens_issued(), 4);
}

#[test]
fn wrong_credentials_get_an_error_envelope_and_no_token() {
    let mut world = world();
    for (id, secret) in [(CLIENT_ID, "wrong"), ("wrong", CLIENT_SECRET)] {
        let refused = world.envelope(&token_request(id, secret));
        assert_eq!(refused["code"], 401);
        assert_eq!(refused["data"], Value::Null);
    }
    assert_eq!(world.service.tokens_issued(), 0);
}

#[test]
fn credentials_and_lifetime_are_configurable() {
    let service = Service::builder()
        .credentials("id", "secret")
        .token_lifetime(Duration::from_secs(60))
        .service();
    let mut world = World::new(service);
    assert_eq!(
        world.envelope(&token_request(CLIENT_ID, CLIENT_SECRET))["code"],
        401
    );
    let response = world.envelope(&token_request("id", "secret"));
    assert_eq!(response["data"]["expiredAt"], "2025-03-23T15:39:37+08:00");
}

#[test]
fn headers_of_every_call_are_checked() {
    let mut world = world();
    let token = world.token();
    let without = |name: &str| {
        let mut request = get(path::USER_INFO, &token);
        request.headers_mut().remove(name);
        request
    };
    assert_eq!(world.envelope(&without("Authorization"))["code"], 401);
    assert_eq!(world.envelope(&without("Platform"))["code"], 1);

    let mut bare = get(path::USER_INFO, &token);
    let value = HeaderValue::from_str(&token).unwrap();
    bare.headers_mut().insert(header::AUTHORIZATION, value);
    assert_eq!(
        code_and_message(&world.envelope(&bare)),
        (401, "token is invalid")
    );

    let mut unplatformed = token_request(CLIENT_ID, CLIENT_SECRET);
    unplatformed.headers_mut().remove("Platform");
    assert_eq!(world.envelope(&unplatformed)["code"], 1);

    let mut untyped = token_request(CLIENT_ID, CLIENT_SECRET);
    untyped.headers_mut().remove(header::CONTENT_TYPE);
    assert_eq!(world.envelope(&untyped)["code"], 0);
    let mut strict = World::new(Service::builder().strict(true).service());
    assert_eq!(strict.envelope(&untyped)["code"], 1);
}

#[test]
fn debug_output_contains_no_secrets() {
    let mut world = world();
    let issued = world.handle(&token_request(CLIENT_ID, CLIENT_SECRET));
    let token = world.token();
    world.user_info(&token);
    let shown = format!("{issued:?} {:?}", world.service);
    let response: Value = serde_json::from_slice(issued.reply.response.body()).unwrap();
    let first = response["data"]["accessToken"].as_str().unwrap();
    for secret in [first, &token, CLIENT_SECRET] {
        assert!(!shown.contains(secret), "{secret}: {shown}");
    }
}
