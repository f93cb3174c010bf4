//! Accounts of stored tokens: a developer's or an app's user's, and which user's.

use std::time::Duration;

use crate::support::callers::ask_user;
use crate::support::disk::Disk;
use crate::support::oauth_service::{LIFE, SERVICE, app, of, pair, process};
use crate::support::{World, at, builder, routine};
use pan123_proto::{Account, ClockSkew, ErrorKind, Session, StoredToken};

/// The error of a call while this token is stored.
fn store_error(stored: StoredToken, session: &Session) -> String {
    let disk = Disk::with_token(stored);
    let mut world = World::new(routine).hooks(disk.clone());
    let asked = ask_user(&mut world, session);
    world.run();
    assert!(world.sent().is_empty());
    assert!(!disk.ops().contains(&"save"));
    let error = asked.get().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TokenStore);
    assert!(!error.is_retryable());
    error.to_string()
}

#[test]
fn stored_token_of_the_other_kind_is_an_error_and_is_not_overwritten() {
    let account = || Account::new(SERVICE, "client-id");
    let developers = StoredToken::new(account(), "canary", None, ClockSkew::Ahead(Duration::ZERO));
    let text = store_error(developers.clone(), &process());
    assert!(
        text.contains("without a refresh token") && text.contains("store of its own"),
        "{text}"
    );
    let developer = builder().persist_token(true).build().unwrap();
    let text = store_error(pair(1, LIFE), &developer);
    assert!(text.contains("the token pair of an OAuth user"), "{text}");
    let now = at(Duration::ZERO);
    for error in [
        process().restore(&developers, now).unwrap_err(),
        developer.restore(&pair(1, LIFE), now).unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::TokenStore);
    }
}

#[test]
fn users_of_one_app_have_separate_accounts() {
    let session = |label: &str| of(app().user(label)).build().unwrap();
    let [alice, bob] = ["alice", "bob"].map(|label| session(label).account().unwrap());
    assert_eq!(
        (alice.user(), alice.client_id()),
        (Some("alice"), "client-id")
    );
    assert_eq!(alice, Account::new(SERVICE, "client-id").of_user("alice"));
    assert_ne!(alice, bob);
    assert_ne!(alice, process().account().unwrap());
    assert_eq!(
        alice.to_string(),
        format!("user \"alice\" of client id \"client-id\" at {SERVICE}")
    );

    let skew = ClockSkew::Ahead(Duration::ZERO);
    let stored = StoredToken::new(alice, "access-1", None, skew).with_refresh_token("refresh-1");
    for other in [session("bob"), process()] {
        let text = store_error(stored.clone(), &other);
        assert!(text.contains("user \"alice\" of client id"), "{text}");
    }
}

#[test]
fn stored_pair_round_trips() {
    let form = |more: &str| {
        format!(
            r#"{{"version":1,"service":"{SERVICE}","client_id":"client-id"{more},"expired_at":null,"skew_ms":0}}"#
        )
    };
    let account = Account::new(SERVICE, "client-id");
    let skew = ClockSkew::Ahead(Duration::ZERO);
    let token = |account: Account| StoredToken::new(account, "a", None, skew);
    for (token, expected) in [
        (token(account.clone()), form(r#","access_token":"a""#)),
        (
            token(account.of_user("u")).with_refresh_token("r"),
            form(r#","user":"u","access_token":"a","refresh_token":"r""#),
        ),
    ] {
        let json = serde_json::to_string(&token).unwrap();
        assert_eq!(json, expected);
        let back: StoredToken = serde_json::from_str(&json).unwrap();
        assert_eq!(back.account(), token.account());
        assert_eq!(back.expose_refresh_token(), token.expose_refresh_token());
    }
    let empty = form(r#","access_token":"a","refresh_token":"""#);
    serde_json::from_str::<StoredToken>(&empty).unwrap_err();
}
