//! The token store.

use std::time::{Duration, SystemTime};

use pan123_ledger::PostgresTokenStore;
use pan123_proto::{ClockSkew, OpenTokenStore, StoreOp, StoreResult, StoredToken, TokenStore};

use crate::account;
use crate::server::server;

fn token(value: &str) -> StoredToken {
    let end = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
    let skew = ClockSkew::Behind(Duration::from_secs(3));
    StoredToken::new(account(), value, Some(end), skew)
}

fn open(store: &PostgresTokenStore) -> Box<dyn OpenTokenStore> {
    store.open(&account())
}

fn load(store: &mut dyn OpenTokenStore) -> Option<String> {
    match store.run(StoreOp::Load) {
        StoreResult::Loaded(token) => token.map(|token| token.expose().to_owned()),
        other => panic!("{other:?}"),
    }
}

/// Takes the lock. False if it is busy.
fn lock(store: &mut dyn OpenTokenStore) -> bool {
    match store.run(StoreOp::Lock) {
        StoreResult::Locked => true,
        StoreResult::Busy => false,
        other => panic!("{other:?}"),
    }
}

fn save(store: &mut dyn OpenTokenStore, value: &str) {
    let saved = store.run(StoreOp::Save(token(value)));
    assert!(matches!(saved, StoreResult::Saved), "{saved:?}");
}

fn unlock(store: &mut dyn OpenTokenStore) {
    let unlocked = store.run(StoreOp::Unlock);
    assert!(matches!(unlocked, StoreResult::Unlocked), "{unlocked:?}");
}

#[test]
fn saved_token_is_loaded_and_replaced_on_another_connection() {
    let Some(server) = server() else {
        return;
    };
    let mut first = open(&server.database().token_store());
    let mut second = open(&server.database().token_store());
    assert_eq!(load(&mut *first), None);
    for value in ["one", "two"] {
        assert!(lock(&mut *first));
        save(&mut *first, value);
        unlock(&mut *first);
        assert_eq!(load(&mut *second).as_deref(), Some(value));
    }
}

#[test]
fn lock_is_exclusive_and_released_on_drop() {
    let Some(server) = server() else {
        return;
    };
    let stores = [
        server.database().token_store(),
        server.database().token_store(),
    ];
    for (a, b) in [(0, 0), (0, 1), (1, 0)] {
        let (mut first, mut second) = (open(&stores[a]), open(&stores[b]));
        assert!(lock(&mut *first) && lock(&mut *first));
        assert!(!lock(&mut *second));
        drop(first);
        assert!(lock(&mut *second));
        unlock(&mut *second);
        let mut third = open(&stores[a]);
        assert!(lock(&mut *third));
    }
}
