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

fn issued(life: Option<Duration>) -> Found {
    Found {
        header: header(),
        life,
        since: base(),
        is_new: true,
    }
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
    let mut token = Token::to_come(Source::Issued);
    let lease = fetch(&mut token, now);
    token.accept(lease, issued(life));
    token
}

#[test]
fn one_fetches_and_the_rest_wait_for_the_lease_as_it_is_renewed() {
    let now = base();
    let mut token = Token::to_come(Source::Issued);
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
    token.accept(lease, issued(None));
    token.refuse(1, None, now);
    assert_eq!(generation(&mut token, now), 2);
}

#[test]
fn a_late_token_is_taken_only_where_no_newer_one_is() {
    for newer_is_there in [true, false] {
        let now = base();
        let mut token = Token::to_come(Source::Issued);
        let lost = fetch(&mut token, now);
        let newer = fetch(&mut token, now + LEASE);
        if newer_is_there {
            token.accept(newer, issued(None));
        }
        let late = Found {
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
fn pauses_after_failures_double_and_honour_what_the_service_asks() {
    let now = base();
    let mut token = Token::to_come(Source::Issued);
    for (round, pause) in (0..).zip([1, 2, 4, 8, 16, 30, 30]) {
        let now = now + round * MOST_FAILURE_PAUSE;
        let lease = fetch(&mut token, now);
        token.fail(lease, failure(), false, now);
        assert_eq!(wait(&mut token, now), secs(pause));
    }
    for (asked, pause) in [(100, 100), (u64::MAX, 300)] {
        let mut token = Token::to_come(Source::Issued);
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
    let mut token = Token::to_come(Source::Issued);
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
    let mut token = Token::to_come(Source::Issued);
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
    let mut token = Token::to_come(Source::Issued);
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
fn a_lease_that_ran_out_counts_from_then_and_not_from_when_somebody_looks() {
    let now = base();
    let mut token = Token::to_come(Source::Issued);
    fetch(&mut token, now);
    fetch(&mut token, now + LEASE);
    assert_eq!(wait(&mut token, now + LEASE * 2 + secs(10)), secs(20));

    let mut token = Token::to_come(Source::Issued);
    fetch(&mut token, now);
    fetch(&mut token, now + LEASE);
    fetch(&mut token, now + secs(3600));
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
            token.accept(lease, issued(None));
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
        token.accept(lease, issued(None));
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

#[test]
fn what_is_restored_never_replaces_a_token_that_can_be_used() {
    let now = base();
    let mut token = Token::to_come(Source::Issued);
    let kept = |life: u64, since: Instant| Found {
        is_new: false,
        since,
        ..issued(Some(secs(life)))
    };
    assert_eq!(token.restore(kept(600, now), now), Restored::Taken);
    assert_eq!(token.restore(kept(6000, now), now), Restored::NotNeeded);
    assert_eq!(generation(&mut token, now), 1);
    let ended = now + secs(600);
    assert_eq!(token.restore(kept(600, ended), ended), Restored::Taken);
    assert_eq!(generation(&mut token, ended), 2);
    token.refuse(2, None, ended);
    assert_eq!(token.restore(kept(600, ended), ended), Restored::Refused);
    let another = Found {
        header: HeaderValue::from_static("Bearer another"),
        ..kept(600, ended)
    };
    assert_eq!(token.restore(another, ended), Restored::Taken);
    assert_eq!(generation(&mut token, ended), 3);
}

#[test]
fn only_new_tokens_that_are_refused_unused_count_as_in_vain() {
    for (is_new, paused) in [(true, true), (false, false)] {
        let now = base();
        let mut token = Token::to_come(Source::Issued);
        for generation in 1..=2 {
            let lease = fetch(&mut token, now);
            let found = Found {
                is_new,
                ..issued(None)
            };
            token.accept(lease, found);
            token.refuse(generation, Some(failure()), now);
        }
        let fetches = matches!(look(&mut token, now), Look::Fetch(_));
        assert_eq!(fetches, !paused);
    }
}

#[test]
fn while_a_refresh_may_end_the_old_token_nobody_uses_it() {
    let now = base();
    let mut token = Token::to_come(Source::Rotated);
    let lease = fetch(&mut token, now);
    token.accept(lease, issued(Some(secs(7200))));
    assert_eq!(generation(&mut token, now + secs(6599)), 1);
    let stale = now + secs(6600);
    let lease = fetch(&mut token, stale);
    assert_eq!(wait(&mut token, stale), LEASE);
    token.set_ends_held(lease, false);
    assert_eq!(generation(&mut token, stale), 1, "nothing is asked for yet");
    token.set_ends_held(lease, true);
    assert_eq!(wait(&mut token, stale), LEASE);
    token.fail(lease, failure(), false, stale);
    assert_eq!(generation(&mut token, stale), 1, "in the pause it is used");
    assert!(matches!(look(&mut token, stale + secs(1)), Look::Fetch(_)));
}

#[test]
fn who_claims_waits_for_nobody_but_the_one_who_fetches() {
    let now = base();
    let mut token = Token::to_come(Source::Issued);
    let lease = fetch(&mut token, now);
    assert_eq!(token.claim(now, LEASE), Err(now + LEASE));
    token.fail(lease, failure(), true, now);
    let claimed = token.claim(now, LEASE).unwrap();
    assert!(claimed > lease);
    token.release(claimed);
    let pauses = |token: &mut Token| matches!(look(token, now), Look::Fail(Error::Credentials(_)));
    assert!(pauses(&mut token), "nothing was learned");
    let claimed = token.claim(now, LEASE).unwrap();
    token.accept(claimed, issued(None));
    assert_eq!(generation(&mut token, now), 1);
}

#[test]
fn a_token_that_is_to_be_saved_is_used_and_seen_to_in_time() {
    let now = base();
    let mut token = Token::to_come(Source::Issued);
    let lease = fetch(&mut token, now);
    token.accept(lease, issued(Some(secs(7200))));
    token.save_at(Some(now + secs(60)));
    assert_eq!(generation(&mut token, now + secs(59)), 1);
    assert!(!token.is_worn(now + secs(60)));
    let lease = fetch(&mut token, now + secs(60));
    assert_eq!(generation(&mut token, now + secs(60)), 1);
    token.release(lease);
    token.save_at(None);
    assert_eq!(generation(&mut token, now + secs(6599)), 1);
    assert!(token.is_worn(now + secs(6600)));
}

#[test]
fn a_claim_takes_over_after_the_lease() {
    let now = base();
    let mut token = Token::to_come(Source::Issued);
    let lost = fetch(&mut token, now);
    let claimed = token.claim(now + LEASE, LEASE).unwrap();
    assert!(!token.renew(lost, now + LEASE * 2));
    assert!(token.renew(claimed, now + LEASE * 2));
}
