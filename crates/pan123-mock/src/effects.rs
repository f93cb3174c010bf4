//! What the service does over the network besides answering, each thing on a thread of its own.

mod fetch;
mod post;
mod workers;

use std::path::PathBuf;
use std::sync::{Arc, Weak};
use std::time::{Duration, SystemTime};

use ureq::Agent;

use crate::face::Face;
use crate::service::{Delivery, Effect, Service};

use fetch::Parts;
use workers::Workers;

/// With what effects are carried out.
#[derive(Debug, Clone)]
pub(crate) struct Means {
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

impl Default for Means {
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
    means: Means,
    fetches: Workers,
    posts: Workers,
    parts: Parts,
}

/// More of them at once wait for their turn.
const FETCHES: usize = 64;
const POSTS: usize = 16;

impl Effects {
    pub(crate) fn new(means: Means) -> Self {
        Self {
            means,
            fetches: Workers::new(FETCHES),
            posts: Workers::new(POSTS),
            parts: Parts::default(),
        }
    }

    /// Those of the next service.
    #[cfg(feature = "program")]
    pub(crate) fn again(&self) -> Self {
        Self::new(self.means.clone())
    }

    /// Starts these, and returns at once. Their threads hold no face alive: they end soon after it.
    pub(crate) fn carry_out(self: &Arc<Self>, face: &Arc<Face>, due: Vec<Effect>) {
        for effect in due {
            let owner = |task| Owner {
                face: Arc::downgrade(face),
                effects: Arc::clone(self),
                task,
            };
            match effect {
                Effect::Fetch { task, url, name } => {
                    let owner = owner(task);
                    let theirs = owner.clone();
                    let begun = self.fetches.run(move || fetch::fetch(&theirs, &url, &name));
                    if !begun {
                        owner.end_fetch(Err("no thread".to_owned()));
                    }
                }
                Effect::PostCallback { task, url, body } => {
                    let owner = owner(task);
                    let theirs = owner.clone();
                    let begun = self.posts.run(move || {
                        let delivery = post::post(&theirs.effects.means, &url, &body);
                        theirs.end_post(delivery);
                    });
                    if !begun {
                        owner.end_post(Delivery::Failed("no thread".to_owned()));
                    }
                }
            }
        }
    }

    /// Nothing begins any more, and nothing is left behind on the disk.
    #[cfg(feature = "program")]
    pub(crate) fn end(&self) {
        self.fetches.clear();
        self.posts.clear();
        self.parts.remove();
    }
}

/// The task that an effect belongs to, if it is still there.
#[derive(Clone)]
struct Owner {
    face: Weak<Face>,
    effects: Arc<Effects>,
    task: u64,
}

impl Owner {
    /// Says how far a fetch is. False when nobody cares any more.
    fn fetch_progress(&self, percent: f64, status: i64) -> bool {
        self.tell(|service, _| {
            service.fetch_progress(self.task, (percent, status));
            Vec::new()
        })
    }

    /// Whether anybody still cares.
    fn cares(&self) -> bool {
        self.tell(|_, _| Vec::new())
    }

    fn end_fetch(&self, result: Result<u64, String>) {
        self.tell(|service, now| service.end_task(now, self.task, result));
    }

    fn end_post(&self, delivery: Delivery) {
        self.tell(|service, _| {
            service.callback_ended(self.task, delivery);
            Vec::new()
        });
    }

    fn tell(&self, change: impl FnOnce(&mut Service, SystemTime) -> Vec<Effect>) -> bool {
        let face = self.face.upgrade();
        face.is_some_and(|face| face.act_for(Some(&self.effects), change))
    }
}

const CONNECT: Duration = Duration::from_secs(5);

/// No proxy of the environment may lead a request off this machine, nor a redirect unless it may.
fn agent(timeout: Duration, redirects: u32) -> Agent {
    Agent::config_builder()
        .proxy(None)
        .max_redirects(redirects)
        .max_redirects_will_error(false)
        .http_status_as_error(false)
        .timeout_connect(Some(CONNECT))
        .timeout_global(Some(timeout))
        .build()
        .into()
}
