//! The receiver as the service, a stranger and somebody who holds a signed URL meet it: over HTTP on loopback.

use std::time::Duration;

use axum::serve;
use http::header::{CONTENT_TYPE, DATE};
use http::{HeaderMap, Method, StatusCode};
use pan123_async::reqwest::{self, RequestBuilder};
use pan123_async::{Client, WatchPolicy, proto::offline::CallbackSigner};
use pan123_examples::demo::LOOPBACK;
use pan123_examples::settings::passing_signer;
use pan123_mock::{CLIENT_ID, CLIENT_SECRET, MockPan123, Service, TaskScript};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::bot::{Bot, Entry};

const SUCCEEDED: &str = r#"{"url":"https://example.com/a.mp4","status":0,"fileID":7}"#;
/// How long anything may take on a busy machine.
const LONG: Duration = Duration::from_secs(120);

/// A bot whose watches ask once by themselves, and after that only when they are nudged.
struct Scene {
    mock: MockPan123,
    bot: Bot,
    log: mpsc::Receiver<Entry>,
    signer: CallbackSigner,
    address: String,
    http: reqwest::Client,
}

type Saving = JoinHandle<Result<(), String>>;

impl Scene {
    async fn start() -> Scene {
        let never_ends = TaskScript::never_ends();
        let mock = MockPan123::builder().default_script(never_ends);
        let mock = mock.start().await;
        let client = Client::builder().credentials(CLIENT_ID, CLIENT_SECRET);
        let client = client.base_url(mock.base_url()).build().unwrap();
        let listener = TcpListener::bind(LOOPBACK).await.unwrap();
        let address = format!("http://{}/pan123?chat=7", listener.local_addr().unwrap());
        let signer = passing_signer().unwrap();
        let hour = Duration::from_secs(3600);
        let policy = WatchPolicy::default().interval(hour).max_interval(hour);
        let (bot, log) = Bot::new(
            client,
            signer.clone(),
            &address,
            policy.stall_timeout(hour * 2),
            8,
        );
        // A connection each: the receiver may close one on which it left something unread.
        let http = reqwest::Client::builder().no_proxy();
        let http = http.pool_max_idle_per_host(0).build().unwrap();
        let routes = bot.routes();
        tokio::spawn(async move { serve(listener, routes).await });
        Scene {
            mock,
            bot,
            log,
            signer,
            address,
            http,
        }
    }

    fn saving(&self, id: &'static str) -> Saving {
        let bot = self.bot.clone();
        tokio::spawn(async move {
            let end = bot.save(id, "https://example.com/a.mp4").await;
            end.map(drop).map_err(|error| error.to_string())
        })
    }

    /// A download, and its number at the service, with its watch at rest.
    fn saves(&self, id: &'static str) -> (Saving, u64) {
        let saving = self.saving(id);
        let callback = self.signed(id);
        let task = self.mock.wait_for(LONG, |service| {
            let mut tasks = service.tasks().iter();
            let task = tasks.find(|task| task.callback_url() == Some(callback.as_str()))?;
            Some(task.id())
        });
        let task = task.expect("the download is created");
        self.wait_for_polls(task, 1);
        (saving, task)
    }

    fn polls(&self, task: u64) -> usize {
        self.mock.service(|service| polls_of(service, task))
    }

    fn wait_for_polls(&self, task: u64, polls: usize) {
        let came = |service: &Service| (polls_of(service, task) >= polls).then_some(());
        self.mock.wait_for(LONG, came).expect("the watch asks");
    }

    fn signed(&self, id: &str) -> String {
        self.signer.sign(&self.address, id).unwrap()
    }

    fn notice(&self, method: Method, url: &str) -> RequestBuilder {
        let request = self.http.request(method, url);
        let request = request.header(CONTENT_TYPE, "application/json");
        request.body(SUCCEEDED)
    }

    async fn posts(&mut self, url: &str) -> (StatusCode, Entry) {
        let answer = self.notice(Method::POST, url).send().await.unwrap();
        (answer.status(), self.entry().await)
    }

    async fn entry(&mut self) -> Entry {
        let entry = tokio::time::timeout(LONG, self.log.recv()).await;
        entry.unwrap().expect("the receiver is there")
    }
}

fn polls_of(service: &Service, task: u64) -> usize {
    let mut tasks = service.tasks().iter();
    tasks.find(|known| known.id() == task).unwrap().polls()
}

/// All that a sender sees, but for the date.
async fn seen(request: RequestBuilder) -> (StatusCode, HeaderMap, String) {
    let answer = request.send().await.unwrap();
    let (status, mut headers) = (answer.status(), answer.headers().clone());
    headers.remove(DATE);
    (status, headers, answer.text().await.unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_refusal_looks_the_same_from_outside_and_nudges_nobody() {
    let mut scene = Scene::start().await;
    let (saving, task) = scene.saves("a");
    let good = scene.signed("a");
    let untagged = good.split_once("&pan123_tag").unwrap().0.to_owned();
    let post = |url: &str| scene.notice(Method::POST, url);
    let long = vec![b' '; CallbackSigner::MAX_BODY_BYTES + 1];
    let html = scene.http.post(&good).header(CONTENT_TYPE, "text/html");
    let cases = [
        (
            post(&good.replace("_id=a", "_id=b")),
            "the tag of the URL does not belong",
        ),
        (
            post(&good.replace("=passing", "=other")),
            "the URL names an unknown key",
        ),
        (post(&untagged), "the URL has no parameter `pan123_tag`"),
        (
            post(&format!("{good}&pan123_tag=A")),
            "the URL has the parameter `pan123_tag` more",
        ),
        (
            post(&format!("{good}A")),
            "the parameter `pan123_tag` of the URL is nothing",
        ),
        (post(&scene.address), "the URL has no parameter `pan123_id`"),
        (
            post(&good).body(long.clone()),
            "the body is longer than 65536 bytes",
        ),
        (
            post(&untagged).body(long),
            "the body is longer than 65536 bytes",
        ),
        (scene.notice(Method::GET, &good), "the method is not POST"),
        (scene.notice(Method::PUT, &good), "the method is not POST"),
        (html.body(SUCCEEDED), "the content type is not"),
        (
            post(&good).body("status=0"),
            "the body is not a callback notice",
        ),
        (post(&good).body("{}"), "the body is not a callback notice"),
    ];
    let mut looks = Vec::new();
    for (request, says) in cases {
        looks.push(seen(request).await);
        match scene.entry().await {
            Entry::Refused(refusal) => {
                assert!(
                    refusal.to_string().starts_with(says),
                    "{refusal}, not {says}"
                );
            }
            other => panic!("{says}: {other:?}"),
        }
    }
    let (status, _, body) = &looks[0];
    assert_eq!((*status, body.as_str()), (StatusCode::FORBIDDEN, ""));
    for look in &looks {
        assert_eq!(look, &looks[0]);
    }

    // Had one of them nudged the watch, it would have asked before now, or ask twice from here.
    assert_eq!(scene.polls(task), 1);
    scene.mock.end_task(task, Ok(1));
    saving.await.unwrap().unwrap();
    assert_eq!(scene.polls(task), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_replays_of_a_lie_change_nothing_but_the_polls() {
    let mut scene = Scene::start().await;
    let (saving, task) = scene.saves("a");
    let url = scene.signed("a");
    for _ in 0..100 {
        let (status, entry) = scene.posts(&url).await;
        assert_eq!(status, StatusCode::OK);
        assert!(
            matches!(&entry, Entry::Nudged(callback) if callback.id == "a"),
            "{entry:?}"
        );
    }
    scene.wait_for_polls(task, 2);
    assert!(!saving.is_finished(), "the service says that it runs");

    scene.mock.end_task(task, Err("source is gone".into()));
    let error = saving.await.unwrap().unwrap_err();
    assert!(error.contains("failed"), "{error}");
    let genuine = scene.entry().await;
    assert!(
        matches!(genuine, Entry::Nudged(_) | Entry::Unwatched(_)),
        "{genuine:?}"
    );

    let polls = scene.polls(task);
    assert!(polls <= 102, "{polls} polls for 101 callbacks");
    for _ in 0..100 {
        let (status, entry) = scene.posts(&url).await;
        assert_eq!(status, StatusCode::OK);
        assert!(matches!(entry, Entry::Unwatched(_)), "{entry:?}");
    }
    assert_eq!(scene.polls(task), polls);
    scene
        .mock
        .service(|service| assert_eq!(service.tasks().len(), 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_callback_nudges_the_watch_of_its_id() {
    let mut scene = Scene::start().await;
    let (one, first) = scene.saves("one");
    let (two, second) = scene.saves("two");
    let (status, entry) = scene.posts(&scene.signed("two")).await;
    assert_eq!(status, StatusCode::OK);
    assert!(
        matches!(&entry, Entry::Nudged(callback) if callback.id == "two"),
        "{entry:?}"
    );
    scene.wait_for_polls(second, 2);
    assert_eq!(scene.polls(first), 1);

    // One for a download that nobody follows, or that is only just being created.
    let (status, entry) = scene.posts(&scene.signed("three")).await;
    assert_eq!(status, StatusCode::OK);
    assert!(matches!(entry, Entry::Unwatched(_)), "{entry:?}");

    scene.bot.stop();
    // The last one begins too late.
    let three = scene.saving("three");
    for saving in [one, two, three] {
        let error = saving.await.unwrap().unwrap_err();
        assert!(error.contains("was stopped"), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unknown_status_is_refused_and_still_a_nudge() {
    let mut scene = Scene::start().await;
    let (saving, task) = scene.saves("a");
    let unknown = r#"{"status":5,"failReason":"paused"}"#;
    let request = scene.notice(Method::POST, &scene.signed("a"));
    let (status, _, body) = seen(request.body(unknown)).await;
    assert_eq!((status, body.as_str()), (StatusCode::FORBIDDEN, ""));
    let entry = scene.entry().await;
    assert!(
        matches!(&entry, Entry::Nudged(callback) if callback.id == "a"),
        "{entry:?}"
    );
    scene.wait_for_polls(task, 2);

    scene.mock.end_task(task, Ok(1));
    saving.await.unwrap().unwrap();
}
