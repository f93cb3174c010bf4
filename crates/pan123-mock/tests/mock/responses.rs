//! What all responses share, prepared responses, and recorded requests.

use std::time::Duration;

use pan123_mock::bytes::Bytes;
use pan123_mock::http::{HeaderName, HeaderValue, Request, StatusCode, header};
use pan123_mock::{CLIENT_ID, CLIENT_SECRET, CannedResponse, RateLimits, Service, path};
use serde_json::json;

use crate::mock::world::{World, code_and_message, envelope, get, post, token_request, world};

#[test]
fn unknown_path_or_method_gets_the_gateways_404() {
    let mut world = world();
    let token = world.token();
    for request in [
        get("/api/v1/offline/list", &token),
        get(path::OFFLINE_DOWNLOAD, &token),
    ] {
        let response = world.handle(&request).reply.response;
        assert_eq!(response.status(), 404);
        assert_eq!(
            response.body(),
            r#"{"message":"no Route matched with those values"}"#
        );
        assert!(response.headers().contains_key(header::DATE));
    }
}

#[test]
fn responses_have_a_date_and_a_unique_trace_id() {
    let mut world = world();
    let request = token_request(CLIENT_ID, CLIENT_SECRET);
    let first = world.handle(&request);
    let date = &first.reply.response.headers()[header::DATE];
    assert_eq!(date, "Sun, 23 Mar 2025 07:38:37 GMT");
    let second = world.handle(&request);
    assert_ne!(
        envelope(&first)["x-traceID"],
        envelope(&second)["x-traceID"]
    );
}

#[test]
fn prepared_responses_are_used_in_order_and_recorded() {
    let mut world = world();
    let token = world.token();
    let service = &mut world.service;
    service.respond_next(
        path::USER_INFO,
        CannedResponse::envelope(429, "请求太频繁").times(2),
    );
    service.respond_next(path::USER_INFO, CannedResponse::passthrough());
    service.respond_next(
        path::USER_INFO,
        CannedResponse::raw(StatusCode::BAD_GATEWAY, "<html>")
            .header(header::RETRY_AFTER, HeaderValue::from_static("7"))
            .delay(Duration::from_secs(3)),
    );
    service.respond_next(
        path::USER_INFO,
        CannedResponse::envelope(1, "never").times(0),
    );

    let request = get(path::USER_INFO, &token);
    for code in [429, 429, 0] {
        assert_eq!(world.envelope(&request)["code"], code);
    }
    let raw = world.handle(&request).reply;
    assert_eq!(raw.response.status(), 502);
    assert_eq!(raw.response.body(), "<html>");
    assert_eq!(raw.response.headers()[header::RETRY_AFTER], "7");
    assert!(raw.response.headers().contains_key(header::DATE));
    assert_eq!(raw.delay, Some(Duration::from_secs(3)));

    assert_eq!(world.envelope(&request)["code"], 0);
    let seen = world.service.requests();
    assert_eq!(seen.len(), 6);
    assert!(seen[1..].iter().all(|seen| seen.path() == path::USER_INFO));
}

#[test]
fn prepared_response_can_hide_that_the_service_acted() {
    let mut world = world();
    let token = world.token();
    let lost = || CannedResponse::raw(StatusCode::GATEWAY_TIMEOUT, Bytes::new());
    let create = post(
        path::OFFLINE_DOWNLOAD,
        &token,
        &json!({"url": "https://example.com/a"}),
    );

    world.service.respond_next(path::OFFLINE_DOWNLOAD, lost());
    assert_eq!(world.handle(&create).reply.response.status(), 504);
    assert_eq!(world.service.tasks().len(), 0);

    let canned = lost().after_acting();
    world.service.respond_next(path::OFFLINE_DOWNLOAD, canned);
    assert_eq!(world.handle(&create).reply.response.status(), 504);
    assert_eq!(world.service.tasks().len(), 1);
}

#[test]
fn prepared_header_replaces_the_original() {
    let mut world = world();
    let date = HeaderValue::from_static("Thu, 01 Jan 1970 00:00:00 GMT");
    let canned = CannedResponse::passthrough().header(header::DATE, date.clone());
    world.service.respond_next(path::ACCESS_TOKEN, canned);
    let response = world
        .handle(&token_request(CLIENT_ID, CLIENT_SECRET))
        .reply
        .response;
    let dates: Vec<_> = response.headers().get_all(header::DATE).iter().collect();
    assert_eq!(dates, [&date]);
}

#[test]
fn requests_are_recorded_unchanged() {
    let mut world = world();
    let request = Request::put("/somewhere?a=1&b=2")
        .header(HeaderName::from_static("x-mine"), "yes")
        .body(Bytes::from("body"))
        .unwrap();
    world.handle(&request);
    let seen = &world.service.requests()[0];
    assert_eq!(seen.method(), "PUT");
    assert_eq!((seen.path(), seen.query()), ("/somewhere", "a=1&b=2"));
    assert_eq!(seen.headers()["x-mine"], "yes");
    assert_eq!(seen.body(), "body");
}

#[test]
fn requests_above_the_rate_limit_get_429() {
    let free = Service::builder().rate_limits(RateLimits::free());
    let mut world = World::new(free.service());
    let token = world.token();
    let body = json!({"url": "https://example.com/a"});
    assert_eq!(world.create(&token, &body)["code"], 0);
    let refused = world.create(&token, &body);
    assert_eq!(code_and_message(&refused), (429, "请求太频繁"));
    assert_eq!(world.service.tasks().len(), 1);
    assert_eq!(world.user_info(&token)["code"], 0);

    world.now += Duration::from_secs(1);
    assert_eq!(world.create(&token, &body)["code"], 0);
    assert_eq!(world.service.tasks().len(), 2);
}
