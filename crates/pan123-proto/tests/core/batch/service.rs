//! The service under a batch: it creates tasks, runs them for a while, and remembers each create that it carried out.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use fastrand::Rng;
use http::{Request, Response};
use pan123_proto::TransportError;
use serde_json::{Value, json};

use crate::support::server::token_in;
use crate::support::{path, secs};

/// What goes wrong, as the chance of each in a thousand requests.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Faults {
    pub(crate) never_left: u32,
    /// The request arrives and its response does not.
    pub(crate) response_lost: u32,
    pub(crate) rate_limited: u32,
    pub(crate) token_rejected: u32,
    pub(crate) server_error: u32,
    pub(crate) item_rejected: u32,
    pub(crate) task_fails: u32,
}

pub(crate) struct Service {
    pub(crate) faults: Faults,
    /// How many tasks may run at once.
    pub(crate) cap: usize,
    /// How long a task runs.
    pub(crate) duration: Box<dyn FnMut(&mut Rng) -> Duration>,
    pub(crate) tasks: Vec<Task>,
    pub(crate) creates: usize,
    /// When creates arrived, whatever came of them.
    pub(crate) creates_at: Vec<Duration>,
    pub(crate) refused_full: usize,
    pub(crate) polls: usize,
    pub(crate) tokens: u64,
    /// Whether faults hit the requests for tokens, too.
    pub(crate) loses_tokens: bool,
    /// Whether the task of a key that failed runs again when the key is sent again, instead of a new one.
    pub(crate) reuses_tasks: bool,
    /// Files and folders by their id.
    pub(crate) files: BTreeMap<u64, Value>,
    pub(crate) lists: usize,
    rng: Rng,
}

/// A create that was carried out.
#[derive(Clone, Debug)]
pub(crate) struct Task {
    /// The key of its item, which is the file's name.
    pub(crate) key: String,
    pub(crate) from: Duration,
    pub(crate) to: Duration,
    pub(crate) fails: bool,
}

impl Task {
    pub(crate) fn runs_at(&self, now: Duration) -> bool {
        now < self.to
    }
}

/// How long until the driver hears, and what.
pub(crate) type Reply = (Duration, Result<Response<Bytes>, TransportError>);

impl Service {
    pub(crate) fn new(seed: u64) -> Service {
        Service {
            faults: Faults::default(),
            cap: usize::MAX,
            duration: Box::new(|_| secs(60)),
            tasks: Vec::new(),
            creates: 0,
            creates_at: Vec::new(),
            refused_full: 0,
            polls: 0,
            tokens: 0,
            loses_tokens: true,
            reuses_tasks: false,
            files: BTreeMap::new(),
            lists: 0,
            rng: Rng::with_seed(seed ^ 0x5e71_1ce5),
        }
    }

    pub(crate) fn answer(&mut self, now: Duration, request: &Request<Bytes>) -> Reply {
        let latency = Duration::from_millis(self.rng.u64(10..300));
        let faults = self.faults;
        if self.draws(faults.never_left) {
            return (latency, Err(TransportError::never_left("refused")));
        }
        if request.uri().path() == path::CREATE {
            self.creates_at.push(now);
        }
        if self.draws(faults.rate_limited) {
            return (latency, Ok(failure(429, "请求太频繁")));
        }
        let is_token = request.uri().path() == path::TOKEN;
        if !is_token && self.draws(faults.token_rejected) {
            return (latency, Ok(failure(401, "token is expired")));
        }
        let reply = match request.uri().path() {
            path::TOKEN => self.token(),
            path::CREATE => self.create(now, request),
            path::PROGRESS => self.progress(now, request),
            path::DETAIL => self.detail(request),
            path::LIST => self.list(request),
            other => panic!("no such path: {other}"),
        };
        let may_be_lost = !is_token || self.loses_tokens;
        if may_be_lost && self.draws(faults.response_lost) {
            let lost = TransportError::interrupted("the connection broke");
            return (latency, Err(lost));
        }
        if self.draws(faults.server_error) {
            let response = Response::builder().status(502).body(Bytes::new());
            return (latency, Ok(response.expect("a response")));
        }
        (latency, Ok(reply))
    }

    fn draws(&mut self, per_mille: u32) -> bool {
        per_mille > 0 && self.rng.u32(0..1000) < per_mille
    }

    fn token(&mut self) -> Response<Bytes> {
        self.tokens += 1;
        success(&json!({ "accessToken": format!("token-{}", self.tokens) }))
    }

    fn create(&mut self, now: Duration, request: &Request<Bytes>) -> Response<Bytes> {
        assert!(!token_in(request.headers()).is_empty(), "no token");
        let running = self.tasks.iter().rev().filter(|task| task.runs_at(now));
        if running.take(self.cap).count() >= self.cap {
            self.refused_full += 1;
            return failure(1, "同时下载的任务超出最大限制");
        }
        let rejects = self.faults.item_rejected;
        if self.draws(rejects) {
            return failure(1, "不支持的链接");
        }
        let body: Value = serde_json::from_slice(request.body()).expect("a body");
        let key = body["fileName"].as_str().expect("a name").to_owned();
        let fails = self.faults.task_fails;
        let fails = self.draws(fails);
        let duration = (self.duration)(&mut self.rng);
        self.creates += 1;
        let task = Task {
            key,
            from: now,
            to: now + duration,
            fails,
        };
        let mut tasks = self.tasks.iter();
        let earlier = tasks.position(|earlier| self.reuses_tasks && earlier.key == task.key);
        if let Some(index) = earlier {
            self.tasks[index] = task;
            return success(&json!({ "taskID": index + 1 }));
        }
        self.tasks.push(task);
        success(&json!({ "taskID": self.tasks.len() }))
    }

    fn progress(&mut self, now: Duration, request: &Request<Bytes>) -> Response<Bytes> {
        self.polls += 1;
        let query = request.uri().query().unwrap_or_default();
        let (_, id) = query.split_once("taskID=").expect("a task id");
        let id: usize = id.parse().expect("a number");
        let task = &self.tasks[id - 1];
        let data = if task.runs_at(now) {
            let seconds = |time: Duration| time.as_secs_f64() - task.from.as_secs_f64();
            let share = seconds(now) / seconds(task.to);
            json!({ "process": (share * 100.0).floor(), "status": 0 })
        } else if task.fails {
            json!({ "process": 0, "status": 1 })
        } else {
            json!({ "process": 100, "status": 2 })
        };
        success(&data)
    }

    fn detail(&mut self, request: &Request<Bytes>) -> Response<Bytes> {
        let query = request.uri().query().unwrap_or_default();
        let (_, id) = query.split_once("fileID=").expect("a file id");
        let id: u64 = id.parse().expect("a number");
        match self.files.get(&id) {
            Some(file) => success(file),
            None => failure(5066, "no such file"),
        }
    }

    /// A page of 100.
    fn list(&mut self, request: &Request<Bytes>) -> Response<Bytes> {
        self.lists += 1;
        let query = request.uri().query().unwrap_or_default();
        let number = |name: &str| {
            let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
            let (_, value) = pairs.find(|(key, _)| *key == name)?;
            value.parse::<u64>().ok()
        };
        let after = number("lastFileId").unwrap_or(0);
        let files = self.files.range(after + 1..);
        let in_dir =
            files.filter(|(_, file)| file["parentFileId"].as_u64() == number("parentFileId"));
        let page: Vec<_> = in_dir.take(100).collect();
        let last = page
            .last()
            .filter(|_| page.len() == 100)
            .map(|(id, _)| **id);
        let rows: Vec<_> = page.into_iter().map(|(_, file)| file).collect();
        success(&json!({ "lastFileId": last.map_or(json!(-1), Value::from), "fileList": rows }))
    }
}

fn success(data: &Value) -> Response<Bytes> {
    let body = json!({ "code": 0, "message": "ok", "data": data });
    Response::new(body.to_string().into())
}

fn failure(code: u32, message: &str) -> Response<Bytes> {
    let body = json!({ "code": code, "message": message, "data": null });
    Response::new(body.to_string().into())
}
