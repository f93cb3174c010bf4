//! Calls in memory: the core's machines driven by hand with responses that are given.

use std::hint::black_box;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use http::{Request, Response};
use pan123_proto::file::ListFiles;
use pan123_proto::offline::{CallbackKey, CallbackSigner, Download, GetDownloadProgress};
use pan123_proto::{
    Call, DirId, Endpoint, Input, Machine, Now, Pacing, Parent, Session, Step, TaskId,
};

use crate::floors::callback::Key;
use crate::floors::{requests, responses};

const BASE: &str = "https://open-api.123pan.com";
const TRACE_ID: &str = "3c24b2a1-0b5c-4c22-a31d-f31b8e8e8f20";
const PROGRESS: &str = r#"{"code":0,"message":"ok","data":{"process":37.5,"status":0},"x-traceID":"3c24b2a1-0b5c-4c22-a31d-f31b8e8e8f20"}"#;
const CREATED: &str = r#"{"code":0,"message":"ok","data":{"taskID":394756},"x-traceID":"3c24b2a1-0b5c-4c22-a31d-f31b8e8e8f20"}"#;
const NOTICE: &str =
    r#"{"url":"https://example.com/video.mp4","status":0,"failReason":"","fileID":14749954}"#;
const SECRET: &[u8] = b"wm5bqK0T0Yc3L0lq0lGx0m1l2s0V8n5u3r0aXg7d9fE=";

fn page() -> String {
    let row = |number: u32| {
        format!(
            r#"{{"fileId":{},"filename":"a file of the list {number}.mp4","parentFileId":14663228,"type":0,"etag":"af5d7a2c0a4e4b1c8f3e9d2b1a0f{number:04}","size":518564433,"category":2,"status":2,"punishFlag":0,"s3KeyFlag":"1814435971-0","storageNode":"m16","trashed":0,"createAt":"2024-04-30 11:58:36","updateAt":"2025-02-24 17:56:45"}}"#,
            5_373_646 + number
        )
    };
    let rows: Vec<String> = (0..100).map(row).collect();
    let rows = rows.join(",");
    format!(
        r#"{{"code":0,"message":"ok","data":{{"lastFileId":-1,"fileList":[{rows}]}},"x-traceID":"{TRACE_ID}"}}"#
    )
}

fn session() -> Session {
    let token = requests::TOKEN.trim_start_matches("Bearer ");
    let builder = Session::builder().access_token(token);
    builder.pacing(Pacing::off()).build().expect("a session")
}

fn now() -> Now {
    Now {
        mono: Instant::now(),
        wall: SystemTime::UNIX_EPOCH + Duration::from_secs(1_750_000_000),
    }
}

fn task() -> TaskId {
    TaskId::new(394_756).expect("a task")
}

fn download() -> Download {
    Download::new("https://example.com/files/2026/video.mp4?signature=0123456789abcdef")
        .and_then(|download| download.file_name("video.mp4"))
        .and_then(|download| download.callback("https://bot.example.org/pan123?chat=7"))
        .expect("a download")
        .save_to(DirId::new(7).expect("a folder"))
}

/// Brings a call to where its request is in flight.
fn sent<E: Endpoint>(session: &Session, now: Now, endpoint: &E) -> Call<E::Response> {
    let mut call = session.call(endpoint).expect("a call");
    match call.resume(now, Input::Wake) {
        Step::Transmit(transmit) => drop(black_box(transmit)),
        _ => panic!("a request is expected"),
    }
    call
}

/// Builds, takes its turn, which adds the headers, and drops: what is left of [`answered`] without it is the reading.
fn unanswered<E: Endpoint>(calls: usize, endpoint: impl Fn() -> E) {
    let (session, now) = (session(), now());
    for _ in 0..calls {
        drop(black_box(sent(&session, now, &endpoint())));
    }
}

/// A whole call with this response.
fn answered<E: Endpoint>(calls: usize, endpoint: impl Fn() -> E, body: &str) {
    let (session, now) = (session(), now());
    let body = Bytes::copy_from_slice(body.as_bytes());
    for _ in 0..calls {
        let mut call = sent(&session, now, &endpoint());
        let response = Input::Response(Response::new(body.clone()));
        match call.resume(now, response) {
            Step::Ready(Ok(answer)) => drop(black_box(answer)),
            _ => panic!("an answer is expected"),
        }
    }
}

fn progress() -> GetDownloadProgress {
    GetDownloadProgress::new(task())
}

fn files() -> ListFiles {
    ListFiles::of(Parent::Root)
}

pub(crate) fn progress_unanswered(calls: usize) {
    unanswered(calls, progress);
}

pub(crate) fn progress_answered(calls: usize) {
    answered(calls, progress, PROGRESS);
}

pub(crate) fn list_unanswered(calls: usize) {
    unanswered(calls, files);
}

pub(crate) fn list_answered(calls: usize) {
    answered(calls, files, &page());
}

pub(crate) fn create_answered(calls: usize) {
    answered(calls, download, CREATED);
}

pub(crate) fn callback_verified(calls: usize) {
    let key = CallbackKey::new("2026-11", SECRET).expect("a key");
    let signer = CallbackSigner::new([key]).expect("a signer");
    let url = signer.sign("https://bot.example.org/pan123?chat=7", "job 42");
    let request = Request::post(url.expect("a URL"))
        .header("content-type", "application/json")
        .body(NOTICE)
        .expect("a request");
    for _ in 0..calls {
        drop(black_box(signer.verify(&request).expect("a callback")));
    }
}

pub(crate) fn floor_progress_read(calls: usize) {
    for _ in 0..calls {
        black_box(responses::read::<responses::Progress>(black_box(
            PROGRESS.as_bytes(),
        )));
    }
}

pub(crate) fn floor_list_read(calls: usize) {
    let body = page();
    for _ in 0..calls {
        let page: responses::Page = responses::read(black_box(body.as_bytes()));
        assert_eq!(page.file_list.len(), 100);
        drop(black_box(page));
    }
}

pub(crate) fn floor_progress_built(calls: usize) {
    for _ in 0..calls {
        drop(black_box(requests::progress(black_box(BASE), 394_756)));
    }
}

pub(crate) fn floor_progress_call(calls: usize) {
    let body = Bytes::from_static(PROGRESS.as_bytes());
    for _ in 0..calls {
        drop(black_box(requests::progress(black_box(BASE), 394_756)));
        let response = Response::new(body.clone());
        black_box(responses::read::<responses::Progress>(response.body()));
    }
}

pub(crate) fn floor_create_call(calls: usize) {
    let body = Bytes::from_static(CREATED.as_bytes());
    for _ in 0..calls {
        let request = requests::create(
            black_box(BASE),
            "https://example.com/files/2026/video.mp4?signature=0123456789abcdef",
            "video.mp4",
            7,
            "https://bot.example.org/pan123?chat=7",
        );
        drop(black_box(request));
        let response = Response::new(body.clone());
        black_box(responses::read::<responses::Created>(response.body()).task);
    }
}

pub(crate) fn floor_callback(calls: usize) {
    let key = Key::new(SECRET);
    for _ in 0..calls {
        let signed = b"pan123-callback-v1\n2026-11\njob 42";
        drop(black_box(key.verify(
            black_box(signed),
            black_box(&[0; 32]),
            black_box(NOTICE.as_bytes()),
        )));
    }
}
