//! Connections are accepted until somebody says that it is enough.

use std::io;
use std::net::TcpListener as StdListener;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::connection;
use super::log::Log;
use crate::Builder;
use crate::server::Server;

/// What all connections share.
pub(super) struct Shared {
    pub(super) server: Arc<Server>,
    /// The options that the program was started with.
    pub(super) builder: Builder,
    pub(super) log: Log,
}

/// How long requests that are out have to end when the program is told to.
const GRACE: Duration = Duration::from_secs(5);

/// Serves until the program is told to end, and ends when all answers that are out are sent, or soon after.
pub(super) async fn serve(listener: StdListener, builder: Builder, log: Log) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    let listener = TcpListener::from_std(listener)?;
    let mut shutdown = ShutdownSignal::new()?;
    log.listening(&format!("http://{}", listener.local_addr()?));

    let shared = Arc::new(Shared {
        server: builder.clone().into_server(),
        builder,
        log,
    });
    let (shutting_down, _) = watch::channel(false);
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    // Small answers are not held back; where that cannot be had they are only late.
                    let _ = stream.set_nodelay(true);
                    connections.spawn(connection::serve(stream, Arc::clone(&shared), shutting_down.subscribe()));
                }
                // Too many files are open, most likely: some will be closed.
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
        // Whoever has not ended by then is cut off.
        _ = timeout(GRACE, all) => {}
        () = shutdown.wait() => {}
    }
    shared.server.shut_down();
    shared.log.flush();
    Ok(())
}

/// Ctrl-C, or the signal with which a system ends its programs.
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
        // Without it the program goes on until it is ended from outside.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
