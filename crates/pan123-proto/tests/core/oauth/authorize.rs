//! The first token pair of a user, exchanged for a code.

use std::time::Duration;

use crate::support::callers::{
    ask_many, ask_user, assert_all_well, assert_many_succeed, get_user, kinds,
};
use crate::support::disk::{DISK_TIME, Disk};
use crate::support::oauth_service::{
    Fault, LIFE, REDIRECT, SERVICE, Service, app, asked_with, of, pair, process, used,
};
use crate::support::server::{LATENCY, token_in};
use crate::support::{
    Outcome, Reply, World, at, elapsed, hand, millis, path, routine, secs, session,
};
use pan123_proto::user::GetUserInfo;
use pan123_proto::{
    Account, Authorize, BuildError, ClockSkew, Error, ErrorKind, Input, Machine, Session, Step,
    StoreOp, StoreResult, StoredToken, TransportError,
};

fn authorize(world: &mut World, session: &Session) -> Outcome<Result<(), Error>> {
    world.start(session.authorize("code-1", REDIRECT).unwrap())
}

#[test]
fn code_is_exchanged_for_a_pair_that_is_saved_and_used() {
    let disk = Disk::default();
    let mut world = Service::after(0).world(&disk);
    let session = process();
    let (when, result) = {
        let authorized = authorize(&mut world, &session);
        world.run();
        authorized.timed()
    };
    result.unwrap();
    assert_eq!(when, 5 * DISK_TIME + LATENCY);
    assert_eq!(disk.ops(), ["lock", "load", "prepare", "save", "unlock"]);
    assert_eq!(asked_with(&world), ["code-1"]);
    assert_eq!(
        disk.stored().unwrap().expose_refresh_token(),
        Some("refresh-1")
    );

    for session in [session, process()] {
        assert_many_succeed(&mut world, &session, 8);
    }
    assert_eq!(used(&world), ["access-1"; 16]);
    assert_eq!(asked_with(&world).len(), 1);
}

#[test]
fn calls_succeed_right_after_authorization() {
    for stored in [None, Some(pair(0, LIFE))] {
        let disk = stored.map_or_else(Disk::default, Disk::with_token);
        let service = Service::after(1);
        let mut world = service.world(&disk);
        let session = process();
        let asked = ask_many(&mut world, &session, 4);
        world.run_until(secs(1));
        assert_eq!(kinds(&asked), [ErrorKind::AuthorizationRequired; 4]);
        let authorized = authorize(&mut world, &session);
        world.run_until(secs(2));
        authorized.get().unwrap();
        assert_many_succeed(&mut world, &session, 4);
        assert_eq!(used(&world).last().unwrap(), "access-2");
    }
}

#[test]
fn authorization_replaces_an_existing_pair() {
    let service = Service::after(1);
    let disk = Disk::with_token(pair(1, LIFE));
    let mut world = service.world(&disk);
    let session = of(app().refresh_token("refresh-0")).build().unwrap();
    ask_user(&mut world, &session);
    world.run();
    let authorized = authorize(&mut world, &session);
    world.run();
    authorized.get().unwrap();
    assert_eq!(disk.stored().unwrap().expose(), "access-2");
    service.end_access();
    get_user(&mut world, &session).unwrap();
    assert_eq!(asked_with(&world), ["code-1", "refresh-2"]);
}

#[test]
fn authorization_waits_for_a_refresh_and_callers_wait_for_authorization() {
    let service = Service::after(1).slow(secs(5));
    service.end_access();
    let disk = Disk::with_token(pair(1, LIFE));
    let mut world = service.world(&disk);
    let session = process();
    let asked = ask_many(&mut world, &session, 4);
    world.run_until(secs(2));
    assert_eq!(asked_with(&world), ["refresh-1"]);
    let authorized = authorize(&mut world, &session);
    world.run_until(secs(7));
    let meanwhile = ask_many(&mut world, &session, 4);
    world.run();
    assert_all_well(&asked);
    authorized.get().unwrap();
    assert_all_well(&meanwhile);
    assert_eq!(asked_with(&world), ["refresh-1", "code-1"]);
    let times = world.times(path::OAUTH);
    assert!(times[1] >= times[0] + secs(5), "{times:?}");
    assert_eq!(used(&world)[8..], ["access-3"; 4]);
    assert_eq!(disk.stored().unwrap().expose(), "access-3");
}

#[test]
fn authorization_waits_for_the_lock_of_another_process() {
    let service = Service::after(1).slow(secs(5));
    service.end_access();
    let disk = Disk::with_token(pair(1, LIFE));
    let mut world = service.world(&disk);
    let (refreshing, authorizing) = (process(), process());
    let asked = ask_user(&mut world, &refreshing);
    world.run_until(secs(1));
    let authorized = authorize(&mut world, &authorizing);
    world.run();
    asked.get().unwrap();
    authorized.get().unwrap();
    let times = world.times(path::OAUTH);
    assert_eq!(times.len(), 2);
    assert!(times[1] >= times[0] + secs(5), "{times:?}");
    assert_eq!(disk.stored().unwrap().expose(), "access-3");
}

#[test]
fn rejected_code_leaves_the_session_unchanged() {
    let service = Service::after(1);
    let disk = Disk::with_token(pair(1, LIFE));
    let mut world = service.world(&disk);
    let session = process();
    ask_user(&mut world, &session);
    world.run();
    let wrong = session.authorize("another", REDIRECT).unwrap();
    let refused = world.start(wrong);
    world.run_until(world.now() + secs(1));
    let error = refused.get().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Api);
    assert_eq!(
        error.to_string(),
        "the service rejected the request: HTTP 400: 已失效"
    );
    assert_many_succeed(&mut world, &session, 4);
    assert_eq!(used(&world), ["access-1"; 5]);
    assert!(!disk.is_locked());

    service.end_access();
    assert_many_succeed(&mut world, &session, 4);
    assert_eq!(
        asked_with(&world),
        ["another", "refresh-1"],
        "without a pause"
    );
}

#[test]
fn a_lost_answer_is_asked_for_once_more_only() {
    for (faults, requests, kind) in [
        (vec![Fault::LostBefore], 2, None),
        (vec![Fault::LostAfter], 2, Some(ErrorKind::Api)),
        (
            (0..9).map(|_| Fault::LostBefore).collect(),
            2,
            Some(ErrorKind::RetriesExhausted),
        ),
        (
            vec![Fault::Instead(Reply::code(429, "请求太频繁"))],
            2,
            None,
        ),
    ] {
        let service = Service::after(0);
        service.faults(faults);
        let mut world = service.world(&Disk::default());
        let authorized = authorize(&mut world, &process());
        world.run();
        assert_eq!(authorized.get().err().map(|error| error.kind()), kind);
        assert_eq!(asked_with(&world), vec!["code-1"; requests]);
    }
}

#[test]
fn code_is_not_sent_where_its_pair_cannot_be_stored() {
    let account = Account::new(SERVICE, "client-id");
    let developers = StoredToken::new(account.clone(), "t", None, ClockSkew::Ahead(secs(0)));
    let others = StoredToken::new(account.of_user("x"), "t", None, ClockSkew::Ahead(secs(0)));
    let broken =
        |op: &StoreOp| matches!(op, StoreOp::Load).then(|| StoreResult::Failed("broken".into()));
    let unsupported = |op: &StoreOp| {
        Some(match op {
            StoreOp::Lock => StoreResult::Unsupported,
            _ => return None,
        })
    };
    for (disk, text) in [
        (Disk::with_token(developers), "without a refresh token"),
        (
            Disk::with_token(others.with_refresh_token("r")),
            "it holds the token of user \"x\"",
        ),
        (Disk::default().failing(broken), "broken"),
        (
            Disk::default().failing(unsupported),
            "this driver has no token store",
        ),
    ] {
        let mut world = Service::after(0).world(&disk);
        let authorized = authorize(&mut world, &process());
        world.run();
        let error = authorized.get().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TokenStore);
        assert!(error.to_string().contains(text), "{error}");
        assert!(world.sent().is_empty() && !disk.is_locked());
    }
    let mut world = World::new(routine);
    let authorized = authorize(&mut world, &process());
    world.run();
    assert_eq!(authorized.get().unwrap_err().kind(), ErrorKind::TokenStore);
    assert!(world.sent().is_empty());
}

#[test]
fn authorization_checks_its_arguments() {
    let oauth = process();
    for (result, part) in [
        (session().authorize("code", REDIRECT), "without OAuth"),
        (
            crate::support::fixed().authorize("code", REDIRECT),
            "without OAuth",
        ),
        (
            oauth.authorize("", REDIRECT),
            "the authorization code is empty",
        ),
        (oauth.authorize("code", ""), "the redirect URI"),
    ] {
        let error = result.unwrap_err();
        assert!(matches!(
            error,
            BuildError::Setting { .. } | BuildError::Credential { .. }
        ));
        assert!(error.to_string().contains(part), "{error}");
    }
}

/// An authorization whose code was sent.
fn exchanging(session: &Session) -> Authorize {
    let now = at(Duration::ZERO);
    let mut authorize = session.authorize("code-1", REDIRECT).unwrap();
    assert!(matches!(
        authorize.resume(now, Input::Wake),
        Step::Store(StoreOp::Lock)
    ));
    authorize.resume(now, Input::Stored(StoreResult::Locked));
    let stored = Input::Stored(StoreResult::Loaded(None));
    let proof = hand::proof(authorize.resume(now, stored));
    hand::transmit(authorize.resume(now, proof));
    authorize
}

const ANSWER: &str = r#"{"access_token":"access-1","refresh_token":"refresh-1","expires_in":7200}"#;

#[test]
fn dropped_authorization_releases_the_lease() {
    let now = at(Duration::ZERO);
    for _ in 0..4 {
        let session = process();
        drop(exchanging(&session));
        drop(exchanging(&session));
        drop(exchanging(&session));
        let mut call = session.call(&GetUserInfo).unwrap();
        hand::detached(call.resume(now, Input::Wake));
    }
    let session = process();
    let mut authorize = exchanging(&session);
    let step = authorize.resume(now, hand::answer(200, ANSWER));
    assert!(matches!(step, Step::Store(StoreOp::Save(_))));
    let mut call = session.call(&GetUserInfo).unwrap();
    hand::wait(call.resume(now, Input::Wake));
    drop(authorize);
    let sent = hand::transmit(call.resume(now, Input::Wake));
    assert_eq!(token_in(sent.request.headers()), "access-1");
    assert!(session.token_store_fault().is_some());
}

#[test]
fn authorization_ends_once_and_by_its_deadline() {
    let now = at(Duration::ZERO);
    let session = process();
    let mut done = exchanging(&session);
    done.resume(now, hand::answer(200, ANSWER));
    done.resume(now, Input::Stored(StoreResult::Saved));
    hand::ready(done.resume(now, Input::Stored(StoreResult::Unlocked))).unwrap();
    let again = hand::ready(done.resume(now, Input::Wake));
    assert_eq!(again.unwrap_err().kind(), ErrorKind::Finished);

    // A fetch holds the lease: first without any step, then with many.
    let session = process();
    let _slow = exchanging(&session);
    let mut waiting = session.authorize("code-2", REDIRECT).unwrap();
    let wait = hand::wait(waiting.resume(now, Input::Wake));
    assert_eq!(elapsed(wait.until), secs(40));
    let taken_over = waiting.resume(at(secs(40)), Input::Wake);
    assert!(matches!(taken_over, Step::Store(StoreOp::Lock)));

    let session = process();
    let mut busy = session.authorize("code-1", REDIRECT).unwrap();
    busy.resume(now, Input::Wake);
    let mut waiting = session.authorize("code-2", REDIRECT).unwrap();
    for second in 0..120 {
        hand::wait(waiting.resume(at(secs(second)), Input::Wake));
        busy.resume(at(secs(second)), Input::Stored(StoreResult::Busy));
        busy.resume(at(secs(second) + millis(999)), Input::Wake);
    }
    let late = hand::ready(waiting.resume(at(secs(120)), Input::Wake)).unwrap_err();
    assert_eq!(late.kind(), ErrorKind::Deadline);
    assert_eq!(late.root().kind(), ErrorKind::TokenStore, "{late}");
}

#[test]
fn pair_received_after_the_lease_was_lost_is_saved() {
    let pair = || hand::answer(200, ANSWER);
    let lost = || Input::Failed(TransportError::timed_out());
    for (input, saves) in [(pair(), true), (lost(), false)] {
        let session = process();
        let mut slow = exchanging(&session);
        let mut next = session.authorize("code-2", REDIRECT).unwrap();
        let step = next.resume(at(secs(41)), Input::Wake);
        assert!(matches!(step, Step::Store(StoreOp::Lock)));
        let step = slow.resume(at(secs(42)), input);
        if saves {
            assert!(matches!(step, Step::Store(StoreOp::Save(_))), "{step:?}");
        } else {
            let error = hand::ready(step).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Deadline);
        }
    }
}
