//! What the service does over the network besides answering, each thing on a thread of its own.

mod fetch;
mod post;
mod workers;

use std::path::PathBuf;
use std::sync::{Arc, Weak};
use std::time::Duration;

use ureq::Agent;

use crate::face::Face;
use crate::service::{Delivery, Effect};

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
            directory: None,
            remote: false,
        }
    }
}

/// The effects of one face.
pub(crate) struct Effects {
    means: Arc<Means>,
    fetches: Workers,
    posts: Workers,
}

/// More of them at once wait for their turn.
const FETCHES: usize = 64;
const POSTS: usize = 16;

impl Effects {
    pub(crate) fn new(means: Means) -> Self {
        Self {
            means: Arc::new(means),
            fetches: Workers::new(FETCHES),
            posts: Workers::new(POSTS),
        }
    }

    /// Starts the effects of the service with this number, and returns at once. Their threads hold no face alive: they end soon after
    /// it.
    pub(crate) fn carry_out(&self, face: &Arc<Face>, number: u64, effects: Vec<Effect>) {
        for effect in effects {
            let to = Arc::downgrade(face);
            let means = Arc::clone(&self.means);
            match effect {
                Effect::Fetch { task, url, name } => {
                    let owner = Owner { to, number, task };
                    let begun = self.fetches.run({
                        let owner = owner.clone();
                        move || fetch::fetch(&owner, &means, &url, &name)
                    });
                    if !begun {
                        owner.end_fetch(Err("no thread".to_owned()));
                    }
                }
                Effect::PostCallback { task, url, body } => {
                    let owner = Owner { to, number, task };
                    let begun = self.posts.run({
                        let owner = owner.clone();
                        move || owner.end_post(post::post(&means, &url, &body))
                    });
                    if !begun {
                        owner.end_post(Delivery::Failed("no thread".to_owned()));
                    }
                }
            }
        }
    }
}

/// The task that an effect belongs to, if it is still there.
#[derive(Clone)]
struct Owner {
    to: Weak<Face>,
    /// Of the service.
    number: u64,
    task: u64,
}

impl Owner {
    /// Says how far a fetch is. False when nobody cares any more.
    fn fetch_progress(&self, percent: f64, status: i64) -> bool {
        let told = self.to.upgrade().and_then(|face| {
            face.report(self.number, |service| {
                service.fetch_progress(self.task, (percent, status));
            })
        });
        told.is_some()
    }

    fn end_fetch(&self, result: Result<u64, String>) {
        if let Some(face) = self.to.upgrade() {
            let now = face.now();
            let effects = face.report(self.number, |service| {
                service.fetch_ended(now, self.task, result)
            });
            face.effects()
                .carry_out(&face, self.number, effects.unwrap_or_default());
        }
    }

    fn end_post(&self, delivery: Delivery) {
        if let Some(face) = self.to.upgrade() {
            face.report(self.number, |service| {
                service.callback_ended(self.task, delivery);
            });
        }
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
