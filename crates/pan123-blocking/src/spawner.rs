//! Runs work that must outlive its caller.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

/// Work to run apart from its caller.
pub struct Work(Box<dyn FnOnce() + Send>);

impl Work {
    pub(crate) fn new(work: impl FnOnce() + Send + 'static) -> Work {
        Work(Box::new(work))
    }

    /// Runs the work to its end.
    pub fn run(self) {
        (self.0)();
    }
}

impl fmt::Debug for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Work")
    }
}

/// Runs work apart from its caller: token fetches, which serve all calls of a client.
///
/// The default starts a thread for each. Set another one with [`ClientBuilder::spawner`](crate::ClientBuilder::spawner) to use a
/// thread pool, or to name the threads and size their stacks.
///
/// ```
/// use pan123_blocking::context::{Spawner, Work};
/// use pan123_blocking::Client;
/// use std::sync::mpsc::{Sender, channel};
///
/// /// Hands the work to a thread that is there already.
/// struct Worker(Sender<Work>);
///
/// impl Spawner for Worker {
///     fn spawn(&self, work: Work) -> Result<(), Work> {
///         self.0.send(work).map_err(|unsent| unsent.0)
///     }
/// }
///
/// let (sender, receiver) = channel::<Work>();
/// std::thread::spawn(move || receiver.into_iter().for_each(Work::run));
/// let client = Client::builder().access_token("t").spawner(Worker(sender)).build()?;
/// # drop(client);
/// # Ok::<(), pan123_blocking::BuildError>(())
/// ```
pub trait Spawner: Send + Sync + 'static {
    /// Starts the work.
    ///
    /// # Errors
    ///
    /// Returns the work if it cannot be started. It then runs in place, before its caller goes on.
    fn spawn(&self, work: Work) -> Result<(), Work>;
}

/// Starts a thread for each work.
#[derive(Clone, Copy, Debug, Default)]
pub struct ThreadSpawner;

impl Spawner for ThreadSpawner {
    fn spawn(&self, work: Work) -> Result<(), Work> {
        // The work is shared with the thread, so that it is not lost if no thread can be started.
        let slot = Arc::new(Mutex::new(Some(work)));
        let take = |slot: &Mutex<Option<Work>>| {
            let mut slot = slot.lock().unwrap_or_else(PoisonError::into_inner);
            slot.take()
        };
        let theirs = Arc::clone(&slot);
        let run = move || {
            if let Some(work) = take(&theirs) {
                work.run();
            }
        };
        let thread = thread::Builder::new().name("pan123-detached".to_owned());
        if thread.spawn(run).is_err()
            && let Some(work) = take(&slot)
        {
            return Err(work);
        }
        Ok(())
    }
}
