//! The fetch of a token that a call asks its driver for.

use std::fmt;

use super::fetch::Fetch;
use crate::machine::{Input, Machine, Now, Step};

/// The fetch of a token, won by one caller for all: see [`Step::Refresh`].
///
/// Dropped before its end, it gives the right to fetch to the next caller at once.
pub struct Refresh(Box<Fetch>);

impl Refresh {
    pub(super) fn new(fetch: Fetch) -> Refresh {
        Refresh(Box::new(fetch))
    }
}

impl Machine for Refresh {
    type Output = ();

    /// How it ended, the callers are told who wait for it.
    fn resume(&mut self, now: Now, input: Input) -> Step<()> {
        match self.0.resume(now, input).ready() {
            Ok(_) => Step::Ready(()),
            Err(step) => step,
        }
    }
}

impl fmt::Debug for Refresh {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Refresh").field(&self.0).finish()
    }
}
