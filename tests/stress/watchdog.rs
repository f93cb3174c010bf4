//! Ends the process if a run hangs, and says where.

use std::process;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

use crate::actor::Crowd;

/// No run takes so long, in real time, however loaded the machine is.
const HANGS: Duration = Duration::from_secs(120);

/// Watches until it is dropped.
pub(crate) struct Watchdog {
    _done: Sender<()>,
}

impl Watchdog {
    #[allow(
        clippy::print_stderr,
        reason = "who hangs cannot fail, and must say where"
    )]
    pub(crate) fn watch(seed: u64, crowd: Arc<Crowd>) -> Watchdog {
        let (done, ended) = channel::<()>();
        thread::spawn(move || {
            if ended.recv_timeout(HANGS) == Err(RecvTimeoutError::Timeout) {
                eprintln!("PAN123_STRESS_SEED={seed} hangs: {:#?}", crowd.doing());
                eprintln!("{crowd:?}");
                process::abort();
            }
        });
        Watchdog { _done: done }
    }
}
