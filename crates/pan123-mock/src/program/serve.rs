//! Accepts connections until the program is asked to shut down.

use std::io;
use std::net::TcpListener as StdListener;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::command_line::Settings;
use super::connection;
use super::log::Log;
use crate::server::Server;

/// What all connections share.
pub(super) struct Shared {
    pub(super) server: Arc<Server>,
    pub(super) settings: Settings,
    pub(super) log: Log,
}

/// How long requests in flight may take to finish after the shutdown has begun.
const GRACE: Duration = Duration::from_secs(5);

/// Serves until the first signal, then waits for the requests in flight: at most [`GRACE`], or until the second signal.
pub(super) async fn serve(listener: StdListener, settings: Settings, log: Log) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    let listener = TcpListener::from_std(listener)?;
    let mut shutdown = ShutdownSignal::new()?;
    log.listening(&format!("http://{}", listener.local_addr()?));

    let shared = Arc::new(Shared {
        server: settings.builder().into_server(),
        settings,
        log,
    });
    let (shutting_down, _) = watch::channel(false);
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    // Without this option small responses are only delayed.
                    let _ = stream.set_nodelay(true);
                    connections.spawn(connection::serve(stream, Arc::clone(&shared), shutting_down.subscribe()));
                }
                // Most likely too many files are open.
                Err(_) => sleep(Duration::from_millis(20)).await,
            },
            Some(_) = connections.join_next() => {}
            () = shutdown.wait() => break,
        }
    }
    drop(listener);
    shutting_down.send_replace(true);
    let all = async { while connections.join_next().await.is_some() {} };
    tokio::select! {
        // Connections that are still open are aborted.
        _ = timeout(GRACE, all) => {}
        () = shutdown.wait() => {}
    }
    shared.server.shut_down();
    shared.log.flush();
    Ok(())
}

/// Ctrl-C or SIGTERM.
#[cfg(unix)]
struct ShutdownSignal {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl ShutdownSignal {
    fn new() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    async fn wait(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

#[cfg(not(unix))]
struct ShutdownSignal;

#[cfg(not(unix))]
impl ShutdownSignal {
    fn new() -> io::Result<Self> {
        Ok(Self)
    }

    async fn wait(&mut self) {
        // Without the handler the program runs until it is killed.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
