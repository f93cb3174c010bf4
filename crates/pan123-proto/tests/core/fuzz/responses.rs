//! Any response to any endpoint: no panic, and nothing that it says is lost.

use std::fmt::Debug;
use std::time::SystemTime;

use crate::support::cases::config;
use crate::support::reading::read_with;
use crate::support::server::http_date;
use crate::support::{at, download, fixed, hand, millis, progress, secs, session};
use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode};
use pan123_proto::access_token::IssueToken;
use pan123_proto::file::{
    CopyFile, CopyFiles, CreateDir, DeleteFiles, GetCopyProgress, GetDetail, GetDownloadUrl,
    GetInfos, ListFiles, ListFilesV1, MoveFiles, RecoverFiles, RecoverFilesTo, RenameFile,
    RenameFiles, TrashFiles,
};
use pan123_proto::image_bed::{GetImageBedProgress, ImageBedDownload};
use pan123_proto::oauth::RefreshTokenGrant;
use pan123_proto::user::GetUserInfo;
use pan123_proto::{
    CopyTaskId, Endpoint, ErrorKind, FileId, ImageBedTaskId, Input, Machine, Parent, Step,
};
use proptest::prelude::*;
use proptest::sample::{Index, select};

const BODIES: [&str; 18] = [
    include_str!("../../fixtures/official_access_token_response.json"),
    include_str!("../../fixtures/official_oauth2_access_token_response_flat.json"),
    include_str!("../../fixtures/official_user_info_response.json"),
    include_str!("../../fixtures/official_offline_create_response.json"),
    include_str!("../../fixtures/synthetic_offline_process_response_running.json"),
    include_str!("../../fixtures/official_offline_callback_success.json"),
    include_str!("../../fixtures/observed_error_401_tokens_exceeded.json"),
    include_str!("../../fixtures/observed_slb_forbidden_string_code.json"),
    include_str!("../../fixtures/official_file_list_v2_response.json"),
    include_str!("../../fixtures/official_file_list_v1_response.json"),
    include_str!("../../fixtures/official_file_detail_response.json"),
    include_str!("../../fixtures/official_file_infos_response_2026_key_fileList.json"),
    include_str!("../../fixtures/official_download_info_response.json"),
    include_str!("../../fixtures/official_recover_response.json"),
    include_str!("../../fixtures/official_copy_response.json"),
    include_str!("../../fixtures/official_async_copy_process_response.json"),
    r#"{"code":0,"data":{"successList":[{"fileID":1,"updateAt":""}],"failList":[{"fileID":2,"message":""},3]}}"#,
    r#"{"code":0,"data":{"taskID":1,"process":1,"status":1,"uid":1,"accessToken":"t"}}"#,
];

/// Texts that a field may be swapped for.
const VALUES: [&str; 14] = [
    "null",
    "true",
    "-1",
    "0",
    "1e400",
    "1.5",
    "99999999999999999999999999999999999999999999",
    "\"\"",
    "\"401\"",
    "\"9999-12-31T23:59:59Z\"",
    "\"-9999-01-01 00:00:00\"",
    "[[[[]]]]",
    "{\"code\":{}}",
    "\"\\ud800\"",
];

/// Bytes of any kind, and good bodies with a piece cut out, put in or swapped.
fn body() -> impl Strategy<Value = Vec<u8>> {
    let damaged = (
        select(&BODIES[..]),
        any::<Index>(),
        any::<Index>(),
        prop_oneof![
            select(&VALUES[..]).prop_map(|value| value.as_bytes().to_vec()),
            prop::collection::vec(any::<u8>(), 0..4),
        ],
    );
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..200),
        damaged.prop_map(|(body, from, to, piece)| {
            let (from, to) = (from.index(body.len() + 1), to.index(body.len() + 1));
            let body = body.as_bytes();
            [&body[..from.min(to)], &piece, &body[from.max(to)..]].concat()
        }),
        (select(&BODIES[..]), any::<Index>(), select(&VALUES[..])).prop_map(swap_a_value),
    ]
}

/// Puts another value behind one of the colons.
fn swap_a_value((body, which, value): (&str, Index, &str)) -> Vec<u8> {
    let colons: Vec<_> = body.match_indices("\":").map(|(at, _)| at + 2).collect();
    let start = colons[which.index(colons.len())];
    let rest = &body[start..];
    let end = rest.find([',', '}', '\n']).unwrap_or(rest.len());
    format!("{}{value}{}", &body[..start], &rest[end..]).into_bytes()
}

fn header() -> impl Strategy<Value = HeaderValue> {
    let text = prop_oneof![
        "[ -~]{0,30}",
        "[0-9]{0,25}",
        "(Mon|Sun|), [0-9]{1,2} (Jan|Feb|Foo) [0-9]{1,5} [0-9]{2}:[0-9]{2}:[0-9]{2} (GMT|[+-][0-9]{4})",
    ];
    let bytes = prop_oneof![
        text.prop_map(String::into_bytes),
        prop::collection::vec(any::<u8>(), 0..20),
    ];
    bytes.prop_filter_map("no header", |bytes| HeaderValue::from_bytes(&bytes).ok())
}

fn answer() -> impl Strategy<Value = Response<Bytes>> {
    let status = prop_oneof![
        4 => Just(200_u16),
        2 => select(vec![401, 408, 429, 301, 404, 500, 502]),
        1 => 100..1000_u16,
    ];
    let headers = prop::collection::vec(
        (select(vec!["retry-after", "date", "x-traceid"]), header()),
        0..4,
    );
    (status, headers, body()).prop_map(|(status, headers, body)| {
        let mut response = Response::new(Bytes::from(body));
        *response.status_mut() = StatusCode::from_u16(status).unwrap();
        for (name, value) in headers {
            response.headers_mut().insert(name, value);
        }
        response
    })
}

/// Makes one exchange with each endpoint.
macro_rules! for_each_endpoint {
    ($argument:expr) => {{
        let file = FileId::new(7).unwrap();
        let root = Parent::Root;
        exchange(&IssueToken::new("id", "secret"), $argument);
        exchange(&RefreshTokenGrant::new("id", "secret", "token"), $argument);
        exchange(&GetUserInfo, $argument);
        exchange(&download(), $argument);
        exchange(&progress(), $argument);
        exchange(&ListFiles::of(root), $argument);
        exchange(&ListFilesV1::of(root), $argument);
        exchange(&GetDetail::new(file), $argument);
        exchange(&GetInfos::new([file]).unwrap(), $argument);
        exchange(&GetDownloadUrl::new(file), $argument);
        exchange(&CreateDir::new(root, "a").unwrap(), $argument);
        exchange(&TrashFiles::new([file]).unwrap(), $argument);
        exchange(&DeleteFiles::new([file]).unwrap(), $argument);
        exchange(&RecoverFiles::new([file]).unwrap(), $argument);
        exchange(&RecoverFilesTo::new([file], root).unwrap(), $argument);
        exchange(&RenameFile::new(file, "a").unwrap(), $argument);
        exchange(&RenameFiles::new([(file, "a")]).unwrap(), $argument);
        exchange(&MoveFiles::new([file], root).unwrap(), $argument);
        exchange(&CopyFile::new(file, root), $argument);
        exchange(&CopyFiles::new([file], root).unwrap(), $argument);
        exchange(
            &GetCopyProgress::new(CopyTaskId::new(7).unwrap()),
            $argument,
        );
        exchange(
            &ImageBedDownload::new("https://h/a.png").unwrap(),
            $argument,
        );
        exchange(
            &GetImageBedProgress::new(ImageBedTaskId::new(7).unwrap()),
            $argument,
        );
    }};
}

/// One exchange, and the step after it. The result is formatted, so that formatting is tested, too.
fn exchange<E: Endpoint>(endpoint: &E, answer: &Response<Bytes>)
where
    E::Response: Debug,
{
    let mut call = fixed().call(endpoint).unwrap();
    hand::transmit(call.resume(at(secs(0)), Input::Wake));
    match call.resume(at(secs(1)), Input::Response(answer.clone())) {
        Step::Ready(Err(error)) => drop(format!("{error} {error:?} {:?}", error.retry_after())),
        Step::Ready(Ok(value)) => drop(format!("{value:?}")),
        Step::Wait(_) | Step::Transmit(_) => {}
        other => panic!("{other:?}"),
    }
}

proptest! {
    #![proptest_config(config(1500))]

    #[test]
    fn any_response_to_any_endpoint_is_handled(answer in answer()) {
        for_each_endpoint!(&answer);
    }

    #[test]
    fn retry_after_is_capped_and_relative_to_date(seconds: u64, few in 0..900_u64, wall in 0..4_000_000_000_u64) {
        let date = |at: u64| http_date(SystemTime::UNIX_EPOCH + secs(at));
        for (text, asked) in [
            (seconds.to_string(), seconds),
            (few.to_string(), few),
            (date(wall + few), few),
            (date(wall.saturating_sub(few)), 0),
        ] {
            let mut answer = Response::new(Bytes::from_static(b"{\"code\":7}"));
            answer.headers_mut().insert("retry-after", text.parse().unwrap());
            answer.headers_mut().insert("date", date(wall).parse().unwrap());
            let error = read_with(&progress(), Input::Response(answer)).unwrap_err();
            prop_assert_eq!(error.retry_after(), Some(secs(asked.min(300))), "{}", text);
        }
    }

    #[test]
    fn any_response_to_a_fetch_of_a_token_is_handled(answer in answer()) {
        let session = session();
        let mut call = session.call(&GetUserInfo).unwrap();
        let mut refresh = hand::detached(call.resume(at(secs(0)), Input::Wake));
        hand::transmit(refresh.resume(at(secs(0)), Input::Wake));
        let step = refresh.resume(at(secs(1)), Input::Response(answer));
        let ended = matches!(step, Step::Ready(()));
        drop(refresh);
        // It ended or was dropped: the call goes on.
        match call.resume(at(millis(1500)), Input::Wake) {
            Step::Transmit(_) => prop_assert!(ended),
            Step::Detach(_) => prop_assert!(!ended),
            Step::Ready(Err(error)) => {
                let is_expected = matches!(error.kind(), ErrorKind::Token | ErrorKind::Credentials);
                prop_assert!(is_expected && ended, "{error:?}");
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn any_callback_body_is_handled(body in body()) {
        crate::fuzzed::callback::run(&body);
    }

    #[test]
    fn no_code_trace_id_or_number_is_lost(status in 100..1000_u16, trace in "[!-~]{0,9}", body in body()) {
        let head = format!("{status}\t{trace}\n");
        crate::fuzzed::envelope::run(&[head.as_bytes(), &body].concat());
    }
}
