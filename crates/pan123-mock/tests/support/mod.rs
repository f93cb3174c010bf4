//! A client, and the peers of the mock: sources and callback receivers.

pub(crate) mod client;
pub(crate) mod peers;

use std::time::Duration;

/// Long enough for a slow machine; a passing test never waits this long.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(30);
