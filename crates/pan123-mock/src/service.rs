//! The service as a model: a request and the time go in, an answer and things to do come out. No IO, no clock.

mod answer;
mod callback;
mod canned;
mod course;
mod endpoints;
mod options;
mod record;
mod tasks;
mod tokens;
mod user;

use std::time::SystemTime;

use bytes::Bytes;
use http::{Request, header};

use crate::Builder;
use crate::queues::Queues;

use tasks::Tasks;
use tokens::Tokens;

pub use answer::Reply;
pub use callback::{Callback, Delivery, ReasonKey};
pub use canned::Canned;
pub use course::{Course, Step};
pub use endpoints::path;
pub use options::{CLIENT_ID, CLIENT_SECRET};
pub use record::RecordedRequest;
pub use tasks::{Ending, Task};
pub use tokens::MAX_LIVE_TOKENS;

pub(crate) use endpoints::is_loopback;
pub(crate) use options::Options;

/// The model of the service. Over the network it is reached through [`MockPan123`](crate::MockPan123).
#[derive(Debug, Default)]
pub struct Service {
    options: Options,
    tokens: Tokens,
    tasks: Tasks,
    queues: Queues<Canned>,
    requests: Vec<RecordedRequest>,
    callbacks: Vec<Callback>,
}

/// What comes of a request.
#[derive(Debug)]
#[non_exhaustive]
pub struct Outcome {
    /// The answer.
    pub reply: Reply,
    /// What the service does besides answering. Whoever carries the answer may do it, and report, or leave it.
    pub effects: Vec<Effect>,
}

/// Something that the service would do over the network.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Effect {
    /// Fetch the source of a task; report with [`Service::fetch_progress`] and [`Service::fetch_ended`].
    #[non_exhaustive]
    Fetch {
        /// The task that waits for it.
        task: u64,
        /// The source, on a loopback host.
        url: String,
    },
    /// Post the callback of a task that ended; report with [`Service::callback_ended`].
    #[non_exhaustive]
    PostCallback {
        /// The task that ended.
        task: u64,
        /// The `callBackUrl`, which may be anywhere.
        url: String,
        /// The JSON body.
        body: Bytes,
    },
}

impl Service {
    /// The options of a service; [`Builder::service`] makes it.
    pub fn builder() -> Builder {
        Builder::default()
    }

    pub(crate) fn new(options: Options) -> Self {
        Self {
            options,
            ..Self::default()
        }
    }

    /// Answers a request that arrives at the time `now`. Only the path and the query of its URI are looked at.
    pub fn handle(&mut self, now: SystemTime, request: &Request<Bytes>) -> Outcome {
        let trace_id = answer::trace_id(self.options.seed, self.requests.len() as u64);
        self.requests.push(RecordedRequest::of(request));

        let canned = self.queues.next(request.uri().path());
        let (own, effects) = if canned.as_ref().is_none_or(Canned::acts) {
            let (answer, effects) = self.act(now, request);
            (Some(answer), effects)
        } else {
            (None, Vec::new())
        };

        let delay = canned.as_ref().and_then(Canned::held_back);
        let mut response = canned
            .unwrap_or_else(Canned::own_answer)
            .in_place_of(own.as_ref(), &trace_id);
        if let Some(date) = answer::http_date(now) {
            let headers = response.headers_mut();
            headers.entry(header::DATE).or_insert(date);
        }
        Outcome {
            reply: Reply { response, delay },
            effects,
        }
    }

    /// Prepares an answer for the next request to `path`, whatever its method. Prepared answers are used up in order, one a request;
    /// the requests are recorded all the same.
    pub fn answer_next(&mut self, path: &str, canned: Canned) {
        let times = canned.repeated();
        self.queues.push(path, canned, times);
    }

    /// Forgets the prepared answers that were not used.
    pub fn clear_answers(&mut self) {
        self.queues.clear();
    }

    /// The course of tasks that are created from now on, unless their source has one of its own.
    pub fn set_default_course(&mut self, course: Course) {
        self.options.default_course = course;
    }

    /// The course of tasks that are created from now on for this source, which is then not fetched even if it could be.
    pub fn set_course_for(&mut self, url: impl Into<String>, course: Course) {
        self.options.courses.insert(url.into(), course);
    }

    /// Says how far the fetch of a task is. A task that had a course leaves it; one that has ended stays as it is.
    pub fn fetch_progress(&mut self, task: u64, percent: f64) {
        if let Some(task) = self.tasks.get_mut(task) {
            task.fetch_progress(percent);
        }
    }

    /// Ends a task: with the number of bytes that were fetched, or with the reason why it failed. The effects are its callback; there
    /// are none if the task is unknown or had ended before. [`MockPan123::fetch_ended`](crate::MockPan123::fetch_ended) posts it, too.
    pub fn fetch_ended(&mut self, task: u64, result: Result<u64, String>) -> Vec<Effect> {
        let found = self.tasks.get_mut(task);
        if found.is_some_and(|found| found.fetch_ended(result)) {
            self.call_back(task)
        } else {
            Vec::new()
        }
    }

    /// Notes what became of the callback of a task.
    pub fn callback_ended(&mut self, task: u64, delivery: Delivery) {
        let mut callbacks = self.callbacks.iter_mut();
        if let Some(callback) = callbacks.find(|callback| callback.task == task) {
            callback.delivery = Some(delivery);
        }
    }

    /// The requests that came, in order.
    pub fn requests(&self) -> &[RecordedRequest] {
        &self.requests
    }

    /// The tasks that were created, in order.
    pub fn tasks(&self) -> &[Task] {
        self.tasks.all()
    }

    /// The callbacks that were due, in order; at most one a task.
    pub fn callbacks(&self) -> &[Callback] {
        &self.callbacks
    }

    /// How many tokens were minted.
    pub fn tokens_minted(&self) -> usize {
        self.tokens.minted()
    }

    /// The callback of a task that has ended just now.
    fn call_back(&mut self, task: u64) -> Vec<Effect> {
        let key = self.options.reason_key;
        let task = self.tasks.get_mut(task);
        let Some(callback) = task.and_then(|task| callback::due(task, key)) else {
            return Vec::new();
        };
        self.callbacks.push(callback.clone());
        vec![Effect::PostCallback {
            task: callback.task,
            url: callback.url,
            body: callback.body,
        }]
    }
}
