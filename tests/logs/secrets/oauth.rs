//! OAuth, whose secrets are in the query: the `Debug` of its types, and what the adapters reveal.

use pan123_mock::TcpServer;
use pan123_proto::oauth::{AuthorizationCodeGrant, RefreshTokenGrant, TokenPair};
use pan123_proto::user::UserInfo;
use pan123_proto::{Error, OAuth, RetryPolicy, Session};
use pan123_store::MemoryStore;
use pan123_tests::clock::JumpClock;
use pan123_tests::logs::logged;
use serde_json::{Value, json};

use crate::logs::secrets::canaries::{
    CLIENT_SECRET, GIVEN, ISSUED, assert_hidden, debugged, error_texts,
};

const PATH: &str = "/api/v1/oauth2/access_token";
/// A secret with characters that a query encodes.
const SECRET: &str = "canary/secret+4711=";
const CODE: &str = "canary&code 4711";

const REDIRECT: &str = "https://app.example/callback";

/// The `Debug` of each type, by name.
pub(crate) fn shown() -> Vec<(&'static str, String)> {
    let app = || OAuth::new("client-id", CLIENT_SECRET).refresh_token(GIVEN);
    let code = AuthorizationCodeGrant::new("client-id", CLIENT_SECRET, GIVEN, REDIRECT);
    let refresh = RefreshTokenGrant::new("client-id", CLIENT_SECRET, GIVEN);
    let pair = json!({"access_token": ISSUED, "refresh_token": GIVEN});
    let pair: TokenPair = serde_json::from_value(pair).expect("a pair");
    let session = Session::builder().oauth(app()).persist_token(true).build();
    let session = session.expect("good settings");
    let authorize = session.authorize(GIVEN, REDIRECT).expect("a code");
    vec![
        ("OAuth", debugged(&app())),
        ("AuthorizationCodeGrant", debugged(&code)),
        ("RefreshTokenGrant", debugged(&refresh)),
        ("TokenPair", debugged(&pair)),
        ("Authorize", debugged(&authorize)),
        ("SessionBuilder", debugged(&Session::builder().oauth(app()))),
        ("Session", debugged(&session)),
    ]
}

/// A server that responds with success, or rejects a token request and echoes it.
fn server(echoes: bool) -> TcpServer {
    TcpServer::start(move |mut connection| {
        while let Some(request) = connection.read_request() {
            let body = match request.uri().path() {
                PATH if echoes => {
                    json!({"error": "e", "error_description": request.uri().to_string()})
                }
                PATH => json!({"access_token": ISSUED, "refresh_token": GIVEN, "expires_in": 7200}),
                _ => json!({"code": 0, "data": {"uid": 7}}),
            };
            let body = body.to_string();
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
            if !connection.send((head + &body).as_bytes()) {
                return;
            }
        }
    })
}

/// Exchanges the code, and makes a call with the token pair.
fn authorized(adapter: &str, url: &str) -> Result<UserInfo, Error> {
    let clock = JumpClock::new();
    macro_rules! client {
        ($builder:expr) => {
            $builder
                .oauth(OAuth::new("client-id", SECRET))
                .token_store(MemoryStore::new())
                .base_url(url)
                .retry(RetryPolicy::none())
                .clock(clock.clone())
                .spawner(clock.clone())
                .build()
                .expect("good settings")
        };
    }
    if adapter == "blocking" {
        let client = client!(pan123_blocking::Client::builder());
        clock.drive_blocking(|| client.authorize(CODE, REDIRECT))?;
        return clock.drive_blocking(|| client.user_info());
    }
    let client = client!(pan123_async::Client::builder());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.expect("a runtime").block_on(async {
        client.authorize(CODE, REDIRECT).await?;
        clock.drive(client.user_info()).await
    })
}

/// Whether ureq logged a URL at TRACE; the adapter warns of it.
fn is_of_the_url(line: &Value) -> bool {
    ["ureq::run", "ureq_proto::util"].contains(&line["target"].as_str().unwrap_or_default())
}

#[test]
fn authorization_reveals_no_secret() {
    let (good, echoing) = (server(false), server(true));
    for adapter in ["async", "blocking"] {
        let lines = logged(|| {
            let user = authorized(adapter, &good.url("http")).expect("all is well");
            assert_eq!(user.uid, 7);
            for url in [
                &*echoing.url("http"),
                "http://127.0.0.1:1",
                "https://127.0.0.1:1",
            ] {
                let error = authorized(adapter, url).expect_err("no good response");
                assert_hidden(&error_texts(&error), url);
            }
        });
        for line in lines.iter().filter(|line| !is_of_the_url(line)) {
            assert_hidden(&line.to_string(), adapter);
        }
    }
}
