//! Token fetches after the last client, call and watch of their session are dropped.

use std::time::Duration;

use crate::support::callers::{ask_user, unpaced};
use crate::support::disk::{Disk, first_saves};
use crate::support::oauth_service::{self, app, of, pair};
use crate::support::server::LATENCY;
use crate::support::{Reply, World, builder, millis, path, routine, secs};
use pan123_proto::offline::WatchPolicy;
use pan123_proto::{Pacing, Session, StoreOp, StoreResult};

fn with_store() -> Session {
    let builder = builder().pacing(Pacing::off()).persist_token(true);
    builder.build().unwrap()
}

/// Makes a call, and drops it and its session at this time.
fn drop_all_at(world: &mut World, session: Session, at: Duration) {
    let asked = ask_user(world, &session);
    world.run_until(at);
    assert_eq!(world.running(), 2, "the call and its fetch");
    drop(session);
    world.abandon(&asked);
}

/// Everything ends at once, and sends nothing more.
fn assert_ends_at_once(world: &mut World, path: &str) {
    let sent = world.sent_to(path).len();
    world.run_until(world.now());
    assert_eq!(world.running(), 0, "it ends at once");
    world.run();
    assert_eq!(world.sent_to(path).len(), sent);
}

#[test]
fn fetch_that_backs_off_or_waits_for_its_slot_ends_at_once() {
    let down = || Reply::http(502, "<html>");
    let limited = || Reply::code(429, "操作频繁").header("retry-after", "60");
    for reply in [down, limited] {
        let mut world = World::new(move |_, _| reply());
        drop_all_at(&mut world, unpaced(), LATENCY + millis(1));
        assert_eq!(world.sent_to(path::TOKEN).len(), 1);
        assert_ends_at_once(&mut world, path::TOKEN);
    }
}

#[test]
fn fetch_that_waits_for_the_lock_of_the_store_ends_at_once() {
    let busy = |op: &StoreOp| matches!(op, StoreOp::Lock).then_some(StoreResult::Busy);
    let disk = Disk::default().failing(busy);
    let mut world = World::new(routine).hooks(disk.clone());
    drop_all_at(&mut world, with_store(), secs(10));
    assert_ends_at_once(&mut world, path::TOKEN);
    assert_eq!(world.sent().len(), 0);
}

#[test]
fn refresh_that_backs_off_releases_the_lock_and_sends_nothing_more() {
    let disk = Disk::with_token(pair(1, Duration::ZERO));
    let mut world = World::new(|_, _| Reply::http(502, "<html>")).hooks(disk.clone());
    let session = of(app()).build().unwrap();
    drop_all_at(&mut world, session, LATENCY + millis(20));
    assert!(disk.is_locked());
    world.run_until(world.now() + millis(2));
    assert!(!disk.is_locked());
    assert_ends_at_once(&mut world, path::OAUTH);
    assert_eq!(world.sent().len(), 1);
}

#[test]
fn token_in_flight_is_awaited_and_saved() {
    let disk = Disk::default();
    let world = World::new(|view, request| routine(view, request).after(secs(20)));
    let mut world = world.hooks(disk.clone());
    drop_all_at(&mut world, with_store(), secs(1));
    world.run();
    assert_eq!(disk.stored().unwrap().expose(), "token-1");
    assert_eq!((world.sent().len(), disk.is_locked()), (1, false));
}

/// Even if the store takes it only at the third attempt.
#[test]
fn pair_in_flight_is_awaited_and_saved() {
    let disk = Disk::with_token(pair(1, Duration::ZERO)).failing(first_saves(2));
    let service = oauth_service::Service::after(1).slow(secs(20));
    let mut world = service.world(&disk);
    let session = of(app()).build().unwrap();
    drop_all_at(&mut world, session, secs(1));
    world.run();
    let saved = disk.stored().unwrap();
    assert_eq!(saved.expose_refresh_token(), Some("refresh-2"));
    assert_eq!((world.sent().len(), disk.is_locked()), (1, false));
}

#[test]
fn lost_response_is_not_followed_by_another_request() {
    let mut world = World::new(|_, _| Reply::cut().after(secs(20)));
    drop_all_at(&mut world, unpaced(), secs(1));
    world.run();
    assert_eq!(world.sent().len(), 1);
}

#[test]
fn fetch_goes_on_for_a_call_a_watch_or_a_clone() {
    for user in ["call", "watch", "clone"] {
        let mut world = World::new(|view, request| match view.count(path::TOKEN) {
            0 => Reply::http(502, "<html>"),
            _ => routine(view, request),
        });
        let session = unpaced();
        let asked = ask_user(&mut world, &session);
        world.run_until(LATENCY);
        let watch = || session.watch(crate::support::task(), WatchPolicy::default());
        let watch = (user == "watch").then(watch);
        let clone = (user == "clone").then(|| session.clone());
        drop(session);
        if user != "call" {
            world.abandon(&asked);
        }
        world.run();
        assert_eq!(world.sent_to(path::TOKEN).len(), 2, "{user}");
        drop((watch, clone));
    }
}
