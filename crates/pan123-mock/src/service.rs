//! The model of the service: it takes requests and the time, and returns responses and effects. It does no IO and reads no clock.

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
mod routes;
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
use routes::Routes;
use schedule::{Event, Schedule};
use tasks::Tasks;
use tokens::Tokens;
use urls::is_http;

pub(crate) use assertions::enforce;
pub use callback::{Callback, CallbackPolicy, Delivery, ReasonKey};
pub use canned::{CannedResponse, Edit};
pub use copy_tasks::CopyTask;
pub use drive::File;
pub(crate) use drive::{numbered_name, shortened_name};
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
pub use routes::Route;
pub(crate) use task_script::{RETRYING, RUNNING};
pub use task_script::{ScriptStep, TaskScript};
pub use tasks::{Task, TaskEnd, TaskOutcome};
pub use tokens::MAX_LIVE_TOKENS;

pub(crate) use options::{Fetch, Options};
#[cfg(feature = "program")]
pub(crate) use record::redact_query;
pub(crate) use urls::is_loopback;

/// The model of the service. [`MockPan123`](crate::MockPan123) serves it over the network.
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
    routes: Routes,
    schedule: Schedule,
    request_count: u64,
    requests: Vec<RecordedRequest>,
    callbacks: Vec<Callback>,
    /// Effects not yet returned to the caller.
    outbox: Vec<Effect>,
}

/// The result of handling a request.
#[derive(Debug)]
#[non_exhaustive]
pub struct Handled {
    /// The reply.
    pub reply: Reply,
    /// What the service does besides responding. The caller may perform these and report back, or ignore them.
    pub effects: Vec<Effect>,
}

/// Something that the service does over the network.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Effect {
    /// Fetch the source of a task. Report with [`Service::set_fetch_progress`] and [`Service::end_task`].
    #[non_exhaustive]
    Fetch {
        /// The task.
        task: u64,
        /// The source, on a loopback host unless remote sources are allowed.
        url: String,
        /// The name for the file.
        name: String,
    },
    /// Post the callback of a task that ended. Report with [`Service::callback_delivered`].
    #[non_exhaustive]
    PostCallback {
        /// The task.
        task: u64,
        /// The `callBackUrl`, on any host.
        url: String,
        /// The JSON body.
        body: Bytes,
    },
}

impl Service {
    /// Returns a builder; [`Builder::service`] builds the service.
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

    /// Handles a request that arrives at `now`. Of its URI only the path and the query are used. The effects include those of
    /// [`run_due`](Self::run_due).
    pub fn handle(&mut self, now: SystemTime, request: &Request<Bytes>) -> Handled {
        self.settle(now);
        let (seed, number) = (self.options.seed, self.request_count);
        self.request_count += 1;

        let fault = self.faults.pick(seed, number, request.uri().path());
        let canned = fault.unwrap_or_else(CannedResponse::passthrough);
        let own = canned.acts.then(|| self.dispatch(now, request));

        // The request may have ended a task.
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
        self.record(now, request, &reply);
        Handled {
            reply,
            effects: self.take_effects(),
        }
    }

    /// Processes what is due at `now`: tasks end by the clock and delayed callbacks are posted. Call it at [`next_due`](Self::next_due);
    /// extra calls are harmless, and [`handle`](Self::handle) does the same.
    pub fn run_due(&mut self, now: SystemTime) -> Vec<Effect> {
        self.settle(now);
        self.take_effects()
    }

    /// Returns how many callbacks are delayed and not posted yet.
    pub fn callbacks_due(&self) -> usize {
        self.schedule.callbacks()
    }

    /// Returns when the next task ends or the next callback is posted by the clock.
    pub fn next_due(&self) -> Option<SystemTime> {
        self.schedule.next_at()
    }

    /// Prepares the response to the next request to `path`, whatever its method. Prepared responses are used in order, one per request, and
    /// the requests are recorded as usual.
    pub fn respond_next(&mut self, path: &str, canned: CannedResponse) {
        self.fault(Fault::from(canned).on(path));
    }

    /// Injects a fault into future requests.
    pub fn fault(&mut self, fault: impl Into<Fault>) {
        self.faults.add(fault.into());
    }

    /// Returns the pending faults and prepared responses, in order.
    pub fn faults(&self) -> &[Fault] {
        self.faults.all()
    }

    /// Removes the pending faults and prepared responses.
    pub fn clear_faults(&mut self) {
        self.faults.clear();
    }

    /// Adds an endpoint of your own, or replaces one of the mock.
    pub fn route(&mut self, route: Route) {
        self.routes.add(route);
    }

    /// Returns the endpoints added with [`route`](Self::route), in order.
    pub fn routes(&self) -> &[Route] {
        self.routes.all()
    }

    /// Removes the endpoints added with [`route`](Self::route), and the states of their scenarios.
    pub fn clear_routes(&mut self) {
        self.routes.clear();
    }

    /// Sets the script of future tasks whose source has no script of its own.
    pub fn set_default_script(&mut self, script: TaskScript) {
        self.options.default_script = script;
    }

    /// Sets the script of future tasks with this source. Such a source is not fetched.
    pub fn set_script_for(&mut self, url: impl Into<String>, script: TaskScript) {
        self.options.scripts.insert(url.into(), script);
    }

    /// Sets how many requests per second each endpoint accepts from now on.
    pub fn set_rate_limits(&mut self, limits: RateLimits) {
        self.options.rate_limits = limits;
    }

    /// Sets how many downloads may run at once from now on; `None` removes the limit.
    pub fn set_running_limit(&mut self, downloads: Option<usize>) {
        self.options.running_limit = downloads;
    }

    /// Sets how callbacks are posted for tasks that end from now on.
    pub fn set_callbacks(&mut self, callbacks: CallbackPolicy) {
        self.options.callbacks = callbacks;
    }

    /// Sets the progress of a task's fetch. The task no longer follows its script. A task that has ended does not change.
    pub fn set_fetch_progress(&mut self, task: u64, step: impl Into<ScriptStep>) {
        if let Some(task) = self.tasks.get_mut(task) {
            task.set_step(step.into());
        }
    }

    /// Ends a task. Returns its callback, unless that is delayed; returns nothing if the task is unknown or has ended.
    /// [`MockPan123::end_task`](crate::MockPan123::end_task) also posts it.
    pub fn end_task(&mut self, now: SystemTime, task: u64, end: TaskEnd) -> Vec<Effect> {
        let found = self.tasks.get_mut(task);
        if found.is_some_and(|found| found.set_final_step(&end)) {
            self.finish(now, task, end);
            self.settle(now);
        }
        self.take_effects()
    }

    /// Records the delivery of a callback.
    pub fn callback_delivered(&mut self, task: u64, delivery: Delivery) {
        let mut callbacks = self.callbacks.iter_mut();
        let open = |it: &&mut Callback| it.task == task && it.delivery.is_none();
        if let Some(callback) = callbacks.find(open) {
            callback.delivery = Some(delivery);
        }
    }

    /// Returns the recorded requests in order, only the latest if there were more than are kept.
    pub fn requests(&self) -> &[RecordedRequest] {
        &self.requests
    }

    /// Removes the recorded requests.
    pub fn clear_requests(&mut self) {
        self.requests.clear();
    }

    /// Returns the task with this id.
    pub fn task(&self, id: u64) -> Option<&Task> {
        self.tasks.get(id)
    }

    #[cfg(feature = "program")]
    pub(crate) fn options(&self) -> Options {
        self.options.clone()
    }

    /// Returns all tasks, in order of creation.
    pub fn tasks(&self) -> &[Task] {
        self.tasks.all()
    }

    /// Returns the callbacks of ended tasks in order, posted or not.
    pub fn callbacks(&self) -> &[Callback] {
        &self.callbacks
    }

    /// Returns how many tokens were issued to the developer. Those of apps are not counted.
    pub fn tokens_issued(&self) -> usize {
        self.tokens.issued_count()
    }

    fn finish(&mut self, now: SystemTime, id: u64, end: TaskEnd) {
        let Some(task) = self.tasks.get_mut(id) else {
            return;
        };
        let outcome = match end {
            TaskEnd::Succeeded { size } => TaskOutcome::Succeeded {
                file_id: self.drive.store_download(now, task, size),
            },
            TaskEnd::Failed { reason } => TaskOutcome::Failed { reason },
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

    /// Processes what is due.
    fn settle(&mut self, now: SystemTime) {
        while let Some((at, due)) = self.schedule.pop(now) {
            match due {
                Event::TaskEnds(id) => {
                    let task = self.tasks.get_mut(id);
                    if let Some(end) = task.and_then(Task::end_by_clock) {
                        self.finish(at, id, end);
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

    /// Keeps at least as many requests as configured, and at most twice as many.
    fn record(&mut self, now: SystemTime, request: &Request<Bytes>, reply: &Reply) {
        let limit = self.options.kept_requests;
        if limit == 0 {
            return;
        }
        if self.requests.len() >= limit.saturating_mul(2) {
            self.requests.drain(..limit);
        }
        let recorded = RecordedRequest::of(now, request, reply);
        self.requests.push(recorded);
    }
}
