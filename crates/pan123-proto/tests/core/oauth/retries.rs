//! Refreshes under adverse conditions: busy locks, failing stores, pairs replaced by another process.

use std::time::{Duration, SystemTime};

use crate::support::callers::{
    ask_many, ask_user, assert_all_well, assert_many_succeed, get_user, kinds,
};
use crate::support::disk::{Disk, first_saves};
use crate::support::oauth_service::{
    Fault, LIFE, REDIRECT, Service, app, asked_with, of, pair, process, used,
};
use crate::support::{Reply, START, World, at, elapsed, fixed, hand, millis, path, secs, task};
use pan123_proto::oauth::RefreshTokenGrant;
use pan123_proto::offline::{WatchError, WatchPolicy};
use pan123_proto::user::GetUserInfo;
use pan123_proto::{Error, ErrorKind, Input, Machine, RetryPolicy, Step, StoreOp, StoreResult};

/// When a token with the full life becomes stale.
const STALE: Duration = secs(6600);

fn ended_pair() -> (Service, Disk) {
    let service = Service::after(1);
    service.end_access();
    (service, Disk::with_token(pair(1, LIFE)))
}

#[test]
fn late_lock_still_leaves_a_full_request_timeout() {
    let session = process();
    let stored = || Input::Stored(StoreResult::Loaded(Some(pair(1, Duration::ZERO))));
    let mut call = session.call(&GetUserInfo).unwrap().timeout(secs(300));
    let mut refresh = hand::detached(call.resume(at(secs(0)), Input::Wake));
    refresh.resume(at(secs(0)), Input::Wake);
    let mut step = refresh.resume(at(secs(0)), stored());
    let mut now = secs(0);
    while now < secs(119) {
        assert!(matches!(step, Step::Store(StoreOp::Lock)), "{step:?}");
        let busy = refresh.resume(at(now), Input::Stored(StoreResult::Busy));
        now = elapsed(hand::wait(busy).until);
        step = refresh.resume(at(now), Input::Wake);
    }
    refresh.resume(at(now), Input::Stored(StoreResult::Locked));
    let proof = hand::proof(refresh.resume(at(now), stored()));
    let sent = hand::transmit(refresh.resume(at(now), proof));
    assert_eq!(sent.timeout, secs(30));
}

#[test]
fn pair_is_not_requested_with_too_little_time_left() {
    // The service is busy for nearly two minutes, and then needs two seconds for a response.
    for (seed, well) in (110..121).zip(110..) {
        let (service, disk) = ended_pair();
        let slow = service.clone().slow(secs(2));
        let mut world = World::new(move |view, request| {
            let busy = request.uri().path() == path::OAUTH && view.at < secs(well);
            if busy {
                return Reply::code(429, "请求太频繁");
            }
            slow.serve(view, request)
        })
        .hooks(disk.clone());
        let session = of(app()).seed(seed).build().unwrap();
        let call = session.call(&GetUserInfo).unwrap().timeout(secs(600));
        let asked = world.start(call);
        world.run();
        assert_eq!(service.refused(), 0, "seed {seed}");
        assert!(disk.stored().is_some() && !disk.is_locked());
        drop(asked);
    }
}

#[test]
fn retry_policy_cannot_send_a_refresh_token_more_than_twice() {
    let service = Service::after(1);
    service.faults((0..9).map(|_| Fault::LostAfter));
    let mut world = service.world(&Disk::default());
    let by_hand = RefreshTokenGrant::new("client-id", "client-secret", "refresh-1");
    let call = fixed().call(&by_hand).unwrap();
    world
        .output_of(call.retry(RetryPolicy::default().max_attempts(9)))
        .unwrap_err();
    assert_eq!(asked_with(&world).len(), 2);
}

#[test]
fn unsaved_pair_is_saved_a_minute_after_the_store_recovers() {
    let (service, disk) = ended_pair();
    let disk = disk.failing(first_saves(5));
    let mut world = service.world(&disk);
    let session = process();
    for minute in 0..5 {
        world.run_until(secs(70 * minute));
        assert_many_succeed(&mut world, &session, 4);
        let stored = disk.stored().unwrap().expose().to_owned();
        let is_saved = session.token_store_fault().is_none();
        assert_eq!(is_saved, stored == "access-2", "{minute}: {stored}");
        assert_eq!(
            is_saved,
            minute >= 3,
            "three at once, one a minute after that"
        );
    }
    assert_eq!(
        asked_with(&world),
        ["refresh-1"],
        "the pair is not used up for it"
    );
    get_user(&mut world, &process()).unwrap();
    assert_eq!(used(&world).last().unwrap(), "access-2");
}

#[test]
fn newer_stored_pair_clears_the_store_fault() {
    let (service, disk) = ended_pair();
    let disk = disk.failing(first_saves(3));
    let mut world = service.world(&disk);
    let session = process();
    drop(ask_user(&mut world, &session));
    world.run();
    assert!(session.token_store_fault().is_some());
    disk.put(pair(service.rotate(), LIFE));
    get_user(&mut world, &session).unwrap();
    assert_eq!(used(&world).last().unwrap(), "access-3");
    assert!(session.token_store_fault().is_none());
}

#[test]
fn pair_authorized_elsewhere_is_found_soon_after_a_rejection() {
    let (service, disk) = ended_pair();
    service.rotate();
    let mut world = service.world(&disk);
    let session = process();
    let asked = ask_many(&mut world, &session, 4);
    world.run();
    assert_eq!(kinds(&asked), [ErrorKind::AuthorizationRequired; 4]);
    disk.put(pair(service.rotate(), LIFE));
    world.run_until(world.now() + secs(2));
    assert_many_succeed(&mut world, &session, 4);
    assert_eq!(asked_with(&world), ["refresh-1"]);
}

#[test]
fn rejected_refresh_token_is_sent_at_most_once_a_minute() {
    let (service, disk) = ended_pair();
    service.rotate();
    let mut world = service.world(&disk);
    let session = process();
    for half_second in 1..=250 {
        let asked = ask_user(&mut world, &session);
        world.run_until(millis(500 * half_second));
        let error = asked.get().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AuthorizationRequired);
        assert_eq!(error.api().unwrap().message(), "已失效");
    }
    assert_eq!(asked_with(&world).len(), 3, "in 125 seconds");
}

#[test]
fn live_token_is_used_while_the_lock_is_busy() {
    let service = Service::after(1);
    let disk = Disk::with_token(pair(1, LIFE));
    let busy = |op: &StoreOp| matches!(op, StoreOp::Lock).then_some(StoreResult::Busy);
    let disk = disk.failing(busy);
    let mut world = service.world(&disk);
    let session = process();
    for at in [secs(0), STALE, STALE + secs(100), STALE + secs(300)] {
        world.run_until(at);
        let asked = ask_many(&mut world, &session, 4);
        world.run_until(at + secs(1));
        assert_all_well(&asked);
    }
    assert!(asked_with(&world).is_empty());
}

#[test]
fn old_token_is_not_used_once_the_lock_is_held() {
    let service = Service::after(1).slow(secs(2));
    let mut busy = 3;
    let disk = Disk::with_token(pair(1, LIFE)).failing(move |op| {
        let is_busy = matches!(op, StoreOp::Lock) && busy > 0;
        busy -= usize::from(is_busy);
        is_busy.then_some(StoreResult::Busy)
    });
    let mut world = service.world(&disk);
    let session = process();
    drop(ask_user(&mut world, &session));
    world.run_until(STALE);
    let while_busy = ask_many(&mut world, &session, 4);
    world.run_until(STALE + secs(1));
    assert_all_well(&while_busy);
    assert_eq!(asked_with(&world), ["refresh-1"]);
    assert_many_succeed(&mut world, &session, 4);
    assert_eq!(
        used(&world)[1..],
        [["access-1"; 4], ["access-2"; 4]].concat()
    );
}

#[test]
fn pair_with_an_absurd_expiry_is_saved() {
    let (service, disk) = ended_pair();
    let body =
        r#"{"access_token":"access-2","refresh_token":"refresh-2","expires_in":1742715517000}"#;
    service.rotate();
    service.faults([Fault::Instead(Reply::http(200, body))]);
    let mut world = service.world(&disk);
    get_user(&mut world, &process()).unwrap();
    let stored = disk.stored().unwrap();
    assert_eq!((stored.expose(), stored.expired_at()), ("access-2", None));
    serde_json::to_string(&stored).unwrap();
}

#[test]
fn pair_in_an_envelope_is_accepted() {
    let (service, disk) = ended_pair();
    let body = r#"{"code":0,"message":"ok","data":{"access_token":"access-2","refresh_token":"refresh-2","expires_in":7200}}"#;
    service.rotate();
    service.faults([Fault::Instead(Reply::http(200, body))]);
    let mut world = service.world(&disk);
    get_user(&mut world, &process()).unwrap();
    assert_eq!(disk.stored().unwrap().expose(), "access-2");
}

/// The expiry follows the service's clock, whatever the local wall clock shows.
#[test]
fn wrong_local_clock_does_not_move_the_expiry_of_a_pair() {
    for local in [SystemTime::UNIX_EPOCH, SystemTime::UNIX_EPOCH + START * 2] {
        let (service, disk) = ended_pair();
        let mut world = service.world(&disk).local_clock(local);
        let session = process();
        get_user(&mut world, &session).unwrap();
        let end = disk.stored().unwrap().expired_at().unwrap();
        let lives = end.duration_since(SystemTime::UNIX_EPOCH + START).unwrap();
        assert!(lives >= LIFE && lives < LIFE + secs(2), "{lives:?}");

        world.run_until(secs(6590));
        let asked = [&session, &process()].map(|session| ask_user(&mut world, session));
        world.run_until(secs(6595));
        for asked in asked {
            asked.get().unwrap();
        }
        assert_eq!(
            asked_with(&world).len(),
            1,
            "a restart uses the stored pair"
        );
    }
}

#[test]
fn pair_with_an_invalid_access_token_is_refreshed() {
    let (service, disk) = ended_pair();
    let body = r#"{"access_token":"a\nb","refresh_token":"refresh-2","expires_in":7200}"#;
    service.rotate();
    service.faults([Fault::Instead(Reply::http(200, body))]);
    let mut world = service.world(&disk);
    let session = process();
    let asked = ask_user(&mut world, &session);
    world.run();
    assert!(matches!(asked.get(), Err(Error::Token(_))));
    let fault = session.token_store_fault().unwrap().to_string();
    assert!(fault.contains("cannot be sent"), "{fault}");
    world.run_until(world.now() + secs(5));
    get_user(&mut world, &session).unwrap();
    assert_eq!(asked_with(&world), ["refresh-1", "refresh-2"]);
    assert!(session.token_store_fault().is_none());
}

#[test]
fn authorization_waits_at_most_two_minutes_for_the_lock() {
    let (service, disk) = ended_pair();
    let busy = |op: &StoreOp| matches!(op, StoreOp::Lock).then_some(StoreResult::Busy);
    let mut world = service.world(&disk.failing(busy));
    let session = process();
    drop(ask_user(&mut world, &session));
    world.run_until(secs(60));
    let authorized = world.start(session.authorize("code-1", REDIRECT).unwrap());
    world.run();
    let (when, result) = authorized.timed();
    let error = result.unwrap_err();
    assert!(
        matches!(error, Error::TokenStore(_) | Error::Deadline { .. }),
        "{error}"
    );
    assert!(when < secs(60 + 121), "{when:?}");
    assert!(asked_with(&world).is_empty());
}

#[test]
fn watch_ends_at_once_when_authorization_is_required() {
    let mut world = Service::after(1).world(&Disk::default());
    let watched = world.follow(process().watch(task(), WatchPolicy::default()));
    world.run();
    let items = watched.all();
    let Some(Err(WatchError::Polls { error, .. })) = &items[0].1 else {
        panic!("{items:?}");
    };
    assert_eq!(error.kind(), ErrorKind::AuthorizationRequired);
    assert!(items[0].0 < secs(1), "{items:?}");
}
