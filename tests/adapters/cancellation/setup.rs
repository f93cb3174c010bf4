//! The service in memory, with an async client on a clock that jumps, polled by hand.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::Duration;

use futures_util::future::join_all;
use pan123_proto::access_token::IssueToken;
use pan123_proto::offline::{Download, GetDownloadProgress};
use pan123_proto::user::GetUserInfo;
use pan123_proto::{Endpoint, RateClass, Session, StoreOp, StoreResult, TaskId, TokenStore};
use pan123_store::MemoryStore;
use pan123_tests::clock::JumpClock;
use pan123_tests::drivers::ClockedClient;
use pan123_tests::observed::Observed;
use pan123_tests::run::{FileDetail, make_call};
use pan123_tests::scenario::{Act, Identity, Scenario};
use pan123_tests::set_up;
use pan123_tests::transports::ServiceTransport;
use tokio::runtime::{Builder, Runtime};

/// How a client runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Variant {
    /// On a runtime of one thread, which runs detached work; without a runtime, detached work runs in place.
    pub(crate) runtime: bool,
    /// Whether there is a token store.
    pub(crate) store: bool,
}

pub(crate) const VARIANTS: [Variant; 4] = [
    variant(true, false),
    variant(true, true),
    variant(false, false),
    variant(false, true),
];

const fn variant(runtime: bool, store: bool) -> Variant {
    Variant { runtime, store }
}

/// The rate classes of all requests of the scenarios.
const CLASSES: [RateClass; 5] = [
    IssueToken::RATE,
    Download::RATE,
    GetDownloadProgress::RATE,
    GetUserInfo::RATE,
    FileDetail::RATE,
];

/// More polls than any part of a scenario needs.
const MAX_POLLS: usize = 20_000;

/// Longer than anything takes in real time.
const MAX_REAL_TIME: Duration = Duration::from_secs(60);

pub(crate) struct Setup {
    pub(crate) clock: JumpClock,
    pub(crate) transport: ServiceTransport,
    store: Option<MemoryStore>,
    runtime: Option<Runtime>,
}

/// The client of the async adapter.
pub(crate) type Client = ClockedClient<pan123_async::Client>;

/// A client of either adapter.
macro_rules! build {
    ($setup:expr, $builder:expr, $scenario:expr) => {{
        let (setup, scenario): (&Setup, &Scenario) = ($setup, $scenario);
        let url = "http://127.0.0.1:1";
        let builder = set_up!($builder, &scenario.settings, scenario.seed, url);
        let builder = match &setup.store {
            Some(store) => builder.token_store(store.clone()),
            None => builder,
        };
        let client = builder
            .transport(setup.transport.clone())
            .clock(setup.clock.clone())
            .spawner(setup.clock.clone())
            .build();
        ClockedClient {
            client: client.expect("the settings of a scenario are good"),
            clock: setup.clock.clone(),
        }
    }};
}

impl Setup {
    /// The service of a scenario. A response takes one poll more than necessary, so that a request can be dropped in flight.
    pub(crate) fn new(scenario: &Scenario, variant: Variant) -> Setup {
        let clock = JumpClock::new();
        let mut service = scenario.builder().service();
        scenario.prepare(&mut service, clock.now().wall);
        let transport = ServiceTransport::new(service, &clock);
        transport.delay_polls(1);
        if !scenario.reachable {
            transport.disconnect();
        }
        let identity = &scenario.settings.identity;
        let can_keep = matches!(identity, Identity::Credentials(..));
        let keeps = identity.is_app() || (variant.store && can_keep);
        Setup {
            clock,
            transport,
            store: keeps.then(MemoryStore::new),
            runtime: variant.runtime.then(runtime),
        }
    }

    /// Creates a client as the scenario sets it up, with a new session.
    pub(crate) fn client(&self, scenario: &Scenario) -> Client {
        build!(self, pan123_async::Client::builder(), scenario)
    }

    /// Creates a blocking client, with a new session.
    pub(crate) fn blocking(&self, scenario: &Scenario) -> ClockedClient<pan123_blocking::Client> {
        build!(self, pan123_blocking::Client::builder(), scenario)
    }

    /// Runs an act, and returns the newest task.
    pub(crate) fn act(&self, client: &Client, act: &Act, last: Option<TaskId>) -> Option<TaskId> {
        if !matches!(act, Act::Call(_) | Act::Together(..)) {
            self.apply(act);
            return last;
        }
        let last = self.run(make_calls(client.clone(), act.clone(), last));
        self.settle();
        last
    }

    /// Runs an act that is not a call.
    pub(crate) fn apply(&self, act: &Act) {
        match act {
            Act::Others(act) => {
                let now = self.clock.now().wall;
                self.transport.service(|service| act(service, now));
            }
            Act::Advance(by) => self.clock.advance(*by),
            Act::AdvanceService(by) => self.transport.advance_service(*by),
            Act::SetWallClock(by) => self.clock.set_wall_clock(*by),
            _ => {}
        }
    }

    /// Runs a future to its end.
    pub(crate) fn run<F: Future>(&self, future: F) -> F::Output {
        let mut future = pin!(future);
        let mut polls = 0;
        let counted = poll_fn(|context| {
            polls += 1;
            assert!(polls < MAX_POLLS, "the future does not end");
            future.as_mut().poll(context)
        });
        match &self.runtime {
            Some(runtime) => {
                let bounded = async { tokio::time::timeout(MAX_REAL_TIME, counted).await };
                runtime.block_on(bounded).expect("it ends in time")
            }
            None => run_alone(counted),
        }
    }

    /// Drops the runtime with all its tasks, and starts another one.
    pub(crate) fn restart(&mut self) {
        drop(self.runtime.take());
        self.runtime = Some(runtime());
    }

    /// Waits until no call runs, detached work included.
    pub(crate) fn settle(&self) {
        if let Some(runtime) = &self.runtime {
            let idle = async {
                while self.clock.running() > 0 {
                    tokio::task::yield_now().await;
                }
            };
            let bounded = async { tokio::time::timeout(MAX_REAL_TIME, idle).await };
            runtime.block_on(bounded).expect("it ends in time");
        }
        assert_eq!(self.clock.running(), 0, "a call still runs");
    }

    /// Checks that no slot is booked and that the lock of the store is free.
    pub(crate) fn assert_nothing_is_held(&self, session: &Session) {
        let now = self.clock.now().mono;
        for class in CLASSES {
            let waiting = session.pace(class, now).waiting;
            assert_eq!(waiting, 0, "a place in the queue of {}", class.name());
        }
        if let (Some(store), Some(account)) = (&self.store, session.account()) {
            let locked = store.open(&account).run(StoreOp::Lock);
            assert!(matches!(locked, StoreResult::Locked), "{locked:?}");
        }
    }

    pub(crate) fn observed(&self) -> Observed {
        self.transport
            .service(|service| Observed::new(service, Vec::new()))
    }
}

/// Makes the calls of an act, in one future.
pub(crate) async fn make_calls(client: Client, act: Act, last: Option<TaskId>) -> Option<TaskId> {
    let (callers, call) = match act {
        Act::Call(call) => (1, call),
        Act::Together(callers, call) => (callers, call),
        _ => return last,
    };
    let all = (0..callers).map(|_| async {
        let mut last = last;
        make_call(&client, &call, &mut last).await;
        last
    });
    join_all(all).await.pop().flatten()
}

/// Prints the case that a test was in if it fails.
pub(crate) struct OnFailure(pub(crate) String);

impl Drop for OnFailure {
    #[allow(clippy::print_stderr, reason = "a test that fails says where")]
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("{}", self.0);
        }
    }
}

fn runtime() -> Runtime {
    let mut builder = Builder::new_current_thread();
    let builder = builder.enable_time().max_blocking_threads(1);
    builder.build().expect("a runtime")
}

/// Runs a future on this thread only: a pending future that was not woken will never be.
fn run_alone<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let woken = Arc::new(Woken(AtomicBool::new(true)));
    let waker = Waker::from(Arc::clone(&woken));
    while woken.0.swap(false, Ordering::SeqCst) {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return output;
        }
    }
    panic!("the future was not woken");
}

struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}
