//! The inputs of a machine.

use std::time::{Duration, SystemTime};

use http::{HeaderName, HeaderValue};
use pan123_proto::offline::Progress;
use pan123_proto::{Account, ClockSkew, Input, StoreResult, StoredToken, TransportError};
use serde_json::json;

use crate::support::{START, hand};

#[derive(Clone, Copy, Debug)]
pub(crate) enum FuzzInput {
    Wake,
    /// Data that any endpoint accepts.
    Good {
        how: u8,
    },
    /// An error code in an envelope.
    Refusal {
        code: i64,
        how: u8,
    },
    /// No envelope.
    Bare {
        status: u16,
        how: u8,
    },
    /// Success without data.
    Empty,
    Failed(u8),
    Stored(u8),
}

const RETRY_AFTER: [Option<&str>; 8] = [
    None,
    None,
    Some("0"),
    Some("3"),
    Some("600"),
    Some("Sun, 23 Mar 2025 07:50:00 GMT"),
    Some("-1"),
    Some("soon"),
];

/// Ends of tokens around the start of virtual time, which is 2025-03-23T07:38:37Z.
const EXPIRED_AT: [Option<&str>; 8] = [
    None,
    Some("soon"),
    Some("2000-01-01T00:00:00Z"),
    Some("2025-03-23T07:39:00Z"),
    Some("2025-03-23 15:45:00"),
    Some("2025-03-23T18:00:00+08:00"),
    Some("2025-04-22T07:38:37Z"),
    Some("9999-12-30T00:00:00Z"),
];

impl FuzzInput {
    pub(crate) fn new(what: u8, how: u8) -> FuzzInput {
        let kind = usize::from(how % 8);
        match what {
            1 => FuzzInput::Good { how },
            2 => FuzzInput::Refusal {
                code: [401, 429, 42902, 42903, 1, 5066, 20103, -7][kind],
                how,
            },
            3 => FuzzInput::Bare {
                status: [200, 204, 301, 401, 404, 408, 429, 502][kind],
                how,
            },
            4 => FuzzInput::Empty,
            5 => FuzzInput::Failed(how % 6),
            6 => FuzzInput::Stored(how % 8),
            _ => FuzzInput::Wake,
        }
    }

    pub(crate) fn is_rate_limited(self) -> bool {
        matches!(
            self,
            FuzzInput::Refusal {
                code: 429 | 42902 | 42903,
                ..
            } | FuzzInput::Bare { status: 429, .. }
        )
    }

    /// Whether a request in flight may have been carried out after this.
    pub(crate) fn may_have_arrived(self) -> bool {
        match self {
            FuzzInput::Good { .. } | FuzzInput::Refusal { .. } | FuzzInput::Failed(0 | 1) => false,
            FuzzInput::Bare { status, .. } => !matches!(status, 301 | 401 | 404 | 429),
            FuzzInput::Wake | FuzzInput::Empty | FuzzInput::Failed(_) | FuzzInput::Stored(_) => {
                true
            }
        }
    }

    /// The progress that a poll decodes.
    pub(crate) fn progress(self) -> Option<Progress> {
        let FuzzInput::Good { how } = self else {
            return None;
        };
        let progress = json!({"process": how % 101, "status": status(how)});
        serde_json::from_value(progress).ok()
    }

    pub(crate) fn input(self) -> Input {
        match self {
            FuzzInput::Wake => Input::Wake,
            FuzzInput::Good { how } => {
                let data = json!({
                    "taskID": 9, "process": how % 101, "status": status(how), "uid": 1,
                    "accessToken": format!("token-{how}"), "expiredAt": pick(EXPIRED_AT, how),
                });
                let clock = (how % 2 == 0).then_some("Sun, 23 Mar 2025 07:38:37 GMT");
                with(hand::data(data), "date", clock)
            }
            FuzzInput::Refusal { code, how } => with(
                hand::code(code, "说明"),
                "retry-after",
                pick(RETRY_AFTER, how),
            ),
            FuzzInput::Bare { status, how } => {
                let answer = hand::answer(status, "<html>");
                with(answer, "retry-after", pick(RETRY_AFTER, how))
            }
            FuzzInput::Empty => hand::answer(200, r#"{"code":0,"data":null}"#),
            FuzzInput::Failed(how) => Input::Failed(match how {
                0 => TransportError::never_left("refused"),
                1 => TransportError::certificate("self-signed"),
                2 => TransportError::timed_out(),
                3 => TransportError::body_too_large(),
                4 => TransportError::redirected(),
                _ => TransportError::interrupted("reset"),
            }),
            FuzzInput::Stored(how) => Input::Stored(match how {
                0 => StoreResult::Busy,
                1 => StoreResult::Failed("broken".to_owned()),
                2 => StoreResult::Locked,
                3 => StoreResult::Unsupported,
                4 => StoreResult::Loaded(None),
                5 => StoreResult::Saved,
                6 => stored(ClockSkew::Ahead(Duration::ZERO)),
                _ => stored(ClockSkew::Ahead(Duration::MAX)),
            }),
        }
    }
}

/// A token that lives until a little after the start of virtual time.
fn stored(skew: ClockSkew) -> StoreResult {
    let account = Account::new("https://open-api.123pan.com", "client-id");
    let end = SystemTime::UNIX_EPOCH + START + Duration::from_secs(900);
    StoreResult::Loaded(Some(StoredToken::new(account, "stored", Some(end), skew)))
}

fn status(how: u8) -> i64 {
    [0, 0, 3, 13, 0, 1, 2, 0][usize::from(how % 8)]
}

/// Picks by the upper bits, since the lower ones have picked the kind.
fn pick(texts: [Option<&'static str>; 8], how: u8) -> Option<&'static str> {
    texts[usize::from(how >> 5)]
}

fn with(input: Input, name: &'static str, value: Option<&'static str>) -> Input {
    match (input, value) {
        (Input::Response(mut answer), Some(value)) => {
            let name = HeaderName::from_static(name);
            let value = HeaderValue::from_static(value);
            answer.headers_mut().insert(name, value);
            Input::Response(answer)
        }
        (input, _) => input,
    }
}
