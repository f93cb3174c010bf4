//! The addresses of names: looked up by a few threads and remembered for a while.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// How many names are looked up at once. A lookup that takes longer than its timeout does not count: it may be stuck for ever.
const MAX_LOOKUPS: usize = 4;

/// How long a thread waits for the next lookup.
const MAX_IDLE: Duration = Duration::from_secs(10);

/// A name and a port.
type Endpoint<'a> = (&'a str, u16);

/// The addresses of an endpoint.
pub(super) type Found = Arc<[SocketAddr]>;

type Resolve = dyn Fn(&str, u16) -> io::Result<Vec<SocketAddr>> + Send + Sync;

/// Why there are no addresses.
#[derive(Debug)]
pub(super) enum NotFound {
    TimedOut,
    Stopped,
    Failed(io::Error),
}

/// Looks names up, each one once for all who wait for it, and remembers what it found.
pub(super) struct Addresses {
    shared: Arc<Shared>,
}

struct Shared {
    /// How long addresses are remembered.
    lifetime: Duration,
    look_up: Box<Resolve>,
    state: Mutex<State>,
    /// Wakes those who wait for a lookup.
    ended: Condvar,
    /// Wakes the threads that wait for work.
    queued: Condvar,
}

#[derive(Default)]
struct State {
    known: Vec<Known>,
    /// Those in the queue, too.
    running: Vec<Arc<Running>>,
    queue: VecDeque<Arc<Running>>,
    /// How many threads wait for work.
    idle: usize,
    closed: bool,
}

struct Known {
    name: String,
    port: u16,
    found: Found,
    until: Instant,
}

struct Running {
    name: String,
    port: u16,
    /// From then on it counts as stuck; `None` is never.
    until: Option<Instant>,
    /// An error is kept as its kind and text, since several callers get it.
    outcome: OnceLock<Result<Found, (io::ErrorKind, String)>>,
}

impl Addresses {
    /// Looks names up with this function, which may block for as long as it likes.
    pub(super) fn new(
        lifetime: Duration,
        look_up: impl Fn(&str, u16) -> io::Result<Vec<SocketAddr>> + Send + Sync + 'static,
    ) -> Addresses {
        Addresses {
            shared: Arc::new(Shared {
                lifetime,
                look_up: Box::new(look_up),
                state: Mutex::default(),
                ended: Condvar::new(),
                queued: Condvar::new(),
            }),
        }
    }

    /// Returns the addresses of a name and a port if they are remembered.
    pub(super) fn known(&self, name: &str, port: u16) -> Option<Found> {
        let endpoint = (name, port);
        self.shared.lock().known(endpoint, Instant::now())
    }

    /// Waits for the addresses of a name and a port, for no longer than the timeout; `None` is for ever.
    pub(super) fn look_up(
        &self,
        name: &str,
        port: u16,
        timeout: Option<Duration>,
        stopped: &AtomicBool,
    ) -> Result<Found, NotFound> {
        let endpoint = (name, port);
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let mut joined: Option<Arc<Running>> = None;
        let mut state = self.shared.lock();
        loop {
            let now = Instant::now();
            if let Some(outcome) = joined.take().and_then(|joined| joined.outcome()) {
                return outcome;
            }
            if let Some(found) = state.known(endpoint, now) {
                return Ok(found);
            }
            if stopped.load(Ordering::Acquire) {
                return Err(NotFound::Stopped);
            }
            if has_passed(deadline, now) {
                return Err(NotFound::TimedOut);
            }
            joined = state.running(endpoint, now);
            if joined.is_none() && state.has_free_slot(now) {
                joined = Some(self.start(&mut state, endpoint, deadline)?);
            }
            let next = state.next_stuck(now).into_iter().chain(deadline).min();
            state = self.shared.wait(state, next, now);
        }
    }

    /// Wakes those who wait for a lookup, so that they see that they were stopped.
    pub(super) fn wake(&self) {
        let state = self.shared.lock();
        self.shared.ended.notify_all();
        drop(state);
    }

    /// Forgets all addresses: the network may be another one.
    pub(super) fn forget(&self) {
        self.shared.lock().known.clear();
    }

    fn start(
        &self,
        state: &mut State,
        (name, port): Endpoint<'_>,
        until: Option<Instant>,
    ) -> Result<Arc<Running>, NotFound> {
        if state.queue.len() >= state.idle {
            let shared = Arc::clone(&self.shared);
            let thread = thread::Builder::new().name("pan123-resolver".to_owned());
            let started = thread.spawn(move || shared.work());
            started.map_err(NotFound::Failed)?;
        }
        let running = Arc::new(Running {
            name: name.to_owned(),
            port,
            until,
            outcome: OnceLock::new(),
        });
        state.running.push(Arc::clone(&running));
        state.queue.push_back(Arc::clone(&running));
        self.shared.queued.notify_one();
        Ok(running)
    }
}

/// Ends the threads that wait for work.
impl Drop for Addresses {
    fn drop(&mut self) {
        self.shared.lock().closed = true;
        self.shared.queued.notify_all();
    }
}

impl fmt::Debug for Addresses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Addresses")
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(
        &self,
        state: MutexGuard<'a, State>,
        until: Option<Instant>,
        now: Instant,
    ) -> MutexGuard<'a, State> {
        let Some(until) = until else {
            let waited = self.ended.wait(state);
            return waited.unwrap_or_else(PoisonError::into_inner);
        };
        let left = until.saturating_duration_since(now);
        let waited = self.ended.wait_timeout(state, left);
        waited.unwrap_or_else(PoisonError::into_inner).0
    }

    /// What a thread does until it has been idle for too long.
    fn work(&self) {
        let mut state = self.lock();
        loop {
            state.idle += 1;
            let waits = |state: &mut State| state.queue.is_empty() && !state.closed;
            let waited = self.queued.wait_timeout_while(state, MAX_IDLE, waits);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
            state.idle -= 1;
            let Some(running) = state.queue.pop_front() else {
                return;
            };
            drop(state);
            let outcome = (self.look_up)(&running.name, running.port).map(Found::from);
            state = self.lock();
            state.end(&running, outcome, self.lifetime);
            self.ended.notify_all();
        }
    }
}

impl State {
    fn known(&self, endpoint: Endpoint<'_>, now: Instant) -> Option<Found> {
        let mut known = self.known.iter();
        let known = known.find(|known| known.endpoint() == endpoint)?;
        (now < known.until).then(|| Arc::clone(&known.found))
    }

    /// The lookups that are not stuck.
    fn live(&self, now: Instant) -> impl Iterator<Item = &Arc<Running>> {
        let live = move |running: &&Arc<Running>| !has_passed(running.until, now);
        self.running.iter().filter(live)
    }

    fn running(&self, endpoint: Endpoint<'_>, now: Instant) -> Option<Arc<Running>> {
        let mut live = self.live(now);
        let found = live.find(|running| running.endpoint() == endpoint);
        found.map(Arc::clone)
    }

    fn has_free_slot(&self, now: Instant) -> bool {
        self.live(now).count() < MAX_LOOKUPS
    }

    /// When the next lookup counts as stuck.
    fn next_stuck(&self, now: Instant) -> Option<Instant> {
        self.live(now).filter_map(|running| running.until).min()
    }

    fn end(&mut self, running: &Arc<Running>, outcome: io::Result<Found>, lifetime: Duration) {
        self.running.retain(|other| !Arc::ptr_eq(other, running));
        let now = Instant::now();
        if let Ok(found) = &outcome
            && !found.is_empty()
        {
            let endpoint = running.endpoint();
            self.known
                .retain(|known| known.endpoint() != endpoint && now < known.until);
            self.known.push(Known {
                name: running.name.clone(),
                port: running.port,
                found: Arc::clone(found),
                until: now + lifetime,
            });
        }
        let outcome = outcome.map_err(|error| (error.kind(), error.to_string()));
        // Only the thread that looks it up sets it.
        let _ = running.outcome.set(outcome);
    }
}

impl Known {
    fn endpoint(&self) -> Endpoint<'_> {
        (&self.name, self.port)
    }
}

impl Running {
    fn endpoint(&self) -> Endpoint<'_> {
        (&self.name, self.port)
    }

    fn outcome(&self) -> Option<Result<Found, NotFound>> {
        let outcome = self.outcome.get()?.clone();
        Some(outcome.map_err(|(kind, text)| NotFound::Failed(io::Error::new(kind, text))))
    }
}

fn has_passed(until: Option<Instant>, now: Instant) -> bool {
    until.is_some_and(|until| until <= now)
}
