//! Requests in a form that a test can write down.

use pan123_proto::Transmit;
use serde_json::Value;

pub(crate) const SERVICE: &str = "https://open-api.123pan.com";

/// Method and URL, then the headers in the order of their names.
pub(crate) fn head(transmit: &Transmit) -> Vec<String> {
    let request = &transmit.request;
    let mut headers: Vec<_> = request
        .headers()
        .iter()
        .map(|(name, value)| format!("{name}: {}", value.to_str().expect("a text")))
        .collect();
    headers.sort();
    headers.insert(0, format!("{} {}", request.method(), request.uri()));
    headers
}

/// The head of a request that begins with this and carries the token of [`fixed`](super::fixed).
pub(crate) fn with_token(first: String) -> Vec<String> {
    let user_agent = format!("user-agent: pan123-rs/{}", env!("CARGO_PKG_VERSION"));
    vec![
        first,
        "authorization: Bearer fixed-token".to_owned(),
        "content-type: application/json".to_owned(),
        "platform: open_platform".to_owned(),
        user_agent,
    ]
}

pub(crate) fn fixture(text: &str) -> Value {
    serde_json::from_str(text).expect("a fixture of JSON")
}

/// Decodes a part of a query, independently of the code under test.
pub(crate) fn percent_decoded(mut text: &[u8]) -> Vec<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let mut plain = Vec::new();
    while let Some((&first, rest)) = text.split_first() {
        text = rest;
        plain.push(match (first, rest) {
            (b'+', _) => b' ',
            (b'%', [high, low, after @ ..]) => match (digit(*high), digit(*low)) {
                (Some(high), Some(low)) => {
                    text = after;
                    u8::try_from(high * 16 + low).expect("two digits")
                }
                _ => b'%',
            },
            _ => first,
        });
    }
    plain
}
