//! The two adapters, set up in the same way.

use std::time::Duration;

use pan123_proto::offline::Download;
use pan123_proto::{Error, TaskId};
use pan123_tests::clock::JumpClock;

/// Which adapter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Adapter {
    Async,
    Blocking,
}

pub(crate) const BOTH: [Adapter; 2] = [Adapter::Async, Adapter::Blocking];

/// Long enough for anything on loopback, short enough for a test to wait for it.
pub(crate) const SHORT: Duration = Duration::from_millis(200);

/// Gives a builder of either adapter what these tests need: a token, two attempts, a clock that jumps.
macro_rules! basics {
    ($builder:expr, $url:expr, $clock:expr) => {
        $builder
            .access_token("eyJ.of.somebody")
            .base_url($url)
            // For the host that does not exist.
            .allow_credentials_over_plain_http(true)
            .retry(pan123_proto::RetryPolicy::default().max_attempts(2))
            .clock($clock.clone())
            .spawner($clock.clone())
    };
}

/// Timeouts, and the maximum size of a body.
#[derive(Clone, Debug)]
pub(crate) struct Limits {
    pub(crate) connect: Duration,
    pub(crate) request: Duration,
    pub(crate) body: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            connect: Duration::from_secs(10),
            request: Duration::from_secs(30),
            body: 64 * 1024,
        }
    }
}

impl Adapter {
    /// Creates an offline download with a new client.
    pub(crate) fn create(self, url: &str, limits: &Limits) -> Result<TaskId, Error> {
        let clock = JumpClock::new();
        match self {
            Adapter::Async => {
                let client = basics!(pan123_async::Client::builder(), url, clock)
                    .connect_timeout(limits.connect)
                    .request_timeout(limits.request)
                    .body_limit(limits.body)
                    .build()?;
                on_tokio(clock.drive(client.offline_download().download(&download())))
            }
            Adapter::Blocking => {
                let client = basics!(pan123_blocking::Client::builder(), url, clock)
                    .connect_timeout(limits.connect)
                    .request_timeout(limits.request)
                    .body_limit(limits.body)
                    .build()?;
                clock.drive_blocking(|| client.offline_download().download(&download()))
            }
        }
    }
}

impl Adapter {
    /// The same, expecting an error.
    pub(crate) fn fails(self, url: &str, limits: &Limits) -> Error {
        let created = self.create(url, limits);
        created.expect_err("nothing can come of this")
    }

    /// Creates two offline downloads over the same client, with something in between.
    pub(crate) fn create_twice(self, url: &str, between: impl FnOnce()) -> Result<TaskId, Error> {
        let clock = JumpClock::new();
        match self {
            Adapter::Async => {
                let client = basics!(pan123_async::Client::builder(), url, clock).build()?;
                on_tokio(clock.drive(async {
                    client.offline_download().download(&download()).await?;
                    between();
                    client.offline_download().download(&download()).await
                }))
            }
            Adapter::Blocking => {
                let client = basics!(pan123_blocking::Client::builder(), url, clock).build()?;
                clock.drive_blocking(|| {
                    client.offline_download().download(&download())?;
                    between();
                    client.offline_download().download(&download())
                })
            }
        }
    }
}

impl Adapter {
    /// Reads, creates an offline download, and reads again, over the same client.
    pub(crate) fn create_between_reads(self, url: &str) -> Result<TaskId, Error> {
        let clock = JumpClock::new();
        match self {
            Adapter::Async => {
                let client = basics!(pan123_async::Client::builder(), url, clock).build()?;
                on_tokio(clock.drive(async {
                    client.user_info().await?;
                    let task = client.offline_download().download(&download()).await?;
                    client.user_info().await?;
                    Ok(task)
                }))
            }
            Adapter::Blocking => {
                let client = basics!(pan123_blocking::Client::builder(), url, clock).build()?;
                clock.drive_blocking(|| {
                    client.user_info()?;
                    let task = client.offline_download().download(&download())?;
                    client.user_info()?;
                    Ok(task)
                })
            }
        }
    }
}

pub(crate) fn download() -> Download {
    Download::new("https://example.com/video.mp4").expect("a URL")
}

/// A response of the service with this body, which keeps the connection open.
pub(crate) fn ok(body: &str) -> Vec<u8> {
    format!(
        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// Runs a future on a runtime of one thread.
pub(crate) fn on_tokio<F: Future>(future: F) -> F::Output {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_all().build().expect("a runtime");
    let bounded = async { tokio::time::timeout(Duration::from_secs(30), future).await };
    let output = runtime.block_on(bounded).expect("it ends in time");
    // A slow name lookup is not waited for.
    runtime.shutdown_background();
    output
}

pub(crate) use basics;

/// A host that cannot exist: a part of its name is too long, so that no name server is asked.
pub(crate) fn unknown_host() -> String {
    format!("http://{}.invalid", "n".repeat(64))
}
