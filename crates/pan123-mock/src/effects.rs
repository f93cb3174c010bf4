//! What the service does over the network besides responding, each on its own thread.

mod fetch;
mod post;
mod workers;

use std::path::PathBuf;
use std::sync::{Arc, Weak};
use std::time::{Duration, SystemTime};

use ureq::Agent;

use crate::server::Server;
use crate::service::{Delivery, Effect, Service, TaskEnd};

use fetch::PartialFiles;
#[cfg(feature = "program")]
pub(crate) use fetch::remove_abandoned;
use workers::Workers;

/// How effects access the network and the disk.
#[derive(Debug, Clone)]
pub(crate) struct NetworkSettings {
    /// The largest source, in bytes.
    pub(crate) fetch_limit: u64,
    /// How often a fetch is retried after a transient failure.
    pub(crate) fetch_retries: u32,
    /// The pause before a retry.
    pub(crate) fetch_pause: Duration,
    /// How long each attempt may take.
    pub(crate) fetch_timeout: Duration,
    /// Where fetched files are saved. Without a directory the bytes are counted and discarded.
    pub(crate) directory: Option<PathBuf>,
    /// Whether requests may leave this machine.
    pub(crate) remote: bool,
}

impl Default for NetworkSettings {
    fn default() -> Self {
        Self {
            fetch_limit: 64 * 1024 * 1024,
            fetch_retries: 0,
            fetch_pause: Duration::from_secs(1),
            fetch_timeout: Duration::from_secs(300),
            directory: None,
            remote: false,
        }
    }
}

/// Runs the effects of one service.
pub(crate) struct Effects {
    network: NetworkSettings,
    fetches: Workers,
    posts: Workers,
    partial_files: PartialFiles,
}

/// Further effects are queued.
const MAX_FETCHES: usize = 64;
const MAX_POSTS: usize = 16;

impl Effects {
    pub(crate) fn new(network: NetworkSettings) -> Self {
        Self {
            network,
            fetches: Workers::new(MAX_FETCHES),
            posts: Workers::new(MAX_POSTS),
            partial_files: PartialFiles::default(),
        }
    }

    /// Returns an empty set with the same settings, for the next service.
    #[cfg(feature = "program")]
    pub(crate) fn fresh(&self) -> Self {
        Self::new(self.network.clone())
    }

    /// Starts these effects and returns at once. Their threads hold only a weak reference to the server and end soon after it.
    pub(crate) fn run(self: &Arc<Self>, server: &Arc<Server>, due: Vec<Effect>) {
        for effect in due {
            let reporter = |task| TaskReporter {
                server: Arc::downgrade(server),
                effects: Arc::clone(self),
                task,
            };
            match effect {
                Effect::Fetch { task, url, name } => {
                    let reporter = reporter(task);
                    let worker = reporter.clone();
                    let started = self.fetches.run(move || fetch::fetch(&worker, &url, &name));
                    if !started {
                        reporter.end_fetch(TaskEnd::failed("cannot start a thread"));
                    }
                }
                Effect::PostCallback { task, url, body } => {
                    let reporter = reporter(task);
                    let worker = reporter.clone();
                    let started = self.posts.run(move || {
                        let delivery = post::post(&worker.effects.network, &url, &body);
                        worker.end_post(delivery);
                    });
                    if !started {
                        reporter.end_post(Delivery::Failed("cannot start a thread".to_owned()));
                    }
                }
            }
        }
    }

    /// Drops the queued effects and removes partial files.
    #[cfg(feature = "program")]
    pub(crate) fn shut_down(&self) {
        self.fetches.clear();
        self.posts.clear();
        self.partial_files.remove();
    }
}

/// Reports the state of a task's effect to the service, as long as that service is in place.
#[derive(Clone)]
struct TaskReporter {
    server: Weak<Server>,
    effects: Arc<Effects>,
    task: u64,
}

impl TaskReporter {
    /// Reports how far a fetch is. Returns false if the service was replaced or dropped.
    fn set_fetch_progress(&self, percent: f64, status: i64) -> bool {
        self.report(|service, _| {
            service.set_fetch_progress(self.task, (percent, status));
            Vec::new()
        })
    }

    /// Returns whether the service is still in place.
    fn is_current(&self) -> bool {
        self.report(|_, _| Vec::new())
    }

    fn end_fetch(&self, end: TaskEnd) {
        self.report(|service, now| service.end_task(now, self.task, end));
    }

    fn end_post(&self, delivery: Delivery) {
        self.report(|service, _| {
            service.callback_delivered(self.task, delivery);
            Vec::new()
        });
    }

    fn report(&self, change: impl FnOnce(&mut Service, SystemTime) -> Vec<Effect>) -> bool {
        let server = self.server.upgrade();
        server.is_some_and(|server| server.act_for(Some(&self.effects), change))
    }
}

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Ignores the proxy settings of the environment, which could lead a request off this machine.
fn agent(timeout: Duration, redirects: u32) -> Agent {
    Agent::config_builder()
        .proxy(None)
        .max_redirects(redirects)
        .max_redirects_will_error(false)
        .http_status_as_error(false)
        .timeout_connect(Some(CONNECT_TIMEOUT))
        .timeout_global(Some(timeout))
        .build()
        .into()
}
