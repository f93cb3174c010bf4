//! The loop that drives a machine of the core: it carries out steps and decides nothing.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use pan123_proto::{Account, Detached, DriveGuard, Input, Machine, Step, TokenStore};

use crate::clock::Clock;
use crate::transport::Transport;

/// What a drive needs.
#[derive(Clone)]
pub(crate) struct Context {
    pub(crate) transport: Arc<dyn Transport>,
    pub(crate) clock: Arc<dyn Clock>,
    /// Where the token is kept, and whose it is.
    pub(crate) store: Option<(Arc<dyn TokenStore>, Account)>,
}

impl Context {
    /// Drives a machine to its end, or to its next item.
    pub(crate) fn drive<M: Machine>(&self, machine: M) -> M::Output {
        self.drive_under(machine, self.clock.enter())
    }

    fn drive_under<M: Machine>(&self, mut machine: M, _guard: DriveGuard) -> M::Output {
        let mut input = Input::Wake;
        let mut store = None;
        loop {
            input = match machine.resume(self.clock.now(), input) {
                Step::Ready(output) => return output,
                Step::Transmit(transmit) => {
                    let span = transmit.span.clone();
                    match span.within(|| self.transport.send(transmit)) {
                        Ok(answer) => Input::Response(answer),
                        Err(error) => Input::Failed(error),
                    }
                }
                Step::Wait(wait) => {
                    self.clock.wait(wait);
                    Input::Wake
                }
                Step::Detach(refresh) => {
                    self.detach(refresh);
                    Input::Wake
                }
                Step::Store(op) => Input::Stored(match &self.store {
                    Some((kept, whose)) => store.get_or_insert_with(|| kept.open(whose)).run(op),
                    None => op.unsupported(),
                }),
            };
        }
    }

    /// Runs a refresh on a thread of its own, so that it outlives the caller; in place where no thread can be had.
    fn detach(&self, refresh: Detached) {
        let work = Arc::new(Mutex::new(Some((refresh, self.clock.enter()))));
        let theirs = (self.clone(), Arc::clone(&work));
        let run = move || {
            if let Some((refresh, guard)) = take(&theirs.1) {
                theirs.0.drive_under(refresh, guard);
            }
        };
        let thread = thread::Builder::new().name("pan123-refresh".to_owned());
        if thread.spawn(run).is_err()
            && let Some((refresh, guard)) = take(&work)
        {
            // In place, the caller's own guard stands for both.
            drop(guard);
            self.drive_under(refresh, DriveGuard::default());
        }
    }
}

fn take<T>(slot: &Mutex<Option<T>>) -> Option<T> {
    slot.lock().unwrap_or_else(PoisonError::into_inner).take()
}
