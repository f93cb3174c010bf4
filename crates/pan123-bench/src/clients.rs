//! Progress calls over loopback: our clients, and as floors the bare reqwest and ureq with the same request, no timeout at all, and
//! enough idle connections.

use std::hint::black_box;
use std::thread;

use pan123_async::{Client, Pacing, TaskId};

use crate::floors::{requests, responses};

/// Calls at once.
const MANY: usize = 64;
/// The stub's URL, for a child process.
pub(crate) const URL: &str = "PAN123_BENCH_URL";

pub(crate) fn base() -> String {
    std::env::var(URL).expect("the URL of the stub")
}

pub(crate) fn token() -> &'static str {
    requests::TOKEN.trim_start_matches("Bearer ")
}

pub(crate) fn task() -> TaskId {
    TaskId::new(394_756).expect("a task")
}

pub(crate) fn on_tokio<F: Future>(work: F) -> F::Output {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_all().build();
    runtime.expect("a runtime").block_on(work)
}

/// Runs this many calls on this many tasks of one thread.
fn tasks<F: Future<Output = ()> + 'static>(
    calls: usize,
    at_once: usize,
    call: impl Fn() -> F + Clone + 'static,
) {
    let local = tokio::task::LocalSet::new();
    on_tokio(local.run_until(async {
        let each = |number| {
            let call = call.clone();
            tokio::task::spawn_local(async move {
                for _ in 0..share(calls, at_once, number) {
                    call().await;
                }
            })
        };
        let running: Vec<_> = (0..at_once).map(each).collect();
        for task in running {
            task.await.expect("a task");
        }
    }));
}

/// Runs this many calls on this many threads.
fn threads(calls: usize, at_once: usize, call: impl Fn() + Sync) {
    let call = &call;
    thread::scope(|scope| {
        for number in 0..at_once {
            scope.spawn(move || (0..share(calls, at_once, number)).for_each(|_| call()));
        }
    });
}

fn share(calls: usize, of: usize, number: usize) -> usize {
    calls / of + usize::from(number < calls % of)
}

fn ours_async(calls: usize, at_once: usize) {
    let builder = Client::builder().access_token(token()).base_url(base());
    let client = builder.pacing(Pacing::off()).build().expect("a client");
    tasks(calls, at_once, move || {
        let client = client.clone();
        async move {
            let progress = client.offline_download().progress(task()).await;
            black_box(progress.expect("a progress"));
        }
    });
}

fn floor_async(calls: usize, at_once: usize) {
    let client = reqwest::Client::new();
    let url = progress_url(394_756);
    tasks(calls, at_once, move || {
        let progress = bare_progress(&client, &url);
        async move {
            black_box(progress.await);
        }
    });
}

pub(crate) fn progress_url(task: u64) -> String {
    format!("{}/api/v1/offline/download/process?taskID={task}", base())
}

/// A progress call by hand.
pub(crate) fn bare_progress(
    client: &reqwest::Client,
    url: &str,
) -> impl Future<Output = responses::Progress> + Send + use<> {
    let request = client.get(url);
    async move {
        let request = request
            .header("platform", "open_platform")
            .header("authorization", requests::TOKEN);
        let response = request.send().await.expect("a response");
        responses::read(&response.bytes().await.expect("a body"))
    }
}

fn ours_blocking(calls: usize, at_once: usize) {
    let builder = pan123_blocking::Client::builder().access_token(token());
    let builder = builder.base_url(base()).pacing(Pacing::off());
    let client = builder.build().expect("a client");
    threads(calls, at_once, || {
        let progress = client.offline_download().progress(task());
        black_box(progress.expect("a progress"));
    });
}

fn floor_blocking(calls: usize, at_once: usize) {
    let config = ureq::Agent::config_builder()
        .max_idle_connections(1000)
        .max_idle_connections_per_host(1000);
    let agent: ureq::Agent = config.build().into();
    let url = progress_url(394_756);
    threads(calls, at_once, || {
        let request = agent
            .get(&url)
            .header("platform", "open_platform")
            .header("authorization", requests::TOKEN);
        let mut response = request.call().expect("a response");
        let body = response.body_mut().read_to_vec().expect("a body");
        black_box(responses::read::<responses::Progress>(&body));
    });
}

pub(crate) fn async_one(calls: usize) {
    ours_async(calls, 1);
}

pub(crate) fn async_many(calls: usize) {
    ours_async(calls, MANY);
}

pub(crate) fn floor_async_one(calls: usize) {
    floor_async(calls, 1);
}

pub(crate) fn floor_async_many(calls: usize) {
    floor_async(calls, MANY);
}

pub(crate) fn blocking_one(calls: usize) {
    ours_blocking(calls, 1);
}

pub(crate) fn blocking_many(calls: usize) {
    ours_blocking(calls, MANY);
}

pub(crate) fn floor_blocking_one(calls: usize) {
    floor_blocking(calls, 1);
}

pub(crate) fn floor_blocking_many(calls: usize) {
    floor_blocking(calls, MANY);
}
