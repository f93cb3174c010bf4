//! One run: what callers, drivers and the outer world do, drawn from a seed, and what must hold at its end.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;
use std::time::{Duration, SystemTime};

use fastrand::Rng;
use pan123_proto::access_token::IssueToken;
use pan123_proto::offline::{Download, Downloaded, GetDownloadProgress, WatchError, WatchPolicy};
use pan123_proto::user::GetUserInfo;
use pan123_proto::{Endpoint, Error, ErrorKind, Pacing, RateClass, Session};
use serde_json::Value;

use super::coverage::{Coverage, Fault};
use super::oracle::{CallModel, Kind, Oracle, SessionModel, Shared, State, check_redacted};
use super::service::ending;
use crate::support::{START, World, at, builder, millis, numbered_task, path, secs};

const CLASSES: [(&str, RateClass); 4] = [
    (path::TOKEN, IssueToken::RATE),
    (path::USER_INFO, GetUserInfo::RATE),
    (path::CREATE, Download::RATE),
    (path::PROGRESS, GetDownloadProgress::RATE),
];

/// What a session has unless it is set.
const DEFAULT_CALL_TIMEOUT: Duration = secs(120);

pub(crate) fn run(seed: u64) -> Coverage {
    let mut run = Run::new(seed);
    for _ in 0..run.rng.usize(6..24) {
        let pause = run.pause();
        run.world.run_until(run.world.now() + pause);
        run.act();
    }
    run.finish()
}

struct Run {
    world: World,
    oracle: Shared,
    rng: Rng,
    is_blocking: bool,
    /// With the timeout of their calls.
    sessions: Vec<(Session, Duration)>,
    started: BTreeMap<usize, Started>,
    creates: u64,
}

type Check = Box<dyn FnOnce(&mut Oracle, &CallModel)>;

/// A call or a watch: stops it, and checks its outcome.
struct Started {
    stop: Box<dyn Fn()>,
    check: Check,
}

impl Run {
    fn new(seed: u64) -> Run {
        let mut rng = Rng::with_seed(seed);
        let oracle = Rc::new(RefCell::new(Oracle::new(rng.fork())));
        let (service, planner) = (oracle.clone(), oracle.clone());
        let is_blocking = rng.bool();
        let skew = secs(rng.u64(0..2) * rng.u64(0..100_000));
        let mut world = World::new(move |view, request| service.borrow_mut().serve(view, request))
            .plan(move |_| planner.borrow_mut().plan())
            .hooks(oracle.clone())
            .local_clock(SystemTime::UNIX_EPOCH + START - secs(50_000) + skew);
        if is_blocking {
            world = world.without_cancellation();
        }
        let mut run = Run {
            world,
            oracle,
            is_blocking,
            sessions: Vec::new(),
            started: BTreeMap::new(),
            creates: 0,
            rng,
        };
        run.add_session(seed);
        if run.rng.u8(..4) == 0 {
            run.count(Fault::SecondProcess);
            run.add_session(seed);
        }
        run
    }

    fn add_session(&mut self, seed: u64) {
        let rng = &mut self.rng;
        let request_timeout = [secs(30), secs(30), secs(10), secs(3)][rng.usize(..4)];
        let call_timeout = [secs(120), secs(120), secs(40), secs(8)][rng.usize(..4)];
        let mut intervals: HashMap<_, _> =
            CLASSES.map(|(path, class)| (path, class.interval())).into();
        let mut pacing = Pacing::default();
        match rng.u8(..3) {
            0 => {
                pacing = Pacing::off();
                intervals = CLASSES.map(|(path, _)| (path, Duration::ZERO)).into();
            }
            1 => {
                let slow = millis(rng.u64(1..4000));
                pacing = pacing.every(GetDownloadProgress::RATE, slow);
                intervals.insert(path::PROGRESS, slow);
            }
            _ => {}
        }
        let has_default_timeout = call_timeout == DEFAULT_CALL_TIMEOUT;
        let mut builder = builder()
            .seed(seed)
            .pacing(pacing)
            .request_timeout(request_timeout);
        if !has_default_timeout {
            builder = builder.call_timeout(call_timeout);
        }
        let session = builder.build().expect("good settings");
        self.sessions.push((session, call_timeout));
        self.oracle.borrow_mut().sessions.push(SessionModel {
            request_timeout,
            intervals,
            ..SessionModel::default()
        });
    }

    fn pause(&mut self) -> Duration {
        let max = [300, 300, 300, 3000, 3000, 20_000, 100_000][self.rng.usize(..7)];
        Duration::from_micros(self.rng.u64(..max * 1000))
    }

    fn act(&mut self) {
        let now = self.world.now();
        let jump = secs(self.rng.u64(1..100_000));
        let minutes = secs(self.rng.u64(1..200));
        let session = self.rng.usize(..self.sessions.len());
        match self.rng.u8(..100) {
            0..22 => {
                for _ in 0..[1, 1, 1, 6][self.rng.usize(..4)] {
                    self.call(session, Kind::User, &GetUserInfo);
                }
            }
            22..36 => {
                let task = numbered_task(self.rng.u64(1..1020));
                self.call(session, Kind::Progress, &GetDownloadProgress::new(task));
            }
            36..56 => {
                self.creates += 1;
                let download = Download::new(url(self.creates)).expect("a good URL");
                self.call(session, Kind::Create(self.creates), &download);
            }
            56..62 => self.watch(session),
            62..68 => self.stop(),
            68..79 => {
                let in_place = |call: &CallModel| matches!(call.state, State::InPlace);
                if let Some(actor) = self.pick(in_place).or_else(|| self.pick(is_caller)) {
                    self.count(Fault::CallerDropped);
                    self.world.kill(actor);
                }
            }
            79..83 => {
                if let Some(actor) = self.pick(|call| call.is_detached) {
                    self.count(Fault::DetachedKilled);
                    self.world.kill(actor);
                }
            }
            83..86 => self.freeze(),
            86..89 => {
                let pause = secs([90, 4000, 200_000][self.rng.usize(..3)]);
                self.world.run_until(now);
                self.world.suspend(pause);
                self.count(Fault::Suspended);
            }
            89..91 => {
                self.world.set_wall_clock(|wall| wall + jump);
                self.count(Fault::ClockForward);
            }
            91..93 => {
                self.world.set_wall_clock(|wall| wall - jump);
                self.count(Fault::ClockBack);
            }
            _ => {
                let outage = match self.rng.u8(..3) {
                    0 => Fault::ServerDown,
                    1 => Fault::TokenEndpointDown,
                    _ => Fault::AllTokensRejected,
                };
                self.oracle.borrow_mut().service.outage = Some((outage, now + minutes));
            }
        }
    }

    fn count(&self, fault: Fault) {
        self.oracle.borrow_mut().service.coverage.count(fault);
    }

    fn call(&mut self, session: usize, kind: Kind, endpoint: &impl Endpoint) {
        let mut timeout = self.sessions[session].1;
        let call = self.sessions[session].0.call_as(endpoint);
        let mut call = call.expect("a good request");
        if self.rng.u8(..5) == 0 {
            timeout = millis(self.rng.u64(1..30_000));
            call = call.timeout(timeout);
        } else if timeout == DEFAULT_CALL_TIMEOUT && matches!(kind, Kind::Create(_)) {
            // It stands still in the queue, even while the machine is suspended.
            timeout = secs(100_000_000);
        }
        let handle = call.handle();
        let outcome = self.world.start(call);
        let actor = outcome.actor;
        self.add_model(actor, session, kind, timeout);
        let stop = Box::new(move || handle.stop());
        let check = Box::new(move |oracle: &mut _, model: &_| {
            check_call(oracle, model, &outcome.get());
        });
        self.started.insert(actor, Started { stop, check });
    }

    fn add_model(&mut self, actor: usize, session: usize, kind: Kind, timeout: Duration) {
        let model = CallModel {
            session,
            kind,
            timeout,
            ..CallModel::default()
        };
        self.oracle.borrow_mut().calls.insert(actor, model);
    }

    fn watch(&mut self, session: usize) {
        let rng = &mut self.rng;
        let deadline = secs(rng.u64(10..400));
        let policy = WatchPolicy::default()
            .deadline(deadline)
            .stall_timeout(secs(rng.u64(10..200)))
            .max_failed_polls(rng.u32(1..4))
            .interval(millis(rng.u64(500..8000)));
        let task = rng.u64(1..1020);
        let watch = self.sessions[session].0.watch(numbered_task(task), policy);
        let handle = watch.handle();
        let outcome = self.world.start(watch.to_end());
        let actor = outcome.actor;
        self.add_model(actor, session, Kind::Watch, deadline);
        let stop = Box::new(move || handle.stop());
        let check = Box::new(move |_: &mut _, _: &_| check_watch(task, &outcome.get()));
        self.started.insert(actor, Started { stop, check });
    }

    /// One of the machines that are under way and for which this holds.
    fn pick(&mut self, wanted: impl Fn(&CallModel) -> bool) -> Option<usize> {
        let oracle = self.oracle.borrow_mut();
        let fitting: Vec<_> = oracle
            .calls
            .iter()
            .filter(|(_, call)| wanted(call))
            .collect();
        let nth = self.rng.usize(..fitting.len().max(1));
        fitting.get(nth).map(|(actor, _)| **actor)
    }

    fn stop(&mut self) {
        let Some(actor) = self.pick(is_caller) else {
            return;
        };
        let mut oracle = self.oracle.borrow_mut();
        let call = oracle.calls.get_mut(&actor).expect("picked from there");
        call.stopped = true;
        let in_flight = call.is_in_flight();
        let fault = [Fault::Stop, Fault::StopInFlight][usize::from(in_flight)];
        if matches!(call.state, State::Waiting) || in_flight && !self.is_blocking {
            oracle.must_wake(actor, self.world.now());
        }
        oracle.service.coverage.count(fault);
        drop(oracle);
        (self.started[&actor].stop)();
    }

    /// A detached machine, or else a caller, is neither run nor dropped any more.
    fn freeze(&mut self) {
        let waits = |call: &CallModel| is_caller(call) && !matches!(call.state, State::InPlace);
        let (actor, fault) = match (self.pick(|call| call.is_detached), self.pick(waits)) {
            (Some(detached), _) => (detached, Fault::DetachedFrozen),
            (None, Some(caller)) => (caller, Fault::CallerFrozen),
            (None, None) => return,
        };
        self.count(fault);
        self.oracle.borrow_mut().forget(actor);
        self.world.freeze(actor);
    }

    /// Nothing goes wrong any more: everything ends, and each session works again.
    fn finish(mut self) -> Coverage {
        self.oracle.borrow_mut().calm();
        self.world.run();
        self.world.suspend(secs(3600));
        for session in 0..self.sessions.len() {
            // A pause may follow when one new token after the other was rejected.
            if self.call_fresh(session).is_err() {
                self.world.suspend(secs(60));
                self.call_fresh(session).expect("a session that works");
            }
        }
        self.oracle.borrow_mut().check_woken(self.world.now());
        self.world.thaw();
        for (session, _) in &self.sessions {
            for (_, class) in CLASSES {
                let pace = session.pace(class, at(self.world.now()).mono);
                assert_eq!(pace.waiting, 0, "slots not freed: {class:?}");
            }
        }
        self.check_outcomes();
        self.oracle.borrow_mut().service.coverage.clone()
    }

    fn call_fresh(&mut self, session: usize) -> Result<Value, Error> {
        let call = self.sessions[session].0.call_as(&GetUserInfo);
        let outcome = self.world.start(call.expect("a good request"));
        self.add_model(outcome.actor, session, Kind::User, self.sessions[session].1);
        self.world.run();
        outcome.get()
    }

    fn check_outcomes(&mut self) {
        let oracle = &mut *self.oracle.borrow_mut();
        for number in 1..=self.creates {
            let created = oracle.service.created(number);
            assert!(created.len() <= 1, "{created:?} for {number}");
        }
        for (actor, started) in std::mem::take(&mut self.started) {
            // Without a model the caller went away.
            if let Some(model) = oracle.ended.remove(&actor) {
                (started.check)(oracle, &model);
            }
        }
    }
}

/// Panics unless the result is what the service did.
fn check_call(oracle: &mut Oracle, model: &CallModel, result: &Result<Value, Error>) {
    let created = match model.kind {
        Kind::Create(number) => oracle.service.created(number),
        _ => &[],
    };
    let is_ambiguous = matches!(result, Err(Error::Ambiguous(_)));
    assert_eq!(
        is_ambiguous, model.may_have_arrived,
        "{result:?}: {model:?}"
    );
    let lost = !created.is_empty() && result.is_err() && !is_ambiguous;
    assert!(!lost, "{created:?} is lost: {result:?}");
    if let Err(error) = result {
        check_redacted(&format!("{error} {error:?}"));
    }
    match (result, model.kind) {
        (Ok(value), Kind::Create(_)) => {
            assert_eq!(created, value["taskID"].as_u64().as_slice(), "{model:?}");
            oracle.service.coverage.count("Done");
        }
        (Ok(_), _) => oracle.service.coverage.count("Done"),
        (Err(Error::Ambiguous(ambiguous)), Kind::Create(number)) => {
            let download = ambiguous
                .request::<pan123_proto::offline::Download>()
                .expect("what was sent");
            assert_eq!(download.url(), url(number));
            oracle.service.coverage.count(match created {
                [] => "AmbiguousNotDone",
                _ => "AmbiguousDone",
            });
        }
        (Err(error), _) => {
            match error.kind() {
                ErrorKind::Stopped => assert!(model.stopped, "{model:?} was not stopped"),
                ErrorKind::Unauthorized => assert!(model.rejections > 0, "{model:?}"),
                _ => {}
            }
            oracle.service.coverage.count(error.kind());
        }
    }
}

/// Panics unless the end of a watch is what the service did.
fn check_watch(task: u64, result: &Result<Downloaded, WatchError>) {
    check_redacted(&format!("{result:?}"));
    match result {
        Ok(_) => assert_eq!(ending(task), Some(true)),
        Err(WatchError::DownloadFailed { .. }) => assert_eq!(ending(task), Some(false)),
        Err(_) => {}
    }
}

fn url(number: u64) -> String {
    format!("https://example.com/{number}")
}

fn is_caller(call: &CallModel) -> bool {
    call.kind != Kind::Fetch
}
