//! Golden requests: method, URL, headers and body.

use crate::support::hand::{body, request};
use crate::support::wire::{SERVICE, fixture, head, with_token};
use crate::support::{at, builder, fixed, hand, millis, oauth_service, secs, session, task};
use http::header::AUTHORIZATION;
use pan123_proto::access_token::IssueToken;
use pan123_proto::oauth::{AuthorizationCodeGrant, RefreshTokenGrant};
use pan123_proto::offline::{Download, GetDownloadProgress};
use pan123_proto::user::GetUserInfo;
use pan123_proto::{
    Body, DirId, Endpoint, Idempotency, Input, Machine, Query, RateClass, Session, StoreResult,
    Transmit,
};
use serde_json::json;

#[test]
fn issue_token() {
    let transmit = request(&IssueToken::new("123456789", "123456789"));
    let mut expected = with_token(format!("POST {SERVICE}/api/v1/access_token"));
    expected.remove(1);
    assert_eq!(head(&transmit), expected, "no token asks for a token");
    assert_eq!(
        &transmit.request.body()[..],
        br#"{"clientID":"123456789","clientSecret":"123456789"}"#
    );
    assert_eq!(
        body(&transmit),
        fixture(include_str!(
            "../../fixtures/official_access_token_request.json"
        ))
    );
}

#[test]
fn session_fetches_a_token_with_the_same_request() {
    let builder = Session::builder().credentials("123456789", "123456789");
    let session = builder.build().unwrap();
    let mut call = session.call(&GetUserInfo).unwrap();
    let mut refresh = hand::detached(call.resume(at(secs(0)), Input::Wake));
    let fetched = hand::transmit(refresh.resume(at(secs(0)), Input::Wake));
    let asked = request(&IssueToken::new("123456789", "123456789"));
    assert_eq!(head(&fetched), head(&asked));
    assert_eq!(fetched.request.body(), asked.request.body());
}

/// Parameters in the query of a POST, no body and no token.
fn assert_oauth(transmit: &Transmit, query: &str) {
    let mut expected = with_token(format!("POST {SERVICE}/api/v1/oauth2/access_token?{query}"));
    expected.remove(1);
    expected.insert(2, "content-length: 0".to_owned());
    expected[1..].sort();
    assert_eq!(head(transmit), expected);
    assert!(transmit.request.body().is_empty());
}

#[test]
fn exchange_code() {
    let redirect = "https://app.example/callback?n=1";
    assert_oauth(
        &request(&AuthorizationCodeGrant::new(
            "client-id",
            "s/cret+=",
            "the code",
            redirect,
        )),
        "client_id=client-id&client_secret=s%2Fcret%2B%3D&grant_type=authorization_code&code=the%20code\
         &redirect_uri=https%3A%2F%2Fapp.example%2Fcallback%3Fn%3D1",
    );
}

#[test]
fn exchange_refresh_token() {
    assert_oauth(
        &request(&RefreshTokenGrant::new("client-id", "secret", "r&1")),
        "client_id=client-id&client_secret=secret&grant_type=refresh_token&refresh_token=r%261",
    );
}

#[test]
fn session_requests_a_pair_with_the_same_request() {
    let session = oauth_service::process();
    let mut authorize = session
        .authorize("code-1", oauth_service::REDIRECT)
        .unwrap();
    authorize.resume(at(secs(0)), Input::Wake);
    authorize.resume(at(secs(0)), Input::Stored(StoreResult::Locked));
    let none = Input::Stored(StoreResult::Loaded(None));
    let proof = hand::proof(authorize.resume(at(secs(0)), none));
    let sent = hand::transmit(authorize.resume(at(secs(0)), proof));
    let asked = AuthorizationCodeGrant::new(
        "client-id",
        "client-secret",
        "code-1",
        oauth_service::REDIRECT,
    );
    assert_eq!(head(&sent), head(&request(&asked)));
    drop(authorize);

    let mut call = session.call(&GetUserInfo).unwrap();
    let mut refresh = hand::detached(call.resume(at(secs(0)), Input::Wake));
    let stored = || Input::Stored(StoreResult::Loaded(Some(oauth_service::pair(1, secs(0)))));
    refresh.resume(at(secs(0)), Input::Wake);
    refresh.resume(at(secs(0)), stored());
    refresh.resume(at(secs(0)), Input::Stored(StoreResult::Locked));
    let proof = hand::proof(refresh.resume(at(secs(0)), stored()));
    let sent = hand::transmit(refresh.resume(at(secs(0)), proof));
    let asked = RefreshTokenGrant::new("client-id", "client-secret", "refresh-1");
    assert_eq!(head(&sent), head(&request(&asked)));
}

#[test]
fn download_with_everything() {
    let download = Download::new("https://example.com/file.zip")
        .and_then(|download| download.file_name("file.zip"))
        .and_then(|download| download.callback("https://example.com/cb?task=1"))
        .unwrap()
        .save_to(DirId::new(10023).unwrap());
    let transmit = request(&download);
    let expected = with_token(format!("POST {SERVICE}/api/v1/offline/download"));
    assert_eq!(head(&transmit), expected);
    assert_eq!(
        std::str::from_utf8(transmit.request.body()).unwrap(),
        r#"{"url":"https://example.com/file.zip","fileName":"file.zip","dirID":10023,"callBackUrl":"https://example.com/cb?task=1"}"#
    );
    assert_eq!(
        body(&transmit),
        fixture(include_str!(
            "../../fixtures/synthetic_offline_create_request_full.json"
        ))
    );
}

#[test]
fn download_is_the_documented_example() {
    let expected = fixture(include_str!(
        "../../fixtures/official_offline_create_request.json"
    ));
    let download = Download::new(expected["url"].as_str().unwrap())
        .and_then(|download| download.file_name(expected["fileName"].as_str().unwrap()))
        .unwrap();
    assert_eq!(body(&request(&download)), expected);
}

#[test]
fn source_url_is_sent_unchanged() {
    for url in [
        "https://例子.测试/视频 1.mp4?名=值#片段",
        "https://example.com/%E6%B5%8B%e8%af%95/a%2Fb?sig=a+b%3D%3d&x=/../&&",
        "HTTP://User:Pa%20ss@EXAMPLE.com:80/a/./b//c",
        "https://example.com/\\back\"quoted\"",
    ] {
        let download = Download::new(url).unwrap().callback(url).unwrap();
        let sent = body(&request(&download));
        assert_eq!(sent, json!({"url": url, "callBackUrl": url}));
    }
    let plain = request(&Download::new("https://h/%E6%B5%8B?a=测").unwrap());
    assert_eq!(
        plain.request.body(),
        r#"{"url":"https://h/%E6%B5%8B?a=测"}"#.as_bytes(),
        "not even escaped for JSON where it need not be"
    );
}

#[test]
fn download_progress() {
    let transmit = request(&GetDownloadProgress::new(task()));
    let url = format!("GET {SERVICE}/api/v1/offline/download/process?taskID=394756");
    assert_eq!(head(&transmit), with_token(url));
    assert!(transmit.request.body().is_empty());
}

#[test]
fn get_user_info() {
    let transmit = request(&GetUserInfo);
    let url = format!("GET {SERVICE}/api/v1/user/info");
    assert_eq!(head(&transmit), with_token(url));
    assert!(transmit.request.body().is_empty());
}

#[test]
fn token_header_is_sensitive() {
    let given = request(&GetUserInfo);
    let session = session();
    let mut call = session.call(&GetUserInfo).unwrap();
    let mut refresh = hand::detached(call.resume(at(secs(0)), Input::Wake));
    hand::transmit(refresh.resume(at(secs(0)), Input::Wake));
    hand::ready(refresh.resume(at(secs(0)), hand::data(json!({"accessToken": "canary"}))));
    let fetched = hand::transmit(call.resume(at(secs(0)), Input::Wake));
    assert_eq!(fetched.request.headers()[AUTHORIZATION], "Bearer canary");
    for transmit in [&given, &fetched] {
        assert!(transmit.request.headers()[AUTHORIZATION].is_sensitive());
    }
    let shown = format!("{fetched:?} {call:?} {session:?} {:?}", fetched.request);
    assert!(!shown.contains("canary"), "{shown}");
}

#[test]
fn base_url_and_user_agent_are_settings() {
    for (base, url) in [
        (
            "http://127.0.0.1:8080",
            "http://127.0.0.1:8080/api/v1/user/info",
        ),
        ("https://proxy/pan/", "https://proxy/pan/api/v1/user/info"),
    ] {
        let builder = Session::builder().access_token("t").base_url(base);
        let session = builder.user_agent("my-bot/1").build().unwrap();
        let mut call = session.call(&GetUserInfo).unwrap();
        let transmit = hand::transmit(call.resume(at(secs(0)), Input::Wake));
        assert_eq!(transmit.request.uri(), url);
        assert_eq!(transmit.request.headers()["user-agent"], "my-bot/1");
    }
    for base in [
        "ftp://host",
        "host",
        "https://",
        "https://host?x=1",
        "https://host#f",
    ] {
        assert!(builder().base_url(base).build().is_err(), "{base}");
    }
}

/// An endpoint defined by a user.
struct Rename;

impl Endpoint for Rename {
    const METHOD: http::Method = http::Method::PUT;
    const PATH: &'static str = "/api/v1/file/name";
    const RATE: RateClass = RateClass::new("file/name", millis(100));
    const IDEMPOTENCY: Idempotency = Idempotency::Idempotent;
    type Response = ();

    fn query(&self, query: &mut Query) {
        query.push("a&b", "c d/测");
        query.push("n", 7);
    }

    fn body(&self) -> Result<Body, pan123_proto::BuildError> {
        Body::json(&json!({"fileId": 1}))
    }
}

#[test]
fn custom_endpoint_gets_the_same_headers() {
    let transmit = request(&Rename);
    let url = format!("PUT {SERVICE}/api/v1/file/name?a%26b=c%20d%2F%E6%B5%8B&n=7");
    assert_eq!(head(&transmit), with_token(url));
    assert_eq!(body(&transmit), json!({"fileId": 1}));
    let mut call = fixed().call(&Rename).unwrap();
    hand::transmit(call.resume(at(secs(0)), Input::Wake));
    let nothing = hand::answer(
        200,
        include_str!("../../fixtures/official_envelope_ok_null_data.json"),
    );
    hand::ready(call.resume(at(secs(1)), nothing)).unwrap();
}
