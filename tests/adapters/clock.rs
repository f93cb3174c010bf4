//! The clock of the tests over sockets: it jumps when every running call waits, and only then.

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Wake, Waker};
use std::thread;
use std::time::Duration;

use pan123_mock::http::Response;
use pan123_proto::offline::{Watch, WatchHandle, WatchPolicy};
use pan123_proto::{Input, Machine, Session, Step, TaskId, Wait};
use pan123_tests::block_on::block_on;
use pan123_tests::clock::{JumpClock, Sleep};

const SECOND: Duration = Duration::from_secs(1);

/// A watch of a running task that waits for its next poll.
fn waiting(clock: &JumpClock, interval: Duration) -> (Watch, Wait, WatchHandle) {
    let session = Session::builder()
        .access_token("t")
        .build()
        .expect("a token");
    let policy = WatchPolicy::default().interval(interval);
    let mut watch = session.watch(TaskId::new(7).expect("no zero"), policy);
    let handle = watch.handle();
    let now = clock.now();
    assert!(matches!(watch.resume(now, Input::Wake), Step::Transmit(_)));
    let running = Response::new(r#"{"code":0,"data":{"process":1,"status":0}}"#.into());
    let outcome = watch.resume(now, Input::Response(running));
    assert!(matches!(outcome, Step::Ready(Some(Ok(_)))));
    let Step::Wait(wait) = watch.resume(now, Input::Wake) else {
        panic!("it waits for its next poll");
    };
    assert_eq!(wait.until - now.mono, interval);
    (watch, wait, handle)
}

#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::AcqRel);
    }
}

/// A sleep, and how often its task was woken.
struct Sleeper {
    sleep: Pin<Box<Sleep>>,
    woken: Arc<Count>,
    handle: WatchHandle,
    _watch: Watch,
}

impl Sleeper {
    fn new(clock: &JumpClock, interval: Duration) -> Sleeper {
        let (watch, wait, handle) = waiting(clock, interval);
        Sleeper {
            sleep: Box::pin(clock.sleep(wait)),
            woken: Arc::default(),
            handle,
            _watch: watch,
        }
    }

    fn is_over(&mut self) -> bool {
        let waker = Waker::from(Arc::clone(&self.woken));
        let mut context = Context::from_waker(&waker);
        self.sleep.as_mut().poll(&mut context).is_ready()
    }

    fn woken(&self) -> usize {
        self.woken.0.load(Ordering::Acquire)
    }
}

#[test]
fn clock_jumps_to_the_earliest_wake_up_when_all_wait() {
    let clock = JumpClock::new();
    let (late, early) = (
        Sleeper::new(&clock, 5 * SECOND),
        Sleeper::new(&clock, SECOND),
    );
    let (mut late, mut early) = (late, early);
    let guards = [clock.enter(), clock.enter()];
    assert!(!late.is_over());
    assert_eq!((clock.elapsed(), clock.jumps()), (Duration::ZERO, 0));
    assert!(!early.is_over());
    assert_eq!((clock.elapsed(), clock.jumps()), (SECOND, 1));
    assert_eq!((late.woken(), early.woken()), (0, 1));

    // The sleeper that woke works now, so that the clock stands still for the other one.
    assert!(early.is_over() && !late.is_over());
    assert_eq!(clock.elapsed(), SECOND);
    let [first, second] = guards;
    drop(first);
    assert_eq!((late.woken(), clock.elapsed()), (1, SECOND));
    assert!(!late.is_over());
    assert_eq!(clock.elapsed(), 5 * SECOND);
    assert!(late.is_over());
    drop(second);
}

#[test]
fn clock_stands_still_while_a_call_works_or_none_runs() {
    let clock = JumpClock::new();
    let mut sleeper = Sleeper::new(&clock, SECOND);
    assert!(!sleeper.is_over());
    let (working, guard) = (clock.enter(), clock.enter());
    assert!(!sleeper.is_over());
    assert_eq!(clock.elapsed(), Duration::ZERO);
    drop(working);
    assert!(!sleeper.is_over());
    assert_eq!(clock.elapsed(), SECOND);
    drop(guard);
}

/// A signalled call no longer waits, even before its task runs.
#[test]
fn signal_ends_a_wait_without_a_jump() {
    let clock = JumpClock::new();
    let mut sleeper = Sleeper::new(&clock, SECOND);
    let (signalling, guard) = (clock.enter(), clock.enter());
    assert!(!sleeper.is_over());
    assert_eq!((clock.waiting(), sleeper.woken()), (1, 0));
    sleeper.handle.nudge();
    assert_eq!((clock.waiting(), sleeper.woken()), (0, 1));
    drop(signalling);
    assert_eq!((clock.elapsed(), clock.jumps()), (Duration::ZERO, 0));
    assert!(sleeper.is_over());
    drop(guard);
}

#[test]
fn signal_before_the_first_poll_is_not_lost() {
    let clock = JumpClock::new();
    let mut sleeper = Sleeper::new(&clock, SECOND);
    sleeper.handle.nudge();
    let _guard = clock.enter();
    assert!(sleeper.is_over());
    assert_eq!(clock.jumps(), 0);
}

/// The wait of a cancelled call may still exist, as that of a watch between two calls of `next`.
#[test]
fn wait_of_a_cancelled_call_does_not_count() {
    let clock = JumpClock::new();
    let mut left = Sleeper::new(&clock, SECOND);
    let (cancelled, working) = (clock.enter(), clock.enter());
    assert!(!left.is_over());
    drop(cancelled);
    assert_eq!((clock.elapsed(), clock.waiting()), (Duration::ZERO, 0));

    let mut other = Sleeper::new(&clock, 3 * SECOND);
    assert!(!other.is_over());
    assert_eq!(
        clock.elapsed(),
        3 * SECOND,
        "only the one that is driven counts"
    );
    assert!(other.is_over() && left.is_over());
    drop(working);
}

#[test]
fn threads_sleep_through_a_day_in_no_time() {
    let clock = JumpClock::new();
    // All are counted before the first one waits.
    let hours: Vec<_> = (1..=24).map(|hour| (hour, clock.enter())).collect();
    thread::scope(|scope| {
        for (hour, guard) in hours {
            let clock = clock.clone();
            scope.spawn(move || {
                let (_watch, wait, _handle) = waiting(&clock, hour * 60 * 60 * SECOND);
                let until = wait.until;
                pan123_blocking::context::Clock::wait(&clock, wait);
                assert_eq!(clock.now().mono, until);
                drop(guard);
            });
        }
    });
    assert_eq!(
        (clock.elapsed(), clock.jumps()),
        (24 * 60 * 60 * SECOND, 24)
    );
    clock.until_idle();
}

#[test]
fn advance_wakes_waits_that_are_over() {
    let clock = JumpClock::new();
    let mut sleeper = Sleeper::new(&clock, SECOND);
    assert!(!sleeper.is_over());
    clock.advance(SECOND / 2);
    assert_eq!(sleeper.woken(), 0);
    clock.advance(SECOND / 2);
    assert_eq!(sleeper.woken(), 1);
    assert!(sleeper.is_over());
    assert_eq!(clock.now().wall, JumpClock::new().now().wall + SECOND);
}

#[test]
fn wait_runs_on_a_thread_without_runtime() {
    let clock = JumpClock::new();
    let (_watch, wait, _handle) = waiting(&clock, SECOND);
    let _guard = clock.enter();
    block_on(pin!(clock.sleep(wait)));
    assert_eq!(clock.elapsed(), SECOND);
}
