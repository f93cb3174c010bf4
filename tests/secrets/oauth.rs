//! What the types of OAuth show of themselves, each with secrets in it.

use pan123_proto::api::oauth::{ExchangeCode, ExchangeRefreshToken, TokenPair};
use pan123_proto::{OAuth, Session};
use serde_json::json;

use crate::canaries::{CLIENT_SECRET, GIVEN, ISSUED, debugged};

const REDIRECT: &str = "https://app.example/callback";

/// Each under the name of its type.
pub(crate) fn shown() -> Vec<(&'static str, String)> {
    let app = || OAuth::new("client-id", CLIENT_SECRET).refresh_token(GIVEN);
    let code = ExchangeCode::new("client-id", CLIENT_SECRET, GIVEN, REDIRECT);
    let refresh = ExchangeRefreshToken::new("client-id", CLIENT_SECRET, GIVEN);
    let pair = json!({"access_token": ISSUED, "refresh_token": GIVEN});
    let pair: TokenPair = serde_json::from_value(pair).expect("a pair");
    let session = Session::builder().oauth(app()).keep_token(true).build();
    let session = session.expect("good settings");
    let authorize = session.authorize(GIVEN, REDIRECT).expect("a code");
    vec![
        ("OAuth", debugged(&app())),
        ("ExchangeCode", debugged(&code)),
        ("ExchangeRefreshToken", debugged(&refresh)),
        ("TokenPair", debugged(&pair)),
        ("Authorize", debugged(&authorize)),
        ("SessionBuilder", debugged(&Session::builder().oauth(app()))),
        ("Session", debugged(&session)),
    ]
}
