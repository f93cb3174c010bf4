//! Tests of the receiver over HTTP on loopback: callbacks of the service, forgeries, and replays of a signed URL.

use std::time::Duration;

use axum::serve;
use http::header::{CONTENT_TYPE, DATE};
use http::{HeaderMap, Method, StatusCode};
use pan123_async::reqwest::{self, RequestBuilder};
use pan123_async::{Client, WatchPolicy, proto::offline::CallbackSigner};
use pan123_examples::demo::LOOPBACK;
use pan123_examples::settings::temporary_signer;
use pan123_mock::{CLIENT_ID, CLIENT_SECRET, MockPan123, Service, TaskEnd, TaskScript};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::bot::{Bot, Entry};

const SUCCEEDED: &str = r#"{"url":"https://example.com/a.mp4","status":0,"fileID":7}"#;
/// How long anything may take on a busy machine.
const TIMEOUT: Duration = Duration::from_secs(120);

/// A bot whose watches poll once at the start, and then only when they are nudged.
struct Setup {
    mock: MockPan123,
    bot: Bot,
    log: mpsc::Receiver<Entry>,
    signer: CallbackSigner,
    address: String,
    http: reqwest::Client,
}

type SaveTask = JoinHandle<Result<(), String>>;

impl Setup {
    async fn start() -> Setup {
        let never_ends = TaskScript::never_ends();
        let mock = MockPan123::builder().default_script(never_ends);
        let mock = mock.start().await;
        let client = Client::builder().credentials(CLIENT_ID, CLIENT_SECRET);
        let client = client.base_url(mock.base_url()).build().unwrap();
        let listener = TcpListener::bind(LOOPBACK).await.unwrap();
        let address = format!("http://{}/pan123?chat=7", listener.local_addr().unwrap());
        let signer = temporary_signer().unwrap();
        let hour = Duration::from_secs(3600);
        let policy = WatchPolicy::default().interval(hour).max_interval(hour);
        let (bot, log) = Bot::new(
            client,
            signer.clone(),
            &address,
            policy.stall_timeout(hour * 2),
            8,
        );
        // One connection per request: the receiver may close a connection on which it left something unread.
        let http = reqwest::Client::builder().no_proxy();
        let http = http.pool_max_idle_per_host(0).build().unwrap();
        let routes = bot.routes();
        tokio::spawn(async move { serve(listener, routes).await });
        Setup {
            mock,
            bot,
            log,
            signer,
            address,
            http,
        }
    }

    fn spawn_save(&self, id: &'static str) -> SaveTask {
        let bot = self.bot.clone();
        tokio::spawn(async move {
            let end = bot.save(id, "https://example.com/a.mp4").await;
            end.map(drop).map_err(|error| error.to_string())
        })
    }

    /// Saves a link; returns once the task exists and its watch has polled once.
    fn start_save(&self, id: &'static str) -> (SaveTask, u64) {
        let saving = self.spawn_save(id);
        let callback = self.signed_url(id);
        let task = self.mock.wait_for(TIMEOUT, |service| {
            let mut tasks = service.tasks().iter();
            let task = tasks.find(|task| task.callback_url() == Some(callback.as_str()))?;
            Some(task.id())
        });
        let task = task.expect("the download must be created");
        self.wait_for_polls(task, 1);
        (saving, task)
    }

    fn polls(&self, task: u64) -> usize {
        self.mock.service(|service| polls_of(service, task))
    }

    fn wait_for_polls(&self, task: u64, polls: usize) {
        let polled = |service: &Service| (polls_of(service, task) >= polls).then_some(());
        self.mock
            .wait_for(TIMEOUT, polled)
            .expect("the watch must poll");
    }

    fn signed_url(&self, id: &str) -> String {
        self.signer.sign(&self.address, id).unwrap()
    }

    fn notice(&self, method: Method, url: &str) -> RequestBuilder {
        let request = self.http.request(method, url);
        let request = request.header(CONTENT_TYPE, "application/json");
        request.body(SUCCEEDED)
    }

    async fn post(&mut self, url: &str) -> (StatusCode, Entry) {
        let response = self.notice(Method::POST, url).send().await.unwrap();
        (response.status(), self.entry().await)
    }

    async fn entry(&mut self) -> Entry {
        let entry = tokio::time::timeout(TIMEOUT, self.log.recv()).await;
        entry.unwrap().expect("the receiver must be running")
    }
}

fn polls_of(service: &Service, task: u64) -> usize {
    let mut tasks = service.tasks().iter();
    tasks.find(|known| known.id() == task).unwrap().polls()
}

/// Returns everything that a sender sees, except for the date.
async fn visible_response(request: RequestBuilder) -> (StatusCode, HeaderMap, String) {
    let response = request.send().await.unwrap();
    let (status, mut headers) = (response.status(), response.headers().clone());
    headers.remove(DATE);
    (status, headers, response.text().await.unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refusals_look_the_same_and_nudge_a_watch_only_on_its_url() {
    let mut setup = Setup::start().await;
    let (saving, task) = setup.start_save("a");
    let good = setup.signed_url("a");
    let untagged = good.split_once("&pan123_tag").unwrap().0.to_owned();
    let post = |url: &str| setup.notice(Method::POST, url);
    let long = vec![b' '; CallbackSigner::MAX_BODY_BYTES + 1];
    let html = setup.http.post(&good).header(CONTENT_TYPE, "text/html");
    let cases = [
        (
            post(&good.replace("_id=a", "_id=b")),
            "the tag of the URL does not match",
        ),
        (
            post(&good.replace("=temporary", "=other")),
            "the URL names an unknown key",
        ),
        (post(&untagged), "the URL has no parameter `pan123_tag`"),
        (
            post(&format!("{good}&pan123_tag=A")),
            "the URL has the parameter `pan123_tag` more",
        ),
        (
            post(&format!("{good}A")),
            "the parameter `pan123_tag` of the URL is malformed",
        ),
        (post(&setup.address), "the URL has no parameter `pan123_id`"),
        (
            post(&untagged).body(long.clone()),
            "the URL has no parameter `pan123_tag`",
        ),
        (setup.notice(Method::GET, &good), "the method is not POST"),
        (setup.notice(Method::PUT, &good), "the method is not POST"),
    ];
    let on_its_url = [
        (
            post(&good).body(long),
            "the body is longer than 65536 bytes",
        ),
        (html.body(SUCCEEDED), "the content type rules out"),
        (
            post(&good).body("status=0"),
            "the body is not a callback notice",
        ),
        (post(&good).body("{}"), "the body is not a callback notice"),
    ];
    let mut responses = Vec::new();
    let others = cases.len();
    for (index, (request, reason)) in cases.into_iter().chain(on_its_url).enumerate() {
        responses.push(visible_response(request).await);
        match setup.entry().await {
            Entry::Refused(refusal) => {
                assert!(
                    refusal.to_string().starts_with(reason),
                    "{refusal}, not {reason}"
                );
            }
            other => panic!("{reason}: {other:?}"),
        }
        if index < others {
            assert_eq!(setup.polls(task), 1, "{reason}");
        } else {
            setup.wait_for_polls(task, index - others + 2);
        }
    }
    let (status, _, body) = &responses[0];
    assert_eq!((*status, body.as_str()), (StatusCode::FORBIDDEN, ""));
    for response in &responses {
        assert_eq!(response, &responses[0]);
    }

    // If any other request had nudged the watch, there would be one poll too many.
    let polls = responses.len() - others + 1;
    assert_eq!(setup.polls(task), polls);
    setup.mock.end_task(task, TaskEnd::Succeeded { size: 1 });
    saving.await.unwrap().unwrap();
    assert_eq!(setup.polls(task), polls + 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replays_of_a_false_notice_only_cause_polls() {
    let mut setup = Setup::start().await;
    let (saving, task) = setup.start_save("a");
    let url = setup.signed_url("a");
    for _ in 0..100 {
        let (status, entry) = setup.post(&url).await;
        assert_eq!(status, StatusCode::OK);
        assert!(
            matches!(&entry, Entry::Nudged(callback) if callback.id == "a"),
            "{entry:?}"
        );
    }
    setup.wait_for_polls(task, 2);
    assert!(
        !saving.is_finished(),
        "the watch must not end while the task is running"
    );

    setup.mock.end_task(task, TaskEnd::failed("source is gone"));
    let error = saving.await.unwrap().unwrap_err();
    assert!(error.contains("failed"), "{error}");
    let genuine = setup.entry().await;
    assert!(
        matches!(genuine, Entry::Nudged(_) | Entry::Unwatched(_)),
        "{genuine:?}"
    );

    let polls = setup.polls(task);
    assert!(polls <= 102, "{polls} polls for 101 callbacks");
    for _ in 0..100 {
        let (status, entry) = setup.post(&url).await;
        assert_eq!(status, StatusCode::OK);
        assert!(matches!(entry, Entry::Unwatched(_)), "{entry:?}");
    }
    assert_eq!(setup.polls(task), polls);
    setup
        .mock
        .service(|service| assert_eq!(service.tasks().len(), 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn callback_nudges_the_watch_of_its_id() {
    let mut setup = Setup::start().await;
    let (one, first) = setup.start_save("one");
    let (two, second) = setup.start_save("two");
    let (status, entry) = setup.post(&setup.signed_url("two")).await;
    assert_eq!(status, StatusCode::OK);
    assert!(
        matches!(&entry, Entry::Nudged(callback) if callback.id == "two"),
        "{entry:?}"
    );
    setup.wait_for_polls(second, 2);
    assert_eq!(setup.polls(first), 1);

    // A callback for a download without a watch.
    let (status, entry) = setup.post(&setup.signed_url("three")).await;
    assert_eq!(status, StatusCode::OK);
    assert!(matches!(entry, Entry::Unwatched(_)), "{entry:?}");

    setup.bot.stop();
    // The last one begins after the stop.
    let three = setup.spawn_save("three");
    for saving in [one, two, three] {
        let error = saving.await.unwrap().unwrap_err();
        assert!(error.contains("was stopped"), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unknown_status_is_refused_but_still_nudges() {
    let mut setup = Setup::start().await;
    let (saving, task) = setup.start_save("a");
    let unknown = r#"{"status":5,"failReason":"paused"}"#;
    let request = setup.notice(Method::POST, &setup.signed_url("a"));
    let (status, _, body) = visible_response(request.body(unknown)).await;
    assert_eq!((status, body.as_str()), (StatusCode::FORBIDDEN, ""));
    let entry = setup.entry().await;
    assert!(
        matches!(&entry, Entry::Nudged(callback) if callback.id == "a"),
        "{entry:?}"
    );
    setup.wait_for_polls(task, 2);

    setup.mock.end_task(task, TaskEnd::Succeeded { size: 1 });
    saving.await.unwrap().unwrap();
}
