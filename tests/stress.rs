//! Many threads and tasks use one session at random: every call ends, no call is forgotten, nothing is sent twice.
//!
//! The seed is `PAN123_STRESS_SEED`, or one of a few. Threads run in any order, so that a seed determines what is done, but not
//! when.

mod actor;
mod transport;

use std::env;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use pan123_mock::{CLIENT_ID, CLIENT_SECRET};
use pan123_proto::offline::{Download, GetDownloadProgress};
use pan123_proto::user::GetUserInfo;
use pan123_proto::{Endpoint, Pacing, RateClass};
use pan123_tests::clock::JumpClock;
use pan123_tests::watchdog::Watchdog;

use actor::{Actor, Group};
use transport::FaultyTransport;

/// How many threads, and how many tasks.
const ACTORS: usize = 64;

/// How many actions each of them performs.
const ACTIONS: usize = 12;

/// A call waits for slots, tokens, backoffs and hold-offs. One that is not woken would wait longer, until a lease ends.
const MAX_CALL: Duration = Duration::from_secs(50);

const CLASSES: [RateClass; 3] = [Download::RATE, GetDownloadProgress::RATE, GetUserInfo::RATE];

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

fn seeds() -> Vec<u64> {
    match env::var("PAN123_STRESS_SEED") {
        Ok(seed) => vec![seed.parse().expect("a seed is a number")],
        Err(_) => vec![1, 2, 3],
    }
}

macro_rules! set_up {
    ($builder:expr, $seed:expr, $transport:expr, $clock:expr) => {
        $builder
            .credentials(CLIENT_ID, CLIENT_SECRET)
            .seed($seed)
            .pacing(pacing())
            .transport($transport.clone())
            .clock($clock.clone())
            .spawner($clock.clone())
            .build()
            .expect("good settings")
    };
}

/// Fast enough that most of the queue is served before any deadline.
fn pacing() -> Pacing {
    let every = Duration::from_millis(10);
    let faster = |pacing: Pacing, class| pacing.every(class, every);
    CLASSES.into_iter().fold(Pacing::default(), faster)
}

/// Runs threads and tasks on the session of the blocking client; the async client drives its machines, too.
fn run(seed: u64, threads: usize, tasks: usize) {
    let clock = JumpClock::new();
    let transport = FaultyTransport::new(&clock, seed);
    let blocking = set_up!(pan123_blocking::Client::builder(), seed, transport, clock);
    let client = set_up!(pan123_async::Client::builder(), seed, transport, clock);
    let session = blocking.session().clone();
    let group = Arc::new(Group::new(session.clone(), clock.clone(), threads + tasks));
    let theirs = Arc::clone(&group);
    let watchdog = Watchdog::watch(move || {
        format!(
            "PAN123_STRESS_SEED={seed}, {theirs:?}: {:#?}",
            theirs.status()
        )
    });

    let mut builder = tokio::runtime::Builder::new_multi_thread();
    let runtime = builder.worker_threads(4).build().expect("a runtime");
    let actors = |range: std::ops::Range<usize>| {
        let group = Arc::clone(&group);
        range.map(move |index| Actor::new(Arc::clone(&group), seed, index))
    };
    thread::scope(|scope| {
        let spawn = |actor: Actor| scope.spawn(|| actor.run_blocking(&blocking, ACTIONS));
        let threads: Vec<_> = actors(0..threads).map(spawn).collect();
        let spawn = |actor: Actor| runtime.spawn(actor.run_async(client.clone(), ACTIONS));
        let tasks: Vec<_> = actors(threads.len()..threads.len() + tasks)
            .map(spawn)
            .collect();
        for thread in threads {
            thread.join().expect("no thread panics");
        }
        for task in tasks {
            runtime.block_on(task).expect("no task panics");
        }
    });
    clock.until_idle();
    drop(watchdog);

    let context = format!("seed {seed}: {group:?}, {transport:?}, {clock:?}");
    assert_eq!(transport.violations(), Vec::<String>::new(), "{context}");
    for class in CLASSES {
        let waiting = session.pace(class, clock.now().mono).waiting;
        assert_eq!(waiting, 0, "{} in {context}", class.name());
    }
    assert_eq!(group.unexpected(), Vec::<String>::new(), "{context}");
    assert!(group.max_duration() < MAX_CALL, "{context}");
    assert!(
        transport.faults().iter().all(|times| *times > 0),
        "{context}"
    );
    assert!(transport.issued() > 1, "{context}");
    assert!(group.stopped() > 0 && group.dropped() > 0, "{context}");
}

#[test]
fn threads_share_a_session() {
    for seed in seeds() {
        run(seed, ACTORS, 0);
    }
}

#[test]
fn tasks_share_a_session() {
    for seed in seeds() {
        run(seed, 0, ACTORS);
    }
}

#[test]
fn threads_and_tasks_share_a_session() {
    for seed in seeds() {
        run(seed, ACTORS, ACTORS);
    }
}
