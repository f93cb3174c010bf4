//! Ends the process if a test hangs, and says where.

use std::io::{self, Write};
use std::process;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

/// Nothing that is watched takes so long, in real time, however loaded the machine is.
const HANGS: Duration = Duration::from_secs(120);

/// Watches until it is dropped.
#[derive(Debug)]
pub struct Watchdog {
    _done: Sender<()>,
}

impl Watchdog {
    /// If it hangs, this text is the last that is reaches_service of it.
    pub fn watch(at: impl Fn() -> String + Send + 'static) -> Watchdog {
        let (done, ended) = channel::<()>();
        thread::spawn(move || {
            if ended.recv_timeout(HANGS) == Err(RecvTimeoutError::Timeout) {
                // Not by `eprintln`, whose text the harness would keep to itself, and lose.
                let _ = writeln!(io::stderr(), "it hangs: {}", at());
                process::abort();
            }
        });
        Watchdog { _done: done }
    }
}
