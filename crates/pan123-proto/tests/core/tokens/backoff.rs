//! Tokens that are rejected again and again: how often they are replaced, and what calls get meanwhile.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::{Duration, SystemTime};

use crate::support::callers::{Asked, ask_many, ask_user, assert_all_well, get_user, unpaced};
use crate::support::disk::Disk;
use crate::support::oauth_service;
use crate::support::server::{LATENCY, issue_token, token_in};
use crate::support::{Reply, START, World, builder, path, routine, secs};
use pan123_proto::user::GetUserInfo;
use pan123_proto::{Account, ClockSkew, Error, ErrorKind, Pacing, Session, StoredToken};
use serde_json::json;

const HOUR: Duration = secs(3600);
const PUSHED_OUT: &str = "tokens number has exceeded the limit";

/// Makes one call, and lets no more time pass than it takes.
fn call_at_once(world: &mut World, session: &Session) -> Result<(), Error> {
    let asked = ask_user(world, session);
    while !asked.is_there() {
        world.run_until(world.now() + LATENCY);
    }
    asked.get().map(drop)
}

/// A service whose tokens live once each: the second request with a token gets a 401.
fn every_second_call_is_rejected() -> World {
    World::new(|view, request| {
        let token = token_in(request.headers()).to_owned();
        let used = view.earlier.iter().any(|sent| sent.token() == token);
        match request.uri().path() {
            path::USER_INFO if used => Reply::code(401, PUSHED_OUT),
            _ => routine(view, request),
        }
    })
}

#[test]
fn seven_accepted_tokens_are_replaced_in_minutes_and_then_calls_fail_at_once() {
    let mut world = every_second_call_is_rejected();
    let session = unpaced();
    let call = |_| call_at_once(&mut world, &session);
    let results: Vec<Result<(), Error>> = (0..20).map(call).collect();
    let succeeded = results.iter().take_while(|result| result.is_ok()).count();
    assert_eq!(succeeded, 7, "{results:?}");
    let errors = results[succeeded..]
        .iter()
        .map(|result| result.as_ref().unwrap_err());
    for error in errors {
        assert_eq!(error.kind(), ErrorKind::TokenBackoff);
        assert!(error.is_retryable());
        assert!(error.retry_after() > Some(secs(100)), "{error}");
        let text = error.to_string();
        assert!(text.contains("share one token store"), "{text}");
        assert!(text.contains(PUSHED_OUT), "{text}");
    }
    let times = world.times(path::TOKEN);
    assert_eq!(times.len(), succeeded);
    assert!(times[1] <= LATENCY * 4, "the first one is replaced at once");
    // Each wait is at least half of 5 s, 10 s, 20 s, 40 s and 80 s.
    assert!(times[6] > secs(155 / 2), "{times:?}");
    let wait = results[19].as_ref().unwrap_err().retry_after().unwrap();
    world.run_until(world.now() + wait);
    get_user(&mut world, &session).unwrap();
}

#[test]
fn calls_with_time_left_wait_for_the_next_token() {
    let mut world = every_second_call_is_rejected();
    let session = unpaced();
    for _ in 0..2 {
        call_at_once(&mut world, &session).unwrap();
    }
    let started = world.now();
    let patient = ask_user(&mut world, &session);
    let hasty = session.call(&GetUserInfo).unwrap().timeout(secs(2));
    let hasty = world.start(hasty);
    world.run();
    let (ended, result) = hasty.timed();
    let error = result.unwrap_err();
    assert_eq!(
        (error.kind(), ended),
        (ErrorKind::TokenBackoff, started + LATENCY)
    );
    let (ended, result) = patient.timed();
    result.unwrap();
    // The error told the truth.
    let waited = error.retry_after().unwrap();
    assert_eq!(ended, started + LATENCY + waited + LATENCY * 2);
    assert!(waited > secs(2) && waited <= secs(5), "{waited:?}");
}

/// Two 401s of tokens that were never accepted, 13 minutes apart: the second one is no reason to end the call beside it.
#[test]
fn rejection_of_long_ago_ends_no_other_call_and_delays_none() {
    let later = secs(13 * 60);
    let mut world = World::new(move |view, request| {
        match (request.uri().path(), token_in(request.headers())) {
            (path::USER_INFO, "token-1") => Reply::code(401, PUSHED_OUT),
            (path::USER_INFO, "token-2") if view.at >= later => Reply::code(401, PUSHED_OUT),
            (path::USER_INFO, "token-2") => Reply::http(404, "says nothing of the token"),
            _ => routine(view, request),
        }
    });
    let session = unpaced();
    let error = get_user(&mut world, &session).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Http);
    world.run_until(later);
    let asked = ask_many(&mut world, &session, 4);
    world.run();
    assert_all_well(&asked);
    assert_eq!(world.times(path::TOKEN)[2], later + LATENCY);
}

fn stored(value: &str) -> StoredToken {
    let account = Account::new("https://open-api.123pan.com", "client-id");
    let expired_at = SystemTime::UNIX_EPOCH + START + HOUR;
    let skew = ClockSkew::Ahead(Duration::ZERO);
    StoredToken::new(account, value, Some(expired_at), skew)
}

#[test]
fn token_that_another_process_stores_ends_a_backoff() {
    let disk = Disk::default();
    let mut world = World::new(|view, request| match token_in(request.headers()) {
        "token-1" | "token-2" if view.count(path::USER_INFO) % 2 == 1 => {
            Reply::code(401, PUSHED_OUT)
        }
        _ => routine(view, request),
    })
    .hooks(disk.clone());
    let session = builder().pacing(Pacing::off()).persist_token(true);
    let session = session.build().unwrap();
    for _ in 0..2 {
        call_at_once(&mut world, &session).unwrap();
    }
    let waits = ask_user(&mut world, &session);
    let stored_at = world.now() + secs(2);
    world.run_until(stored_at);
    assert!(!waits.is_there());
    disk.put(stored("theirs"));
    world.run();
    let (ended, result) = waits.timed();
    result.unwrap();
    assert!(ended <= stored_at + secs(1) + LATENCY * 2, "{ended:?}");
    assert_eq!(world.sent().last().unwrap().token(), "theirs");
    assert_eq!(world.sent_to(path::TOKEN).len(), 2);
    assert!(!disk.is_locked(), "nobody held the lock meanwhile");
}

#[test]
fn pair_of_an_app_is_not_refreshed_again_and_again() {
    let service = oauth_service::Service::after(1);
    let mut world = service.world(&Disk::with_token(oauth_service::pair(1, HOUR)));
    let session = oauth_service::process();
    let mut kinds = Vec::new();
    for _ in 0..20 {
        service.end_access();
        let result = call_at_once(&mut world, &session);
        kinds.extend(result.err().map(|error| error.kind()));
    }
    let refreshes = world.times(path::OAUTH);
    // The waits are drawn at random.
    assert!((5..=8).contains(&refreshes.len()), "{refreshes:?}");
    assert_eq!(kinds, vec![ErrorKind::TokenBackoff; 20 - refreshes.len()]);
    world.run_until(world.now() + HOUR);
    service.end_access();
    get_user(&mut world, &session).unwrap();
    assert_eq!(service.refused(), 0);
}

/// What processes without a common store cost and get while more of them use one client id than there are live tokens.
struct Contention {
    world: World,
    sessions: Vec<Session>,
    /// When which process got a token.
    issued: Rc<RefCell<Vec<(Duration, usize)>>>,
    /// By process.
    asked: Vec<Vec<Asked>>,
}

impl Contention {
    fn new(seed: u64, processes: usize, max_live: usize) -> Contention {
        let issued: Rc<RefCell<Vec<(Duration, usize)>>> = Rc::default();
        let log = Rc::clone(&issued);
        let mut live = VecDeque::new();
        let world = World::new(move |view, request| {
            if request.uri().path() == path::TOKEN {
                let body = String::from_utf8_lossy(request.body());
                let secret = body.split("secret-").nth(1).unwrap();
                let process = usize::from(secret.as_bytes()[0] - b'0');
                let mut log = log.borrow_mut();
                log.push((view.at, process));
                live.push_back(format!("token-{}", log.len()));
                live.drain(..live.len().saturating_sub(max_live));
                return issue_token(view, log.len(), HOUR * 24 * 30);
            }
            if live
                .iter()
                .any(|token| token == token_in(request.headers()))
            {
                return Reply::data(json!({"uid": 7}));
            }
            Reply::code(401, PUSHED_OUT)
        });
        let session = |process| {
            let builder = Session::builder().credentials("id", format!("secret-{process}"));
            let builder = builder.pacing(Pacing::off()).seed(seed << 8 | process);
            builder.build().unwrap()
        };
        Contention {
            world,
            sessions: (0..processes as u64).map(session).collect(),
            issued,
            asked: (0..processes).map(|_| Vec::new()).collect(),
        }
    }

    /// Each process makes a call every so often, none of them at the same time.
    fn run(&mut self, hours: u32, every: Duration) {
        let end = self.world.now() + HOUR * hours;
        let gap = every / u32::try_from(self.sessions.len()).unwrap();
        while self.world.now() < end {
            for (process, session) in self.sessions.iter().enumerate() {
                let call = session.call(&GetUserInfo).unwrap().timeout(secs(10));
                self.asked[process].push(self.world.start(call));
                self.world.run_until(self.world.now() + gap);
            }
        }
    }

    fn issued_between(&self, from: Duration, to: Duration, process: usize) -> usize {
        let issued = self.issued.borrow();
        let in_time = issued
            .iter()
            .filter(|(at, of)| *at >= from && *at < to && *of == process);
        in_time.count()
    }
}

/// Each issues at most 19 tokens in the first hour, and 12 an hour from then on: 24 an hour for two processes. Each works a fair
/// part of the time.
#[test]
fn processes_that_push_each_other_out_take_turns() {
    const HOURS: u32 = 6;
    for (processes, max_live, every) in [(2, 1, 5), (2, 1, 61), (4, 3, 10)] {
        for seed in 0..3 {
            let mut contention = Contention::new(seed, processes, max_live);
            contention.run(HOURS, secs(every));
            contention.world.run();
            for process in 0..processes {
                let case = format!(
                    "seed {seed}, {max_live} live, every {every} s, {process} of {processes}"
                );
                let first = contention.issued_between(Duration::ZERO, HOUR, process);
                assert!(first <= 19, "{case}: {first} in the first hour");
                let later = contention.issued_between(HOUR, HOUR * HOURS, process);
                assert!((59..=61).contains(&later), "{case}: {later} in five hours");
                let asked = &contention.asked[process];
                let failed = asked.iter().filter_map(|one| one.get().err());
                let (backoffs, others): (Vec<_>, Vec<_>) = failed
                    .map(|error| error.kind())
                    .partition(|kind| *kind == ErrorKind::TokenBackoff);
                assert!(
                    backoffs.len() < asked.len() * 3 / 5,
                    "{case}: {} of {}",
                    backoffs.len(),
                    asked.len()
                );
                assert!(others.len() < asked.len() / 50, "{case}: {others:?}");
            }
        }
    }
}
