//! The service as a model: a request and the time go in, an answer and things to do come out. No IO, no clock.

mod args;
mod assertions;
mod callback;
mod canned;
mod copy_tasks;
mod drive;
mod endpoints;
mod fault;
mod oauth;
mod options;
mod presets;
mod rate_limits;
mod record;
mod response;
mod schedule;
pub(crate) mod serde_millis;
mod task_script;
mod tasks;
mod tokens;
mod urls;
mod user;

use std::time::SystemTime;

use bytes::Bytes;
use http::{Request, header};

use crate::Builder;

use copy_tasks::CopyTasks;
use drive::Drive;
use fault::Faults;
use oauth::Oauth;
use schedule::{Event, Schedule};
use tasks::Tasks;
use tokens::Tokens;
use urls::is_http;

pub(crate) use assertions::enforce;
pub use callback::{Callback, CallbackPolicy, Delivery, ReasonKey};
pub use canned::{CannedResponse, Edit};
pub use copy_tasks::CopyTask;
pub use drive::File;
pub use endpoints::{InfosKey, ListEnd, OauthErrorFormat, path};
pub use fault::{FAULT_NAMES, Fault};
pub use oauth::TokenPair;
pub use options::{CLIENT_ID, CLIENT_SECRET};
pub use rate_limits::RateLimits;
pub use record::RecordedRequest;
pub use response::Reply;
pub(crate) use response::max_time;
#[cfg(feature = "program")]
pub(crate) use response::{envelope_code, timestamp};
pub(crate) use task_script::{RETRYING, RUNNING};
pub use task_script::{ScriptStep, TaskScript};
pub use tasks::{Task, TaskOutcome};
pub use tokens::MAX_LIVE_TOKENS;

pub(crate) use options::{Fetch, Options};
#[cfg(feature = "program")]
pub(crate) use record::redact_query;
pub(crate) use urls::is_loopback;

/// The model of the service. Over the network it is reached through [`MockPan123`](crate::MockPan123).
#[derive(Debug, Default)]
pub struct Service {
    options: Options,
    tokens: Tokens,
    oauth: Oauth,
    tasks: Tasks,
    drive: Drive,
    copy_tasks: CopyTasks,
    rate_counter: rate_limits::RateCounter,
    faults: Faults,
    schedule: Schedule,
    request_count: u64,
    requests: Vec<RecordedRequest>,
    callbacks: Vec<Callback>,
    /// What was set off and is not given out yet.
    outbox: Vec<Effect>,
}

/// What comes of a request.
#[derive(Debug)]
#[non_exhaustive]
pub struct Handled {
    /// The answer.
    pub reply: Reply,
    /// What the service does besides answering. Whoever carries the answer may do it, and report, or leave it.
    pub effects: Vec<Effect>,
}

/// Something that the service would do over the network.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Effect {
    /// Fetch the source of a task; report with [`Service::set_fetch_progress`] and [`Service::end_task`].
    #[non_exhaustive]
    Fetch {
        /// The task that waits for it.
        task: u64,
        /// The source, on a loopback host unless more was allowed.
        url: String,
        /// What the file is to be called.
        name: String,
    },
    /// Post the callback of a task that ended; report with [`Service::callback_delivered`].
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
            tasks: Tasks::starting_at(options.first_task),
            options,
            ..Self::default()
        }
    }

    /// Answers a request that arrives at the time `now`. Only the path and the query of its URI are looked at. The effects are those
    /// of the request, and of all that has become [`due`](Self::due).
    pub fn handle(&mut self, now: SystemTime, request: &Request<Bytes>) -> Handled {
        self.settle(now);
        let (seed, number) = (self.options.seed, self.request_count);
        self.request_count += 1;

        let fault = self.faults.pick(seed, number, request.uri().path());
        let canned = fault.unwrap_or_else(CannedResponse::passthrough);
        let own = canned.acts.then(|| self.dispatch(now, request));

        // A task may have ended with this request.
        self.settle(now);

        let (delay, broken) = (canned.delay, canned.broken.clone());
        let mut response = canned.into_http(own, &response::trace_id(seed, number));
        if let Some(date) = response::http_date(now) {
            let headers = response.headers_mut();
            headers.entry(header::DATE).or_insert(date);
        }
        let reply = Reply {
            response,
            delay,
            broken,
        };
        self.record(request, &reply);
        Handled {
            reply,
            effects: self.take_effects(),
        }
    }

    /// What happens by itself until `now`: tasks end by the clock, callbacks are posted that were held back. Whoever carries the service
    /// may call it at any time, and should at [`next_due`](Self::next_due); a request does the same.
    pub fn run_due(&mut self, now: SystemTime) -> Vec<Effect> {
        self.settle(now);
        self.take_effects()
    }

    /// How many callbacks are held back, and not posted yet.
    pub fn callbacks_due(&self) -> usize {
        self.schedule.callbacks()
    }

    /// When something happens by itself next.
    pub fn next_due(&self) -> Option<SystemTime> {
        self.schedule.next_at()
    }

    /// Prepares an answer for the next request to `path`, whatever its method. Prepared answers are used up in order, one a request;
    /// the requests are recorded all the same.
    pub fn respond_next(&mut self, path: &str, canned: CannedResponse) {
        self.fault(Fault::from(canned).on(path));
    }

    /// Lets something go wrong with requests to come.
    pub fn fault(&mut self, fault: impl Into<Fault>) {
        self.faults.add(fault.into());
    }

    /// The faults and prepared answers that are still to come, in order.
    pub fn faults(&self) -> &[Fault] {
        self.faults.all()
    }

    /// Forgets them.
    pub fn clear_faults(&mut self) {
        self.faults.clear();
    }

    /// The course of tasks that are created from now on, unless their source has one of its own.
    pub fn set_default_script(&mut self, script: TaskScript) {
        self.options.default_script = script;
    }

    /// The course of tasks that are created from now on for this source, which is then not fetched even if it could be.
    pub fn set_script_for(&mut self, url: impl Into<String>, script: TaskScript) {
        self.options.scripts.insert(url.into(), script);
    }

    /// How many requests each endpoint takes in a second from now on.
    pub fn set_rate_limits(&mut self, limits: RateLimits) {
        self.options.rate_limits = limits;
    }

    /// How many downloads may run at once from now on; none: as many as come.
    pub fn set_running_limit(&mut self, downloads: Option<usize>) {
        self.options.running_limit = downloads;
    }

    /// How callbacks are posted for tasks that end from now on.
    pub fn set_callbacks(&mut self, callbacks: CallbackPolicy) {
        self.options.callbacks = callbacks;
    }

    /// Says how far the fetch of a task is. A task that had a course leaves it; one that has ended stays as it is.
    pub fn set_fetch_progress(&mut self, task: u64, step: impl Into<ScriptStep>) {
        if let Some(task) = self.tasks.get_mut(task) {
            task.set_step(step.into());
        }
    }

    /// Ends a task: with the number of bytes that were fetched, or with the reason why it failed. The effects are its callback, if it is
    /// not held back; there are none if the task is unknown or had ended before.
    /// [`MockPan123::end_task`](crate::MockPan123::end_task) posts it, too.
    pub fn end_task(
        &mut self,
        now: SystemTime,
        task: u64,
        result: Result<u64, String>,
    ) -> Vec<Effect> {
        let found = self.tasks.get_mut(task);
        if found.is_some_and(|found| found.set_final_step(&result)) {
            self.finish(now, task, result);
            self.settle(now);
        }
        self.take_effects()
    }

    /// Notes what became of a callback of a task.
    pub fn callback_delivered(&mut self, task: u64, delivery: Delivery) {
        let mut callbacks = self.callbacks.iter_mut();
        let open = |it: &&mut Callback| it.task == task && it.delivery.is_none();
        if let Some(callback) = callbacks.find(open) {
            callback.delivery = Some(delivery);
        }
    }

    /// The requests that came, in order: the last ones, if there were more than are kept.
    pub fn requests(&self) -> &[RecordedRequest] {
        &self.requests
    }

    /// Forgets the requests that came.
    pub fn clear_requests(&mut self) {
        self.requests.clear();
    }

    /// The task with this id.
    pub fn task(&self, id: u64) -> Option<&Task> {
        self.tasks.get(id)
    }

    #[cfg(feature = "program")]
    pub(crate) fn options(&self) -> Options {
        self.options.clone()
    }

    /// The tasks that were created, in order.
    pub fn tasks(&self) -> &[Task] {
        self.tasks.all()
    }

    /// The callbacks of the tasks that ended, in order, posted or not yet.
    pub fn callbacks(&self) -> &[Callback] {
        &self.callbacks
    }

    /// How many tokens were minted for the developer; those of apps are not among them.
    pub fn tokens_issued(&self) -> usize {
        self.tokens.issued_count()
    }

    /// A task has come to its end: with the size of its file, or with the reason why there is none.
    fn finish(&mut self, now: SystemTime, id: u64, result: Result<u64, String>) {
        let Some(task) = self.tasks.get_mut(id) else {
            return;
        };
        let outcome = match result {
            Ok(size) => TaskOutcome::Succeeded {
                file_id: self.drive.store_download(now, task, size),
            },
            Err(reason) => TaskOutcome::Failed { reason },
        };
        let Some(task) = self.tasks.end(id, outcome) else {
            return;
        };
        let callbacks = &self.options.callbacks;
        let at = now.checked_add(callbacks.post_delay());
        for callback in callbacks.for_task(task) {
            if let (Some(at), None) = (at, &callback.delivery) {
                self.schedule.callback(at, self.callbacks.len());
            }
            self.callbacks.push(callback);
        }
    }

    /// Lets happen what was to happen until now.
    fn settle(&mut self, now: SystemTime) {
        while let Some((at, due)) = self.schedule.pop(now) {
            match due {
                Event::TaskEnds(id) => {
                    let task = self.tasks.get_mut(id);
                    if let Some(result) = task.and_then(Task::end_by_clock) {
                        self.finish(at, id, result);
                    }
                }
                Event::CopyEnds(id) => self.end_copy_by_clock(at, id),
                Event::Callback(index) => {
                    let Callback {
                        task, url, body, ..
                    } = self.callbacks[index].clone();
                    self.outbox.push(Effect::PostCallback { task, url, body });
                }
            }
        }
    }

    fn take_effects(&mut self) -> Vec<Effect> {
        std::mem::take(&mut self.outbox)
    }

    /// Keeps at least as many requests as were asked for, and at most twice as many.
    fn record(&mut self, request: &Request<Bytes>, reply: &Reply) {
        let limit = self.options.kept_requests;
        if limit == 0 {
            return;
        }
        if self.requests.len() >= limit.saturating_mul(2) {
            self.requests.drain(..limit);
        }
        self.requests.push(RecordedRequest::of(request, reply));
    }
}
