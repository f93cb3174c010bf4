//! What `-v` shows: each request, by the events of the SDK, which hold no secret.

use std::io;

use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// Shows the events of the SDK on standard error from now on.
pub(crate) fn show_requests() {
    let lines = tracing_subscriber::fmt::layer()
        .compact()
        .with_ansi(false)
        .log_internal_errors(false)
        .with_writer(io::stderr);
    let events = Targets::new().with_target("pan123", LevelFilter::DEBUG);
    // It fails if the program has a subscriber already, which then shows them.
    let _ = tracing_subscriber::registry()
        .with(events)
        .with(lines)
        .try_init();
}
