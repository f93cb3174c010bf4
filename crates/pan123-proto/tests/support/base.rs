//! The start of all virtual time.

use std::sync::OnceLock;
use std::time::Instant;

/// The only place in the tests of the core that reads a clock, since an `Instant` cannot be made up.
#[expect(
    clippy::disallowed_methods,
    reason = "a base for virtual time; nothing is measured with it"
)]
pub(crate) fn base() -> Instant {
    static BASE: OnceLock<Instant> = OnceLock::new();
    *BASE.get_or_init(Instant::now)
}
