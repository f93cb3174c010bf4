//! Pairs of tokens kept: what becomes of them when a run crashes, a store fails, or somebody else goes on.

use std::time::Duration;

use crate::support::callers::{ask_many, ask_user, assert_many_succeed, get_user, kinds};
use crate::support::disk::Disk;
use crate::support::rotation::{
    LIFE, Service, app, asked_with, of, pair, parameter, process, used,
};
use crate::support::server::token_in;
use crate::support::{Plan, World, at, hand, millis, path, routine, secs};
use pan123_proto::user::GetUserInfo;
use pan123_proto::{
    Detached, Error, ErrorKind, Input, Machine, Restored, Session, Step, StoreOp, StoreResult,
    StoredToken,
};

fn first_pair() -> (Service, Disk) {
    (Service::after(1), Disk::with_token(pair(1, LIFE)))
}

/// All that is known of a run that ends between the answer and the keeping of the pair is gone with it.
#[test]
fn a_crash_before_the_pair_is_kept_is_told_and_does_not_loop() {
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
fn a_first_refresh_token_is_used_while_nothing_is_kept() {
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
fn without_any_pair_nothing_is_sent_and_the_user_is_sent_to_authorise() {
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
    // Another process, where the user came back to, keeps the first pair.
    disk.put(pair(1, LIFE));
    world.run_until(secs(2));
    get_user(&mut world, &session).unwrap();
}

#[test]
fn a_store_that_never_saves_does_not_end_the_session() {
    let (service, disk) = first_pair();
    let fails = |op: &StoreOp| matches!(op, StoreOp::Save(_));
    let disk = disk.failing(move |op| fails(op).then(|| StoreResult::Failed("full".to_owned())));
    let mut world = service.world(&disk);
    let session = process();
    for hour in 0..8 {
        world.run_until(secs(7000 * hour));
        assert_many_succeed(&mut world, &session, 4);
        let number = asked_with(&world).len();
        assert_eq!(number, usize::try_from(hour).unwrap());
    }
    assert_eq!(disk.stored().unwrap().expose(), "access-1");
}

#[test]
fn what_the_store_goes_on_to_have_is_used_before_what_was_not_saved() {
    let (service, disk) = first_pair();
    service.end_access();
    let fails = |op: &StoreOp| matches!(op, StoreOp::Save(_));
    let disk = disk.failing(move |op| fails(op).then(|| StoreResult::Failed("full".to_owned())));
    let mut world = service.world(&disk);
    let session = process();
    ask_user(&mut world, &session);
    world.run();
    // Elsewhere the user has authorised the app again.
    service.rotate();
    disk.put(pair(3, LIFE));
    assert_many_succeed(&mut world, &session, 8);
    assert_eq!(asked_with(&world), ["refresh-1"]);
    service.end_access();
    assert_many_succeed(&mut world, &session, 8);
    assert_eq!(asked_with(&world), ["refresh-1", "refresh-3"]);
}

#[test]
fn where_a_pair_cannot_be_kept_none_is_asked_for() {
    let mut world = World::new(routine);
    let session = of(app().refresh_token("refresh-0")).build().unwrap();
    let asked = ask_many(&mut world, &session, 8);
    world.run();
    assert!(world.sent().is_empty());
    for one in asked {
        let error = one.get().unwrap_err();
        assert!(matches!(&error, Error::Token(inner) if inner.kind() == ErrorKind::TokenStore));
        let text = error.to_string();
        assert!(text.contains("this driver has no token store"), "{text}");
    }

    let (service, disk) = first_pair();
    service.end_access();
    let disk = disk.failing(|op| matches!(op, StoreOp::Lock).then_some(StoreResult::Unsupported));
    let mut world = service.world(&disk);
    let asked = ask_user(&mut world, &process());
    world.run();
    assert_eq!(asked.get().unwrap_err().kind(), ErrorKind::Token);
    assert!(asked_with(&world).is_empty());
}

/// The refresh of the first pair up to its keeping, by hand.
fn saving(session: &Session) -> (Detached, Step<()>) {
    let now = at(Duration::ZERO);
    let mut call = session.call(&GetUserInfo).unwrap();
    let mut refresh = hand::detached(call.resume(now, Input::Wake));
    refresh.resume(now, Input::Wake);
    let kept = || Input::Stored(StoreResult::Loaded(Some(pair(1, Duration::ZERO))));
    refresh.resume(now, kept());
    refresh.resume(now, Input::Stored(StoreResult::Locked));
    hand::transmit(refresh.resume(now, kept()));
    let answer = r#"{"access_token":"access-2","refresh_token":"refresh-2","expires_in":7200}"#;
    let step = refresh.resume(now, hand::answer(200, answer));
    (refresh, step)
}

/// What the session asks for a pair with, once this is kept and its access token is refused; none if it takes what is kept.
fn next_asked_with(session: &Session, kept: &StoredToken) -> Option<String> {
    let now = at(Duration::ZERO);
    let mut call = session.call(&GetUserInfo).unwrap();
    let sent = hand::transmit(call.resume(now, Input::Wake));
    assert_eq!(token_in(sent.request.headers()), "access-2");
    let refused = call.resume(now, hand::code(401, "token is expired"));
    let mut refresh = hand::detached(refused);
    refresh.resume(now, Input::Wake);
    let loaded = || Input::Stored(StoreResult::Loaded(Some(kept.clone())));
    if let Step::Ready(()) = refresh.resume(now, loaded()) {
        return None;
    }
    refresh.resume(now, Input::Stored(StoreResult::Locked));
    let sent = hand::transmit(refresh.resume(now, loaded()));
    parameter(sent.request.uri(), "refresh_token")
}

#[test]
fn a_pair_that_is_being_saved_is_not_lost_with_its_refresh() {
    for (kept, expected) in [
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
        assert!(fault.contains("gave no answer"), "{fault}");
        assert_eq!(next_asked_with(&session, &kept).as_deref(), expected);
    }
}

#[test]
fn nobody_goes_on_with_a_pair_that_is_being_saved() {
    let session = process();
    let (_refresh, step) = saving(&session);
    assert!(matches!(step, Step::Store(StoreOp::Save(_))), "{step:?}");
    let mut call = session.call(&GetUserInfo).unwrap();
    hand::wait(call.resume(at(Duration::ZERO), Input::Wake));
}

#[test]
fn a_pair_from_elsewhere_is_refreshed_too() {
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
    assert_eq!(asked_with(&world), ["refresh-1"], "what is kept is newer");
}
