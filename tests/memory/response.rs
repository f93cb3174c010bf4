//! The memory that a response of 200 MB takes: the size of a body is limited while it is read.
//!
//! The server runs in a process of its own, too. Each adapter has made a call before: only the additional memory counts.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use pan123_proto::offline::Download;
use pan123_proto::{Error, Pacing, RetryPolicy, TaskId, TransportErrorKind};
use pan123_tests::observed::reached;

use super::assert_passes_alone;

/// The maximum over the idle client.
const MAX_HEAP: usize = 16 << 20;

#[test]
fn response_of_200_mb_is_not_kept() {
    assert_passes_alone("memory::response::peaks");
}

#[test]
#[ignore = "run by the test above, in a process of its own"]
fn peaks() {
    let server = Server::start();
    for flood in ["announced", "chunked"] {
        let peak = with_reqwest(&server.url(flood));
        report("pan123-async", flood, peak);
        let peak = with_ureq(&server.url(flood));
        report("pan123-blocking", flood, peak);
    }
}

fn report(adapter: &str, flood: &str, peak: usize) {
    let kilobytes = peak.div_ceil(1 << 10);
    println!("{adapter}: 200 MB, {flood}: {kilobytes} KiB of heap at most");
    assert!(peak < MAX_HEAP, "{adapter}, {flood}: {peak} bytes");
    assert!(
        peak > 100 << 10,
        "{adapter}, {flood}: {peak} bytes, so nothing was counted"
    );
}

/// Returns the peak of the heap over its size at the start.
fn peak_of<T>(work: impl FnOnce() -> T) -> (T, usize) {
    let profiler = dhat::Profiler::builder().testing().build();
    let result = work();
    let peak = dhat::HeapStats::get().max_bytes;
    drop(profiler);
    (result, peak)
}

/// Builds a client of either adapter.
macro_rules! set_up {
    ($builder:expr, $url:expr) => {
        $builder
            .access_token("eyJ.of.somebody")
            .base_url($url)
            .pacing(Pacing::off())
            .retry(RetryPolicy::none())
            .build()
            .expect("good settings")
    };
}

fn with_reqwest(url: &str) -> usize {
    let client = set_up!(pan123_async::Client::builder(), url);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let offline = client.offline_download();
    let progress = |task| runtime.block_on(offline.progress(task));
    progress(task()).expect("a small response");
    let (create, peak) = peak_of(|| runtime.block_on(offline.download(&download())));
    assert_too_large(create);
    peak
}

fn with_ureq(url: &str) -> usize {
    let client = set_up!(pan123_blocking::Client::builder(), url);
    let offline = client.offline_download();
    offline.progress(task()).expect("a small response");
    let (create, peak) = peak_of(|| offline.download(&download()));
    assert_too_large(create);
    peak
}

fn assert_too_large(created: Result<TaskId, Error>) {
    let error = created.expect_err("no such response is read");
    let reached = reached(&error);
    assert_eq!(reached, Some(TransportErrorKind::BodyTooLarge), "{error:?}");
}

fn task() -> TaskId {
    TaskId::new(7).expect("no zero")
}

fn download() -> Download {
    Download::new("https://example.com/video.mp4").expect("a URL")
}

/// The server process.
struct Server {
    process: Child,
    /// Its URLs, by kind of flood.
    urls: Vec<String>,
}

impl Server {
    fn start() -> Server {
        let mut process = Command::new(env!("CARGO_BIN_EXE_worker"))
            .arg("flood")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the process that serves");
        let output = process.stdout.take().expect("its output");
        let urls = BufReader::new(output).lines().map_while(Result::ok);
        Server {
            process,
            urls: urls.take(2).collect(),
        }
    }

    fn url(&self, flood: &str) -> String {
        let index = usize::from(flood == "chunked");
        self.urls[index].clone()
    }
}

/// The process ends when its input closes.
impl Drop for Server {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        self.process.wait().expect("its end");
    }
}
