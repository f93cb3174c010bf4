//! Token pairs in use: one refresh for all callers, and no token is used that a refresh revokes or that is not saved.

use std::time::Duration;

use crate::support::callers::{
    Asked, ask_many, ask_user, assert_all_well, assert_many_succeed, get_user,
};
use crate::support::disk::{DISK_TIME, Disk};
use crate::support::oauth_service::{
    Fault, LIFE, Service, app, asked_with, of, pair, process, used,
};
use crate::support::server::LATENCY;
use crate::support::{Reply, World, millis, path, secs};
use pan123_proto::{Error, ErrorKind, RetryPolicy, Session};

/// Ten minutes before its end an access token is replaced.
const STALE: Duration = secs(6600);

/// One session that holds the first pair, fresh.
fn begun(service: &Service, disk: &Disk) -> (World, Session) {
    let mut world = service.world(disk);
    let session = process();
    get_user(&mut world, &session).unwrap();
    (world, session)
}

fn first_pair() -> (Service, Disk) {
    (Service::after(1), Disk::with_token(pair(1, LIFE)))
}

/// No request was sent with the old token once the refresh was sent, and none with the new one before it was saved.
fn assert_never_between(world: &World, disk: &Disk) {
    let sent = world.times(path::OAUTH)[0];
    let saved = disk.times("save").last().unwrap().saturating_add(DISK_TIME);
    for call in world.sent_to(path::USER_INFO) {
        match call.token() {
            "access-1" => assert!(call.at <= sent, "{:?} after {sent:?}", call.at),
            "access-2" => assert!(call.at >= saved, "{:?} before {saved:?}", call.at),
            other => panic!("{other}"),
        }
    }
}

#[test]
fn stale_pair_is_refreshed_once_and_others_wait_until_it_is_saved() {
    let (service, disk) = first_pair();
    let (mut world, session) = begun(&service.slow(secs(5)), &disk);
    world.run_until(STALE);
    let asked = ask_many(&mut world, &session, 64);
    world.run_until(STALE + secs(3));
    let late = ask_user(&mut world, &session);
    world.run();
    assert_all_well(&asked);
    late.get().unwrap();
    assert_eq!(asked_with(&world), ["refresh-1"]);
    assert_eq!(world.detached(), 2, "one has read the store");
    assert_never_between(&world, &disk);
    let stored = disk.stored().unwrap();
    assert_eq!(
        (stored.expose(), stored.expose_refresh_token()),
        ("access-2", Some("refresh-2"))
    );
}

#[test]
fn many_rejections_cause_one_refresh() {
    let (service, disk) = first_pair();
    let (mut world, session) = begun(&service.clone().slow(secs(5)), &disk);
    service.end_access();
    let asked = ask_many(&mut world, &session, 64);
    world.run_until(world.now() + secs(2));
    let late = ask_user(&mut world, &session);
    world.run();
    assert_all_well(&asked);
    late.get().unwrap();
    assert_eq!(asked_with(&world), ["refresh-1"]);
    assert_eq!(used(&world).len(), 1 + 64 + 64 + 1);
    assert_never_between(&world, &disk);
}

#[test]
fn pair_expires_after_expires_in() {
    let (service, disk) = first_pair();
    let (mut world, session) = begun(&service, &disk);
    service.end_access();
    ask_user(&mut world, &session);
    world.run();
    let answered = world.times(path::OAUTH)[0] + LATENCY;
    for (when, pairs) in [(answered + secs(6599), 1), (answered + STALE, 2)] {
        world.run_until(when);
        get_user(&mut world, &session).unwrap();
        assert_eq!(asked_with(&world).len(), pairs);
    }
    let end = disk.stored().unwrap().expired_at().unwrap();
    let exact = crate::support::at(answered + STALE + LATENCY + LIFE).wall;
    // `Date` has whole seconds.
    assert!(end <= exact && end + secs(1) > exact, "{end:?} {exact:?}");
}

#[test]
fn one_process_refreshes_and_the_others_load_the_new_pair() {
    let (service, disk) = first_pair();
    let mut world = service.clone().slow(secs(5)).world(&disk);
    let sessions: Vec<Session> = (0..6).map(|_| process()).collect();
    let ask_each = |world: &mut World| -> Vec<Asked> {
        sessions.iter().map(|one| ask_user(world, one)).collect()
    };
    let first = ask_each(&mut world);
    world.run();
    assert_all_well(&first);
    world.run_until(STALE);
    let near_the_end = ask_each(&mut world);
    world.run();
    assert_all_well(&near_the_end);
    assert_eq!(asked_with(&world), ["refresh-1"]);

    service.end_access();
    let refused = ask_each(&mut world);
    world.run();
    assert_all_well(&refused);
    assert_eq!(asked_with(&world), ["refresh-1", "refresh-2"]);
    assert!(!disk.is_locked());
}

#[test]
fn token_revoked_by_another_process_is_replaced_from_the_store() {
    let (service, disk) = first_pair();
    let (mut world, session) = begun(&service, &disk);
    service.rotate();
    disk.put(pair(2, LIFE));
    assert_many_succeed(&mut world, &session, 8);
    assert_eq!(asked_with(&world), [""; 0]);
    assert_eq!(used(&world)[9..], ["access-2"; 8]);
}

#[test]
fn only_a_rejected_refresh_token_requires_authorization() {
    let refusals: [fn() -> Reply; 6] = [
        || Reply::code(400, "refresh_token无效"),
        || Reply::code(401, "token无效"),
        || Reply::code(1, "Refresh Token is expired"),
        || Reply::http(200, r#"{"error":"invalid_grant"}"#),
        || Reply::http(400, "<html>"),
        || Reply::http(401, ""),
    ];
    for refusal in refusals {
        let (kind, inner, requests) = after(refusal);
        assert_eq!(kind, ErrorKind::AuthorizationRequired);
        assert!(matches!(inner, ErrorKind::Api | ErrorKind::Http));
        assert_eq!(requests, 1);
    }
    let wrong_app: [fn() -> Reply; 2] = [
        || {
            Reply::http(
                401,
                r#"{"error":"invalid_client","error_description":"no"}"#,
            )
        },
        || Reply::http(400, r#"{"error":"unauthorized_client"}"#),
    ];
    for refusal in wrong_app {
        let (kind, _, requests) = after(refusal);
        assert_eq!((kind, requests), (ErrorKind::Credentials, 1));
    }
    // Errors that are not about the refresh token do not require authorization.
    let others: [fn() -> Reply; 5] = [
        || Reply::code(1, "内部错误"),
        || Reply::code(403, "123pan-global-slb forbidden client ip 192.0.2.7"),
        || Reply::http(500, r#"{"code":5,"message":"no"}"#),
        || Reply::http(403, "Forbidden"),
        || Reply::http(404, "no such path"),
    ];
    for refusal in others {
        let (kind, _, requests) = after(refusal);
        assert_eq!((kind, requests), (ErrorKind::Token, 1));
    }
    let troubles: [fn() -> Reply; 6] = [
        || Reply::http(503, r#"{"error":"temporarily_unavailable"}"#),
        || Reply::http(500, r#"{"status":500,"error":"Internal Server Error"}"#),
        || Reply::http(502, "Bad Gateway"),
        || Reply::http(408, ""),
        || Reply::http(200, "{}"),
        || Reply::http(200, r#"{"code":0,"data":null}"#),
    ];
    for trouble in troubles {
        let (kind, inner, requests) = after(trouble);
        assert_eq!(
            (kind, inner),
            (ErrorKind::Token, ErrorKind::RetriesExhausted)
        );
        assert_eq!(requests, 2);
    }
}

#[test]
fn server_error_does_not_reject_the_refresh_token() {
    for reply in [
        Reply::http(503, r#"{"error":"temporarily_unavailable"}"#),
        Reply::http(408, r#"{"error":"timeout"}"#),
    ] {
        let (service, disk) = first_pair();
        service.end_access();
        service.faults([Fault::Instead(reply)]);
        let mut world = service.world(&disk);
        let builder = of(app()).retry(RetryPolicy::none());
        let session = builder.build().unwrap();
        let error = get_user(&mut world, &session).unwrap_err();
        assert!(
            matches!(&error, Error::Token(inner) if inner.kind() == ErrorKind::Api),
            "{error}"
        );
        get_user(&mut world, &session).unwrap();
    }
}

/// The error of a call whose refresh always gets this reply, its cause, and the number of requests for a pair.
fn after(reply: fn() -> Reply) -> (ErrorKind, ErrorKind, usize) {
    let (service, disk) = first_pair();
    service.end_access();
    service.faults((0..9).map(|_| Fault::Instead(reply())));
    let mut world = service.world(&disk);
    let error = get_user(&mut world, &process()).unwrap_err();
    let inner = match &error {
        Error::Credentials(inner)
        | Error::Token(inner)
        | Error::AuthorizationRequired(Some(inner)) => inner.kind(),
        other => panic!("{other}"),
    };
    (error.kind(), inner, asked_with(&world).len())
}

#[test]
fn a_lost_answer_is_asked_for_once_more_only() {
    for (fault, kind) in [
        (Fault::LostBefore, None),
        (Fault::LostAfter, Some(ErrorKind::AuthorizationRequired)),
    ] {
        let (service, disk) = first_pair();
        service.end_access();
        service.faults([fault]);
        let mut world = service.world(&disk);
        let asked = ask_user(&mut world, &process());
        world.run();
        assert_eq!(asked.get().err().map(|error| error.kind()), kind);
        assert_eq!(asked_with(&world), ["refresh-1"; 2]);
    }
    let (service, disk) = first_pair();
    service.end_access();
    service.faults((0..9).map(|_| Fault::LostBefore));
    let mut world = service.world(&disk);
    let asked = ask_user(&mut world, &process());
    world.run();
    assert_eq!(asked.get().unwrap_err().kind(), ErrorKind::Token);
    assert_eq!(asked_with(&world).len(), 2);
}

#[test]
fn old_token_is_used_until_it_expires_while_refreshes_fail() {
    let (service, disk) = first_pair();
    let (mut world, session) = begun(&service, &disk);
    service.faults((0..99).map(|_| Fault::Instead(Reply::http(404, ""))));
    world.run_until(STALE);
    let asked = ask_user(&mut world, &session);
    world.run_until(STALE + millis(500));
    let in_the_pause = ask_many(&mut world, &session, 8);
    world.run_until(STALE + millis(600));
    asked.get().unwrap();
    assert_all_well(&in_the_pause);
    assert_eq!(asked_with(&world).len(), 1);
    assert_eq!(used(&world), ["access-1"; 10]);

    world.run_until(LIFE);
    let too_late = ask_user(&mut world, &session);
    world.run();
    assert_eq!(too_late.get().unwrap_err().kind(), ErrorKind::Token);
    assert_eq!(used(&world).len(), 10, "past its end it is not sent");
}

#[test]
fn rejected_refresh_token_leaves_the_access_token_in_use() {
    let (service, disk) = first_pair();
    let (mut world, session) = begun(&service, &disk);
    service.faults([Fault::Instead(Reply::code(400, "no"))]);
    world.run_until(STALE);
    assert_many_succeed(&mut world, &session, 8);
    assert_eq!(used(&world), ["access-1"; 9]);
    assert_eq!(asked_with(&world).len(), 1);
}
