//! What a document finds is what `serde_json` finds, in bodies of the service, in damaged ones and in others.

use std::fmt;

use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::test_runner::RngSeed;
use serde::de::Deserialize;
use serde_json::value::RawValue;

use super::*;
use crate::api::file::{FileInfos, FilePage, FilePageV1};
use crate::api::user::UserInfo;
use crate::callback::CallbackNotice;
use crate::task::Progress;
use crate::wire::envelope::Envelope;
use crate::wire::json::members::RawMembers;

const BODIES: [&str; 14] = [
    include_str!("../../../../tests/fixtures/official_access_token_response.json"),
    include_str!("../../../../tests/fixtures/official_offline_callback_success.json"),
    include_str!("../../../../tests/fixtures/official_user_info_response.json"),
    include_str!("../../../../tests/fixtures/synthetic_offline_process_response_running.json"),
    include_str!("../../../../tests/fixtures/official_offline_create_response.json"),
    include_str!("../../../../tests/fixtures/official_file_list_v2_response.json"),
    include_str!("../../../../tests/fixtures/official_file_list_v1_response.json"),
    include_str!("../../../../tests/fixtures/official_file_infos_response_2026_key_fileList.json"),
    r#"{"code":0,"message":"ok","data":{"process":37.5,"status":0},"x-traceID":"t"}"#,
    r#"{"code":"0","data":{"process":-0.5e+1,"status":"2"},"code":0,"data":{"status":2,"process":-5}}"#,
    r#"{"code":0,"data":{"fileList":[{"fileId":1,"fileID":"1","filename":"\u0061","type":0},[],null],"lastFileId":-1}}"#,
    r#"{"code":1,"message":"\ud83d\ude00 \/ \" \\ \n","x-traceId":"t","data":[true,false,null,"",0,-0.0,1E9,[{}]]}"#,
    r#"{"x":[{"n":2},{"n":3}],"code":0,"message":[{"n":2},{"n":3}],"data":{"status":1,"process":2}}"#,
    r#"{"url":"https://h/a","status":1,"failReason":"a\/b","fileID":null}"#,
];

/// What a piece of a body is swapped for.
const PIECES: [&str; 25] = [
    "",
    " ",
    "\n",
    "\u{b}",
    "\u{1}",
    ",",
    ":",
    "[",
    "]",
    "{",
    "}",
    "\"",
    "\\",
    "\\u00",
    "\\u00e9",
    "\\x",
    "01",
    "-",
    "1.",
    ".5e",
    "1e400",
    "null",
    "nul",
    "\"code\":1,",
    "\"message\":[{}],",
];

/// Bodies with a few pieces cut out, put in or swapped, and texts that look a little like JSON.
fn text() -> impl Strategy<Value = String> {
    let swaps = prop::collection::vec((any::<Index>(), 0..8_usize, select(&PIECES[..])), 0..4);
    let damaged = (select(&BODIES[..]), swaps).prop_map(|(body, swaps)| {
        let mut text = body.to_owned();
        for (at, length, piece) in swaps {
            let mut bounds = text
                .char_indices()
                .map(|(at, _)| at)
                .skip(at.index(text.len() + 1));
            let start = bounds.next().unwrap_or(text.len());
            let end = bounds.nth(length).unwrap_or(text.len());
            text.replace_range(start..end, piece);
        }
        text
    });
    prop_oneof![
        3 => damaged,
        1 => r#"[\[\]{}:, "\\u0a1.eE+\-\n\t]{0,40}"#,
        1 => r#"( ?(\[|\]|\{|\}|,|:|"[a\\"]?"|-?[01]+(\.[01]*)?([eE][+-]?[01]*)?|true|null|nul))*"#,
    ]
}

/// Asserts that all values inside a value are those that `serde_json` finds.
fn assert_same(json: Json<'_>) {
    let inside = Nodes::new(json.spelling, json.inside.expect("a value of a document"));
    let expected: Vec<(&str, &str)> = match json.spelling.as_bytes()[0] {
        b'{' => {
            let RawMembers(members) = serde_json::from_str(json.spelling).expect("an object");
            let spellings = members.iter().map(|(key, value)| (key.get(), value.get()));
            spellings.collect()
        }
        b'[' => {
            let elements: Vec<&RawValue> = serde_json::from_str(json.spelling).expect("an array");
            elements.iter().map(|element| ("", element.get())).collect()
        }
        _ => {
            let scalar: &RawValue = serde_json::from_str(json.spelling).expect("a scalar");
            assert_eq!(scalar.get(), json.spelling);
            Vec::new()
        }
    };
    let found = inside
        .clone()
        .map(|(key, value)| (&json.spelling[key], value.spelling));
    let found: Vec<(&str, &str)> = found.collect();
    assert_eq!(found, expected);
    inside.for_each(|(_, value)| assert_same(value));
}

/// A body reads the same, whether its values were found before, are found when they are read, or are left to `serde_json`. If it cannot be
/// read, the errors are the same.
fn assert_reads_same<T: fmt::Debug + for<'de> Deserialize<'de>>(text: &str) {
    let envelope = |text: &str| {
        let body = Body::of_text(text);
        let envelope = Envelope::read(&body).map_err(|error| format!("{error:?}"))?;
        let (message, trace_id) = (envelope.message(), envelope.trace_id());
        let data = envelope.data().to::<T>();
        Ok::<_, String>(format!("{} {message} {trace_id:?} {data:?}", envelope.code))
    };
    let flat = |json: Json<'_>| format!("{:?}", json.to::<T>());
    let document = Document::new(text);
    let spelled = flat(Json::spelled(text));
    assert_eq!(flat(document.json()), spelled);
    // Space at the end is left to `serde_json`.
    let left = format!("{text} ");
    assert!(Document::new(&left).nodes.is_none());
    assert_eq!(envelope(text).ok(), envelope(&left).ok());
    if document.nodes.is_some() {
        assert_eq!(envelope(text), envelope(&left));
        assert_eq!(spelled, flat(Json::spelled(&left)));
    }
}

fn check(text: &str) {
    let document = Document::new(text);
    let by_serde = serde_json::from_str::<&RawValue>(text);
    if document.nodes.is_some() {
        by_serde.expect("JSON");
        assert_same(document.json());
    } else {
        let is_nested = |byte: &u8| matches!(byte, b'{' | b'[');
        let depth = text.bytes().filter(is_nested).count();
        assert!(by_serde.is_err() || depth > MAX_DEPTH as usize || text.trim() != text);
    }
    assert_reads_same::<Progress>(text);
    assert_reads_same::<FilePage>(text);
    assert_reads_same::<FilePageV1>(text);
    assert_reads_same::<FileInfos>(text);
    assert_reads_same::<UserInfo>(text);
    assert_reads_same::<CallbackNotice>(text);
    assert_reads_same::<serde_json::Value>(text);
}

#[test]
fn fixtures_are_read_strictly() {
    for body in BODIES {
        let body = body.trim_end();
        assert!(Document::new(body).nodes.is_some(), "{body}");
        check(body);
    }
}

#[test]
fn the_grammar_is_the_one_of_serde_json() {
    /// Some are JSON, some only look like it.
    const SPELLINGS: &str = r#"0 -0 00 01 -01 - +1 1. 1.0 .5 1.e1 1e 1e+ 1E-2 0e0 1e5. --1 0x1 NaN true tru truee false null nul nulll
        "" "a "\" "\x" "\/\b\f\n\r\t\\\"" "\u00e9" "\u12g4" "\u12" "\ud800" [] [1,] [,1] [1 1] {} {,} {"a"} {"a":} {"a":1,} {a:1}"#;
    let others = [
        "",
        "[ ]",
        "[1 2]",
        r#"{"a":1 "b":2}"#,
        "\"\t\"",
        "\"\u{1f}\"",
        "\"\u{7f}\"",
    ];
    for spelling in SPELLINGS.split_whitespace().chain(others) {
        check(spelling);
        check(&format!("[{spelling}]"));
        check(&format!("[1,{spelling} ,2]"));
        check(&format!("{{\"a\" : {spelling}}}"));
        check(&format!("{{\"a\":1,{spelling}:2}}"));
    }
}

#[test]
fn deep_nesting_is_left_to_serde_json() {
    let nested = |depth| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    let deepest = MAX_DEPTH as usize;
    assert!(Document::new(&nested(deepest)).nodes.is_some());
    assert!(Document::new(&nested(deepest + 1)).nodes.is_none());
    let many = format!("[{}[]]", "[],".repeat(deepest));
    assert!(Document::new(&many).nodes.is_some());
    check(&nested(deepest + 1));
    check(&nested(100_000));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, rng_seed: RngSeed::Fixed(123), cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_read_as_serde_json_reads_it(text in text()) {
        check(&text);
    }
}
