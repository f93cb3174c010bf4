//! Stored tokens: one is issued for all processes, none after a restart, and none without the lock.

use std::time::{Duration, SystemTime};

use crate::support::callers::{
    Asked, ask_many, ask_user, assert_all_well, assert_many_succeed, get_user,
};
use crate::support::disk::{DISK_TIME, Disk, first_saves};
use crate::support::server::{LATENCY, issue_token, issue_token_until, token_in};
use crate::support::{
    Plan, Reply, START, ServerView, World, at, builder, elapsed, hand, millis, path, routine, secs,
};
use bytes::Bytes;
use http::Request;
use pan123_proto::user::GetUserInfo;
use pan123_proto::{
    Account, BuildError, ClockSkew, ErrorKind, Input, Machine, Pacing, Restored, Session, Step,
    StoreOp, StoreResult, StoredToken,
};

const SERVICE: &str = "https://open-api.123pan.com";
const DAY: Duration = secs(24 * 3600);

/// A process that stores its token.
fn process() -> Session {
    let builder = builder().pacing(Pacing::off()).persist_token(true);
    builder.build().unwrap()
}

fn processes(number: usize) -> Vec<Session> {
    (0..number).map(|_| process()).collect()
}

fn service_time(after_start: Duration) -> SystemTime {
    SystemTime::UNIX_EPOCH + START + after_start
}

fn stored_token(value: &str, life: Duration) -> StoredToken {
    let account = Account::new(SERVICE, "client-id");
    let skew = ClockSkew::Ahead(Duration::ZERO);
    StoredToken::new(account, value, Some(service_time(life)), skew)
}

fn ask_each(world: &mut World, sessions: &[Session]) -> Vec<Asked> {
    sessions.iter().map(|one| ask_user(world, one)).collect()
}

/// Rejects this token.
fn refusing(token: &'static str) -> impl FnMut(&ServerView<'_>, &Request<Bytes>) -> Reply {
    move |view, request| match token_in(request.headers()) {
        sent if sent == token => Reply::code(401, "tokens number has exceeded the limit"),
        _ => routine(view, request),
    }
}

fn slow_token_endpoint(view: &ServerView<'_>, request: &Request<Bytes>) -> Reply {
    let slow = request.uri().path() == path::TOKEN;
    routine(view, request).after(if slow { secs(5) } else { LATENCY })
}

#[test]
fn ten_processes_started_together_issue_one_token() {
    let disk = Disk::default();
    let mut world = World::new(slow_token_endpoint).hooks(disk.clone());
    let sessions = processes(10);
    let mut asked = Vec::new();
    for session in &sessions {
        asked.extend(ask_many(&mut world, session, 4));
    }
    world.run();
    assert_all_well(&asked);
    assert_eq!(world.sent_to(path::TOKEN).len(), 1);
    assert_eq!(disk.stored().unwrap().expose(), "token-1");
    assert!(!disk.is_locked());
}

#[test]
fn restart_issues_no_token_and_takes_no_lock() {
    let disk = Disk::default();
    let mut world = World::new(routine).hooks(disk.clone());
    get_user(&mut world, &process()).unwrap();
    assert_eq!(disk.ops(), ["load", "lock", "load", "save", "unlock"]);

    get_user(&mut world, &process()).unwrap();
    assert_eq!(disk.ops()[5..], ["load"]);
    assert_eq!(world.sent_to(path::TOKEN).len(), 1);
    assert_eq!(world.sent_to(path::USER_INFO)[1].token(), "token-1");
}

#[test]
fn token_is_saved_before_callers_continue() {
    let disk = Disk::default();
    let mut world = World::new(routine).hooks(disk.clone());
    ask_user(&mut world, &process());
    world.run();
    let saved = 4 * DISK_TIME + LATENCY;
    assert_eq!(world.times(path::USER_INFO), [saved]);
}

#[test]
fn expired_stored_token_is_ignored() {
    for (life, issued) in [(0, 1), (59, 1), (61, 0)] {
        let disk = Disk::with_token(stored_token("old", secs(life)));
        let mut world = World::new(routine).hooks(disk.clone());
        get_user(&mut world, &process()).unwrap();
        assert_eq!(world.sent_to(path::TOKEN).len(), issued, "{life} s");
    }
}

#[test]
fn wrong_local_clock_issues_no_more_tokens() {
    for local in [
        SystemTime::UNIX_EPOCH,
        service_time(Duration::ZERO) + 3000 * DAY,
    ] {
        let disk = Disk::default();
        let mut world = World::new(routine).hooks(disk.clone()).local_clock(local);
        for _ in 0..3 {
            ask_user(&mut world, &process());
            world.run();
        }
        assert_eq!(world.sent_to(path::TOKEN).len(), 1, "{local:?}");
    }
}

#[test]
fn token_that_arrives_expired_is_used() {
    let ended = |view: &ServerView<'_>, request: &Request<Bytes>| match request.uri().path() {
        path::TOKEN => issue_token_until(view.count(path::TOKEN) + 1, SystemTime::UNIX_EPOCH),
        _ => routine(view, request),
    };
    let disk = Disk::default();
    let mut world = World::new(ended).hooks(disk.clone());
    let asked = ask_each(&mut world, &processes(5));
    world.run();
    assert_all_well(&asked);
    assert_eq!(world.sent_to(path::TOKEN).len(), 1);
    assert_eq!(disk.stored().unwrap().expired_at(), None);
}

#[test]
fn stale_token_is_replaced_by_one_process_for_all() {
    let short = |view: &ServerView<'_>, request: &Request<Bytes>| match request.uri().path() {
        path::TOKEN => issue_token(view, view.count(path::TOKEN) + 1, secs(1000)),
        _ => routine(view, request),
    };
    let disk = Disk::default();
    let mut world = World::new(short).hooks(disk.clone());
    let sessions = processes(3);
    assert_eq!(ask_each(&mut world, &sessions).len(), 3);
    world.run();
    // Past nine tenths of its life, and before its end.
    world.run_until(secs(920));
    let asked = ask_each(&mut world, &sessions);
    world.run();
    assert_all_well(&asked);
    assert_eq!(world.sent_to(path::TOKEN).len(), 2);
    let asked = ask_each(&mut world, &sessions);
    world.run();
    assert_all_well(&asked);
    for sent in &world.sent_to(path::USER_INFO)[6..] {
        assert_eq!(sent.token(), "token-2");
    }
}

#[test]
fn rejected_token_is_replaced_by_one_process_for_all() {
    let disk = Disk::with_token(stored_token("pushed-out", DAY));
    let mut world = World::new(refusing("pushed-out")).hooks(disk.clone());
    let asked = ask_each(&mut world, &processes(6));
    world.run();
    assert_all_well(&asked);
    assert_eq!(world.sent_to(path::TOKEN).len(), 1);
    assert_eq!(disk.stored().unwrap().expose(), "token-1");
}

#[test]
fn no_token_is_issued_while_the_lock_is_busy() {
    let busy = |op: &StoreOp| matches!(op, StoreOp::Lock).then_some(StoreResult::Busy);
    let disk = Disk::default().failing(busy);
    let mut world = World::new(routine).hooks(disk.clone());
    let session = process();
    let call = session.call(&GetUserInfo).unwrap().timeout(secs(300));
    let patient = world.start(call);
    let hasty = ask_user(&mut world, &session);
    world.run();
    assert_eq!(world.sent().len(), 0);
    let (ended, error) = hasty.timed();
    assert_eq!(error.unwrap_err().kind(), ErrorKind::Deadline);
    assert_eq!(ended, secs(120));
    let (ended, error) = patient.timed();
    let error = error.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TokenStore);
    assert!(error.is_retryable(), "the lock may become free");
    let whose = format!("the lock of client id \"client-id\" at {SERVICE}, and no token");
    assert!(error.to_string().contains(&whose), "{error}");
    assert!(ended >= secs(120) && ended < secs(121), "{ended:?}");
    let tries = disk.ops().iter().filter(|op| **op == "lock").count();
    assert!((120..400).contains(&tries), "{tries} tries in 120 s");
}

#[test]
fn lock_of_a_dropped_fetch_is_taken_over() {
    let disk = Disk::default();
    let mut world = World::new(slow_token_endpoint)
        .hooks(disk.clone())
        .plan(|_| Plan::InPlace);
    let (killed, other) = (process(), process());
    let killed = ask_user(&mut world, &killed);
    world.run_until(millis(100));
    let asked = ask_user(&mut world, &other);
    world.run_until(secs(1));
    assert_eq!(world.sent_to(path::TOKEN).len(), 1, "the other waits");
    world.abandon(&killed);
    world.run();
    asked.get().unwrap();
    assert_eq!(world.sent_to(path::TOKEN).len(), 2);
}

#[test]
fn unreadable_store_is_an_error_and_is_not_overwritten() {
    for failing in ["unlocked", "locked"] {
        let mut loads = 0;
        let disk = Disk::default().failing(move |op| match op {
            StoreOp::Load => {
                loads += 1;
                let fails = failing == "unlocked" || loads == 2;
                fails.then(|| StoreResult::Failed("/tmp/t.json is broken".to_owned()))
            }
            _ => None,
        });
        let mut world = World::new(routine).hooks(disk.clone());
        let asked = ask_many(&mut world, &process(), 2);
        world.run();
        assert_eq!(world.sent().len(), 0, "{failing}");
        assert!(!disk.ops().contains(&"save") && !disk.is_locked());
        for one in asked {
            let error = one.get().unwrap_err();
            assert!(!error.is_retryable());
            assert_eq!(
                error.to_string(),
                "the token store failed: /tmp/t.json is broken"
            );
        }
    }
}

#[test]
fn token_of_another_account_is_not_used() {
    for account in [
        Account::new(SERVICE, "another"),
        Account::new("http://127.0.0.1", "client-id"),
    ] {
        let skew = ClockSkew::Behind(secs(1));
        let token = StoredToken::new(account, "foreign", None, skew);
        let disk = Disk::with_token(token);
        let mut world = World::new(routine).hooks(disk.clone());
        let asked = ask_many(&mut world, &process(), 1);
        world.run();
        assert_eq!(world.sent().len(), 0);
        let error = asked.into_iter().next().unwrap().get().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TokenStore);
        let whose = format!("not of client id \"client-id\" at {SERVICE}: give each account");
        assert!(error.to_string().contains(&whose), "{error}");
        assert_eq!(disk.stored().unwrap().expose(), "foreign");
    }
}

#[test]
fn unsaved_token_is_used_and_the_store_fault_reported() {
    let fails = |op: &StoreOp| {
        let full = || StoreResult::Failed("the disk is full".to_owned());
        matches!(op, StoreOp::Save(_)).then(full)
    };
    let disk = Disk::default().failing(fails);
    let mut world = World::new(routine).hooks(disk.clone());
    let session = process();
    assert_many_succeed(&mut world, &session, 3);
    assert_eq!(world.sent_to(path::TOKEN).len(), 1);
    assert!(!disk.is_locked());
    let fault = session.token_store_fault().unwrap().to_string();
    assert_eq!(fault, "the token store failed: the disk is full");
    let ops = disk.ops();
    assert_many_succeed(&mut world, &session, 3);
    assert_eq!(disk.ops(), ops, "saving is not tried again with every call");
    assert!(process().token_store_fault().is_none());
}

#[test]
fn saving_is_tried_again_with_the_next_token() {
    let short = |view: &ServerView<'_>, request: &Request<Bytes>| match request.uri().path() {
        path::TOKEN => issue_token(view, view.count(path::TOKEN) + 1, secs(1000)),
        _ => routine(view, request),
    };
    let disk = Disk::default().failing(first_saves(1));
    let mut world = World::new(short).hooks(disk.clone());
    let session = process();
    for (at, stored) in [
        (secs(0), None),
        (secs(800), None),
        (secs(1100), Some("token-2")),
    ] {
        world.run_until(at);
        get_user(&mut world, &session).unwrap();
        let saved = disk.stored();
        assert_eq!(saved.as_ref().map(StoredToken::expose), stored, "{at:?}");
        assert_eq!(session.token_store_fault().is_none(), stored.is_some());
    }
    assert_eq!(disk.times("save").len(), 2);
}

#[test]
fn empty_place_is_no_token() {
    let disk = Disk::default().failing(|op| {
        let lost = || StoreResult::Lost("/tmp/t.json is empty".to_owned());
        matches!(op, StoreOp::Load).then(lost)
    });
    let mut world = World::new(routine).hooks(disk.clone());
    get_user(&mut world, &process()).unwrap();
    assert_eq!(disk.ops(), ["load", "lock", "load", "save", "unlock"]);
    assert_eq!(disk.stored().unwrap().expose(), "token-1");
}

#[test]
fn only_a_fault_that_may_pass_is_retryable() {
    for (result, may_pass) in [
        (StoreResult::Failed("broken".to_owned()), false),
        (StoreResult::Unavailable("restarting".to_owned()), true),
        (StoreResult::Unsupported, false),
    ] {
        let mut result = Some(result);
        let disk = Disk::default().failing(move |op| {
            let locks = matches!(op, StoreOp::Lock);
            locks.then(|| result.take()).flatten()
        });
        let mut world = World::new(routine).hooks(disk);
        let session = process();
        let error = get_user(&mut world, &session).unwrap_err();
        assert_eq!(
            (error.kind(), error.is_retryable()),
            (ErrorKind::TokenStore, may_pass),
            "{error}"
        );
        world.run_until(world.now() + secs(5));
        get_user(&mut world, &session).unwrap();
    }
}

#[test]
fn driver_without_store_serves_a_persisting_session() {
    let mut world = World::new(routine);
    assert_many_succeed(&mut world, &process(), 3);
    assert_eq!(world.sent_to(path::TOKEN).len(), 1);
}

#[test]
fn unexpected_input_ends_the_fetch() {
    for wrong in [
        Input::Wake,
        Input::Stored(StoreResult::Saved),
        hand::answer(200, "{}"),
    ] {
        let session = process();
        let mut call = session.call(&GetUserInfo).unwrap();
        let now = at(Duration::ZERO);
        let mut refresh = hand::detached(call.resume(now, Input::Wake));
        let first = refresh.resume(now, Input::Wake);
        assert!(matches!(first, Step::Store(StoreOp::Load)));
        hand::ready(refresh.resume(now, wrong));
        let error = hand::ready(call.resume(now, Input::Wake)).unwrap_err();
        assert!(error.to_string().contains("the token store failed"));
    }
}

/// A fetch, resumed with these inputs in turn, and its last step.
fn fetch(
    session: &Session,
    inputs: impl IntoIterator<Item = Input>,
) -> (impl Machine<Output = ()>, Step<()>) {
    let now = at(Duration::ZERO);
    let mut call = session.call(&GetUserInfo).unwrap();
    let mut refresh = hand::detached(call.resume(now, Input::Wake));
    let mut step = refresh.resume(now, Input::Wake);
    for input in inputs {
        step = refresh.resume(now, input);
    }
    (refresh, step)
}

#[test]
fn busy_lock_is_retried_after_a_backoff() {
    for seed in 0..50 {
        let session = builder().persist_token(true).seed(seed).build().unwrap();
        let (mut refresh, step) = fetch(
            &session,
            [
                Input::Stored(StoreResult::Loaded(None)),
                Input::Stored(StoreResult::Busy),
            ],
        );
        let until = elapsed(hand::wait(step).until);
        assert!(until >= millis(25) && until <= millis(50), "{until:?}");
        let early = refresh.resume(at(millis(10)), Input::Wake);
        assert_eq!(elapsed(hand::wait(early).until), until);
        let step = refresh.resume(at(until), Input::Wake);
        assert!(matches!(step, Step::Store(StoreOp::Lock)), "{step:?}");
    }
}

#[test]
fn fetch_deadline_counts_from_its_first_step() {
    let session = process();
    let mut call = session.call(&GetUserInfo).unwrap();
    let mut refresh = hand::detached(call.resume(at(Duration::ZERO), Input::Wake));
    refresh.resume(at(Duration::ZERO), Input::Wake);
    let slow = at(millis(119_990));
    refresh.resume(slow, Input::Stored(StoreResult::Loaded(None)));
    let step = refresh.resume(slow, Input::Stored(StoreResult::Busy));
    assert_eq!(elapsed(hand::wait(step).until), secs(120));
}

#[test]
fn store_that_becomes_unsupported_is_an_error() {
    let session = process();
    let (_refresh, step) = fetch(
        &session,
        [
            Input::Stored(StoreResult::Loaded(None)),
            Input::Stored(StoreResult::Locked),
            Input::Stored(StoreResult::Unsupported),
        ],
    );
    assert!(matches!(step, Step::Store(StoreOp::Unlock)), "{step:?}");
}

#[test]
fn token_being_saved_survives_a_dropped_fetch() {
    let session = process();
    let (refresh, step) = fetch(
        &session,
        [
            Input::Stored(StoreResult::Loaded(None)),
            Input::Stored(StoreResult::Locked),
            Input::Stored(StoreResult::Loaded(None)),
            hand::answer(200, r#"{"code":0,"data":{"accessToken":"t"}}"#),
        ],
    );
    assert!(matches!(step, Step::Store(StoreOp::Save(_))), "{step:?}");
    drop(refresh);
    let now = at(Duration::ZERO);
    let mut call = session.call(&GetUserInfo).unwrap();
    let sent = hand::transmit(call.resume(now, Input::Wake));
    assert_eq!(token_in(sent.request.headers()), "t");
}

#[test]
fn restored_token_is_taken_only_if_needed() {
    let session = builder().build().unwrap();
    let now = at(Duration::ZERO);
    let restore = |token: &StoredToken| session.restore(token, now);
    assert_eq!(
        restore(&stored_token("ended", secs(5))).unwrap(),
        Restored::Expired
    );
    assert_eq!(restore(&stored_token("a", DAY)).unwrap(), Restored::Taken);
    assert_eq!(
        restore(&stored_token("b", 2 * DAY)).unwrap(),
        Restored::NotNeeded
    );
    let foreign = StoredToken::new(
        Account::new(SERVICE, "x"),
        "t",
        None,
        ClockSkew::Ahead(secs(0)),
    );
    assert_eq!(restore(&foreign).unwrap_err().kind(), ErrorKind::TokenStore);
    assert_eq!(
        restore(&stored_token("two\nlines", DAY))
            .unwrap_err()
            .kind(),
        ErrorKind::Build
    );

    let mut world = World::new(refusing("a"));
    get_user(&mut world, &session).unwrap();
    assert_eq!(world.sent_to(path::USER_INFO)[0].token(), "a");
    assert_eq!(world.sent_to(path::USER_INFO)[1].token(), "token-1");
}

#[test]
fn rejected_token_is_not_restored() {
    let session = builder().build().unwrap();
    let now = at(Duration::ZERO);
    session.restore(&stored_token("a", DAY), now).unwrap();
    let mut call = session.call(&GetUserInfo).unwrap();
    hand::transmit(call.resume(now, Input::Wake));
    let refused = call.resume(now, hand::code(401, "token is expired"));
    assert!(matches!(refused, Step::Detach(_)));
    let again = session.restore(&stored_token("a", DAY), now).unwrap();
    assert_eq!(again, Restored::Rejected);
}

#[test]
fn given_token_cannot_be_persisted() {
    let builder = Session::builder().access_token("t").persist_token(true);
    let error = builder.build().unwrap_err();
    assert!(matches!(error, BuildError::Setting { .. }), "{error:?}");
}

#[test]
fn stored_token_round_trips() {
    let account = Account::new(SERVICE, "client-id");
    let end = Some(service_time(DAY));
    for (end, skew) in [
        (end, ClockSkew::Ahead(secs(0))),
        (end, ClockSkew::Behind(millis(1500))),
        (None, ClockSkew::Ahead(1000 * DAY)),
    ] {
        let token = StoredToken::new(account.clone(), "canary", end, skew);
        let json = serde_json::to_string(&token).unwrap();
        let back: StoredToken = serde_json::from_str(&json).unwrap();
        assert_eq!(back.expose(), "canary");
        assert_eq!(back.account(), &account);
        assert_eq!((back.expired_at(), back.skew()), (end, skew));
        assert!(!format!("{back:?}").contains("canary"));
    }
    let form = |version: u32, token: &str, more: &str| {
        format!(
            r#"{{"version":{version},"service":"s","client_id":"c","access_token":"{token}","expired_at":null,"skew_ms":0{more}}}"#
        )
    };
    for more in ["", r#","more":1"#] {
        serde_json::from_str::<StoredToken>(&form(1, "t", more)).unwrap();
    }
    for (form, why) in [
        (
            form(2, "t", ""),
            "version 2 of a stored token is not supported",
        ),
        (form(1, "", ""), "the stored token is empty"),
        (
            r#"[1,"s","c",null,"t",null,null,0]"#.to_owned(),
            "expected an object",
        ),
    ] {
        let error = serde_json::from_str::<StoredToken>(&form).unwrap_err();
        assert!(error.to_string().contains(why), "{error}");
    }
}
