//! What is written is read back equal: requests, ids, progress, tokens.

use std::fmt::Debug;
use std::str::FromStr;
use std::time::{Duration, SystemTime};

use crate::support::cases::config;
use crate::support::hand::{body, request};
use crate::support::reading::{polled, token};
use http::Method;
use jiff::Timestamp;
use jiff::tz::Offset;
use pan123_proto::offline::{Download, ExpectedFile, GetDownloadProgress, Progress, TaskStatus};
use pan123_proto::{
    Body, BuildError, DirId, Endpoint, FileId, Idempotency, Query, RateClass, TaskId, Transmit,
};
use percent_encoding::percent_decode_str;
use proptest::prelude::*;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// Numbers of all sizes, the ends of the range and what a float cannot hold among them.
fn number() -> impl Strategy<Value = u64> {
    prop_oneof![
        Just(1),
        Just(u64::MAX),
        (1_u64 << 53) - 2..(1 << 53) + 3,
        (0..64_u32).prop_flat_map(|bits| 1_u64 << bits..=u64::MAX >> (63 - bits)),
    ]
}

/// Texts with what JSON, a query and a URL escape.
fn text() -> impl Strategy<Value = String> {
    prop_oneof!["[ -~]{1,20}", "\\PC{1,20}", any::<String>()]
}

fn url() -> impl Strategy<Value = String> {
    let scheme = prop_oneof![Just("http"), Just("https"), Just("HTTPS")];
    let host = prop_oneof![
        "([a-z0-9-]{1,4}[.]){0,2}[a-z](:[1-9][0-9]{0,3})?",
        "u:p@[a-z]{1,5}",
        Just("例子.测试".into())
    ];
    // Neither control, format and private characters nor those that show nothing.
    let inner = "[^\\p{C}\\p{Zl}\\p{Zp}\\p{DI}\u{fffc}]";
    let end = "[^\\p{C}\\p{Z}\\p{DI}\u{fffc}\u{2800}\u{1d159}]";
    let path = proptest::string::string_regex(&format!("(/{end}{inner}{{0,20}}{end})?")).unwrap();
    (scheme, host, path).prop_map(|(scheme, host, path)| format!("{scheme}://{host}{path}"))
}

fn download() -> impl Strategy<Value = Download> {
    let name = "n[^\"\\\\/:*?|><\\p{C}\\p{Zl}\\p{Zp}\\p{DI}\u{fffc}]{0,40}";
    (
        url(),
        prop::option::of(name),
        prop::option::of(number()),
        prop::option::of(url()),
    )
        .prop_map(|(url, name, dir, callback)| {
            let mut download = Download::new(url).unwrap();
            if let Some(name) = name {
                download = download.file_name(name).unwrap();
            }
            if let Some(dir) = dir {
                download = download.save_to(DirId::new(dir).unwrap());
            }
            if let Some(callback) = callback {
                download = download.callback(callback).unwrap();
            }
            download
        })
}

/// The parameters of a query, decoded.
fn parameters(transmit: &Transmit) -> Vec<(String, String)> {
    let decoded = |text: &str| percent_decode_str(text).decode_utf8().unwrap().into_owned();
    let query = transmit.request.uri().query().unwrap();
    query
        .split('&')
        .map(|pair| {
            let (key, value) = pair.split_once('=').unwrap();
            (decoded(key), decoded(value))
        })
        .collect()
}

fn round_trip<T: Serialize + DeserializeOwned>(value: &T) -> T {
    serde_json::from_str(&serde_json::to_string(value).unwrap()).unwrap()
}

/// Converts an id in every way and back.
fn assert_id<T>(number: u64, new: fn(u64) -> Result<T, BuildError>, get: fn(T) -> u64)
where
    T: Copy + Debug + PartialEq + ToString + FromStr + TryFrom<u64> + Serialize + DeserializeOwned,
    <T as FromStr>::Err: Debug,
    <T as TryFrom<u64>>::Error: Debug,
{
    let id = new(number).unwrap();
    assert_eq!(get(id), number);
    assert_eq!(T::try_from(number).unwrap(), id);
    assert_eq!(id.to_string(), number.to_string());
    assert_eq!(id.to_string().parse::<T>().unwrap(), id);
    assert_eq!(serde_json::to_value(id).unwrap(), json!(number));
    assert_eq!(round_trip(&id), id);
    let text: T = serde_json::from_value(json!(number.to_string())).unwrap();
    assert_eq!(text, id);
}

/// An endpoint with parameters of any kind.
struct Find(Vec<(String, String)>);

impl Endpoint for Find {
    const METHOD: Method = Method::GET;
    const PATH: &'static str = "/api/v1/find";
    const RATE: RateClass = RateClass::new("find", Duration::ZERO);
    const IDEMPOTENCY: Idempotency = Idempotency::Idempotent;
    type Response = ();

    fn query(&self, query: &mut Query) {
        for (key, value) in &self.0 {
            query.push(key, value);
        }
    }

    fn body(&self) -> Result<Body, BuildError> {
        Ok(Body::Empty)
    }
}

proptest! {
    #![proptest_config(config(256))]

    #[test]
    fn download_round_trips(download in download()) {
        let transmit = request(&download);
        let mut expected = json!({"url": download.url()});
        for (key, value) in [
            ("fileName", download.name().map(Value::from)),
            ("dirID", download.dir().map(|dir| dir.get().into())),
            ("callBackUrl", download.callback_url().map(Value::from)),
        ] {
            if let Some(value) = value {
                expected[key] = value;
            }
        }
        prop_assert_eq!(body(&transmit), expected);
        prop_assert_eq!(round_trip(&download), download);
    }

    #[test]
    fn expected_file_round_trips(
        download in download(),
        since in (0..250_000_000_000_u64, 0..1_000_000_000_u32),
        hint in prop::option::of(number()),
    ) {
        let created = SystemTime::UNIX_EPOCH + Duration::new(since.0, since.1);
        let mut expected = ExpectedFile::of(&download, created);
        if let Some(hint) = hint {
            expected = expected.file_hint(FileId::new(hint).unwrap());
        }
        prop_assert_eq!(round_trip(&expected), expected);
    }

    #[test]
    fn query_parameters_round_trip(pairs in prop::collection::vec((text(), text()), 1..5)) {
        prop_assert_eq!(parameters(&request(&Find(pairs.clone()))), pairs);
    }

    #[test]
    fn ids_round_trip(id in number()) {
        assert_id(id, TaskId::new, TaskId::get);
        assert_id(id, DirId::new, DirId::get);
        assert_id(id, FileId::new, FileId::get);
        let asked = request(&GetDownloadProgress::new(TaskId::new(id).unwrap()));
        prop_assert_eq!(parameters(&asked), [("taskID".to_owned(), id.to_string())]);
    }

    #[test]
    fn progress_round_trips(percent in prop::option::of(0.0..=100.0_f64), number: i64) {
        let status: TaskStatus = serde_json::from_value(json!(number)).unwrap();
        prop_assert_eq!(status.number(), number);
        let progress = Progress::new(percent, status);
        prop_assert_eq!(round_trip(&progress), progress);
        let data = serde_json::to_string(&progress).unwrap();
        let answer = format!(r#"{{"code":0,"data":{data}}}"#);
        prop_assert_eq!(polled(&answer).unwrap(), progress);
    }

    #[test]
    fn issued_tokens_are_read(value in text(), second in 0..250_000_000_000_i64, hours in -12..=14_i8, plain: bool) {
        prop_assume!(!value.is_empty());
        let end = Timestamp::from_second(second).unwrap();
        let offset = Offset::constant(if plain { 8 } else { hours });
        let date = if plain {
            offset.to_datetime(end).strftime("%Y-%m-%d %H:%M:%S").to_string()
        } else {
            end.display_with_offset(offset).to_string()
        };
        let answer = json!({"code": 0, "data": {"accessToken": value, "expiredAt": date}});
        let token = token(&answer.to_string()).unwrap();
        prop_assert_eq!(token.expose(), value);
        prop_assert_eq!(token.expired_at(), Some(SystemTime::from(end)), "{}", date);
    }
}
