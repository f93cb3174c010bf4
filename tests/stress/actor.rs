//! One of many concurrent users of a session, and what they share.

use std::fmt;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fastrand::Rng;
use pan123_proto::offline::{
    CreatedDownload, Download, GetDownloadProgress, Watch, WatchError, WatchHandle, WatchPolicy,
};
use pan123_proto::user::GetUserInfo;
use pan123_proto::{Call, CallHandle, Endpoint, Error, ErrorKind, Machine, Session, TaskId};
use pan123_tests::clock::JumpClock;
use pan123_tests::transports::poll_once;

use crate::stress::lock;

/// What they share.
pub(crate) struct Group {
    session: Session,
    clock: JumpClock,
    /// What each of them does.
    status: Vec<Mutex<String>>,
    /// The tasks that were created.
    tasks: Mutex<Vec<TaskId>>,
    watches: Mutex<Vec<WatchHandle>>,
    calls: Mutex<Vec<CallHandle>>,
    unexpected: Mutex<Vec<String>>,
    max_duration: Mutex<Duration>,
    ended: AtomicUsize,
    stopped: AtomicUsize,
    dropped: AtomicUsize,
}

impl Group {
    pub(crate) fn new(session: Session, clock: JumpClock, actors: usize) -> Group {
        Group {
            session,
            clock,
            status: (0..actors).map(|_| Mutex::default()).collect(),
            tasks: Mutex::default(),
            watches: Mutex::default(),
            calls: Mutex::default(),
            unexpected: Mutex::default(),
            max_duration: Mutex::default(),
            ended: AtomicUsize::new(0),
            stopped: AtomicUsize::new(0),
            dropped: AtomicUsize::new(0),
        }
    }

    pub(crate) fn status(&self) -> Vec<String> {
        let status = self.status.iter().zip(0..);
        let text = |(status, index): (&Mutex<String>, usize)| format!("{index} {}", lock(status));
        status.map(text).collect()
    }

    /// Errors that no call should end with.
    pub(crate) fn unexpected(&self) -> Vec<String> {
        lock(&self.unexpected).clone()
    }

    /// How long a call took at most.
    pub(crate) fn max_duration(&self) -> Duration {
        *lock(&self.max_duration)
    }

    pub(crate) fn stopped(&self) -> usize {
        self.stopped.load(Ordering::SeqCst)
    }

    pub(crate) fn dropped(&self) -> usize {
        self.dropped.load(Ordering::SeqCst)
    }

    fn record<T>(&self, result: &Result<T, Error>, begun: Duration) {
        let took = self.clock.elapsed().saturating_sub(begun);
        let mut max_duration = lock(&self.max_duration);
        *max_duration = took.max(*max_duration);
        drop(max_duration);
        self.ended.fetch_add(1, Ordering::SeqCst);
        match result.as_ref().map_err(Error::kind) {
            Err(ErrorKind::Stopped) => {
                self.stopped.fetch_add(1, Ordering::SeqCst);
            }
            Ok(_)
            | Err(
                ErrorKind::Ambiguous
                | ErrorKind::Api
                | ErrorKind::RetriesExhausted
                | ErrorKind::QueueTooLong
                | ErrorKind::RateLimited
                | ErrorKind::Token
                | ErrorKind::TokenBackoff
                | ErrorKind::Unauthorized,
            ) => {}
            Err(other) => lock(&self.unexpected).push(format!("{other:?}")),
        }
    }
}

impl fmt::Debug for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Group")
            .field("ended", &self.ended)
            .field("stopped", &self.stopped)
            .field("dropped", &self.dropped)
            .field("max_duration", &self.max_duration())
            .field("clock", &self.clock)
            .finish_non_exhaustive()
    }
}

pub(crate) struct Actor {
    group: Arc<Group>,
    rng: Rng,
    index: usize,
    actions: usize,
}

/// What an actor does next.
enum Action {
    Ask(Call<pan123_proto::user::UserInfo>),
    Progress(Call<pan123_proto::offline::Progress>),
    Create(Call<CreatedDownload>),
    /// Follows a task, and drops the watch after this many items.
    Follow(Box<Watch>, usize),
    /// Stops or nudges another actor.
    Interfere,
}

impl Actor {
    pub(crate) fn new(group: Arc<Group>, seed: u64, index: usize) -> Actor {
        let rng = Rng::with_seed(seed.wrapping_mul(1_000_003).wrapping_add(index as u64));
        Actor {
            group,
            rng,
            index,
            actions: 0,
        }
    }

    fn next(&mut self) -> Action {
        self.actions += 1;
        let action = match self.rng.u8(..10) {
            0..4 => Action::Ask(self.call(&GetUserInfo)),
            4 => {
                let progress = GetDownloadProgress::new(self.task());
                Action::Progress(self.call(&progress))
            }
            5 | 6 => {
                let url = format!("https://example.com/{}/{}", self.index, self.actions);
                Action::Create(self.call(&Download::new(url).expect("a URL")))
            }
            7 | 8 => {
                let (task, policy) = (self.task(), WatchPolicy::default().max_failed_polls(3));
                let watch = self.group.session.watch(task, policy);
                lock(&self.group.watches).push(watch.handle());
                Action::Follow(Box::new(watch), self.rng.usize(..5))
            }
            _ => Action::Interfere,
        };
        let name = match &action {
            Action::Ask(_) => "asks",
            Action::Progress(_) => "asks for progress",
            Action::Create(_) => "creates",
            Action::Follow(..) => "follows",
            Action::Interfere => "interferes",
        };
        self.set_status(name);
        action
    }

    fn set_status(&self, what: &str) {
        *lock(&self.group.status[self.index]) = format!("{what} ({})", self.actions);
    }

    /// Creates a call, and shares its handle.
    fn call<E: Endpoint>(&self, endpoint: &E) -> Call<E::Response> {
        let call = self.group.session.call(endpoint).expect("it can be built");
        lock(&self.group.calls).push(call.handle());
        call
    }

    /// Returns a task of any actor, or one that does not exist.
    fn task(&mut self) -> TaskId {
        let tasks = lock(&self.group.tasks);
        let task = self.rng.choice(tasks.iter()).copied();
        task.unwrap_or_else(|| TaskId::new(7).expect("no zero"))
    }

    fn interfere(&mut self) {
        let call = take_random(&self.group.calls, &mut self.rng);
        let watch = take_random(&self.group.watches, &mut self.rng);
        if let Some(call) = call {
            call.stop();
        }
        match watch {
            Some(watch) if self.rng.bool() => watch.stop(),
            Some(watch) => watch.nudge(),
            None => {}
        }
    }

    fn record_watch(&self, item: Option<&WatchError>) {
        if let Some(WatchError::Stopped { .. }) = item {
            self.group.stopped.fetch_add(1, Ordering::SeqCst);
        }
    }

    fn record_created(&self, created: &Result<CreatedDownload, Error>) {
        if let Ok(CreatedDownload { task, .. }) = created {
            lock(&self.group.tasks).push(*task);
        }
    }

    pub(crate) fn run_blocking(mut self, client: &pan123_blocking::Client, actions: usize) {
        for _ in 0..actions {
            let begun = self.group.clock.elapsed();
            match self.next() {
                Action::Ask(call) => self.group.record(&self.block_on(client, call), begun),
                Action::Progress(call) => self.group.record(&self.block_on(client, call), begun),
                Action::Create(call) => {
                    let created = self.block_on(client, call);
                    self.group.record(&created, begun);
                    self.record_created(&created);
                }
                Action::Follow(mut watch, items) => {
                    for _ in 0..items {
                        let item = self.block_on(client, &mut *watch);
                        self.record_watch(item.and_then(Result::err).as_ref());
                    }
                    self.group.dropped.fetch_add(1, Ordering::SeqCst);
                }
                Action::Interfere => self.interfere(),
            }
        }
        self.set_status("is done");
    }

    pub(crate) async fn run_async(mut self, client: pan123_async::Client, actions: usize) {
        for _ in 0..actions {
            let begun = self.group.clock.elapsed();
            match self.next() {
                Action::Ask(call) => {
                    if let Some(result) = self.drive(&client, call).await {
                        self.group.record(&result, begun);
                    }
                }
                Action::Progress(call) => {
                    if let Some(result) = self.drive(&client, call).await {
                        self.group.record(&result, begun);
                    }
                }
                Action::Create(call) => {
                    if let Some(created) = self.drive(&client, call).await {
                        self.group.record(&created, begun);
                        self.record_created(&created);
                    }
                }
                Action::Follow(mut watch, items) => {
                    for _ in 0..items {
                        let item = self.drive(&client, &mut *watch).await.flatten();
                        self.record_watch(item.and_then(Result::err).as_ref());
                    }
                }
                Action::Interfere => self.interfere(),
            }
        }
        self.set_status("is done");
    }

    fn block_on<M: Machine>(&self, client: &pan123_blocking::Client, machine: M) -> M::Output {
        let clock = &self.group.clock;
        clock.drive_blocking(|| client.drive(machine))
    }

    /// Runs a machine; one in three is dropped after a few polls.
    async fn drive<M: Machine + Send>(
        &mut self,
        client: &pan123_async::Client,
        machine: M,
    ) -> Option<M::Output> {
        let driven = self.group.clock.drive(client.drive(machine));
        if self.rng.u8(..3) > 0 {
            return Some(driven.await);
        }
        let mut driven = pin!(driven);
        for _ in 0..self.rng.usize(..8) {
            if let Some(output) = poll_once(driven.as_mut()).await {
                return Some(output);
            }
            tokio::task::yield_now().await;
        }
        self.group.dropped.fetch_add(1, Ordering::SeqCst);
        None
    }
}

fn take_random<T>(all: &Mutex<Vec<T>>, rng: &mut Rng) -> Option<T> {
    let mut all = lock(all);
    // One of the newest, some of which have not ended.
    let newest = all.len().saturating_sub(32)..all.len();
    (!all.is_empty()).then(|| all.swap_remove(rng.usize(newest)))
}
