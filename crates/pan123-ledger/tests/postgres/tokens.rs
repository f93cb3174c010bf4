//! The token store.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, SystemTime};

use pan123_ledger::PostgresTokenStore;
use pan123_proto::{ClockSkew, OpenTokenStore, StoreOp, StoreResult, StoredToken, TokenStore};

use super::account;
use super::faults::terminate;
use super::server::{control, server, server_alone};

pub(crate) fn token(value: &str) -> StoredToken {
    let end = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
    let skew = ClockSkew::Behind(Duration::from_secs(3));
    StoredToken::new(account(), value, Some(end), skew)
}

pub(crate) fn open(store: &PostgresTokenStore) -> Box<dyn OpenTokenStore> {
    store.open(&account())
}

pub(crate) fn load(store: &mut dyn OpenTokenStore) -> Option<String> {
    match store.run(StoreOp::Load) {
        StoreResult::Loaded(token) => token.map(|token| token.expose().to_owned()),
        other => panic!("{other:?}"),
    }
}

/// Takes the lock. False if it is busy.
pub(crate) fn lock(store: &mut dyn OpenTokenStore) -> bool {
    match store.run(StoreOp::Lock) {
        StoreResult::Locked => true,
        StoreResult::Busy => false,
        other => panic!("{other:?}"),
    }
}

pub(crate) fn save(store: &mut dyn OpenTokenStore, value: &str) {
    let saved = store.run(StoreOp::Save(token(value)));
    assert!(matches!(saved, StoreResult::Saved), "{saved:?}");
}

pub(crate) fn unlock(store: &mut dyn OpenTokenStore) {
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

#[test]
fn nothing_is_saved_without_the_lock() {
    let Some(server) = server() else {
        return;
    };
    let mut store = open(&server.database().token_store());
    for op in [StoreOp::Save(token("a")), StoreOp::Prepare] {
        let refused = store.run(op);
        assert!(matches!(refused, StoreResult::Failed(_)), "{refused:?}");
    }
    assert!(lock(&mut *store));
    assert!(matches!(store.run(StoreOp::Prepare), StoreResult::Prepared));
    assert_eq!(load(&mut *store), None);
}

#[test]
fn accounts_are_apart_and_pairs_are_kept() {
    let Some(server) = server() else {
        return;
    };
    let store = server.database().token_store();
    let mut holders = Vec::new();
    for user in ["a", "b"] {
        let account = account().of_user(user);
        let pair = StoredToken::new(
            account.clone(),
            user,
            None,
            ClockSkew::Ahead(Duration::ZERO),
        );
        let pair = pair.with_refresh_token(format!("refresh-{user}"));
        // One holds its lock while the other is saved.
        let mut opened = store.open(&account);
        assert!(lock(&mut *opened));
        let saved = opened.run(StoreOp::Save(pair));
        assert!(matches!(saved, StoreResult::Saved), "{saved:?}");
        holders.push(opened);
    }
    for user in ["a", "b"] {
        let mut opened = server
            .database()
            .token_store()
            .open(&account().of_user(user));
        let StoreResult::Loaded(Some(pair)) = opened.run(StoreOp::Load) else {
            panic!("no pair of {user}");
        };
        assert_eq!(
            (pair.expose(), pair.account()),
            (user, &account().of_user(user))
        );
        assert_eq!(
            pair.expose_refresh_token(),
            Some(&*format!("refresh-{user}"))
        );
    }
    assert_eq!(load(&mut *open(&store)), None);
}

#[test]
fn one_of_eight_threads_has_the_lock() {
    let Some(server) = server() else {
        return;
    };
    let holders = AtomicUsize::new(0);
    thread::scope(|scope| {
        for number in 0..8 {
            let store = server.database().token_store();
            let holders = &holders;
            scope.spawn(move || {
                for round in 0..5 {
                    let mut opened = open(&store);
                    while !lock(&mut *opened) {
                        thread::yield_now();
                    }
                    assert_eq!(holders.fetch_add(1, Ordering::SeqCst), 0);
                    let value = format!("{number}-{round}");
                    save(&mut *opened, &value);
                    assert_eq!(load(&mut *opened), Some(value));
                    assert_eq!(holders.fetch_sub(1, Ordering::SeqCst), 1);
                }
            });
        }
    });
}

#[test]
fn lease_is_renewed_as_long_as_the_lock_is_held() {
    let Some(server) = server() else {
        return;
    };
    let lease = Duration::from_millis(600);
    let mut holder = open(&server.database().token_store().lease(lease));
    let mut other = open(&server.database().token_store());
    assert!(lock(&mut *holder));
    let admin = server.admin();
    let renewed_at = || admin.ask("SELECT held_at FROM tokens").remove(0);
    let first: u128 = renewed_at().parse().unwrap();
    while renewed_at().parse::<u128>().unwrap() < first + 2 * lease.as_millis() {
        assert!(!lock(&mut *other));
    }
    drop(holder);
    assert!(lock(&mut *other));
}

#[test]
fn lock_outlives_its_connection() {
    let Some(server) = server() else {
        return;
    };
    let url = format!("{}&application_name=token", server.url);
    let mut holder = open(&server.database_of(&url).token_store());
    let mut other = open(&server.database().token_store());
    assert!(lock(&mut *holder));
    let admin = server.admin();
    assert_eq!(terminate(&admin, "token", "true"), 1);
    assert!(!lock(&mut *other));
    assert!(lock(&mut *holder));
    assert_eq!(terminate(&admin, "token", "true"), 1);
    save(&mut *holder, "a");
    assert_eq!(load(&mut *other).as_deref(), Some("a"));
}

#[test]
fn clock_of_the_server_that_is_set_back_keeps_nobody_waiting() {
    let Some(server) = server() else {
        return;
    };
    let mut holder = open(&server.database().token_store());
    let mut other = open(&server.database().token_store());
    assert!(lock(&mut *holder));
    server
        .admin()
        .ask("UPDATE tokens SET held_at = held_at + 3600000");
    assert!(lock(&mut *other));
    // What it would do next is to fetch a token.
    let loaded = holder.run(StoreOp::Load);
    assert!(matches!(loaded, StoreResult::Unavailable(_)), "{loaded:?}");
    assert!(!lock(&mut *holder));
    drop(holder);
    save(&mut *other, "a");
}

#[test]
fn lock_whose_row_somebody_keeps_is_busy() {
    let Some(server) = server() else {
        return;
    };
    let store = server.database().token_store();
    let mut opened = open(&store);
    assert!(lock(&mut *opened));
    unlock(&mut *opened);
    let admin = server.admin();
    admin.ask("BEGIN; SELECT * FROM tokens FOR UPDATE");
    assert!(!lock(&mut *opened));
    admin.ask("ROLLBACK");
    assert!(lock(&mut *opened));
}

#[test]
fn no_message_shows_a_token() {
    let Some(server) = server() else {
        return;
    };
    let store = server.database().token_store();
    let mut opened = open(&store);
    assert!(lock(&mut *opened));
    save(&mut *opened, "very-secret");
    let admin = server.admin();
    for damage in [
        "left(token, -1)",
        "replace(token, 'version', 'revision')",
        "'\"very-secret\"'",
        "repeat('very-secret', 1000)",
    ] {
        admin.ask(&format!("UPDATE tokens SET token = {damage}"));
        let StoreResult::Failed(text) = opened.run(StoreOp::Load) else {
            panic!("{damage} is understood");
        };
        assert!(
            !text.contains("secret") && text.contains("delete the row"),
            "{text}"
        );
        save(&mut *opened, "very-secret");
    }
    admin.ask("ALTER TABLE tokens ADD CHECK (token NOT LIKE '%other-secret%')");
    let refused = opened.run(StoreOp::Save(token("other-secret")));
    let text = format!("{refused:?} {store:?}");
    assert!(
        matches!(refused, StoreResult::Failed(_)) && !text.contains("secret"),
        "{text}"
    );
    admin.ask("DROP TABLE tokens");
    let refused = opened.run(StoreOp::Load);
    assert!(matches!(refused, StoreResult::Failed(_)), "{refused:?}");
}

#[test]
fn save_that_a_killed_server_interrupts_changes_nothing_and_works_afterwards() {
    let Some(server) = server_alone() else {
        return;
    };
    let mut opened = open(&server.database().token_store());
    assert!(lock(&mut *opened));
    save(&mut *opened, "old");
    let admin = server.admin();
    // The save waits in the middle.
    admin.ask("BEGIN; LOCK TABLE tokens");
    let saving = thread::spawn(move || {
        let result = opened.run(StoreOp::Save(token("new")));
        (opened, result)
    });
    let watcher = server.admin();
    while watcher
        .ask("SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
        .is_empty()
    {
        thread::yield_now();
    }
    if !control(&["--mode", "immediate", "stop"]) {
        admin.ask("ROLLBACK");
        return;
    }
    let (mut opened, result) = saving.join().unwrap();
    assert!(matches!(result, StoreResult::Unavailable(_)), "{result:?}");
    for op in [StoreOp::Load, StoreOp::Lock, StoreOp::Save(token("new"))] {
        let result = opened.run(op);
        assert!(matches!(result, StoreResult::Unavailable(_)), "{result:?}");
    }
    assert!(control(&["start"]));
    let mut other = open(&server.database().token_store());
    assert_eq!(load(&mut *other).as_deref(), Some("old"));
    save(&mut *opened, "new");
    assert_eq!(load(&mut *other).as_deref(), Some("new"));
}

#[test]
fn store_is_used_and_dropped_inside_of_a_runtime() {
    let Some(server) = server() else {
        return;
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let store = server.database().token_store();
    runtime.block_on(async {
        let mut opened = open(&store);
        assert!(lock(&mut *opened));
        save(&mut *opened, "a");
        drop(store);
    });
    assert!(lock(&mut *open(&server.database().token_store())));
}
