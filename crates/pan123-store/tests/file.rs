//! The store in a file: private, never half-written, locked by one at a time, and of one account.

#![allow(clippy::unwrap_used, reason = "test helpers unwrap as tests do")]

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use pan123_proto::ClockSkew;
use pan123_store::{
    Account, FileStore, OpenTokenStore, StoreOp, StoreResult, StoredToken, TokenStore,
};
use tempfile::TempDir;

struct Place {
    directory: TempDir,
    store: FileStore,
}

fn place() -> Place {
    let directory = tempfile::tempdir().unwrap();
    let store = FileStore::new(directory.path().join("deep/er/token.json"));
    Place { directory, store }
}

fn account() -> Account {
    Account::new("https://open-api.123pan.com", "id")
}

fn token(value: &str) -> StoredToken {
    let end = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
    StoredToken::new(
        account(),
        value,
        Some(end),
        ClockSkew::Behind(Duration::from_secs(3)),
    )
}

fn load(store: &mut dyn OpenTokenStore) -> Option<String> {
    match store.run(StoreOp::Load) {
        StoreResult::Loaded(token) => token.map(|token| token.expose().to_owned()),
        other => panic!("{other:?}"),
    }
}

fn save(store: &mut dyn OpenTokenStore, value: &str) {
    assert!(matches!(store.run(StoreOp::Lock), StoreResult::Locked));
    let saved = store.run(StoreOp::Save(token(value)));
    assert!(matches!(saved, StoreResult::Saved), "{saved:?}");
    assert!(matches!(store.run(StoreOp::Unlock), StoreResult::Unlocked));
}

fn fault(result: StoreResult) -> String {
    match result {
        StoreResult::Failed(text) => text,
        other => panic!("a failure was expected: {other:?}"),
    }
}

impl Place {
    fn open(&self) -> Box<dyn OpenTokenStore> {
        self.store.open(&account())
    }

    /// A place whose file has this content.
    fn holding(text: &str) -> Place {
        let place = place();
        fs::create_dir_all(place.store.path().parent().unwrap()).unwrap();
        fs::write(place.store.path(), text).unwrap();
        place
    }

    fn files(&self) -> Vec<String> {
        let directory = self.store.path().parent().unwrap();
        let name = |entry: std::io::Result<fs::DirEntry>| {
            entry.unwrap().file_name().into_string().unwrap()
        };
        let mut names: Vec<_> = fs::read_dir(directory).unwrap().map(name).collect();
        names.sort();
        names
    }
}

#[test]
fn saved_token_is_loaded_and_replaced() {
    let place = place();
    let mut store = place.open();
    assert_eq!(load(&mut *store), None);
    save(&mut *store, "a-very-long-first-token");
    assert_eq!(load(&mut *store).unwrap(), "a-very-long-first-token");
    save(&mut *store, "second");
    assert_eq!(load(&mut *place.open()).unwrap(), "second");
    assert_eq!(place.files(), ["token.json", "token.json.lock"]);
}

#[test]
fn relative_path_works() {
    let directory = tempfile::tempdir_in(".").unwrap();
    let relative = PathBuf::from(directory.path().file_name().unwrap());
    let store = FileStore::new(relative.join("token.json"));
    let mut store = store.open(&account());
    save(&mut *store, "t");
    assert_eq!(load(&mut *store).unwrap(), "t");
}

#[test]
fn lock_is_exclusive_and_released_on_drop() {
    let place = place();
    let (mut first, mut second) = (place.open(), place.open());
    assert!(matches!(first.run(StoreOp::Lock), StoreResult::Locked));
    assert!(matches!(first.run(StoreOp::Lock), StoreResult::Locked));
    assert!(matches!(second.run(StoreOp::Lock), StoreResult::Busy));
    assert!(fault(second.run(StoreOp::Save(token("x")))).contains("the store is not locked"));
    assert_eq!(load(&mut *second), None, "loading needs no lock");
    drop(first);
    assert!(matches!(second.run(StoreOp::Lock), StoreResult::Locked));
    assert!(matches!(second.run(StoreOp::Unlock), StoreResult::Unlocked));
    assert!(matches!(
        place.open().run(StoreOp::Lock),
        StoreResult::Locked
    ));
}

#[test]
fn invalid_file_is_an_error_that_names_it_without_quoting_it_and_stays_unchanged() {
    for text in [
        "{",
        "{}",
        "\0\0{}",
        "canary",
        r#"{"version":1,"access_token":"canary"}"#,
        r#"{"version":1,"service":"s","client_id":"c","access_token":"t","expired_at":"canary","skew_ms":0}"#,
        r#"{"version":9,"service":"s","client_id":"c","access_token":"canary","expired_at":null,"skew_ms":0}"#,
        "\u{feff}{}",
    ] {
        let place = Place::holding(text);
        let error = fault(place.open().run(StoreOp::Load));
        let path = place.store.path().display().to_string();
        assert!(error.contains(&path) && error.contains("line"), "{error}");
        assert!(!error.contains("canary"), "{error}");
        assert_eq!(fs::read_to_string(place.store.path()).unwrap(), text);
    }
}

#[test]
fn empty_file_holds_no_token_and_stays_unchanged_until_a_save() {
    for text in [
        "",
        "\n",
        " \r\n\t",
        "\0",
        &"\0".repeat(4096),
        &"\0".repeat(200_000),
    ] {
        let place = Place::holding(text);
        let mut store = place.open();
        let path = place.store.path().display().to_string();
        match store.run(StoreOp::Load) {
            StoreResult::Lost(place) => assert_eq!(place, format!("{path} is empty")),
            other => panic!("{text:?}: {other:?}"),
        }
        assert_eq!(fs::read_to_string(place.store.path()).unwrap(), text);
        save(&mut *store, "new");
        assert_eq!(load(&mut *store).as_deref(), Some("new"));
    }
}

#[test]
fn proof_that_a_token_can_be_saved_stores_none_and_needs_the_lock() {
    let place = place();
    let mut store = place.open();
    assert!(fault(store.run(StoreOp::Prepare)).contains("the store is not locked"));
    assert!(matches!(store.run(StoreOp::Lock), StoreResult::Locked));
    assert!(matches!(store.run(StoreOp::Prepare), StoreResult::Prepared));
    assert_eq!(place.files(), ["token.json.lock"]);
    assert_eq!(load(&mut *store), None);

    fs::write(place.store.path(), "").unwrap();
    assert!(matches!(store.run(StoreOp::Prepare), StoreResult::Prepared));
    assert!(matches!(store.run(StoreOp::Load), StoreResult::Lost(_)));

    save(&mut *store, "kept");
    assert!(matches!(store.run(StoreOp::Lock), StoreResult::Locked));
    assert!(matches!(store.run(StoreOp::Prepare), StoreResult::Prepared));
    assert_eq!(load(&mut *store).as_deref(), Some("kept"));
}

/// Processes that see the file through different directories have only the file in common.
#[cfg(unix)]
#[test]
fn token_file_itself_is_locked() {
    let place = place();
    let mut store = place.open();
    save(&mut *store, "first");
    assert!(matches!(store.run(StoreOp::Lock), StoreResult::Locked));
    let elsewhere = place.directory.path().join("another.json");
    fs::hard_link(place.store.path(), &elsewhere).unwrap();
    let mut other = FileStore::new(&elsewhere).open(&account());
    assert!(matches!(other.run(StoreOp::Lock), StoreResult::Busy));
    assert!(matches!(store.run(StoreOp::Unlock), StoreResult::Unlocked));
    assert!(matches!(other.run(StoreOp::Lock), StoreResult::Locked));
    assert!(matches!(store.run(StoreOp::Lock), StoreResult::Busy));
    assert!(matches!(other.run(StoreOp::Unlock), StoreResult::Unlocked));

    // The file that replaces it under the lock is locked, too.
    assert!(matches!(store.run(StoreOp::Lock), StoreResult::Locked));
    assert!(matches!(
        store.run(StoreOp::Save(token("second"))),
        StoreResult::Saved
    ));
    fs::remove_file(&elsewhere).unwrap();
    fs::hard_link(place.store.path(), &elsewhere).unwrap();
    assert!(matches!(other.run(StoreOp::Lock), StoreResult::Busy));
}

#[test]
fn token_of_another_account_is_an_error_and_stays_unchanged() {
    let place = place();
    save(&mut *place.open(), "mine");
    let before = fs::read(place.store.path()).unwrap();
    let other = Account::new("https://open-api.123pan.com", "another");
    let error = fault(place.store.open(&other).run(StoreOp::Load));
    for part in ["token.json", r#"client id "id""#, r#"client id "another""#] {
        assert!(error.contains(part), "{error}");
    }
    assert_eq!(fs::read(place.store.path()).unwrap(), before);
}

#[test]
fn token_pair_belongs_to_one_user_of_an_app() {
    let place = place();
    let alice = account().of_user("alice");
    let pair = StoredToken::new(
        alice.clone(),
        "access",
        None,
        ClockSkew::Ahead(Duration::ZERO),
    );
    let mut store = place.store.open(&alice);
    assert!(matches!(store.run(StoreOp::Lock), StoreResult::Locked));
    let saved = store.run(StoreOp::Save(pair.with_refresh_token("refresh")));
    assert!(matches!(saved, StoreResult::Saved), "{saved:?}");
    match store.run(StoreOp::Load) {
        StoreResult::Loaded(Some(pair)) => {
            assert_eq!(pair.expose_refresh_token(), Some("refresh"));
            assert_eq!(pair.account(), &alice);
        }
        other => panic!("{other:?}"),
    }
    for other in [account(), account().of_user("bob")] {
        let error = fault(place.store.open(&other).run(StoreOp::Load));
        assert!(
            error.contains(r#"it is of user "alice" of client id "id""#),
            "{error}"
        );
    }
}

#[test]
fn file_of_an_earlier_version_is_loaded() {
    let place = place();
    save(&mut *place.open(), "first");
    let before = r#"{"version":1,"service":"https://open-api.123pan.com","client_id":"id","access_token":"before",
        "expired_at":"2027-01-15T08:00:00Z","skew_ms":-3000}"#;
    fs::write(place.store.path(), before).unwrap();
    assert_eq!(load(&mut *place.open()).as_deref(), Some("before"));
    save(&mut *place.open(), "after");
    let json = fs::read_to_string(place.store.path()).unwrap();
    assert!(
        !json.contains("user") && !json.contains("refresh_token"),
        "{json}"
    );
}

#[test]
fn directory_in_place_of_a_file_and_file_in_place_of_a_directory_are_errors() {
    let place = place();
    let taken = FileStore::new(place.directory.path());
    let error = fault(taken.open(&account()).run(StoreOp::Load));
    assert!(error.contains("cannot be read"), "{error}");

    let file = place.directory.path().join("file");
    fs::write(&file, "").unwrap();
    let under = FileStore::new(file.join("token.json"));
    let error = fault(under.open(&account()).run(StoreOp::Lock));
    assert!(error.contains("cannot be created"), "{error}");
}

#[test]
fn leftover_of_a_killed_process_is_replaced() {
    let place = place();
    save(&mut *place.open(), "first");
    let left = place.store.path().with_file_name("token.json.new");
    fs::write(&left, "half a tok").unwrap();
    assert_eq!(load(&mut *place.open()).unwrap(), "first");
    save(&mut *place.open(), "second");
    assert_eq!(load(&mut *place.open()).unwrap(), "second");
    assert!(!left.exists());
}

#[cfg(unix)]
mod permissions {
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn file_and_directory_are_private_to_the_owner() {
        let place = place();
        save(&mut *place.open(), "t");
        let path = place.store.path();
        assert_eq!(mode(path), 0o600);
        assert_eq!(mode(path.parent().unwrap()), 0o700);
    }

    #[test]
    fn wide_permissions_are_tightened() {
        let place = place();
        save(&mut *place.open(), "t");
        for (wide, narrow) in [
            (0o644, 0o600),
            (0o666, 0o600),
            (0o440, 0o400),
            (0o700, 0o700),
        ] {
            fs::set_permissions(place.store.path(), fs::Permissions::from_mode(wide)).unwrap();
            assert_eq!(load(&mut *place.open()).unwrap(), "t");
            assert_eq!(mode(place.store.path()), narrow, "{wide:o}");
        }
    }

    #[test]
    fn foreign_file_keeps_its_permissions() {
        let place = Place::holding("not a token");
        let wide = fs::Permissions::from_mode(0o644);
        fs::set_permissions(place.store.path(), wide).unwrap();
        fault(place.open().run(StoreOp::Load));
        assert_eq!(mode(place.store.path()), 0o644);
    }
}
