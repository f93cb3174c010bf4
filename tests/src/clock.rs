//! A clock that stands still while any call runs, and jumps to the next wake-up when every running call waits.
//!
//! A call counts as running while it holds a guard: [`JumpClock::drive`] and [`JumpClock::drive_blocking`] hold one around a call,
//! and the clock is a `Spawner` of both adapters that holds one around detached work. A call waits while one of its waits is
//! polled. A request in flight is not a wait, so that real IO takes no time on this clock and no wait ends during it.

use std::collections::BTreeMap;
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use pan123_proto::{Now, Signal, Wait};

use crate::block_on::block_on;

/// The clock. Clones are the same clock, and serve both adapters.
#[derive(Clone)]
pub struct JumpClock {
    core: Arc<Core>,
}

struct Core {
    start: Now,
    state: Mutex<State>,
    changed: Condvar,
    /// Called after each move, before any sleeper is woken.
    observer: OnceLock<Observer>,
}

type Observer = Box<dyn Fn(SystemTime) + Send + Sync>;

#[derive(Default)]
struct State {
    elapsed: Duration,
    /// By how many seconds the wall clock was set.
    wall_clock_offset: i64,
    running: usize,
    jumps: usize,
    last_id: u64,
    sleepers: BTreeMap<u64, Sleeper>,
}

struct Sleeper {
    until: Instant,
    /// Polled since the last change, and found nothing to do. The wait of a cancelled call is not polled any more, so that it does not
    /// count as a waiting call.
    waiting: bool,
    /// The signal has fired since the last poll.
    signalled: bool,
    waker: Option<Waker>,
}

/// Longer than anything takes in real time.
const MAX_REAL_TIME: Duration = Duration::from_secs(20);

impl JumpClock {
    /// Creates a clock at a fixed date.
    #[allow(clippy::new_without_default, reason = "each clock has its own time")]
    #[must_use]
    pub fn new() -> JumpClock {
        JumpClock {
            core: Arc::new(Core {
                start: Now {
                    mono: Instant::now(),
                    wall: SystemTime::UNIX_EPOCH + Duration::from_secs(1_742_715_517),
                },
                state: Mutex::default(),
                changed: Condvar::new(),
                observer: OnceLock::new(),
            }),
        }
    }

    /// Sets an observer of the true time. It is called after each move of the clock, before any sleeper is woken. Only the first one
    /// counts.
    pub fn on_move(&self, observer: impl Fn(SystemTime) + Send + Sync + 'static) {
        drop(self.core.observer.set(Box::new(observer)));
    }

    /// Returns the monotonic and the wall clock.
    #[must_use]
    pub fn now(&self) -> Now {
        let wall_clock_offset = self.core.lock().wall_clock_offset;
        with_wall_clock(self.true_time(), wall_clock_offset)
    }

    /// Returns both clocks of a machine whose wall clock was never set.
    #[must_use]
    pub fn true_time(&self) -> Now {
        self.core.now_at(self.elapsed())
    }

    /// Sets the wall clock forward by this many seconds.
    pub fn set_wall_clock(&self, by: i64) {
        self.core.lock().wall_clock_offset += by;
    }

    /// Returns how much time has passed.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.core.lock().elapsed
    }

    /// Returns how often the clock has jumped.
    #[must_use]
    pub fn jumps(&self) -> usize {
        self.core.lock().jumps
    }

    /// Returns how many calls run, waiting or not.
    #[must_use]
    pub fn running(&self) -> usize {
        self.core.lock().running
    }

    /// Returns how many calls wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.core.lock().waiting()
    }

    /// Moves the clock forward and wakes the waits that are over.
    pub fn advance(&self, by: Duration) {
        let mut state = self.core.lock();
        state.elapsed += by;
        let now = self.core.now_at(state.elapsed).mono;
        let woken = state.wake_if(|sleeper| sleeper.until <= now);
        let elapsed = state.elapsed;
        drop(state);
        self.core.notify(elapsed);
        woken.into_iter().for_each(Waker::wake);
    }

    /// Counts a call as running until the guard is dropped.
    pub fn enter(&self) -> Running {
        self.core.lock().running += 1;
        Running(Arc::clone(&self.core))
    }

    /// Counts a call as running from its first poll until it ends or is dropped.
    pub fn drive<F: Future>(&self, call: F) -> impl Future<Output = F::Output> + use<F> {
        let clock = self.clone();
        async move {
            let _running = clock.enter();
            call.await
        }
    }

    /// Counts a call as running until it returns.
    pub fn drive_blocking<T>(&self, call: impl FnOnce() -> T) -> T {
        let _running = self.enter();
        call()
    }

    /// Returns a wait on this clock.
    pub fn sleep(&self, wait: Wait) -> Sleep {
        let mut state = self.core.lock();
        state.last_id += 1;
        let id = state.last_id;
        let sleeper = Sleeper {
            until: wait.until,
            waiting: false,
            signalled: false,
            waker: None,
        };
        state.sleepers.insert(id, sleeper);
        drop(state);
        let core = Arc::clone(&self.core);
        Sleep {
            waker: Waker::from(Arc::new(SignalWaker(Arc::clone(&core), id))),
            signal: Some(wait.signal),
            core,
            id,
        }
    }

    /// Blocks this thread until at least this many calls wait.
    pub fn until_waiting(&self, drives: usize) {
        self.core.block_until(|state| state.waiting() >= drives);
    }

    /// Blocks this thread until no call runs, detached work included.
    pub fn until_idle(&self) {
        self.core.block_until(|state| state.running == 0);
    }
}

impl pan123_async::context::Clock for JumpClock {
    fn now(&self) -> Now {
        JumpClock::now(self)
    }

    fn wait(&self, wait: Wait) -> pan123_async::context::BoxFuture<'static, ()> {
        Box::pin(self.sleep(wait))
    }
}

/// Spawns on tokio's current runtime. The work counts as running from now on, and not only when it is first polled.
impl pan123_async::context::Spawner for JumpClock {
    fn spawn(
        &self,
        work: pan123_async::context::BoxFuture<'static, ()>,
    ) -> Result<(), pan123_async::context::BoxFuture<'static, ()>> {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            // In place, the guard of its caller counts for both.
            return Err(work);
        };
        let running = self.enter();
        runtime.spawn(async move {
            let _running = running;
            work.await;
        });
        Ok(())
    }
}

impl pan123_blocking::context::Clock for JumpClock {
    fn now(&self) -> Now {
        JumpClock::now(self)
    }

    fn wait(&self, wait: Wait) {
        block_on(self.sleep(wait));
    }
}

/// Starts a thread. The work counts as running from now on, and not only when the thread has begun.
impl pan123_blocking::context::Spawner for JumpClock {
    fn spawn(
        &self,
        work: pan123_blocking::context::Work,
    ) -> Result<(), pan123_blocking::context::Work> {
        let running = self.enter();
        thread::spawn(move || {
            let _running = running;
            work.run();
        });
        Ok(())
    }
}

impl fmt::Debug for JumpClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.core.lock();
        f.debug_struct("JumpClock")
            .field("elapsed", &state.elapsed)
            .field("running", &state.running)
            .field("waiting", &state.waiting())
            .finish_non_exhaustive()
    }
}

impl Core {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now_at(&self, elapsed: Duration) -> Now {
        Now {
            mono: self.start.mono + elapsed,
            wall: self.start.wall + elapsed,
        }
    }

    fn notify(&self, elapsed: Duration) {
        if let Some(observer) = self.observer.get() {
            observer(self.now_at(elapsed).wall);
        }
    }

    fn block_until(&self, ready: impl Fn(&State) -> bool) {
        let state = self.lock();
        let waited = self
            .changed
            .wait_timeout_while(state, MAX_REAL_TIME, |state| !ready(state));
        let (state, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
        assert!(
            !timeout.timed_out(),
            "timed out: {} calls run, {} wait",
            state.running,
            state.waiting()
        );
    }

    /// Marks a sleeper as waiting, and jumps if every running call waits now.
    fn wait(&self, id: u64, waker: &Waker) -> SleepState {
        let mut state = self.lock();
        let now = self.now_at(state.elapsed).mono;
        let Some(sleeper) = state.sleepers.get_mut(&id) else {
            return SleepState::Over;
        };
        if sleeper.until <= now {
            return SleepState::Over;
        }
        if sleeper.signalled {
            return SleepState::Signalled;
        }
        sleeper.waiting = true;
        let old = sleeper.waker.replace(waker.clone());
        let before = state.elapsed;
        let woken = self.jump(&mut state);
        let elapsed = state.elapsed;
        drop(state);
        if elapsed > before {
            self.notify(elapsed);
        }
        self.changed.notify_all();
        // Not under the lock: waking or dropping a waker may call this clock.
        drop(old);
        woken.into_iter().for_each(Waker::wake);
        SleepState::Waiting
    }

    fn jump(&self, state: &mut State) -> Vec<Waker> {
        if state.waiting() != state.running {
            return Vec::new();
        }
        let waiting = state.sleepers.values().filter(|sleeper| sleeper.waiting);
        let Some(earliest) = waiting.map(|sleeper| sleeper.until).min() else {
            return Vec::new();
        };
        state.jumps += 1;
        state.elapsed = earliest - self.start.mono;
        state.wake_if(|sleeper| sleeper.until <= earliest)
    }
}

impl State {
    fn waiting(&self) -> usize {
        self.sleepers.values().filter(|it| it.waiting).count()
    }

    /// Takes the wakers of these sleepers. They do not count as waiting until they are polled again.
    fn wake_if(&mut self, to_wake: impl Fn(&Sleeper) -> bool) -> Vec<Waker> {
        let sleepers = self.sleepers.values_mut();
        sleepers
            .filter(|sleeper| to_wake(sleeper))
            .filter_map(|sleeper| {
                sleeper.waiting = false;
                sleeper.waker.take()
            })
            .collect()
    }
}

/// Returns the same moment on a machine whose wall clock was set by this many seconds.
pub(crate) fn with_wall_clock(now: Now, by: i64) -> Now {
    let seconds = Duration::from_secs(by.unsigned_abs());
    let wall = if by < 0 {
        now.wall.checked_sub(seconds)
    } else {
        now.wall.checked_add(seconds)
    };
    Now {
        wall: wall.unwrap_or(now.wall),
        ..now
    }
}

/// Counts one call as running until it is dropped.
#[must_use = "the call counts only until this is dropped"]
pub struct Running(Arc<Core>);

impl fmt::Debug for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Running")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.running -= 1;
        // The wait of a cancelled call may still exist, so every waiting call has to be polled again.
        let woken = state.wake_if(|sleeper| sleeper.waiting);
        drop(state);
        self.0.changed.notify_all();
        woken.into_iter().for_each(Waker::wake);
    }
}

enum SleepState {
    Over,
    Signalled,
    Waiting,
}

/// Woken by the signal of a wait, on the thread that fires it: no jump can come between the signal and the wake-up.
struct SignalWaker(Arc<Core>, u64);

impl Wake for SignalWaker {
    fn wake(self: Arc<Self>) {
        let mut state = self.0.lock();
        let waker = state.sleepers.get_mut(&self.1).and_then(|sleeper| {
            sleeper.signalled = true;
            sleeper.waiting = false;
            sleeper.waker.take()
        });
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

/// A wait on a [`JumpClock`].
#[must_use = "a sleep does nothing unless it is awaited"]
pub struct Sleep {
    core: Arc<Core>,
    id: u64,
    signal: Option<Signal>,
    waker: Waker,
}

impl Sleep {
    fn signal_has_fired(&mut self) -> bool {
        if let Some(sleeper) = self.core.lock().sleepers.get_mut(&self.id) {
            sleeper.signalled = false;
            sleeper.waiting = false;
        }
        let mut context = Context::from_waker(&self.waker);
        let signal = self.signal.as_mut();
        signal.is_some_and(|signal| Pin::new(signal).poll(&mut context).is_ready())
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        loop {
            if self.signal_has_fired() {
                self.signal = None;
                return Poll::Ready(());
            }
            match self.core.wait(self.id, context.waker()) {
                SleepState::Over => return Poll::Ready(()),
                SleepState::Signalled => {}
                SleepState::Waiting => return Poll::Pending,
            }
        }
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        let sleeper = self.core.lock().sleepers.remove(&self.id);
        drop(sleeper);
    }
}

impl fmt::Debug for Sleep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sleep({})", self.id)
    }
}
