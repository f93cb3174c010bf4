//! The tokens of one session as an onlooker knows them: who may fetch one, when and why, and which may be sent.

use std::time::Duration;

use crate::support::secs;

const LEASE_MARGIN: Duration = secs(10);
const LEAST_LIFE: Duration = secs(60);
const MARGIN: Duration = secs(600);
const CREDENTIALS_PAUSE: Duration = secs(60);
const LONG_PAUSE: Duration = secs(30);
/// A fetch asks again after one lost answer only, so it makes no more tokens than this.
const MOST_MINTS: u32 = 2;

#[derive(Debug)]
pub(crate) struct Tokens {
    request_timeout: Duration,
    leases: u64,
    holder: Option<Holder>,
    held: Option<Held>,
    /// Nobody fetches before this.
    pause: Duration,
    failures: u32,
    drops: u32,
    barren: u32,
    /// The end of the pause that came of tokens refused unused.
    barren_until: Duration,
}

#[derive(Debug)]
struct Holder {
    lease: u64,
    until: Duration,
    mints: u32,
}

#[derive(Debug)]
struct Held {
    value: String,
    lease: u64,
    life: Option<(Duration, Duration)>,
    refused: bool,
    proven: bool,
}

/// How a fetch ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FetchEnd {
    /// Its token was handed in by [`Tokens::accept`].
    Good,
    Failed {
        credentials: bool,
        retry_after: Duration,
    },
    /// Its last sign of life was at this time.
    Dropped(Duration),
}

impl FetchEnd {
    /// Without an answer that says why.
    pub(crate) const BY_ITSELF: FetchEnd = FetchEnd::Failed {
        credentials: false,
        retry_after: Duration::ZERO,
    };
}

impl Tokens {
    pub(crate) fn new(request_timeout: Duration) -> Tokens {
        Tokens {
            request_timeout,
            leases: 0,
            holder: None,
            held: None,
            pause: Duration::ZERO,
            failures: 0,
            drops: 0,
            barren: 0,
            barren_until: Duration::ZERO,
        }
    }

    /// Somebody won the right to fetch a token. True if it was taken from one whose lease ran out.
    pub(crate) fn leased(&mut self, at: Duration) -> bool {
        let before = self.holder.take();
        if let Some(holder) = &before {
            assert!(
                at >= holder.until,
                "two may fetch a token at {at:?}: {holder:?} holds the lease"
            );
            self.note_drop(holder.until);
        }
        assert!(at >= self.pause, "fetched at {at:?}, in a pause: {self:?}");
        let needed = self
            .held
            .as_ref()
            .is_none_or(|held| held.refused || held.life.is_some_and(|(stale, _)| at >= stale));
        assert!(needed, "fetched at {at:?} without need: {self:?}");
        self.leases += 1;
        self.holder = Some(Holder {
            lease: self.leases,
            until: at + self.request_timeout + LEASE_MARGIN,
            mints: 0,
        });
        before.is_some()
    }

    /// The lease that was given last.
    pub(crate) fn last_lease(&self) -> u64 {
        self.leases
    }

    /// When the lease that is out now runs out.
    pub(crate) fn lease_until(&self) -> Option<Duration> {
        self.holder.as_ref().map(|holder| holder.until)
    }

    /// A fetch sends or waits until then.
    pub(crate) fn renew(&mut self, lease: u64, until: Duration) {
        let holder = self.holder.as_mut().filter(|holder| holder.lease == lease);
        let holder = holder.expect("a fetch that lost its lease does nothing more");
        holder.until = until + LEASE_MARGIN;
    }

    /// The service made a token for this fetch.
    pub(crate) fn minted(&mut self, lease: u64) {
        let holder = self.holder.as_mut().filter(|holder| holder.lease == lease);
        let holder = holder.expect("only who holds the lease asks for a token");
        holder.mints += 1;
        assert!(holder.mints <= MOST_MINTS, "made in one fetch: {holder:?}");
    }

    /// A fetch received a token.
    pub(crate) fn accept(&mut self, lease: u64, value: &str, life: Duration, at: Duration) {
        let holds = self
            .holder
            .as_ref()
            .is_some_and(|holder| holder.lease == lease);
        if !holds && self.held.as_ref().is_some_and(|held| held.lease > lease) {
            return;
        }
        self.pause = Duration::ZERO;
        self.failures = 0;
        self.drops = 0;
        self.held = Some(Held {
            value: value.to_owned(),
            lease,
            life: (life >= LEAST_LIFE)
                .then(|| (at + life.saturating_sub(MARGIN.min(life / 10)), at + life)),
            refused: false,
            proven: false,
        });
    }

    /// A fetch ended. True if all who wait for it are woken now.
    pub(crate) fn ended(&mut self, lease: u64, at: Duration, end: FetchEnd) -> bool {
        let Some(holder) = self.holder.take_if(|holder| holder.lease == lease) else {
            return false;
        };
        // From then on somebody may have noticed that it ran out, and nobody saw that.
        let ran_out = at >= holder.until;
        match end {
            FetchEnd::Good => {}
            _ if ran_out => self.drops = 0,
            FetchEnd::Dropped(seen) => self.note_drop(seen),
            FetchEnd::Failed {
                credentials,
                retry_after,
            } => {
                self.drops = 0;
                let doubled = secs(1 << self.failures.min(5)).min(LONG_PAUSE);
                let pause = if credentials {
                    CREDENTIALS_PAUSE
                } else {
                    doubled.max(retry_after)
                };
                self.pause = at + pause;
                self.failures += 1;
            }
        }
        !ran_out
    }

    /// The service refused this token.
    pub(crate) fn refused(&mut self, value: &str, at: Duration) {
        if let Some(held) = &mut self.held
            && held.value == value
            && !held.refused
        {
            held.refused = true;
            if !held.proven {
                self.barren += 1;
                if self.barren >= 2 {
                    self.pause = at + LONG_PAUSE;
                    self.barren_until = self.pause;
                }
            }
        }
    }

    /// Whether callers may be told that one new token after the other is refused.
    pub(crate) fn is_barren(&self, at: Duration) -> bool {
        at < self.barren_until
    }

    /// The service accepted this token.
    pub(crate) fn proven(&mut self, value: &str) {
        if let Some(held) = &mut self.held
            && held.value == value
        {
            held.proven = true;
            self.barren = 0;
        }
    }

    /// A request goes out with this token.
    pub(crate) fn used(&self, value: &str, at: Duration) {
        let good = self.held.as_ref().is_some_and(|held| {
            held.value == value && !held.refused && held.life.is_none_or(|(_, end)| at < end)
        });
        assert!(good, "{value} was sent at {at:?}: {self:?}");
    }

    fn note_drop(&mut self, at: Duration) {
        self.drops += 1;
        if self.drops >= 2 {
            self.drops = 0;
            self.pause = at + LONG_PAUSE;
        }
    }
}
