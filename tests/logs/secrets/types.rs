//! The `Debug` of each public type. A type that is in neither list below fails the test.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use pan123_proto::access_token::{IssueToken, IssuedToken};
use pan123_proto::batch::{BatchPolicy, BatchStep};
use pan123_proto::file::{DownloadUrl, EntryV1, FilePageV1, ListFiles};
use pan123_proto::http::{Request, Response};
use pan123_proto::image_bed::ImageBedDownload;
use pan123_proto::ledger::{
    ItemKey, Ledger, LedgerAnswer, LedgerOp, ListItems, MemoryLedger, NewItem, Transaction,
};
use pan123_proto::offline::{
    CallbackKey, CallbackNotice, CallbackOutcome, CallbackSigner, ExpectedFile, WatchError,
    WatchEvent, WatchPolicy,
};
use pan123_proto::user::GetUserInfo;
use pan123_proto::{
    Account, BuildError, Call, ClockSkew, Detached, Endpoint, Error, Input, Machine, Now,
    PaceResult, Pacing, Parent, Query, RetryPolicy, Session, SessionBuilder, Step, StoreOp,
    StoreResult, StoredToken, TaskId, Transmit, TransportError,
};
use pan123_store::MemoryStore;
use pan123_tests::logs::logged;
use serde_json::json;

use crate::logs::secrets::canaries::{
    CALLBACK, CLIENT_SECRET, GIVEN, ISSUED, SIGNING_KEY, SOURCE, assert_hidden, debugged, download,
    error_texts,
};
use crate::logs::secrets::oauth;

/// Types that hold no secret.
const WITHOUT_SECRETS: &[&str] = &[
    "Account",
    "Auth",
    "BatchHandle",
    "BatchPolicy",
    "BatchReport",
    "CallHandle",
    "ChangeError",
    "ClassPace",
    "Counts",
    "Ending",
    "Head",
    "ItemChange",
    "ItemKey",
    "ItemState",
    "JobGuard",
    "LedgerFault",
    "LineError",
    "ListItems",
    "MemoryLedger",
    "NextPoll",
    "Notice",
    "PollSchedule",
    "Refusal",
    "SpilledTask",
    "Terms",
    "Verdict",
    "Window",
    "CopiedFile",
    "CopyFile",
    "CopyFiles",
    "CopyProgress",
    "CopyStatus",
    "CreatedDownload",
    "CreatedImageBedDownload",
    "CredentialFault",
    "CredentialsFault",
    "DeleteFiles",
    "Done",
    "GetDownloadProgress",
    "Downloaded",
    "Entry",
    "EntryKind",
    "ErrorCode",
    "ErrorKind",
    "FailedRename",
    "FileInfos",
    "FilePage",
    "FileStore",
    "FileNameFault",
    "GetCopyProgress",
    "GetDetail",
    "GetDownloadUrl",
    "GetInfos",
    "GetUserInfo",
    "ImageBedDirId",
    "GetImageBedProgress",
    "FileLookup",
    "FoundBy",
    "ListFiles",
    "ListFilesV1",
    "CreatedDir",
    "CreateDir",
    "MoveFiles",
    "Now",
    "OrderBy",
    "OrderDirection",
    "PaceOp",
    "PaceResult",
    "PaceStatus",
    "Pacing",
    "Parent",
    "PathFault",
    "Period",
    "Priority",
    "Progress",
    "RateClass",
    "Reach",
    "Readme",
    "RecoverFiles",
    "RecoverFilesTo",
    "RecoveredFiles",
    "RenameFile",
    "RenameFiles",
    "RenamedFile",
    "RenamedFiles",
    "Idempotency",
    "ResponseFormat",
    "Restored",
    "RetryPolicy",
    "Signal",
    "ClockSkew",
    "Span",
    "StartedCopy",
    "SystemClock",
    "TaskStatus",
    "ThreadSpawner",
    "TokioSpawner",
    "TransportErrorKind",
    "TrashFiles",
    "UnreadableRow",
    "UrlFault",
    "UserInfo",
    "VipPeriod",
    "Wait",
    "WaitReason",
    "Work",
    "WatchHandle",
    "WatchPolicy",
];

const BASE: &str = "https://canary-user:canary-word@host/?key=canary-key";

fn now() -> Now {
    Now {
        mono: Instant::now(),
        wall: SystemTime::UNIX_EPOCH,
    }
}

fn session() -> Session {
    let builder = Session::builder().credentials("client-id", CLIENT_SECRET);
    builder
        .retry(RetryPolicy::default().max_attempts(2))
        .pacing(Pacing::off())
        .build()
        .expect("good settings")
}

fn response(status: u16, body: &str) -> Input {
    let response = Response::builder().status(status);
    Input::Response(response.body(body.to_owned().into()).expect("an response"))
}

fn transmit<T>(step: Step<T>) -> Transmit {
    match step {
        Step::Transmit(transmit) => transmit,
        _ => panic!("a request was expected"),
    }
}

fn detached(call: &mut Call<impl Sized>) -> Detached {
    match call.resume(now(), Input::Wake) {
        Step::Detach(detached) => detached,
        _ => panic!("the first caller fetches the token"),
    }
}

fn error<T: std::fmt::Debug>(step: Step<Result<T, Error>>) -> Error {
    match step {
        Step::Ready(Err(error)) => error,
        other => panic!("an error was expected: {other:?}"),
    }
}

/// The error of a call whose token store quotes the client's secret.
fn store_error() -> Error {
    let builder = Session::builder().persist_token(true);
    error_after(builder, |step| {
        assert!(matches!(step, Step::Store(_)), "{step:?}");
        Input::Stored(StoreResult::Failed(CLIENT_SECRET.to_owned()))
    })
}

/// The error of a call whose shared pace quotes the client's secret.
fn pace_error() -> Error {
    let builder = Session::builder().share_pace(true);
    error_after(builder, |step| {
        assert!(matches!(step, Step::Pace(_)), "{step:?}");
        Input::Paced(PaceResult::Failed(CLIENT_SECRET.to_owned()))
    })
}

/// The error of a call whose fetch of a token fails by this answer to its first step.
fn error_after(builder: SessionBuilder, answer: impl FnOnce(Step<()>) -> Input) -> Error {
    let builder = builder.credentials("client-id", CLIENT_SECRET);
    let session = builder.build().expect("good settings");
    let mut call = session.call(&download()).expect("a request");
    let mut fetch = detached(&mut call);
    let failed = answer(fetch.resume(now(), Input::Wake));
    fetch.resume(now(), failed);
    error(call.resume(now(), Input::Wake))
}

/// A call at each of its steps, with a response that echoes the secrets.
fn calls() -> Vec<(&'static str, String)> {
    let mut shown = Vec::new();
    let session = session();
    let echo = format!("{CLIENT_SECRET} {ISSUED} {SOURCE}");

    let mut call = session.call(&download()).expect("a request");
    shown.push(("Call", debugged(&call)));
    let mut detached = detached(&mut call);
    shown.push(("Detached", debugged(&detached)));
    let step = detached.resume(now(), Input::Wake);
    shown.push(("Step", debugged(&step)));
    let sent = transmit(step);
    shown.push(("Transmit", debugged(&sent)));
    let token = response(
        200,
        &json!({"code": 0, "data": {"accessToken": ISSUED}}).to_string(),
    );
    shown.push(("Input", debugged(&token)));
    detached.resume(now(), token);
    shown.push(("Detached", debugged(&detached)));
    shown.push(("Session", debugged(&session)));

    let sent = transmit(call.resume(now(), Input::Wake));
    shown.push(("Call", debugged(&call)));
    shown.push(("Transmit", debugged(&sent)));
    // Its headers, as an HTTP client may print them.
    shown.push(("Transmit", debugged(&sent.request.headers())));
    let failed = Input::Failed(TransportError::interrupted(echo.clone()));
    let lost = error(call.resume(now(), failed));
    shown.push(("Error", error_texts(&lost)));
    if let Error::Ambiguous(ambiguous) = &lost {
        shown.push(("Ambiguous", debugged(ambiguous)));
        shown.push(("TransportError", error_texts(ambiguous.cause())));
    }

    let mut gated = session.call(&download()).expect("a request").gated();
    shown.push(("GatedCall", debugged(&gated)));
    // At the gate it has its token.
    let Step::Ready(at_gate) = gated.resume(now(), Input::Wake) else {
        panic!("it has its token and its slot");
    };
    shown.push(("GatedCall", debugged(&gated)));
    shown.push(("GateEvent", debugged(&at_gate)));
    gated.proceed();
    transmit(gated.resume(now(), Input::Wake));
    shown.push(("GatedCall", debugged(&gated)));
    let Step::Ready(ended) = gated.resume(now(), response(502, &echo)) else {
        panic!("it sends once");
    };
    shown.push(("GateEvent", debugged(&ended)));

    shown.push(("TokenStoreError", error_texts(&store_error())));
    shown.push(("SharedPaceError", error_texts(&pace_error())));

    let api = json!({"code": 7, "message": echo, "x-traceID": ISSUED}).to_string();
    let mut call = session.call(&download()).expect("a request");
    transmit(call.resume(now(), Input::Wake));
    let rejected = error(call.resume(now(), response(200, &api)));
    shown.push(("ApiError", error_texts(rejected.api().expect("a code"))));
    shown.push(("WatchEvent", debugged(&WatchEvent::PollFailed(rejected))));

    let mut call = session.call(&download()).expect("a request");
    transmit(call.resume(now(), Input::Wake));
    let Error::Ambiguous(page) = error(call.resume(now(), response(502, &echo))) else {
        panic!("it may have been carried out");
    };
    let Error::Http(page) = page.cause() else {
        panic!("it was no envelope");
    };
    shown.push((
        "ResponseError",
        format!("{}{page}{}", debugged(page), page.excerpt()),
    ));

    let mut dropped = session.call(&download()).expect("a request");
    transmit(dropped.resume(now(), Input::Wake));
    let mut rest = dropped.detach().expect("a request in flight");
    shown.push(("Detached", debugged(&rest)));
    rest.resume(now(), response(502, &echo));
    shown.push((
        "DetachedCall",
        debugged(&session.take_detached::<pan123_proto::offline::Download>()),
    ));

    let mut call = session.call(&GetUserInfo).expect("a request");
    transmit(call.resume(now(), Input::Wake));
    let page = response(502, &format!("{CLIENT_SECRET} {ISSUED}"));
    call.resume(now(), page);
    // It keeps the last failure while it waits.
    shown.push(("Call", debugged(&call)));
    shown
}

fn watches() -> Vec<(&'static str, String)> {
    let session = session();
    let task = TaskId::new(7).expect("no zero");
    let mut watch = session.watch(task, WatchPolicy::default().max_failed_polls(1));
    let Step::Detach(mut detached) = watch.resume(now(), Input::Wake) else {
        panic!("the first caller fetches the token");
    };
    detached.resume(now(), Input::Wake);
    let token = json!({"code": 0, "data": {"accessToken": ISSUED}}).to_string();
    detached.resume(now(), response(200, &token));
    let target = ExpectedFile::of(&download(), SystemTime::UNIX_EPOCH);
    let mut shown = vec![
        ("Watch", debugged(&watch)),
        ("ExpectedFile", debugged(&target)),
        ("FindFile", debugged(&session.find_file(target))),
        ("FindPath", debugged(&session.find("/a").expect("a path"))),
        (
            "EnsureDir",
            debugged(&session.ensure_dir("/a").expect("a path")),
        ),
        (
            "Listing",
            debugged(&session.list(ListFiles::of(Parent::Root))),
        ),
    ];
    transmit(watch.resume(now(), Input::Wake));
    shown.push(("Watch", debugged(&watch)));
    let rejected = json!({"code": 7, "message": ISSUED}).to_string();
    let Step::Ready(Some(Err(ended))) = watch.resume(now(), response(200, &rejected)) else {
        panic!("one failed poll was too many");
    };
    shown.push(("WatchError", error_texts(&ended)));
    shown.push(("Error", error_texts(&Error::from(ended))));
    let polls: Option<WatchError> = None;
    shown.push(("WatchToEnd", debugged(&(watch.to_end(), polls))));
    shown
}

fn adapters() -> Vec<(&'static str, String)> {
    let blocking = || pan123_blocking::Client::builder().credentials("client-id", CLIENT_SECRET);
    let asynchronous = || pan123_async::Client::builder().credentials("client-id", CLIENT_SECRET);
    let task = TaskId::new(7).expect("no zero");
    let mut shown = vec![
        (
            "ClientBuilder",
            debugged(&blocking().access_token(GIVEN).base_url(BASE)),
        ),
        (
            "ClientBuilder",
            debugged(&asynchronous().access_token(GIVEN).base_url(BASE)),
        ),
        (
            "ClientBuilder",
            error_texts(&blocking().base_url(BASE).build().expect_err("a user")),
        ),
        (
            "ClientBuilder",
            error_texts(&asynchronous().base_url(BASE).build().expect_err("a user")),
        ),
    ];
    let client = blocking().build().expect("good settings");
    shown.push(("Client", debugged(&client)));
    shown.push(("OfflineDownload", debugged(&client.offline_download())));
    shown.push(("Watch", debugged(&client.offline_download().watch(task))));
    shown.push(("Files", debugged(&client.files())));
    shown.push(("Listing", debugged(&client.files().list(Parent::Root))));
    shown.push(("ImageBed", debugged(&client.image_bed())));
    let client = asynchronous().build().expect("good settings");
    shown.push(("Client", debugged(&client)));
    shown.push(("OfflineDownload", debugged(&client.offline_download())));
    shown.push(("Watch", debugged(&client.offline_download().watch(task))));
    shown.push(("Files", debugged(&client.files())));
    shown.push(("Listing", debugged(&client.files().list(Parent::Root))));
    shown.push(("ImageBed", debugged(&client.image_bed())));
    let reqwest =
        pan123_async::context::ReqwestTransport::from_client(pan123_async::reqwest::Client::new());
    shown.push(("ReqwestTransport", debugged(&reqwest)));
    let agent = pan123_blocking::ureq::Agent::new_with_defaults();
    let ureq = pan123_blocking::context::UreqTransport::from_agent(agent);
    shown.push(("UreqTransport", debugged(&ureq)));
    shown
}

/// A batch of one item, whose create is lost, and what it hands out.
fn batches() -> Vec<(&'static str, String)> {
    let session = Session::builder().access_token(GIVEN).build();
    let session = session.expect("good settings");
    let ledger = MemoryLedger::new();
    let open = || {
        ledger
            .open(&session.ledger_account())
            .expect("a new ledger")
    };
    let mut batch = session.batch(open(), BatchPolicy::default());
    let item = || NewItem::new(ItemKey::new("job").expect("a key"), download());
    batch.add(item());
    batch.items_ended();
    let add = || LedgerOp::Add(vec![item()]);
    let now = now();
    let transaction = Transaction::new(now.wall, vec![add()]);
    let mut shown = vec![
        ("NewItem", debugged(&item())),
        ("LedgerOp", debugged(&add())),
        ("Transaction", debugged(&transaction)),
    ];
    loop {
        shown.push(("Batch", debugged(&batch)));
        let step = batch.next(now);
        shown.push(("BatchStep", debugged(&step)));
        match step {
            BatchStep::Start(mut job) => {
                let sent = job.resume(now, Input::Wake);
                shown.push(("Job", debugged(&job)));
                if matches!(sent, Step::Transmit(_)) {
                    let lost = TransportError::interrupted(SOURCE);
                    let _ = job.resume(now, Input::Failed(lost));
                }
                batch.finish(now, job);
            }
            BatchStep::Ledger(mut job) => {
                shown.push(("LedgerJob", debugged(&job)));
                job.run();
                shown.push(("LedgerJob", debugged(&job)));
                batch.recorded(now, job);
            }
            BatchStep::Event(event) => shown.push(("BatchEvent", debugged(&event))),
            BatchStep::Wait(_) => {}
            BatchStep::Done(_) => break,
        }
    }
    drop(batch);
    let mut ledger = open();
    let ask = LedgerOp::List(ListItems::first(1));
    let claim = LedgerOp::Claim {
        create: 1,
        follow: 1,
    };
    let answers = ledger.run(Transaction::new(now.wall, vec![ask, claim]));
    for answer in answers.expect("it answers") {
        shown.push(("LedgerAnswer", debugged(&answer)));
        match answer {
            LedgerAnswer::Page(page) => shown.push(("Item", debugged(&page[0].1))),
            LedgerAnswer::Claimed(claimed) => shown.push(("Claimed", debugged(&claimed))),
            other => panic!("{other:?}"),
        }
    }
    shown
}

fn values() -> Vec<(&'static str, String)> {
    let issued: IssuedToken =
        serde_json::from_value(json!({"accessToken": ISSUED})).expect("a token");
    let issue = IssueToken::new("client-id", CLIENT_SECRET);
    let stored = || {
        let account = Account::new("https://host", "client-id");
        StoredToken::new(account, ISSUED, None, ClockSkew::Ahead(Duration::ZERO))
    };
    let signed_url: DownloadUrl =
        serde_json::from_value(json!({"downloadUrl": SOURCE})).expect("a download URL");
    let entry = json!({
        "fileID": 7, "filename": "a", "type": 0, "parentFileId": 0, "thumbnail": SOURCE, "downloadUrl": SOURCE
    });
    let page: FilePageV1 =
        serde_json::from_value(json!({"total": 1, "fileList": [entry]})).expect("a page");
    let entry: &EntryV1 = &page.entries[0];
    let image = ImageBedDownload::new(SOURCE)
        .and_then(|download| download.callback(CALLBACK))
        .expect("two URLs");
    let mut query = Query::default();
    query.push("client_secret", CLIENT_SECRET);
    let body = json!({"url": SOURCE, "status": 1, "failReason": SOURCE}).to_string();
    let notice = CallbackNotice::parse(body.as_bytes()).expect("a notice");
    let outcome: &CallbackOutcome = &notice.outcome;
    let no_notice = CallbackNotice::parse(json!(SOURCE).to_string().as_bytes());
    let builder = || {
        Session::builder()
            .access_token(GIVEN)
            .credentials("client-id", CLIENT_SECRET)
    };
    let bad_token = Session::builder()
        .access_token(format!("{GIVEN}\n"))
        .build();
    let key = || CallbackKey::new("2026-11", SIGNING_KEY).expect("a key");
    let signer = CallbackSigner::new([key()]).expect("a signer");
    let url = signer.sign(CALLBACK, "job").expect("a URL");
    let verified = |status: u8| {
        let request = Request::post(&url);
        let body = json!({"url": SOURCE, "status": status, "failReason": SOURCE});
        let request = request.body(body.to_string());
        signer.verify(&request.expect("a request"))
    };
    let errors: [BuildError; 3] = [
        bad_token.expect_err("no header"),
        builder()
            .base_url(BASE)
            .build()
            .expect_err("two kinds of credentials"),
        Session::builder()
            .access_token(GIVEN)
            .base_url(BASE)
            .build()
            .expect_err("a user"),
    ];
    let mut shown = vec![
        ("IssueToken", debugged(&issue)),
        ("IssuedToken", debugged(&issued)),
        ("Body", debugged(&issue.body().expect("a body"))),
        ("StoredToken", debugged(&stored())),
        ("StoreOp", debugged(&StoreOp::Save(stored()))),
        (
            "StoreResult",
            debugged(&StoreResult::Loaded(Some(stored()))),
        ),
        ("Query", debugged(&query)),
        ("Download", debugged(&download())),
        ("ImageBedDownload", debugged(&image)),
        ("DownloadUrl", debugged(&signed_url)),
        ("FilePageV1", debugged(&page)),
        ("EntryV1", debugged(entry)),
        ("CallbackNotice", debugged(&notice)),
        ("CallbackOutcome", debugged(outcome)),
        ("CallbackKey", debugged(&key())),
        ("CallbackSigner", debugged(&signer)),
        ("VerifiedCallback", debugged(&verified(1).expect("ours"))),
        (
            "CallbackRefusal",
            error_texts(&verified(9).expect_err("unknown")),
        ),
        ("MemoryStore", debugged(&MemoryStore::new())),
        (
            "CallbackError",
            error_texts(&no_notice.expect_err("no object")),
        ),
        ("SessionBuilder", debugged(&builder().base_url(BASE))),
    ];
    shown.extend(
        errors
            .iter()
            .map(|error| ("BuildError", error_texts_of(error))),
    );
    shown
}

fn error_texts_of(error: &BuildError) -> String {
    error_texts(error)
}

#[test]
fn no_public_type_shows_a_secret() {
    // Under the lock of the log: other tests of this process check all that is logged.
    let mut shown = Vec::new();
    logged(|| {
        shown = [
            calls(),
            watches(),
            adapters(),
            values(),
            batches(),
            oauth::shown(),
        ]
        .concat();
    });
    for (name, text) in &shown {
        assert!(!text.trim().is_empty(), "{name} shows nothing");
        assert_hidden(text, name);
    }
    let shown: BTreeSet<&str> = shown.iter().map(|(name, _)| *name).collect();
    let without_secrets: BTreeSet<&str> = WITHOUT_SECRETS.iter().copied().collect();
    let twice: Vec<_> = shown.intersection(&without_secrets).collect();
    assert!(twice.is_empty(), "{twice:?} are in both lists");
    let listed: BTreeSet<&str> = shown.union(&without_secrets).copied().collect();
    let public = public_types();
    let public: BTreeSet<&str> = public.iter().map(String::as_str).collect();
    let new: Vec<_> = public.difference(&listed).collect();
    let gone: Vec<_> = listed.difference(&public).collect();
    assert!(
        new.is_empty() && gone.is_empty(),
        "show {new:?} above with a secret in it, or list it as a type that holds none; {gone:?} does not exist"
    );
}

/// The names behind `pub struct` and `pub enum` in the sources of the core and the adapters.
fn public_types() -> Vec<String> {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates");
    let mut names = Vec::new();
    for name in [
        "pan123-proto",
        "pan123-async",
        "pan123-blocking",
        "pan123-store",
    ] {
        collect(&crates.join(name).join("src"), &mut names);
    }
    names
}

fn collect(directory: &Path, names: &mut Vec<String>) {
    for entry in fs::read_dir(directory).expect("a directory of sources") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            collect(&path, names);
            continue;
        }
        let source = fs::read_to_string(&path).expect("a source");
        for line in source.lines() {
            let line = line.trim_start();
            let declared = line
                .strip_prefix("pub struct ")
                .or(line.strip_prefix("pub enum "));
            let name = declared.and_then(|rest| rest.split(|c: char| !c.is_alphanumeric()).next());
            // A declaration in a macro has no name here.
            names.extend(name.filter(|name| !name.is_empty()).map(str::to_owned));
        }
    }
}
