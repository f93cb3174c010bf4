//! Ends the process if a test hangs, and says where.

use std::io::{self, Write};
use std::process;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

/// Longer than any test takes in real time, even on a loaded machine.
const MAX_REAL_TIME: Duration = Duration::from_secs(120);

/// Watches until it is dropped.
#[derive(Debug)]
pub struct Watchdog {
    _done: Sender<()>,
}

impl Watchdog {
    /// Prints this text and aborts if the test hangs.
    pub fn watch(at: impl Fn() -> String + Send + 'static) -> Watchdog {
        let (done, ended) = channel::<()>();
        thread::spawn(move || {
            if ended.recv_timeout(MAX_REAL_TIME) == Err(RecvTimeoutError::Timeout) {
                // The test harness would capture and lose the text of `eprintln`.
                let _ = writeln!(io::stderr(), "timed out: {}", at());
                process::abort();
            }
        });
        Watchdog { _done: done }
    }
}
