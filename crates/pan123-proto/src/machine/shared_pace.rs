//! A pace that sessions share in other processes and on other machines: the operations, their results, and the rule of one class.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::token_store::Account;
use crate::endpoint::RateClass;

/// A pace that several sessions of one account share, in other processes and on other machines. `pan123-ledger` has one in
/// PostgreSQL.
///
/// The limits of the service are those of the account, whoever sends. A session orders its own requests and takes one slot after the
/// other from here. Only durations are exchanged, so the clocks of the machines may differ.
///
/// A shared pace of your own keeps a [`ClassPace`] for each account and class, and changes it under a lock:
///
/// ```
/// use std::collections::HashMap;
/// use std::sync::{Arc, Mutex};
/// use std::time::Instant;
/// use pan123_proto::{Account, ClassPace, PaceOp, PaceResult, SharedPace};
///
/// #[derive(Clone)]
/// struct InMemory {
///     start: Instant,
///     classes: Arc<Mutex<HashMap<(Account, &'static str), ClassPace>>>,
/// }
///
/// impl SharedPace for InMemory {
///     fn run(&self, account: &Account, op: PaceOp) -> PaceResult {
///         let mut classes = self.classes.lock().unwrap();
///         let class = classes.entry((account.clone(), op.class().name())).or_default();
///         class.run(self.start.elapsed(), &op)
///     }
/// }
/// ```
#[doc(alias = "限流")]
pub trait SharedPace: Send + Sync + 'static {
    /// Runs an operation for an account. It may take as long as a round trip to a database does; a slot is not waited for here.
    fn run(&self, account: &Account, op: PaceOp) -> PaceResult;
}

/// An operation on a [`SharedPace`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PaceOp {
    /// Reserve the next slot.
    Reserve {
        /// The class of the request.
        class: RateClass,
        /// The least time between this slot and the next one.
        every: Duration,
    },
    /// The service answered 429: no slot that is reserved from now on comes before `wait` has passed, and the class is slower for a
    /// while afterwards.
    HoldOff {
        /// The class of the request.
        class: RateClass,
        /// How long the class sends nothing.
        wait: Duration,
        /// How long ago the slot of that request was reserved. If the current hold-off began later, it already accounts for it.
        reserved: Duration,
    },
}

impl PaceOp {
    /// Returns the class that the operation is for.
    pub fn class(&self) -> RateClass {
        match self {
            PaceOp::Reserve { class, .. } | PaceOp::HoldOff { class, .. } => *class,
        }
    }

    /// Returns the answer of a driver that has no shared pace.
    pub fn unsupported(self) -> PaceResult {
        PaceResult::Unsupported
    }
}

/// The result of a [`PaceOp`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PaceResult {
    /// The slot comes after this time.
    Reserved(Duration),
    /// The class holds off.
    HeldOff,
    /// The operation failed, and fails again until someone repairs it; the text says what failed, where and what to do, and holds no
    /// secret.
    Failed(String),
    /// The operation failed for a reason that may pass by itself, such as a database that restarts; the text is as in
    /// [`Failed`](PaceResult::Failed).
    Unavailable(String),
    /// This driver has no shared pace.
    Unsupported,
}

/// How long a class stays slower after a hold-off.
pub(crate) const SLOWDOWN_PERIOD: Duration = Duration::from_secs(60);
/// The largest factor by which a class is slowed down.
pub(crate) const MAX_SLOWDOWN: u32 = 8;
/// The interval of a class without a limit while it is slowed down.
pub(crate) const MIN_SLOW_INTERVAL: Duration = Duration::from_millis(100);

/// The shared pace of one rate class of one account. Its serde form is what a [`SharedPace`] stores.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClassPace {
    /// The clock of the store when the rest was true.
    #[serde(with = "micros")]
    at: Duration,
    /// When the next slot is free, counted from `at`.
    #[serde(with = "micros")]
    free_in: Duration,
    /// How much longer the class is slowed down.
    #[serde(with = "micros")]
    slow_for: Duration,
    slowdown: u32,
    /// How long ago the last hold-off began.
    #[serde(with = "micros")]
    held_off_ago: Duration,
}

impl ClassPace {
    /// Carries out an operation at this time of the store's clock, counted from any moment that stays the same. A clock that is set
    /// back counts as one that stood still.
    pub fn run(&mut self, clock: Duration, op: &PaceOp) -> PaceResult {
        self.advance(clock);
        match op {
            PaceOp::Reserve { every, .. } => PaceResult::Reserved(self.reserve(*every)),
            PaceOp::HoldOff { wait, reserved, .. } => {
                self.hold_off(*wait, *reserved);
                PaceResult::HeldOff
            }
        }
    }

    fn advance(&mut self, clock: Duration) {
        let passed = clock.saturating_sub(self.at);
        self.at = clock;
        self.free_in = self.free_in.saturating_sub(passed);
        self.slow_for = self.slow_for.saturating_sub(passed);
        self.held_off_ago = self.held_off_ago.saturating_add(passed);
    }

    fn reserve(&mut self, every: Duration) -> Duration {
        let wait = self.free_in;
        let spacing = match self.slow_for {
            Duration::ZERO => every,
            _ => every.saturating_mul(self.slowdown).max(MIN_SLOW_INTERVAL),
        };
        self.free_in = wait.saturating_add(spacing);
        wait
    }

    fn hold_off(&mut self, wait: Duration, reserved: Duration) {
        if self.slowdown > 0 && reserved >= self.held_off_ago {
            return;
        }
        self.slowdown = match self.slow_for {
            Duration::ZERO => 2,
            _ => (self.slowdown * 2).min(MAX_SLOWDOWN),
        };
        self.held_off_ago = Duration::ZERO;
        self.free_in = self.free_in.max(wait);
        self.slow_for = self.slow_for.max(wait.saturating_add(SLOWDOWN_PERIOD));
    }
}

/// Durations as whole microseconds.
mod micros {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(
        duration: &Duration,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Duration, D::Error> {
        Ok(Duration::from_micros(u64::deserialize(deserializer)?))
    }
}
