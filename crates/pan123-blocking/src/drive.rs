//! The loop that runs a machine of the core: it performs steps and decides nothing.

use std::sync::Arc;

use pan123_proto::{Account, Detached, Input, Machine, SharedPace, Step, TokenStore};

use crate::clock::Clock;
use crate::spawner::{Spawner, Work};
use crate::transport::Transport;

/// What running a machine needs.
#[derive(Clone)]
pub(crate) struct Context {
    pub(crate) transport: Arc<dyn Transport>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) spawner: Arc<dyn Spawner>,
    /// The token store and the owner of the token.
    pub(crate) store: Option<(Arc<dyn TokenStore>, Account)>,
    /// The shared pace and the account that it is for.
    pub(crate) pace: Option<(Arc<dyn SharedPace>, Account)>,
}

impl Context {
    /// Runs a machine to its next output.
    pub(crate) fn drive<M: Machine>(&self, mut machine: M) -> M::Output {
        let mut input = Input::Wake;
        let mut opened = None;
        loop {
            input = match machine.resume(self.clock.now(), input) {
                Step::Ready(output) => return output,
                Step::Transmit(transmit) => {
                    let span = transmit.span.clone();
                    match span.within(|| self.transport.send(transmit)) {
                        Ok(response) => Input::Response(response),
                        Err(error) => Input::Failed(error),
                    }
                }
                Step::Wait(wait) => {
                    self.clock.wait(wait);
                    Input::Wake
                }
                Step::Detach(detached) => {
                    self.spawn_detached(detached);
                    Input::Wake
                }
                Step::Store(op) => Input::Stored(match &self.store {
                    Some((store, owner)) => opened.get_or_insert_with(|| store.open(owner)).run(op),
                    None => op.unsupported(),
                }),
                Step::Pace(op) => Input::Paced(match &self.pace {
                    Some((pace, account)) => pace.run(account, op),
                    None => op.unsupported(),
                }),
            };
        }
    }

    /// Runs a machine apart from the caller; in place where nothing can be spawned.
    fn spawn_detached(&self, detached: Detached) {
        let context = self.clone();
        let work = Work::new(move || context.drive(detached));
        if let Err(work) = self.spawner.spawn(work) {
            work.run();
        }
    }
}
