use super::*;
use crate::base::base;
use crate::error::TransportError;

const TIMEOUT: Duration = Duration::from_secs(120);
const LEASE: Duration = Duration::from_secs(40);

const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn header() -> HeaderValue {
    HeaderValue::from_static("Bearer t")
}

fn issued(lifetime: Option<Duration>) -> FetchedToken {
    FetchedToken {
        header: header(),
        lifetime,
        since: base(),
        origin: TokenOrigin::Issued,
    }
}

/// The token of this generation, as a request carried it.
fn numbered(generation: u64) -> Bearer {
    Bearer {
        header: header(),
        generation,
        origin: TokenOrigin::Issued,
    }
}

fn set_save_at(tokens: &mut Tokens, at: Option<Instant>) {
    tokens.current.as_mut().expect("a token").save_at = at;
}

fn failure() -> Error {
    Error::Transport(TransportError::timed_out())
}

/// What a call gets that comes now.
fn look(token: &mut Tokens, now: Instant) -> Look {
    let seen = token.failures();
    look_since(token, now, seen)
}

fn look_since(token: &mut Tokens, now: Instant, seen: u64) -> Look {
    let request = TokenRequest {
        failures_seen: seen,
        deadline: now + TIMEOUT,
        lease: LEASE,
    };
    token.look(now, request)
}

fn reject(token: &mut Tokens, generation: u64, now: Instant) {
    let mut rng = Rng::with_seed(1);
    token.reject(&numbered(generation), Some(failure()), now, &mut rng);
}

fn fetch(token: &mut Tokens, now: Instant) -> Lease {
    match look(token, now) {
        Look::Fetch(lease) => lease,
        other => panic!("a lease was expected: {other:?}"),
    }
}

fn wait(token: &mut Tokens, now: Instant) -> Duration {
    match look(token, now) {
        Look::Wait(until) => until.duration_since(now),
        other => panic!("a wait was expected: {other:?}"),
    }
}

fn generation(token: &mut Tokens, now: Instant) -> u64 {
    match look(token, now) {
        Look::Use(bearer) => bearer.generation,
        other => panic!("a token was expected: {other:?}"),
    }
}

fn fetched(now: Instant, lifetime: Option<Duration>) -> Tokens {
    let mut token = Tokens::developer();
    let lease = fetch(&mut token, now);
    token.accept(lease, issued(lifetime));
    token
}

#[test]
fn one_call_fetches_and_the_others_wait_for_its_lease() {
    let now = base();
    let mut token = Tokens::developer();
    let lease = fetch(&mut token, now);
    assert_eq!(wait(&mut token, now), LEASE);
    assert!(token.renew(lease, now + secs(70)));
    assert_eq!(wait(&mut token, now + secs(69)), secs(1));
    let next = fetch(&mut token, now + secs(70));
    assert!(!token.renew(lease, now + secs(200)), "it was lost");
    assert!(token.renew(next, now + secs(200)));
}

#[test]
fn token_is_stale_ten_minutes_or_a_tenth_of_its_lifetime_before_it_expires() {
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
        token.fail_fetch(lease, failure(), now + secs(stale));
        assert_eq!(generation(&mut token, now + secs(stale)), 1);
        assert!(matches!(
            look(&mut token, now + secs(life)),
            Look::Wait(_) | Look::Fetch(_)
        ));
    }
}

#[test]
fn implausible_lifetime_is_ignored() {
    for life in [None, Some(Duration::ZERO), Some(secs(59))] {
        let now = base();
        let mut token = fetched(now, life);
        assert_eq!(generation(&mut token, now + secs(100_000)), 1, "{life:?}");
        reject(&mut token, 1, now);
        fetch(&mut token, now);
    }
    let now = base();
    assert_eq!(generation(&mut fetched(now, Some(Duration::MAX)), now), 1);
}

#[test]
fn rejection_ends_one_generation_permanently() {
    let now = base();
    let mut token = fetched(now, None);
    reject(&mut token, 1, now);
    let lease = fetch(&mut token, now);
    token.fail_fetch(lease, failure(), now);
    assert_eq!(wait(&mut token, now), MIN_FAILURE_PAUSE);
    let lease = fetch(&mut token, now + MIN_FAILURE_PAUSE);
    token.accept(lease, issued(None));
    reject(&mut token, 1, now);
    assert_eq!(generation(&mut token, now), 2);
}

#[test]
fn late_token_never_replaces_a_newer_one() {
    for newer_is_there in [true, false] {
        let now = base();
        let mut token = Tokens::developer();
        let lost = fetch(&mut token, now);
        let newer = fetch(&mut token, now + LEASE);
        if newer_is_there {
            token.accept(newer, issued(None));
        }
        let late = FetchedToken {
            header: HeaderValue::from_static("Bearer late"),
            ..issued(None)
        };
        token.accept(lost, late);
        let Look::Use(bearer) = look(&mut token, now + LEASE) else {
            panic!("a token is there");
        };
        assert_eq!(bearer.header == "Bearer t", newer_is_there);
    }
}

#[test]
fn pauses_after_failures_double_and_honour_retry_after() {
    let now = base();
    let mut token = Tokens::developer();
    for (round, pause) in (0..).zip([1, 2, 4, 8, 16, 30, 30]) {
        let now = now + round * MAX_FAILURE_PAUSE;
        let lease = fetch(&mut token, now);
        token.fail_fetch(lease, failure(), now);
        assert_eq!(wait(&mut token, now), secs(pause));
    }
    for (asked, pause) in [(100, 100), (u64::MAX, 300)] {
        let mut token = Tokens::developer();
        let lease = fetch(&mut token, now);
        let retry_after = secs(asked);
        let error = Error::RateLimited {
            retry_after,
            last: Box::new(failure()),
        };
        token.fail_fetch(lease, error, now);
        let request = TokenRequest {
            failures_seen: token.failures(),
            deadline: now + secs(1000),
            lease: LEASE,
        };
        let Look::Wait(until) = token.look(now, request) else {
            panic!("a pause was expected");
        };
        assert_eq!(until, now + secs(pause));
    }
}

#[test]
fn failed_fetch_fails_the_calls_that_waited_for_it() {
    let now = base();
    let mut token = Tokens::developer();
    let lease = fetch(&mut token, now);
    token.fail_fetch(lease, failure(), now);
    assert!(matches!(
        look_since(&mut token, now, 0),
        Look::Fail(Error::Token(_))
    ));
    assert!(matches!(look(&mut token, now), Look::Wait(_)));
    fetch(&mut token, now + MIN_FAILURE_PAUSE);
}

#[test]
fn rejected_credentials_fail_every_call_for_a_while() {
    let now = base();
    let mut token = Tokens::developer();
    let lease = fetch(&mut token, now);
    token.reject_credentials(lease, failure(), now);
    let almost = now + CREDENTIALS_PAUSE.saturating_sub(secs(1));
    for time in [now, almost] {
        let reply = look(&mut token, time);
        assert!(matches!(reply, Look::Fail(Error::Credentials(_))));
    }
    fetch(&mut token, now + CREDENTIALS_PAUSE);
}

#[test]
fn second_dropped_fetch_in_a_row_pauses_fetching() {
    let now = base();
    let mut token = Tokens::developer();
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
fn overdue_lease_counts_as_dropped_at_its_end() {
    let now = base();
    let mut token = Tokens::developer();
    fetch(&mut token, now);
    fetch(&mut token, now + LEASE);
    let second_end = now + LEASE * 2;
    assert_eq!(wait(&mut token, second_end + LONG_OVERDUE), secs(29));

    let mut token = Tokens::developer();
    fetch(&mut token, now);
    fetch(&mut token, now + LEASE);
    let long_after = now + secs(3600);
    assert_eq!(wait(&mut token, long_after), OVERDUE_GRACE);
    assert_eq!(wait(&mut token, long_after + OVERDUE_GRACE), DROPS_PAUSE);
}

/// Replaces rejected tokens until a backoff begins, and returns its length.
fn push_out_until_backoff(token: &mut Tokens, now: Instant) -> Duration {
    for generation in 1..=2 {
        assert!(!token.backs_off(now));
        reject(token, generation, now);
        let lease = fetch(token, now);
        if token.backs_off(now) {
            token.back_off(lease, now, false);
            return wait(token, now);
        }
        token.accept(lease, issued(None));
    }
    panic!("no backoff");
}

/// As after a suspend.
#[test]
fn holder_of_a_long_overdue_lease_has_ten_seconds_to_resume() {
    let (now, resumed) = (base(), base() + secs(3600));
    let mut token = Tokens::developer();
    let lease = fetch(&mut token, now);
    assert_eq!(wait(&mut token, resumed), OVERDUE_GRACE);
    assert!(token.renew(lease, resumed + LEASE));
    assert_eq!(wait(&mut token, resumed), LEASE);
    // The second suspend is no different.
    let resumed = resumed + secs(3600);
    assert_eq!(wait(&mut token, resumed), OVERDUE_GRACE);
    assert_eq!(token.claim(resumed, LEASE), Err(resumed + OVERDUE_GRACE));
    fetch(&mut token, resumed + OVERDUE_GRACE);
    assert!(!token.renew(lease, resumed + LEASE), "it was lost");
}

#[test]
fn second_push_out_in_five_minutes_backs_off_even_if_the_token_was_accepted() {
    for proven in [true, false] {
        let now = base();
        let mut token = fetched(now, None);
        if proven {
            token.prove(&numbered(1));
        }
        let backoff = push_out_until_backoff(&mut token, now);
        assert!(backoff > secs(2) && backoff <= secs(5), "{backoff:?}");
        let lease = fetch(&mut token, now + backoff);
        assert!(!token.backs_off(now + backoff));
        token.accept(lease, issued(None));
        assert_eq!(generation(&mut token, now + backoff), 3);
    }
}

#[test]
fn call_that_cannot_wait_for_the_backoff_fails_with_its_length_and_the_others_wait() {
    let now = base();
    let mut token = fetched(now, None);
    let backoff = push_out_until_backoff(&mut token, now);
    for (timeout, fails) in [
        (backoff, false),
        (backoff.saturating_sub(Duration::from_nanos(1)), true),
    ] {
        let request = TokenRequest {
            failures_seen: 0,
            deadline: now + timeout,
            lease: LEASE,
        };
        match token.look(now, request) {
            Look::Fail(error) => {
                assert!(fails && error.kind() == crate::ErrorKind::TokenBackoff);
                assert_eq!(error.retry_after(), Some(backoff));
                assert!(error.is_retryable());
            }
            Look::Wait(until) => assert!(!fails && until == now + backoff),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn store_is_read_every_second_during_a_backoff_and_a_newer_token_is_used() {
    let now = base();
    let mut token = fetched(now, None);
    push_out_until_backoff(&mut token, now);
    token.pause = None;
    let lease = fetch(&mut token, now);
    token.back_off(lease, now, true);
    assert_eq!(wait(&mut token, now), STORE_READ_PAUSE);
    let lease = fetch(&mut token, now + STORE_READ_PAUSE);
    assert!(token.backs_off(now + STORE_READ_PAUSE));
    let stored = FetchedToken {
        origin: TokenOrigin::Stored,
        ..issued(None)
    };
    token.accept(lease, stored);
    assert_eq!(generation(&mut token, now + STORE_READ_PAUSE), 3);
    assert!(!token.backs_off(now + STORE_READ_PAUSE));
}

#[test]
fn rejected_stored_tokens_that_others_replace_cause_no_backoff() {
    let now = base();
    let mut token = Tokens::developer();
    for generation in 1..=20 {
        let lease = fetch(&mut token, now);
        assert!(!token.backs_off(now));
        let found = FetchedToken {
            origin: TokenOrigin::Stored,
            ..issued(None)
        };
        token.accept(lease, found);
        reject(&mut token, generation, now);
    }
}

#[test]
fn given_token_is_used_whatever_happens() {
    let now = base();
    let mut token = Tokens::given(header());
    for _ in 0..5 {
        reject(&mut token, 1, now);
        assert_eq!(generation(&mut token, now + secs(1_000_000)), 1);
    }
}

#[test]
fn restored_token_never_replaces_a_usable_one() {
    let now = base();
    let mut token = Tokens::developer();
    let stored = |life: u64, since: Instant| FetchedToken {
        origin: TokenOrigin::Stored,
        since,
        ..issued(Some(secs(life)))
    };
    assert_eq!(token.restore(stored(600, now), now), Restored::Taken);
    assert_eq!(token.restore(stored(6000, now), now), Restored::NotNeeded);
    assert_eq!(generation(&mut token, now), 1);
    let ended = now + secs(600);
    assert_eq!(token.restore(stored(600, ended), ended), Restored::Taken);
    assert_eq!(generation(&mut token, ended), 2);
    reject(&mut token, 2, ended);
    assert_eq!(token.restore(stored(600, ended), ended), Restored::Rejected);
    let another = FetchedToken {
        header: HeaderValue::from_static("Bearer another"),
        ..stored(600, ended)
    };
    assert_eq!(token.restore(another, ended), Restored::Taken);
    assert_eq!(generation(&mut token, ended), 3);
}

#[test]
fn pair_is_not_used_while_a_refresh_may_revoke_it() {
    let now = base();
    let mut token = Tokens::oauth();
    let lease = fetch(&mut token, now);
    token.accept(lease, issued(Some(secs(7200))));
    assert_eq!(generation(&mut token, now + secs(6599)), 1);
    let stale = now + secs(6600);
    let lease = fetch(&mut token, stale);
    assert_eq!(wait(&mut token, stale), LEASE);
    token.set_may_revoke_current(lease, false);
    assert_eq!(generation(&mut token, stale), 1, "nothing is asked for yet");
    token.set_may_revoke_current(lease, true);
    assert_eq!(wait(&mut token, stale), LEASE);
    token.fail_fetch(lease, failure(), stale);
    assert_eq!(generation(&mut token, stale), 1, "in the pause it is used");
    assert!(matches!(look(&mut token, stale + secs(1)), Look::Fetch(_)));
}

#[test]
fn claim_ignores_pauses_and_waits_only_for_the_present_lease() {
    let now = base();
    let mut token = Tokens::developer();
    let lease = fetch(&mut token, now);
    assert_eq!(token.claim(now, LEASE), Err(now + LEASE));
    token.reject_credentials(lease, failure(), now);
    let claimed = token.claim(now, LEASE).unwrap();
    assert!(claimed > lease);
    token.release(claimed);
    let pauses = |token: &mut Tokens| matches!(look(token, now), Look::Fail(Error::Credentials(_)));
    assert!(pauses(&mut token), "nothing was learned");
    let claimed = token.claim(now, LEASE).unwrap();
    token.accept(claimed, issued(None));
    assert_eq!(generation(&mut token, now), 1);
}

#[test]
fn unsaved_pair_is_used_and_saved_again_in_time() {
    let now = base();
    let mut token = Tokens::oauth();
    let lease = fetch(&mut token, now);
    token.accept(lease, issued(Some(secs(7200))));
    set_save_at(&mut token, Some(now + secs(60)));
    assert_eq!(generation(&mut token, now + secs(59)), 1);
    assert!(!token.must_replace_current(now + secs(60)));
    let lease = fetch(&mut token, now + secs(60));
    token.set_may_revoke_current(lease, false);
    assert_eq!(generation(&mut token, now + secs(60)), 1);
    token.release(lease);
    set_save_at(&mut token, None);
    assert_eq!(generation(&mut token, now + secs(6599)), 1);
    assert!(token.must_replace_current(now + secs(6600)));
}

#[test]
fn claim_takes_over_an_overdue_lease() {
    let now = base();
    let mut token = Tokens::developer();
    let lost = fetch(&mut token, now);
    let claimed = token.claim(now + LEASE, LEASE).unwrap();
    assert!(!token.renew(lost, now + LEASE * 2));
    assert!(token.renew(claimed, now + LEASE * 2));
}

#[test]
fn two_rejected_stored_tokens_in_a_row_call_for_an_issue() {
    let now = base();
    let mut token = Tokens::developer();
    let stored = || FetchedToken {
        origin: TokenOrigin::Stored,
        ..issued(None)
    };
    for round in 0..2 {
        assert!(token.may_try_stored(), "{round}");
        let lease = fetch(&mut token, now);
        token.accept(lease, stored());
        let Look::Use(bearer) = look(&mut token, now) else {
            panic!("a token is there");
        };
        token.reject(&bearer, Some(failure()), now, &mut Rng::with_seed(1));
        token.reject(&bearer, Some(failure()), now, &mut Rng::with_seed(1));
    }
    assert!(!token.may_try_stored());
    let lease = fetch(&mut token, now);
    token.accept(lease, issued(None));
    assert!(token.may_try_stored(), "the count starts again");
}

#[test]
fn accepted_stored_token_starts_the_count_of_rejected_ones_again() {
    let now = base();
    let mut token = Tokens::developer();
    for round in 0..5 {
        let lease = fetch(&mut token, now);
        let stored = FetchedToken {
            origin: TokenOrigin::Stored,
            ..issued(None)
        };
        token.accept(lease, stored);
        let Look::Use(bearer) = look(&mut token, now) else {
            panic!("a token is there");
        };
        token.prove(&bearer);
        token.reject(&bearer, Some(failure()), now, &mut Rng::with_seed(1));
        assert!(token.may_try_stored(), "{round}");
    }
}
