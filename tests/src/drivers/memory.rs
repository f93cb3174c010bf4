//! A third driver, without sockets, threads or a clock: it calls the model of the service directly, in virtual time.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use http::{Request, Response};
use pan123_mock::{Reply, Service};
use pan123_proto::batch::{BatchEvent, BatchHandle, BatchReport, BatchStep};
use pan123_proto::file::{Entry, ListFiles};
use pan123_proto::ledger::{Ledger, LedgerFault, MemoryLedger};
use pan123_proto::offline::{
    CreatedDownload, Download, Downloaded, ExpectedFile, GetDownloadProgress, Progress, WatchError,
    WatchEvent, WatchPolicy,
};
use pan123_proto::user::{GetUserInfo, UserInfo};
use pan123_proto::{
    Account, DirId, Endpoint, Error, Input, Machine, Now, Session, Step, TaskId, TokenStore,
    Transmit, TransportError, Wait,
};
use serde::de::DeserializeOwned;

use super::Location;
use crate::batch_run::BatchRun;
use crate::clock::with_wall_clock;
use crate::drive_calls::{DriveCall, by_endpoint};
use crate::failing_store::FailingStore;
use crate::observed::{Observed, Outcome};
use crate::run::{Caller, Environment, make_call, run_scenario};
use crate::scenario::{BrokenExchange, Call, Received, Scenario};
use crate::service_access::ServiceAccess;
use crate::set_up;
use crate::transports::response_of;

/// Runs a scenario.
pub(super) fn run(scenario: &Scenario, _: Location) -> Observed {
    let start = Now {
        mono: Instant::now(),
        wall: SystemTime::UNIX_EPOCH + Duration::from_secs(1_742_715_517),
    };
    let mut service = scenario.builder().service();
    scenario.prepare(&mut service, start.wall);
    let store = FailingStore::default();
    let simulation = Rc::new(Simulation {
        start,
        elapsed: Cell::default(),
        ahead: Cell::default(),
        wall_clock_offset: Cell::default(),
        broken: RefCell::new(scenario.broken.clone()),
        unreceived: RefCell::default(),
        reachable: scenario.reachable,
        service: RefCell::new(service),
        steps: Cell::default(),
        alarms: RefCell::default(),
        work: RefCell::default(),
    });
    let make = || {
        let builder = set_up!(
            Session::builder(),
            &scenario.settings,
            scenario.seed,
            "http://127.0.0.1:1"
        );
        let builder = builder.persist_token(scenario.settings.has_store());
        let session = builder.build();
        let session = session.expect("the settings of a scenario are good");
        InMemory {
            driver: Driver {
                account: session.account(),
                store: store.clone(),
                simulation: Rc::clone(&simulation),
            },
            session,
        }
    };
    let results = Rc::new(RefCell::new(Vec::new()));
    let outcome = Rc::clone(&results);
    let last_client = RefCell::new(None);
    simulation.run(async {
        let (all, client) = run_scenario(make, &store, &*simulation, scenario).await;
        outcome.borrow_mut().extend(all);
        last_client.replace(Some(client));
    });
    Observed {
        unreceived: simulation.unreceived.take(),
        ..Observed::new(&simulation.service.borrow(), results.take())
    }
}

type Work = Pin<Box<dyn Future<Output = ()>>>;

/// The service, the virtual time, and the work that runs concurrently.
struct Simulation {
    start: Now,
    elapsed: Cell<Duration>,
    /// How far the service's clock is ahead.
    ahead: Cell<Duration>,
    /// By how many seconds the client's wall clock was set.
    wall_clock_offset: Cell<i64>,
    /// The exchanges that are still to break.
    broken: RefCell<Vec<(&'static str, BrokenExchange)>>,
    unreceived: RefCell<BTreeMap<&'static str, usize>>,
    reachable: bool,
    service: RefCell<Service>,
    /// How many steps were taken: a round without one means that everything waits.
    steps: Cell<usize>,
    alarms: RefCell<Vec<Instant>>,
    work: RefCell<Vec<Work>>,
}

/// More rounds than any scenario needs.
const MAX_ROUNDS: usize = 100_000;

impl Simulation {
    fn now(&self) -> Now {
        with_wall_clock(self.true_time(), self.wall_clock_offset.get())
    }

    /// Returns both clocks of a machine whose wall clock was never set.
    fn true_time(&self) -> Now {
        Now {
            mono: self.start.mono + self.elapsed.get(),
            wall: self.start.wall + self.elapsed.get(),
        }
    }

    /// Polls all work in turn, and moves the time on when nothing can go on.
    fn run<'a>(&self, main: impl Future<Output = ()> + 'a) {
        let mut all: Vec<Pin<Box<dyn Future<Output = ()> + 'a>>> = vec![Box::pin(main)];
        let mut context = Context::from_waker(Waker::noop());
        for _ in 0..MAX_ROUNDS {
            let steps = self.steps.get();
            self.alarms.borrow_mut().clear();
            let before = all.len();
            all.retain_mut(|work| work.as_mut().poll(&mut context).is_pending());
            let ended = all.len() < before;
            let begun = self.work.take();
            if all.is_empty() && begun.is_empty() {
                return;
            }
            if self.steps.get() == steps && !ended && begun.is_empty() {
                let next = self.alarms.borrow().iter().min().copied();
                let next = next.expect("somebody waits for a time");
                self.elapsed.set(next - self.start.mono);
            }
            all.extend(begun.into_iter().map(|work| work as Pin<Box<_>>));
        }
        panic!("the scenario does not end");
    }

    async fn exchange(&self, transmit: Transmit) -> Input {
        match self.carry(transmit).await {
            Ok(response) => Input::Response(response),
            Err(error) => Input::Failed(error),
        }
    }

    async fn carry(&self, transmit: Transmit) -> Result<Response<Bytes>, TransportError> {
        if !self.reachable {
            return Err(TransportError::never_left("nobody listens"));
        }
        let broken = self.next_broken(transmit.request.uri().path());
        let reply = broken
            .as_ref()
            .is_none_or(|broken| broken.reaches_service)
            .then(|| self.ask(&transmit.request));
        // Other requests may be sent before this response arrives.
        self.give_way().await;
        let received = broken.map_or(Received::Response, |broken| broken.received);
        let timeout = transmit.timeout;
        let (response, delay) = match (received, reply) {
            (Received::Response, Some(reply)) => response_of(reply)?,
            (Received::TooLarge, _) => return Err(TransportError::body_too_large()),
            (Received::TimedOut, _) => (Response::default(), Duration::MAX),
            (Received::Response | Received::CutOff, _) => {
                return Err(TransportError::interrupted("cut off"));
            }
        };
        self.sleep(self.now().mono + delay.min(timeout)).await;
        if delay > timeout {
            return Err(TransportError::timed_out());
        }
        if response.body().len() > transmit.body_limit {
            return Err(TransportError::body_too_large());
        }
        Ok(response)
    }

    fn ask(&self, request: &Request<Bytes>) -> Reply {
        let now = self.true_time().wall + self.ahead.get();
        self.service.borrow_mut().handle(now, request).reply
    }

    /// Returns how the next exchange with this path breaks, if it does.
    fn next_broken(&self, path: &str) -> Option<BrokenExchange> {
        let mut all = self.broken.borrow_mut();
        let position = all.iter().position(|(of, _)| *of == path)?;
        let (path, broken) = &mut all[position];
        let (path, next) = (*path, broken.clone());
        broken.times -= 1;
        if broken.times == 0 {
            all.remove(position);
        }
        if !next.reaches_service {
            *self.unreceived.borrow_mut().entry(path).or_default() += 1;
        }
        Some(next)
    }

    async fn sleep(&self, until: Instant) {
        poll_fn(|_| {
            if self.now().mono >= until {
                return Poll::Ready(());
            }
            self.alarms.borrow_mut().push(until);
            Poll::Pending
        })
        .await;
    }

    async fn give_way(&self) {
        let mut given = false;
        poll_fn(|_| {
            if std::mem::replace(&mut given, true) {
                return Poll::Ready(());
            }
            self.steps.update(|steps| steps + 1);
            Poll::Pending
        })
        .await;
    }

    async fn wait(&self, wait: Wait) {
        let Wait { until, signal, .. } = wait;
        let mut signal = signal;
        poll_fn(|context| {
            let fired = Pin::new(&mut signal).poll(context).is_ready();
            if fired || self.now().mono >= until {
                return Poll::Ready(());
            }
            self.alarms.borrow_mut().push(until);
            Poll::Pending
        })
        .await;
    }
}

impl Environment for Simulation {
    fn visit_service(&self, act: fn(&mut dyn ServiceAccess, SystemTime)) {
        act(&mut *self.service.borrow_mut(), self.true_time().wall);
    }

    fn advance(&self, by: Duration) {
        self.elapsed.update(|elapsed| elapsed + by);
    }

    fn advance_service(&self, by: Duration) {
        self.ahead.update(|ahead| ahead + by);
    }

    fn set_wall_clock(&self, by: i64) {
        self.wall_clock_offset
            .update(|wall_clock_offset| wall_clock_offset + by);
    }

    fn elapsed(&self) -> Duration {
        self.elapsed.get()
    }

    /// Detached work ends before the next call here.
    fn settle(&self) {}
}

/// A client of the core.
#[derive(Clone)]
struct InMemory {
    session: Session,
    driver: Driver,
}

impl InMemory {
    async fn drive<M: Machine>(&self, machine: M) -> M::Output {
        self.driver.drive(machine).await
    }
}

/// A drive loop, as a user with another HTTP client would write it. It holds no session, so that a token fetch ends with the client.
#[derive(Clone)]
struct Driver {
    account: Option<Account>,
    store: FailingStore,
    simulation: Rc<Simulation>,
}

impl Driver {
    async fn drive<M: Machine>(&self, mut machine: M) -> M::Output {
        let mut input = Input::Wake;
        let mut opened = None;
        loop {
            self.simulation.steps.update(|steps| steps + 1);
            input = match machine.resume(self.simulation.now(), input) {
                Step::Ready(output) => return output,
                Step::Transmit(transmit) => self.simulation.exchange(transmit).await,
                Step::Wait(wait) => {
                    self.simulation.wait(wait).await;
                    Input::Wake
                }
                Step::Detach(refresh) => {
                    let me = self.clone();
                    let work = Box::pin(async move { me.drive(refresh).await });
                    self.simulation.work.borrow_mut().push(work);
                    Input::Wake
                }
                Step::Store(op) => {
                    let account = self.account.as_ref();
                    let opened = opened.get_or_insert_with(|| {
                        self.store.open(account.expect("only credentials are kept"))
                    });
                    Input::Stored(opened.run(op))
                }
                Step::Pace(op) => Input::Paced(op.unsupported()),
            };
        }
    }
}

impl Caller for InMemory {
    async fn create(&self, download: &Download) -> Result<TaskId, Error> {
        let CreatedDownload { task, .. } = self.send(download).await?;
        Ok(task)
    }

    async fn progress(&self, task: TaskId) -> Result<Progress, Error> {
        self.send(&GetDownloadProgress::new(task)).await
    }

    async fn user_info(&self) -> Result<UserInfo, Error> {
        self.send(&GetUserInfo).await
    }

    async fn events(
        &self,
        task: TaskId,
        policy: WatchPolicy,
    ) -> Vec<Result<WatchEvent, WatchError>> {
        let mut watch = self.session.watch(task, policy);
        let mut events = Vec::new();
        while let Some(event) = self.drive(&mut watch).await {
            events.push(event);
        }
        events
    }

    async fn wait(&self, task: TaskId) -> Result<Downloaded, WatchError> {
        let watch = self.session.watch(task, WatchPolicy::default());
        self.drive(watch.to_end()).await
    }

    async fn wait_for_file(
        &self,
        task: TaskId,
        target: ExpectedFile,
    ) -> Result<Downloaded, WatchError> {
        let watch = self.session.watch(task, WatchPolicy::default());
        self.drive(watch.to_file(target)).await
    }

    async fn list(
        &self,
        files: ListFiles,
        with_trashed: bool,
        mut on_entry: impl FnMut(),
    ) -> Vec<Result<Entry, Error>> {
        let mut listing = self.session.list(files).with_trashed(with_trashed);
        let mut entries = Vec::new();
        while let Some(entry) = self.drive(&mut listing).await {
            entries.push(entry);
            on_entry();
        }
        entries
    }

    async fn find(&self, path: &str) -> Result<Option<Entry>, Error> {
        self.drive(self.session.find(path)?).await
    }

    async fn ensure_dir(&self, path: &str) -> Result<DirId, Error> {
        self.drive(self.session.ensure_dir(path)?).await
    }

    async fn batch(
        &self,
        ledger: &MemoryLedger,
        batch: &BatchRun,
        mut on_event: impl FnMut(&BatchEvent, &BatchHandle),
    ) -> Result<BatchReport, LedgerFault> {
        let opened = ledger.open(&self.session.ledger_account())?;
        let mut running = self.session.batch(opened, batch.policy.clone());
        let handle = running.handle();
        let mut items = batch.items.iter().cloned();
        let simulation = &self.driver.simulation;
        loop {
            simulation.steps.update(|steps| steps + 1);
            for item in items.by_ref().take(running.room()) {
                running.add(item);
            }
            if items.len() == 0 {
                running.items_ended();
            }
            match running.next(simulation.now()) {
                BatchStep::Start(job) => {
                    let (driver, job) = (self.driver.clone(), handle.guard(job));
                    let work = Box::pin(async move { driver.drive(job).await });
                    simulation.work.borrow_mut().push(work);
                }
                BatchStep::Ledger(mut job) => {
                    job.run();
                    running.recorded(simulation.now(), job);
                }
                BatchStep::Event(event) => on_event(&event, &handle),
                BatchStep::Wait(wait) => simulation.wait(wait).await,
                BatchStep::Done(report) => return Ok(report),
            }
        }
    }

    fn session(&self) -> &Session {
        &self.session
    }

    async fn authorize(&self, code: &str, redirect_uri: &str) -> Result<(), Error> {
        self.drive(self.session.authorize(code, redirect_uri)?)
            .await
    }

    async fn drive_call(&self, call: &DriveCall) -> Outcome {
        by_endpoint(self, call).await
    }

    async fn send<E: Endpoint>(&self, endpoint: &E) -> Result<E::Response, Error> {
        self.drive(self.session.call(endpoint)?).await
    }

    async fn send_as<T: DeserializeOwned + Send + 'static, E: Endpoint>(
        &self,
        endpoint: &E,
    ) -> Result<T, Error> {
        self.drive(self.session.call_as(endpoint)?).await
    }

    async fn together(&self, callers: usize, call: &Call, last: Option<TaskId>) -> Vec<Outcome> {
        let outcome = Rc::new(RefCell::new(Vec::new()));
        for _ in 0..callers {
            let (me, call, mut last) = (self.clone(), call.clone(), last);
            let outcome = Rc::clone(&outcome);
            self.driver
                .simulation
                .work
                .borrow_mut()
                .push(Box::pin(async move {
                    let all = make_call(&me, &call, &mut last).await;
                    outcome.borrow_mut().push(all);
                }));
        }
        poll_fn(|_| match outcome.borrow().len() {
            done if done == callers => Poll::Ready(()),
            _ => Poll::Pending,
        })
        .await;
        outcome.take().concat()
    }
}
