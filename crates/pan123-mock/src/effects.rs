//! What the service does over the network besides answering, each thing on a thread of its own.

mod fetch;
mod post;
mod workers;

use std::path::PathBuf;
use std::sync::{Arc, Weak};
use std::time::{Duration, SystemTime};

use ureq::Agent;

use crate::server::Server;
use crate::service::{Delivery, Effect, Service};

use fetch::PartialFiles;
use workers::Workers;

/// With what effects are carried out.
#[derive(Debug, Clone)]
pub(crate) struct NetworkSettings {
    /// How many bytes a source may have.
    pub(crate) fetch_limit: u64,
    /// How often a fetch that was cut off is tried again.
    pub(crate) fetch_retries: u32,
    /// How long before that.
    pub(crate) fetch_pause: Duration,
    /// How long each try may take.
    pub(crate) fetch_timeout: Duration,
    /// Where the files go; otherwise their bytes are counted and thrown away.
    pub(crate) directory: Option<PathBuf>,
    /// Whether anything may leave this machine.
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

/// The effects of one service.
pub(crate) struct Effects {
    network: NetworkSettings,
    fetches: Workers,
    posts: Workers,
    parts: PartialFiles,
}

/// More of them at once wait for their turn.
const MAX_FETCHES: usize = 64;
const MAX_POSTS: usize = 16;

impl Effects {
    pub(crate) fn new(network: NetworkSettings) -> Self {
        Self {
            network,
            fetches: Workers::new(MAX_FETCHES),
            posts: Workers::new(MAX_POSTS),
            parts: PartialFiles::default(),
        }
    }

    /// Those of the next service.
    #[cfg(feature = "program")]
    pub(crate) fn fresh(&self) -> Self {
        Self::new(self.network.clone())
    }

    /// Starts these, and returns at once. Their threads hold no server alive: they end soon after it.
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
                    let worker_reporter = reporter.clone();
                    let started = self
                        .fetches
                        .run(move || fetch::fetch(&worker_reporter, &url, &name));
                    if !started {
                        reporter.end_fetch(Err("no thread".to_owned()));
                    }
                }
                Effect::PostCallback { task, url, body } => {
                    let reporter = reporter(task);
                    let worker_reporter = reporter.clone();
                    let started = self.posts.run(move || {
                        let delivery = post::post(&worker_reporter.effects.network, &url, &body);
                        worker_reporter.end_post(delivery);
                    });
                    if !started {
                        reporter.end_post(Delivery::Failed("no thread".to_owned()));
                    }
                }
            }
        }
    }

    /// Nothing begins any more, and nothing is left behind on the disk.
    #[cfg(feature = "program")]
    pub(crate) fn shut_down(&self) {
        self.fetches.clear();
        self.posts.clear();
        self.parts.remove();
    }
}

/// The task that an effect belongs to, if it is still there.
#[derive(Clone)]
struct TaskReporter {
    server: Weak<Server>,
    effects: Arc<Effects>,
    task: u64,
}

impl TaskReporter {
    /// Says how far a fetch is. False when nobody cares any more.
    fn set_fetch_progress(&self, percent: f64, status: i64) -> bool {
        self.report(|service, _| {
            service.set_fetch_progress(self.task, (percent, status));
            Vec::new()
        })
    }

    /// Whether anybody still cares.
    fn is_current(&self) -> bool {
        self.report(|_, _| Vec::new())
    }

    fn end_fetch(&self, result: Result<u64, String>) {
        self.report(|service, now| service.end_task(now, self.task, result));
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

/// No proxy of the environment may lead a request off this machine, nor a redirect unless it may.
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
