//! The life of a session's token: fresh, usable, leased, refused, failed. Pure: the session wraps the lock around it.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::HeaderValue;

use crate::error::Error;
use crate::machine::later;
use crate::retry::MOST_RETRY_AFTER;

/// Tokens are replaced this long before their end, or after nine tenths of a short life.
const MARGIN: Duration = Duration::from_secs(600);
/// A shorter life than this is a mistake of somebody's clock: such a token is used until it is refused.
const LEAST_LIFE: Duration = Duration::from_secs(60);
/// After this many refreshes that were dropped, each of which may have made a token, there is a pause.
const MOST_DROPS: u32 = 2;
/// After this many new tokens in a row that were refused unused, there is a pause.
const MOST_BARREN: u32 = 2;
/// How long refused credentials are not tried again.
const CREDENTIALS_PAUSE: Duration = Duration::from_secs(60);
const DROPS_PAUSE: Duration = Duration::from_secs(30);
const BARREN_PAUSE: Duration = Duration::from_secs(30);
const FAILURE_PAUSE: Duration = Duration::from_secs(1);
const MOST_FAILURE_PAUSE: Duration = Duration::from_secs(30);

/// A token as a request carries it. It never leaves the session as anything more than this snapshot.
#[derive(Clone)]
pub(crate) struct Bearer {
    pub(crate) header: HeaderValue,
    pub(crate) generation: u64,
}

impl fmt::Debug for Bearer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Bearer(generation {})", self.generation)
    }
}

/// The right to fetch a token. Later ones have greater numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Lease(u64);

/// The answer to a caller who needs a token.
#[derive(Debug)]
pub(crate) enum Look {
    /// Send with this one.
    Use(Bearer),
    /// Fetch one: nobody else does.
    Fetch(Lease),
    /// Somebody fetches one, or there is a pause: ask again at this time at the latest.
    Wait(Instant),
    /// There will be none: this is why.
    Fail(Error),
}

/// Where a session's tokens come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// The user gave one; there is no other.
    Given,
    /// They are issued for credentials.
    Issued,
}

#[derive(Debug)]
pub(crate) struct Token {
    source: Source,
    held: Option<Held>,
    generation: u64,
    leases: u64,
    leased: Option<Leased>,
    pause: Option<Pause>,
    /// How many refreshes have failed so far: who waited tells by it whether one failed meanwhile.
    failures: u64,
    failures_in_a_row: u32,
    drops: u32,
    barren: u32,
}

#[derive(Debug)]
struct Held {
    bearer: Bearer,
    lease: Option<Lease>,
    life: Option<Life>,
    refused: bool,
    proven: bool,
}

#[derive(Debug)]
struct Life {
    stale: Instant,
    end: Instant,
}

#[derive(Debug)]
struct Leased {
    lease: Lease,
    until: Instant,
}

/// A time in which nobody fetches a token.
#[derive(Debug)]
struct Pause {
    until: Instant,
    why: Why,
}

#[derive(Debug)]
enum Why {
    Credentials(Arc<Error>),
    Failed(Arc<Error>),
    Dropped,
}

impl Token {
    pub(crate) fn given(header: HeaderValue) -> Token {
        let mut token = Token::to_be_issued();
        token.source = Source::Given;
        token.hold(header, None, None);
        token
    }

    pub(crate) fn to_be_issued() -> Token {
        Token {
            source: Source::Issued,
            held: None,
            generation: 0,
            leases: 0,
            leased: None,
            pause: None,
            failures: 0,
            failures_in_a_row: 0,
            drops: 0,
            barren: 0,
        }
    }

    pub(crate) fn source(&self) -> Source {
        self.source
    }

    /// How many refreshes have failed so far.
    pub(crate) fn failures(&self) -> u64 {
        self.failures
    }

    /// What a caller does now, who has been waiting since `seen` refreshes had failed.
    pub(crate) fn look(&mut self, now: Instant, seen: u64, patience: Patience) -> Look {
        if self.leased.take_if(|leased| now >= leased.until).is_some() {
            self.note_drop(now);
        }
        if let Some(held) = &self.held
            && held.is_usable(self.source, now)
        {
            return if held.is_stale(now) && self.leased.is_none() && !self.is_paused(now) {
                Look::Fetch(self.lease(now, patience))
            } else {
                Look::Use(held.bearer.clone())
            };
        }
        match self.pause.as_ref().filter(|pause| now < pause.until) {
            Some(Pause {
                why: Why::Credentials(error),
                ..
            }) => {
                return Look::Fail(Error::Credentials(Arc::clone(error)));
            }
            Some(Pause {
                why: Why::Failed(error),
                until,
            }) if self.failures > seen || *until > patience.deadline => {
                return Look::Fail(Error::Token(Arc::clone(error)));
            }
            Some(pause) => return Look::Wait(pause.until),
            None => {}
        }
        match &self.leased {
            Some(leased) => Look::Wait(leased.until),
            None => Look::Fetch(self.lease(now, patience)),
        }
    }

    /// The lease goes on until then. False if it was lost meanwhile, so that its holder sends nothing more.
    pub(crate) fn renew(&mut self, lease: Lease, until: Instant) -> bool {
        match &mut self.leased {
            Some(leased) if leased.lease == lease => {
                leased.until = until;
                true
            }
            _ => false,
        }
    }

    /// A fetched token. One that comes after its lease was lost is taken only if no newer one is there.
    pub(crate) fn accept(
        &mut self,
        lease: Lease,
        header: HeaderValue,
        life: Option<Duration>,
        now: Instant,
    ) {
        let newer = |held: &Held| held.lease > Some(lease);
        if !self.end_lease(lease) && self.held.as_ref().is_some_and(newer) {
            return;
        }
        self.pause = None;
        self.failures_in_a_row = 0;
        self.drops = 0;
        self.hold(
            header,
            Some(lease),
            life.and_then(|life| Life::from_now(life, now)),
        );
    }

    /// The fetch failed: those who wait are told, and nobody tries for a while.
    pub(crate) fn fail(&mut self, lease: Lease, error: Error, credentials: bool, now: Instant) {
        if !self.end_lease(lease) {
            return;
        }
        self.drops = 0;
        let (pause, why) = if credentials {
            (CREDENTIALS_PAUSE, Why::Credentials(Arc::new(error)))
        } else {
            let doubled = 1_u32
                .checked_shl(self.failures_in_a_row)
                .unwrap_or(u32::MAX);
            let pause = FAILURE_PAUSE
                .saturating_mul(doubled)
                .min(MOST_FAILURE_PAUSE);
            let asked = error.retry_after().unwrap_or_default();
            let pause = pause.max(asked.min(MOST_RETRY_AFTER));
            (pause, Why::Failed(Arc::new(error)))
        };
        self.failures_in_a_row = self.failures_in_a_row.saturating_add(1);
        self.note_failure(now + pause, why);
    }

    /// The fetch was dropped, and may have made a token. The next caller may try, but not without end.
    pub(crate) fn abandon(&mut self, lease: Lease, now: Instant) {
        if self.end_lease(lease) {
            self.note_drop(now);
        }
    }

    /// The service refused this generation: it is never used again. A late answer does not touch a newer one.
    pub(crate) fn refuse(&mut self, generation: u64, error: Option<Error>, now: Instant) {
        let Some(held) = &mut self.held else { return };
        if held.bearer.generation != generation || held.refused {
            return;
        }
        held.refused = true;
        if held.proven {
            return;
        }
        self.barren += 1;
        if let Some(error) = error
            && self.source == Source::Issued
            && self.barren >= MOST_BARREN
        {
            let why = Why::Failed(Arc::new(Error::Unauthorized(Box::new(error))));
            self.note_failure(now + BARREN_PAUSE, why);
        }
    }

    /// The service accepted this generation.
    pub(crate) fn prove(&mut self, generation: u64) {
        if let Some(held) = &mut self.held
            && held.bearer.generation == generation
        {
            held.proven = true;
            self.barren = 0;
        }
    }

    fn hold(&mut self, header: HeaderValue, lease: Option<Lease>, life: Option<Life>) {
        self.generation += 1;
        self.held = Some(Held {
            bearer: Bearer {
                header,
                generation: self.generation,
            },
            lease,
            life,
            refused: false,
            proven: false,
        });
    }

    fn lease(&mut self, now: Instant, patience: Patience) -> Lease {
        self.leases += 1;
        let lease = Lease(self.leases);
        self.leased = Some(Leased {
            lease,
            until: now + patience.lease,
        });
        lease
    }

    fn end_lease(&mut self, lease: Lease) -> bool {
        let mine = |leased: &mut Leased| leased.lease == lease;
        self.leased.take_if(mine).is_some()
    }

    fn note_drop(&mut self, now: Instant) {
        self.drops += 1;
        if self.drops >= MOST_DROPS {
            self.drops = 0;
            self.pause = Some(Pause {
                until: now + DROPS_PAUSE,
                why: Why::Dropped,
            });
        }
    }

    fn note_failure(&mut self, until: Instant, why: Why) {
        self.failures += 1;
        self.pause = Some(Pause { until, why });
    }

    fn is_paused(&self, now: Instant) -> bool {
        self.pause.as_ref().is_some_and(|pause| now < pause.until)
    }
}

/// How long a caller waits, and how long a lease that it gets lasts without a sign of life.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    pub(crate) deadline: Instant,
    pub(crate) lease: Duration,
}

impl Held {
    /// A given token is all there is: whether it is still good, only the service can say.
    fn is_usable(&self, source: Source, now: Instant) -> bool {
        let ended = self.life.as_ref().is_some_and(|life| now >= life.end);
        source == Source::Given || (!self.refused && !ended)
    }

    fn is_stale(&self, now: Instant) -> bool {
        self.life.as_ref().is_some_and(|life| now >= life.stale)
    }
}

impl Life {
    fn from_now(life: Duration, now: Instant) -> Option<Life> {
        if life < LEAST_LIFE {
            return None;
        }
        Some(Life {
            stale: later(now, life.saturating_sub(MARGIN.min(life / 10))),
            end: later(now, life),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::base;
    use crate::error::TransportError;

    const PATIENCE: Duration = Duration::from_secs(120);
    const LEASE: Duration = Duration::from_secs(40);

    const fn secs(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn header() -> HeaderValue {
        HeaderValue::from_static("Bearer t")
    }

    fn failure() -> Error {
        Error::Transport(TransportError::timed_out())
    }

    /// What somebody is told who comes now.
    fn look(token: &mut Token, now: Instant) -> Look {
        let seen = token.failures();
        look_since(token, now, seen)
    }

    fn look_since(token: &mut Token, now: Instant, seen: u64) -> Look {
        let patience = Patience {
            deadline: now + PATIENCE,
            lease: LEASE,
        };
        token.look(now, seen, patience)
    }

    fn fetch(token: &mut Token, now: Instant) -> Lease {
        match look(token, now) {
            Look::Fetch(lease) => lease,
            other => panic!("a lease was expected: {other:?}"),
        }
    }

    fn wait(token: &mut Token, now: Instant) -> Duration {
        match look(token, now) {
            Look::Wait(until) => until.duration_since(now),
            other => panic!("a wait was expected: {other:?}"),
        }
    }

    fn generation(token: &mut Token, now: Instant) -> u64 {
        match look(token, now) {
            Look::Use(bearer) => bearer.generation,
            other => panic!("a token was expected: {other:?}"),
        }
    }

    fn fetched(now: Instant, life: Option<Duration>) -> Token {
        let mut token = Token::to_be_issued();
        let lease = fetch(&mut token, now);
        token.accept(lease, header(), life, now);
        token
    }

    #[test]
    fn one_fetches_and_the_rest_wait_for_the_lease_as_it_is_renewed() {
        let now = base();
        let mut token = Token::to_be_issued();
        let lease = fetch(&mut token, now);
        assert_eq!(wait(&mut token, now), LEASE);
        assert!(token.renew(lease, now + secs(70)));
        assert_eq!(wait(&mut token, now + secs(69)), secs(1));
        let next = fetch(&mut token, now + secs(70));
        assert!(!token.renew(lease, now + secs(200)), "it was lost");
        assert!(token.renew(next, now + secs(200)));
    }

    #[test]
    fn a_token_is_replaced_ten_minutes_or_a_tenth_of_its_life_before_its_end() {
        for (life, stale) in [(86_400, 85_800), (1200, 1080), (60, 54)] {
            let now = base();
            let mut token = fetched(now, Some(secs(life)));
            assert_eq!(generation(&mut token, now + secs(stale - 1)), 1);
            let lease = fetch(&mut token, now + secs(stale));
            assert_eq!(
                generation(&mut token, now + secs(stale)),
                1,
                "the rest go on"
            );
            token.fail(lease, failure(), false, now + secs(stale));
            assert_eq!(generation(&mut token, now + secs(stale)), 1);
            assert!(matches!(
                look(&mut token, now + secs(life)),
                Look::Wait(_) | Look::Fetch(_)
            ));
        }
    }

    #[test]
    fn a_life_that_cannot_be_is_not_believed() {
        for life in [None, Some(Duration::ZERO), Some(secs(59))] {
            let now = base();
            let mut token = fetched(now, life);
            assert_eq!(generation(&mut token, now + secs(100_000)), 1, "{life:?}");
            token.refuse(1, None, now);
            fetch(&mut token, now);
        }
        let now = base();
        assert_eq!(generation(&mut fetched(now, Some(Duration::MAX)), now), 1);
    }

    #[test]
    fn a_refusal_is_of_one_generation_and_for_good() {
        let now = base();
        let mut token = fetched(now, None);
        token.refuse(1, None, now);
        let lease = fetch(&mut token, now);
        token.fail(lease, failure(), false, now);
        assert_eq!(wait(&mut token, now), FAILURE_PAUSE);
        let lease = fetch(&mut token, now + FAILURE_PAUSE);
        token.accept(lease, header(), None, now);
        token.refuse(1, None, now);
        assert_eq!(generation(&mut token, now), 2);
    }

    #[test]
    fn a_late_token_is_taken_only_where_no_newer_one_is() {
        for newer_is_there in [true, false] {
            let now = base();
            let mut token = Token::to_be_issued();
            let lost = fetch(&mut token, now);
            let newer = fetch(&mut token, now + LEASE);
            if newer_is_there {
                token.accept(newer, header(), None, now + LEASE);
            }
            token.accept(
                lost,
                HeaderValue::from_static("Bearer late"),
                None,
                now + LEASE,
            );
            let Look::Use(bearer) = look(&mut token, now + LEASE) else {
                panic!("a token is there");
            };
            assert_eq!(bearer.header == "Bearer t", newer_is_there);
        }
    }

    #[test]
    fn pauses_after_failures_double_and_honour_what_the_service_asks() {
        let now = base();
        let mut token = Token::to_be_issued();
        for (round, pause) in (0..).zip([1, 2, 4, 8, 16, 30, 30]) {
            let now = now + round * MOST_FAILURE_PAUSE;
            let lease = fetch(&mut token, now);
            token.fail(lease, failure(), false, now);
            assert_eq!(wait(&mut token, now), secs(pause));
        }
        for (asked, pause) in [(100, 100), (u64::MAX, 300)] {
            let mut token = Token::to_be_issued();
            let lease = fetch(&mut token, now);
            let retry_after = secs(asked);
            let error = Error::RateLimited {
                retry_after,
                last: None,
            };
            token.fail(lease, error, false, now);
            let told = Patience {
                deadline: now + secs(1000),
                lease: LEASE,
            };
            let Look::Wait(until) = token.look(now, token.failures(), told) else {
                panic!("a pause was expected");
            };
            assert_eq!(until, now + secs(pause));
        }
    }

    #[test]
    fn a_failure_is_told_to_those_who_came_before_it() {
        let now = base();
        let mut token = Token::to_be_issued();
        let lease = fetch(&mut token, now);
        token.fail(lease, failure(), false, now);
        assert!(matches!(
            look_since(&mut token, now, 0),
            Look::Fail(Error::Token(_))
        ));
        assert!(matches!(look(&mut token, now), Look::Wait(_)));
        fetch(&mut token, now + FAILURE_PAUSE);
    }

    #[test]
    fn refused_credentials_are_told_to_everybody_for_a_while() {
        let now = base();
        let mut token = Token::to_be_issued();
        let lease = fetch(&mut token, now);
        token.fail(lease, failure(), true, now);
        let almost = now + CREDENTIALS_PAUSE.saturating_sub(secs(1));
        for time in [now, almost] {
            let told = look(&mut token, time);
            assert!(matches!(told, Look::Fail(Error::Credentials(_))));
        }
        fetch(&mut token, now + CREDENTIALS_PAUSE);
    }

    #[test]
    fn one_dropped_fetch_is_free_and_two_in_a_row_are_not() {
        let now = base();
        let mut token = Token::to_be_issued();
        for round in 0..3 {
            let now = now + round * DROPS_PAUSE;
            let lease = fetch(&mut token, now);
            token.abandon(lease, now);
            let lease = fetch(&mut token, now);
            token.abandon(lease, now);
            assert_eq!(wait(&mut token, now), DROPS_PAUSE);
            token.abandon(lease, now + secs(5));
        }
    }

    #[test]
    fn new_tokens_that_are_refused_unused_bring_a_pause_and_one_that_was_good_does_not() {
        let refused = || Some(failure());
        for proven in [true, false] {
            let now = base();
            let mut token = fetched(now, None);
            for generation in 1..=3 {
                if proven {
                    token.prove(generation);
                }
                token.refuse(generation, refused(), now);
                if !proven && generation == 2 {
                    break;
                }
                let lease = fetch(&mut token, now);
                token.accept(lease, header(), None, now);
            }
            let paused = matches!(look(&mut token, now), Look::Wait(_));
            assert_eq!(paused, !proven);
        }
    }

    #[test]
    fn a_token_that_was_good_starts_the_count_of_barren_ones_again() {
        let now = base();
        let mut token = fetched(now, None);
        for generation in 1..=3 {
            if generation == 2 {
                token.prove(generation);
            }
            token.refuse(generation, Some(failure()), now);
            let lease = fetch(&mut token, now);
            token.accept(lease, header(), None, now);
        }
        assert_eq!(generation(&mut token, now), 4);
    }

    #[test]
    fn a_given_token_is_all_there_is() {
        let now = base();
        let mut token = Token::given(header());
        for _ in 0..5 {
            token.refuse(1, Some(failure()), now);
            assert_eq!(generation(&mut token, now + secs(1_000_000)), 1);
        }
    }
}
