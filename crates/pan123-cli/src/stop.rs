//! Ctrl-C.

use std::io;
use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::watch;

use crate::failure::Exit;
use crate::output::Output;
use crate::words::Lang;

/// Ctrl-C, or SIGTERM: the first one asks the command to stop, the second one ends the program at once.
#[derive(Clone, Debug)]
pub(crate) struct Stop {
    requested: watch::Sender<bool>,
    /// Whether the command itself tells that it stops.
    is_told: Arc<AtomicBool>,
}

impl Stop {
    pub(crate) fn new() -> Stop {
        Stop {
            requested: watch::Sender::new(false),
            is_told: Arc::default(),
        }
    }

    /// Listens for both from now on. Needs a runtime.
    pub(crate) fn listen(&self, out: Output) {
        // Without signals, such as in a sandbox, Ctrl-C ends the program as it always does.
        let Ok(mut signals) = Signals::listen() else {
            return;
        };
        let stop = self.clone();
        tokio::spawn(async move {
            signals.next().await;
            if !stop.is_told.load(Ordering::Relaxed) {
                out.note(Stop::note(out.lang));
            }
            stop.requested.send_replace(true);
            signals.next().await;
            process::exit(Exit::Interrupted.code().into());
        });
    }

    /// Asks the command to stop, as the first Ctrl-C does.
    pub(crate) fn request(&self) {
        self.requested.send_replace(true);
    }

    /// Leaves it to the command to tell [`note`](Stop::note), such as above its bars.
    pub(crate) fn leave_note(&self) {
        self.is_told.store(true, Ordering::Relaxed);
    }

    /// What people are told when the command is asked to stop.
    pub(crate) fn note(lang: Lang) -> &'static str {
        lang.pick(
            "stopping; press Ctrl-C again to end at once",
            "正在停止；再按一次 Ctrl-C 立即结束",
        )
    }

    /// Returns whether the command was asked to stop.
    pub(crate) fn is_requested(&self) -> bool {
        *self.requested.borrow()
    }

    /// Waits until the command is asked to stop.
    pub(crate) async fn requested(&self) {
        let mut requested = self.requested.subscribe();
        // It fails once there is no sender any more, and this is one.
        let _ = requested.wait_for(|requested| *requested).await;
    }
}

#[cfg(unix)]
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn listen() -> io::Result<Signals> {
        use tokio::signal::unix::{SignalKind, signal};

        Ok(Signals {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

#[cfg(windows)]
struct Signals(tokio::signal::windows::CtrlC);

#[cfg(windows)]
impl Signals {
    fn listen() -> io::Result<Signals> {
        tokio::signal::windows::ctrl_c().map(Signals)
    }

    async fn next(&mut self) {
        self.0.recv().await;
    }
}
