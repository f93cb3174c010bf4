//! Recorded responses, decoded.

use std::time::SystemTime;

use crate::support::reading::{created, polled, read, token, user};
use crate::support::secs;
use pan123_proto::oauth::{AuthorizationCodeGrant, RefreshTokenGrant};
use pan123_proto::offline::{CallbackNotice, CallbackOutcome, TaskStatus};
use pan123_proto::{Error, ErrorCode, ErrorKind, FileId, TaskId};

macro_rules! fixture {
    ($name:literal) => {
        include_str!(concat!("../../fixtures/", $name, ".json"))
    };
}

fn notice(body: &str) -> CallbackNotice {
    CallbackNotice::parse(body.as_bytes()).unwrap()
}

#[test]
fn access_token() {
    let token = token(fixture!("official_access_token_response")).unwrap();
    assert!(
        token
            .expose()
            .starts_with("eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.")
    );
    let expired_at = SystemTime::UNIX_EPOCH + secs(1_742_716_117);
    assert_eq!(token.expired_at(), Some(expired_at));
}

#[test]
fn token_pair() {
    let asked = RefreshTokenGrant::new("id", "secret", "token");
    let body = fixture!("official_oauth2_access_token_response_flat");
    let pair = read(&asked, body).unwrap();
    assert!(
        pair.expose_access_token()
            .starts_with("eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.")
    );
    let refresh_token = "ZMY5MTKWNDCTNWZHOS01OWMYLTGYMMUTNZY5YTHIMGRHMJZL";
    assert_eq!(pair.expose_refresh_token(), refresh_token);
    assert_eq!(pair.expires_in(), Some(secs(7200)));
    assert_eq!(pair.scope(), "user:base,file:all:read,file:all:write");
    assert_eq!(pair.token_type(), "Bearer");
    let code = AuthorizationCodeGrant::new("id", "secret", "code", "https://app.example/");
    assert_eq!(
        read(&code, body).unwrap().expose_refresh_token(),
        refresh_token
    );
}

#[test]
fn user_info() {
    let user = user(fixture!("official_user_info_response")).unwrap();
    assert_eq!(user.uid, 1_814_442_530);
    assert_eq!(user.nickname, "志中测试专属号003");
    assert_eq!(user.space_used, Some(459_894_954_684));
    assert_eq!(user.space_permanent, Some(6_894_212_784_062_464));
    assert_eq!(user.space_temp, Some(0));
    assert_eq!(user.vip, Some(true));
    assert_eq!(user.direct_traffic, Some(276_046_404_229_020));
    assert_eq!(
        user.space_temp_until, None,
        "a number where a text is documented"
    );
    assert_eq!(
        (user.hides_uid, user.https_count),
        (Some(false), Some(9_999_998))
    );
    let labels: Vec<_> = user
        .vip_periods
        .iter()
        .map(|it| (it.level, &*it.label))
        .collect();
    assert_eq!(
        labels,
        [(Some(1), "VIP"), (Some(2), "SVIP"), (Some(3), "长期VIP")]
    );
    let at = |unix| Some(SystemTime::UNIX_EPOCH + secs(unix));
    let first = user.vip_periods[0].period;
    assert_eq!(
        (first.from, first.until),
        (at(1_751_771_573), at(1_778_739_185))
    );
    assert_eq!(user.vip_periods[2].period.until, None, "without end");
    let developer = user.developer.unwrap();
    assert_eq!(
        (developer.from, developer.until),
        (at(1_752_658_073), at(1_784_194_072))
    );
}

#[test]
fn user_info_with_little_in_it() {
    let bare = user(r#"{"code":0,"message":"ok","data":{"uid":"7","nickname":null,"vip":null}}"#);
    let bare = bare.unwrap();
    assert_eq!((bare.uid, bare.nickname.as_str()), (7, ""));
    assert_eq!((bare.space_used, bare.vip), (None, None));
    assert_eq!((bare.vip_periods.len(), bare.developer), (0, None));
    assert!(user(r#"{"code":0,"data":{}}"#).is_err());
    let odd = user(r#"{"code":0,"data":{"uid":7,"vipInfo":[null,{"vipLevel":"2"},[1]]}}"#);
    let levels: Vec<_> = odd.unwrap().vip_periods.iter().map(|it| it.level).collect();
    assert_eq!(levels, [Some(2)]);
}

#[test]
fn created_download() {
    let created = created(fixture!("official_offline_create_response")).unwrap();
    assert_eq!(created.task.get(), 394_756);
}

macro_rules! assert_progress {
    ($($fixture:literal: $percent:literal, $status:expr;)*) => {$(
        let progress = polled(fixture!($fixture)).unwrap();
        assert_eq!((progress.percent, progress.status), (Some($percent), $status));
    )*};
}

#[test]
fn download_progress() {
    assert_progress! {
        "official_offline_process_response_success": 100.0, TaskStatus::Succeeded;
        "synthetic_offline_process_response_failed": 0.0, TaskStatus::Failed;
        "synthetic_offline_process_response_retrying": 12.0, TaskStatus::Retrying;
        "synthetic_offline_process_response_running": 37.5, TaskStatus::Running;
        "synthetic_offline_process_response_unknown_13": 50.0, TaskStatus::Other(13);
    }
}

#[test]
fn callbacks() {
    let url = Some("http://dc.com/resource.jpg");
    let good = notice(fixture!("official_offline_callback_success"));
    assert_eq!(good.url.as_deref(), url);
    let file = Some(FileId::new(100).unwrap());
    assert_eq!(good.outcome, CallbackOutcome::new(0, file, None));
    for body in [
        fixture!("synthetic_offline_callback_failed_failReason"),
        fixture!("synthetic_offline_callback_failed_fileReason"),
    ] {
        let bad = notice(body);
        assert_eq!(bad.url.as_deref(), url);
        let reason = Some("下载失败".to_owned());
        assert_eq!(bad.outcome, CallbackOutcome::new(1, None, reason));
    }
}

fn assert_api_error(body: &str, code: ErrorCode, number: i64, message: &str) {
    for error in [created(body).unwrap_err(), polled(body).unwrap_err()] {
        assert_eq!(error.kind(), ErrorKind::Api, "{body}");
        let api = error.api().unwrap();
        assert_eq!((api.code(), api.number()), (code, number));
        assert_eq!(api.message(), message);
        assert_eq!(api.trace_id(), None, "empty and absent are the same");
        assert!(error.to_string().contains(message), "{error}");
    }
}

macro_rules! assert_api_errors {
    ($($fixture:literal: $code:expr, $number:literal, $message:literal;)*) => {$(
        assert_api_error(fixture!($fixture), $code, $number, $message);
    )*};
}

#[test]
fn api_errors() {
    use ErrorCode::{FileNotFound, Internal, Other, TooManyDownloads, TrafficExceeded, Verifying};
    assert_api_errors! {
        "rebuilt_error_1_mkdir_duplicate": Internal, 1, "该目录下已经有同名文件夹,无法进行创建";
        "rebuilt_error_20103_verifying": Verifying, 20103, "文件正在校验中,请间隔1秒后再试";
        "rebuilt_error_5066_file_not_found": FileNotFound, 5066, "文件不存在，检查传入fileId是否正确";
        "rebuilt_error_5113_traffic_exceeded":
            TrafficExceeded, 5113, "您今日自用下载流量已超出1GB上限，升级VIP会员可无限流量下载";
        "synthetic_error_offline_concurrency_code_unknown": TooManyDownloads, 1, "同时下载的任务超出最大限制";
        "observed_cdn_error_50001": Other(1010), 1010, "download err: 50001";
        "observed_cdn_error_50002": Other(1010), 1010, "download err: 50002";
        "observed_cdn_error_region": Other(1010), 1010, "forbidden realc:chongqing city arg_c:shanghai city";
        "observed_slb_forbidden_string_code": Other(403), 403, "123pan-global-slb forbidden client ip 47.99.111.81";
    }
}

#[test]
fn rejected_tokens() {
    for (body, pushed_out, trace) in [
        (
            fixture!("observed_error_401_tokens_exceeded"),
            true,
            Some("6a6b0b93-d9b6-4107-9f5b-79e0a5dcfcda_kong-db-69f86b54db-zt2z6"),
        ),
        (fixture!("rebuilt_error_401_token_expired"), false, None),
    ] {
        let error = polled(body).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unauthorized);
        assert_eq!(error.code(), Some(ErrorCode::Unauthorized));
        assert_eq!(error.trace_id(), trace);
        assert_eq!(error.api().unwrap().is_token_pushed_out(), pushed_out);
        assert_eq!(error.to_string().contains("another process"), pushed_out);
    }
}

#[test]
fn task_id_keeps_every_digit() {
    for id in [9_007_199_254_740_993, i64::MAX.unsigned_abs() + 1, u64::MAX] {
        for key in ["taskID", "taskId"] {
            for quote in ["", "\""] {
                let body = format!(r#"{{"code":0,"data":{{"{key}":{quote}{id}{quote}}}}}"#);
                assert_eq!(created(&body).unwrap().task.get(), id, "{body}");
            }
        }
    }
}

#[test]
fn create_that_names_two_tasks_is_ambiguous_and_keeps_both() {
    let candidates = |data: &str| {
        let error = created(&format!(r#"{{"code":0,"data":{data}}}"#)).unwrap_err();
        let text = error.to_string();
        let Error::Ambiguous(ambiguous) = error else {
            panic!("{error:?}");
        };
        let ids = ambiguous.candidates::<TaskId>().into_iter();
        (ids.map(TaskId::get).collect::<Vec<_>>(), text)
    };
    for data in [
        r#"{"taskID":394756,"taskId":394757}"#,
        r#"{"taskId":"394756","taskID":394757,"taskID":394756}"#,
        r#"{"taskID":394756},"data":{"taskID":394757}"#,
    ] {
        let (ids, text) = candidates(data);
        assert_eq!(ids, [394_756, 394_757], "{data}");
        assert!(
            text.ends_with("; the response names 394756 and 394757"),
            "{text}"
        );
    }
    for data in [
        r#"[{"taskID":394756}]"#,
        r#"null,"taskID":394756"#,
        r#"{"taskID":394756,}"#,
        r#"{"taskID":394756,"size":NaN}"#,
        r#"{"task":{"taskId":"394756"}}"#,
        r#"{"taskID":394756}} {"code":0"#,
    ] {
        let (ids, text) = candidates(data);
        assert_eq!(ids, [394_756], "{data}: {text}");
    }
    assert!(candidates(r#"{"taskID":0,"taskId":-1}"#).0.is_empty());
    assert!(candidates("[394756]").0.is_empty());
}

#[test]
fn task_id_survives_whatever_stands_beside_it() {
    for data in [
        r#"{"taskID":394756,"taskId":394756}"#,
        r#"{"taskID":394756,"taskId":"394756"}"#,
        r#"{"taskID":" 394756 ","taskID":394756.0}"#,
        r#"{"taskID":null,"taskId":394756}"#,
        r#"{"taskID":0,"taskId":394756}"#,
        r#"{"taskID":394756,"taskId":"https://example.com/a"}"#,
        r#"{"taskID":{"id":7},"taskId":394756,"taskID":-1}"#,
        r#"{"taskID":"","taskId":394756,"x":1e999,"y":"\ud800","\udc00":7}"#,
        r#"{"taskID":394756},"data":{"taskID": 394756}"#,
    ] {
        let body = format!(r#"{{"code":0,"message":"\ud800","data":{data},"x-traceID":[]}}"#);
        for body in [
            body.clone(),
            format!("\u{feff}{body}\r\n\0"),
            format!("\0\u{feff}\u{feff}{body}\u{feff}"),
            body.replace(r"\ud800", "a\tb\n\u{1b}[2J"),
        ] {
            assert_eq!(created(&body).unwrap().task.get(), 394_756, "{body}");
        }
    }
}

#[test]
fn invalid_task_id_makes_a_create_ambiguous() {
    for id in [
        "0",
        "-1",
        "1.5",
        "null",
        "\"\"",
        "\"abc\"",
        "true",
        "18446744073709551616",
        "9007199254740993.0",
        "9007199254740993e0",
        "\"9007199254740993.0\"",
        "4.00000000000000000001",
        "{}",
    ] {
        let body = format!(r#"{{"code":0,"message":"ok","data":{{"taskID":{id}}}}}"#);
        let error = created(&body).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Ambiguous, "{id}");
    }
}
