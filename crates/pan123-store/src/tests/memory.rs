//! The store in memory: one token and one lock for each account.

#![allow(clippy::unwrap_used, reason = "test helpers unwrap as tests do")]

use std::time::Duration;

use crate::{Account, MemoryStore, StoreOp, StoreResult, StoredToken, TokenStore};
use pan123_proto::ClockSkew;

fn account(id: &str) -> Account {
    Account::new("http://127.0.0.1", id)
}

fn token(id: &str) -> StoredToken {
    StoredToken::new(account(id), id, None, ClockSkew::Ahead(Duration::ZERO))
}

#[test]
fn accounts_are_separate_and_clones_share() {
    let store = MemoryStore::new();
    let (mut a, mut b) = (store.open(&account("a")), store.clone().open(&account("b")));
    assert!(matches!(a.run(StoreOp::Lock), StoreResult::Locked));
    assert!(matches!(b.run(StoreOp::Lock), StoreResult::Locked));
    assert!(matches!(
        a.run(StoreOp::Save(token("a"))),
        StoreResult::Saved
    ));
    assert_eq!(store.token(&account("a")).unwrap().expose(), "a");
    assert!(matches!(b.run(StoreOp::Load), StoreResult::Loaded(None)));
}

#[test]
fn lock_is_exclusive_and_required_to_save() {
    let store = MemoryStore::new();
    let (mut first, mut second) = (store.open(&account("a")), store.open(&account("a")));
    assert!(matches!(first.run(StoreOp::Lock), StoreResult::Locked));
    assert!(matches!(first.run(StoreOp::Lock), StoreResult::Locked));
    assert!(matches!(second.run(StoreOp::Lock), StoreResult::Busy));
    assert!(matches!(second.run(StoreOp::Unlock), StoreResult::Unlocked));
    assert!(
        matches!(second.run(StoreOp::Lock), StoreResult::Busy),
        "only the holder can unlock"
    );
    for op in [StoreOp::Save(token("a")), StoreOp::Prepare] {
        let unlocked = second.run(op);
        assert!(matches!(unlocked, StoreResult::Failed(_)), "{unlocked:?}");
    }
    assert!(matches!(first.run(StoreOp::Prepare), StoreResult::Prepared));
    drop(first);
    assert!(matches!(second.run(StoreOp::Lock), StoreResult::Locked));
    assert!(matches!(second.run(StoreOp::Unlock), StoreResult::Unlocked));
    assert!(matches!(
        store.open(&account("a")).run(StoreOp::Lock),
        StoreResult::Locked
    ));
}

#[test]
fn users_of_one_client_id_are_separate() {
    let store = MemoryStore::new();
    let of = |user: &str| account("app").of_user(user);
    for user in ["alice", "bob"] {
        let mut open = store.open(&of(user));
        assert!(matches!(open.run(StoreOp::Lock), StoreResult::Locked));
        let token = StoredToken::new(of(user), user, None, ClockSkew::Ahead(Duration::ZERO));
        let pair = token.with_refresh_token(format!("refresh of {user}"));
        assert!(matches!(open.run(StoreOp::Save(pair)), StoreResult::Saved));
    }
    let refresh_token = |account: &Account| {
        let token = store.token(account)?;
        token.expose_refresh_token().map(str::to_owned)
    };
    assert_eq!(
        refresh_token(&of("alice")).as_deref(),
        Some("refresh of alice")
    );
    assert_eq!(refresh_token(&of("bob")).as_deref(), Some("refresh of bob"));
    assert!(store.token(&account("app")).is_none());
}
