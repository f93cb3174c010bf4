//! Stored token pairs: crashes, failing stores, other processes.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use crate::support::callers::{ask_many, ask_user, assert_many_succeed, get_user, kinds};
use crate::support::disk::{Disk, first_saves};
use crate::support::oauth_service::{
    LIFE, REDIRECT, Service, app, asked_with, of, pair, parameter, process, used,
};
use crate::support::server::token_in;
use crate::support::{Plan, World, at, hand, millis, path, routine, secs};
use pan123_proto::user::GetUserInfo;
use pan123_proto::{
    Error, ErrorKind, Input, Machine, Restored, Session, Step, StoreOp, StoreResult, StoredToken,
};

fn first_pair() -> (Service, Disk) {
    (Service::after(1), Disk::with_token(pair(1, LIFE)))
}

/// The process ends between the response and the save, and the pair is lost.
#[test]
fn crash_before_the_pair_is_saved_requires_authorization_without_a_loop() {
    let (service, disk) = first_pair();
    service.end_access();
    let mut world = service.world(&disk).plan(|nth| match nth {
        0..4 => Plan::InPlace,
        _ => Plan::Detach,
    });
    let crashed = ask_user(&mut world, &process());
    while world.times(path::OAUTH).is_empty() {
        world.run_until(world.now() + millis(1));
    }
    world.abandon(&crashed);
    world.run();
    assert_eq!(disk.stored().unwrap().expose(), "access-1");

    let session = process();
    let before = (used(&world).len(), world.now());
    let asked = ask_many(&mut world, &session, 8);
    world.run();
    assert_eq!(
        used(&world)[before.0..],
        ["access-1"; 8],
        "it may still be good, until it is refused"
    );
    assert_eq!(asked_with(&world), ["refresh-1", "refresh-1"]);
    for one in asked {
        let error = one.get().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AuthorizationRequired);
        assert_eq!(error.api().unwrap().message(), "已失效");
        assert!(!error.is_retryable());
        let text = error.to_string();
        for part in [
            "HTTP 400: 已失效",
            "works once",
            "before it saved the new pair",
            "authorize_url",
            "`authorize`",
        ] {
            assert!(text.contains(part), "{text}");
        }
        assert!(!text.contains("client id or its secret"), "{text}");
    }
    world.run_until(before.1 + secs(50));
    let soon = ask_many(&mut world, &session, 8);
    world.run_until(before.1 + secs(51));
    assert_eq!(kinds(&soon), [ErrorKind::AuthorizationRequired; 8]);
    assert_eq!(asked_with(&world).len(), 2, "every caller fails fast");
}

#[test]
fn given_refresh_token_is_used_while_the_store_is_empty() {
    let service = Service::after(1);
    let disk = Disk::default();
    let mut world = service.world(&disk);
    let session = of(app().refresh_token("refresh-1")).build().unwrap();
    assert_many_succeed(&mut world, &session, 8);
    assert_eq!(asked_with(&world), ["refresh-1"]);

    service.end_access();
    let restarted = of(app().refresh_token("refresh-1")).build().unwrap();
    for session in [session, restarted] {
        get_user(&mut world, &session).unwrap();
    }
    assert_eq!(asked_with(&world), ["refresh-1", "refresh-2"]);
    assert_eq!(used(&world).last().unwrap(), "access-3");
}

#[test]
fn without_a_pair_nothing_is_sent_and_authorization_is_required() {
    let disk = Disk::default();
    let mut world = Service::after(1).world(&disk);
    let session = process();
    let asked = ask_many(&mut world, &session, 8);
    world.run_until(millis(500));
    assert!(world.sent().is_empty());
    for one in asked {
        let error = one.get().unwrap_err();
        assert!(matches!(&error, Error::AuthorizationRequired(None)));
        let text = error.to_string();
        for part in [
            "no token pair",
            "nothing was sent",
            "authorize_url",
            "`authorize`",
        ] {
            assert!(text.contains(part), "{text}");
        }
    }
    // Another process stores the first pair.
    disk.put(pair(1, LIFE));
    world.run_until(secs(2));
    get_user(&mut world, &session).unwrap();
}

/// Fails every save, or what a store without a pair does instead.
fn full(op: &StoreOp) -> Option<StoreResult> {
    let saves = matches!(op, StoreOp::Save(_) | StoreOp::Prepare);
    saves.then(|| StoreResult::Failed("the disk is full".to_owned()))
}

#[test]
fn what_works_once_is_not_sent_while_the_store_cannot_save() {
    let is_full = Rc::new(Cell::new(true));
    for stored in [Some(pair(1, LIFE)), None] {
        is_full.set(true);
        let (service, faulty) = (Service::after(1), Rc::clone(&is_full));
        service.end_access();
        let disk = stored.clone().map_or_else(Disk::default, Disk::with_token);
        let disk = disk.failing(move |op| full(op).filter(|_| faulty.get()));
        let mut world = service.world(&disk);
        let session = of(app().refresh_token("refresh-1")).build().unwrap();
        let asked = ask_user(&mut world, &session);
        world.run();
        let authorized = world.start(session.authorize("code-1", REDIRECT).unwrap());
        world.run();
        assert!(asked_with(&world).is_empty(), "{stored:?}");
        for error in [asked.get().unwrap_err(), authorized.get().unwrap_err()] {
            assert_eq!(
                (error.kind(), error.is_retryable()),
                (ErrorKind::TokenStore, false)
            );
            assert_eq!(
                error.to_string(),
                "the token store failed: the disk is full"
            );
        }
        assert!(!disk.is_locked());

        is_full.set(false);
        world.run_until(world.now() + secs(5));
        get_user(&mut world, &session).unwrap();
        assert_eq!(asked_with(&world), ["refresh-1"]);
        assert_eq!(disk.stored().unwrap().expose(), "access-2");
    }
}

#[test]
fn stale_token_is_used_while_the_store_cannot_save() {
    let (service, disk) = first_pair();
    let disk = disk.failing(full);
    let mut world = service.world(&disk);
    let session = process();
    for at in [secs(0), secs(6700), secs(6701), secs(7100)] {
        world.run_until(at);
        assert_many_succeed(&mut world, &session, 4);
    }
    let tries = disk.times("save").len();
    assert!((1..4).contains(&tries), "{tries} saves for 16 calls");
    world.run_until(secs(7300));
    let error = get_user(&mut world, &session).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TokenStore);
    assert!(asked_with(&world).is_empty());
}

#[test]
fn store_that_knows_no_proof_is_taken_at_its_word() {
    let service = Service::after(1);
    let disk = Disk::default()
        .failing(|op| matches!(op, StoreOp::Prepare).then_some(StoreResult::Unsupported));
    let mut world = service.world(&disk);
    let session = of(app().refresh_token("refresh-1")).build().unwrap();
    get_user(&mut world, &session).unwrap();
    assert_eq!(disk.stored().unwrap().expose(), "access-2");
}

#[test]
fn unsaved_pair_is_saved_before_its_refresh_token_is_sent() {
    for recovers in [false, true] {
        let (service, disk) = first_pair();
        service.end_access();
        // Three saves of the new pair, and then the proof.
        let disk = disk.failing(first_saves(if recovers { 3 } else { usize::MAX }));
        let mut world = service.world(&disk);
        let session = process();
        get_user(&mut world, &session).unwrap();
        assert!(session.token_store_fault().is_some());
        service.end_access();
        let kind = get_user(&mut world, &session)
            .err()
            .map(|error| error.kind());
        if recovers {
            assert_eq!(kind, None);
            assert_eq!(asked_with(&world), ["refresh-1", "refresh-2"]);
            assert_eq!(disk.stored().unwrap().expose(), "access-3");
            assert!(session.token_store_fault().is_none());
        } else {
            assert_eq!(kind, Some(ErrorKind::TokenStore));
            assert_eq!(asked_with(&world), ["refresh-1"]);
            assert_eq!(disk.stored().unwrap().expose(), "access-1");
        }
    }
}

#[test]
fn lost_pair_is_an_error_until_the_user_authorizes() {
    let service = Service::after(1);
    let mut is_lost = true;
    let disk = Disk::default().failing(move |op| {
        is_lost &= !matches!(op, StoreOp::Save(_));
        let lost = || StoreResult::Lost("/data/token.json is empty".to_owned());
        (is_lost && matches!(op, StoreOp::Load)).then(lost)
    });
    let mut world = service.world(&disk);
    let session = of(app().refresh_token("refresh-1")).build().unwrap();
    let error = get_user(&mut world, &session).unwrap_err();
    assert_eq!(
        (error.kind(), error.is_retryable()),
        (ErrorKind::TokenStore, false)
    );
    let text = error.to_string();
    for part in [
        "/data/token.json is empty",
        "is lost",
        "restore it from a copy",
        "`authorize`",
    ] {
        assert!(text.contains(part), "{text}");
    }
    assert_eq!(disk.ops(), ["load"], "the store is left alone");
    assert!(world.sent().is_empty());

    let authorized = world.start(session.authorize("code-1", REDIRECT).unwrap());
    world.run();
    authorized.get().unwrap();
    get_user(&mut world, &session).unwrap();
    assert_eq!(asked_with(&world), ["code-1"]);
}

#[test]
fn lost_pair_does_not_matter_while_the_session_knows_another() {
    let service = Service::after(1);
    let disk = Disk::default().failing(|op| {
        let lost = || StoreResult::Lost("it is empty".to_owned());
        matches!(op, StoreOp::Load).then(lost)
    });
    let mut world = service.world(&disk);
    let session = process();
    session
        .restore(&pair(1, secs(5)), at(Duration::ZERO))
        .unwrap();
    get_user(&mut world, &session).unwrap();
    assert_eq!(asked_with(&world), ["refresh-1"]);
    assert_eq!(disk.stored().unwrap().expose(), "access-2");
}

#[test]
fn newer_stored_pair_replaces_the_unsaved_pair() {
    let (service, disk) = first_pair();
    service.end_access();
    let disk = disk.failing(first_saves(3));
    let mut world = service.world(&disk);
    let session = process();
    ask_user(&mut world, &session);
    world.run();
    // The user authorizes the app again elsewhere.
    service.rotate();
    disk.put(pair(3, LIFE));
    assert_many_succeed(&mut world, &session, 8);
    assert_eq!(asked_with(&world), ["refresh-1"]);
    service.end_access();
    assert_many_succeed(&mut world, &session, 8);
    assert_eq!(asked_with(&world), ["refresh-1", "refresh-3"]);
}

#[test]
fn pair_is_not_requested_where_it_cannot_be_stored() {
    let mut world = World::new(routine);
    let session = of(app().refresh_token("refresh-0")).build().unwrap();
    let asked = ask_many(&mut world, &session, 8);
    world.run();
    assert!(world.sent().is_empty());
    for one in asked {
        let error = one.get().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TokenStore);
        let text = error.to_string();
        assert!(text.contains("this driver has no token store"), "{text}");
    }

    let (service, disk) = first_pair();
    service.end_access();
    let disk = disk.failing(|op| matches!(op, StoreOp::Lock).then_some(StoreResult::Unsupported));
    let mut world = service.world(&disk);
    let asked = ask_user(&mut world, &process());
    world.run();
    assert_eq!(asked.get().unwrap_err().kind(), ErrorKind::TokenStore);
    assert!(asked_with(&world).is_empty());
}

/// A refresh of the first pair, up to its save.
fn saving(session: &Session) -> (impl Machine<Output = ()>, Step<()>) {
    let now = at(Duration::ZERO);
    let mut call = session.call(&GetUserInfo).unwrap();
    let mut refresh = hand::detached(call.resume(now, Input::Wake));
    refresh.resume(now, Input::Wake);
    let stored = || Input::Stored(StoreResult::Loaded(Some(pair(1, Duration::ZERO))));
    refresh.resume(now, stored());
    refresh.resume(now, Input::Stored(StoreResult::Locked));
    let proof = hand::proof(refresh.resume(now, stored()));
    hand::transmit(refresh.resume(now, proof));
    let answer = r#"{"access_token":"access-2","refresh_token":"refresh-2","expires_in":7200}"#;
    let step = refresh.resume(now, hand::answer(200, answer));
    (refresh, step)
}

/// The refresh token that the session sends once its access token is rejected while this pair is stored; none if it uses the
/// stored pair.
fn next_asked_with(session: &Session, stored: &StoredToken) -> Option<String> {
    let now = at(Duration::ZERO);
    let mut call = session.call(&GetUserInfo).unwrap();
    let sent = hand::transmit(call.resume(now, Input::Wake));
    assert_eq!(token_in(sent.request.headers()), "access-2");
    let refused = call.resume(now, hand::code(401, "token is expired"));
    let mut refresh = hand::detached(refused);
    refresh.resume(now, Input::Wake);
    let loaded = || Input::Stored(StoreResult::Loaded(Some(stored.clone())));
    if let Step::Ready(()) = refresh.resume(now, loaded()) {
        return None;
    }
    refresh.resume(now, Input::Stored(StoreResult::Locked));
    let proof = hand::proof(refresh.resume(now, loaded()));
    let sent = hand::transmit(refresh.resume(now, proof));
    parameter(sent.request.uri(), "refresh_token")
}

#[test]
fn pair_being_saved_survives_a_dropped_refresh() {
    for (stored, expected) in [
        (pair(1, LIFE), Some("refresh-2")),
        (pair(2, LIFE), Some("refresh-2")),
        (pair(3, Duration::ZERO), Some("refresh-3")),
        (pair(3, LIFE), None),
    ] {
        let session = process();
        let (refresh, step) = saving(&session);
        assert!(matches!(step, Step::Store(StoreOp::Save(_))), "{step:?}");
        drop(refresh);
        let fault = session.token_store_fault().unwrap().to_string();
        assert!(fault.contains("did not respond"), "{fault}");
        assert_eq!(next_asked_with(&session, &stored).as_deref(), expected);
    }
}

#[test]
fn callers_wait_while_a_pair_is_being_saved() {
    let session = process();
    let (_refresh, step) = saving(&session);
    assert!(matches!(step, Step::Store(StoreOp::Save(_))), "{step:?}");
    let mut call = session.call(&GetUserInfo).unwrap();
    hand::wait(call.resume(at(Duration::ZERO), Input::Wake));
}

#[test]
fn restored_pair_is_refreshed_too() {
    for (life, restored) in [(LIFE, Restored::Taken), (secs(5), Restored::Expired)] {
        let service = Service::after(1);
        let disk = Disk::default();
        let mut world = service.world(&disk);
        let session = process();
        let again = || session.restore(&pair(1, life), at(Duration::ZERO)).unwrap();
        assert_eq!(again(), restored);
        get_user(&mut world, &session).unwrap();
        let refreshed = usize::from(restored == Restored::Expired);
        assert_eq!(asked_with(&world).len(), refreshed);

        service.end_access();
        assert_many_succeed(&mut world, &session, 8);
        assert_eq!(asked_with(&world).len(), refreshed + 1);
        assert_eq!(
            session.restore(&pair(9, LIFE), at(secs(100))).unwrap(),
            Restored::NotNeeded
        );
    }
    let (service, disk) = first_pair();
    let mut world = service.world(&disk);
    let session = process();
    session
        .restore(&pair(7, secs(5)), at(Duration::ZERO))
        .unwrap();
    service.end_access();
    get_user(&mut world, &session).unwrap();
    assert_eq!(
        asked_with(&world),
        ["refresh-1"],
        "the stored pair is newer"
    );
}
