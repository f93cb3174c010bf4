//! The store in a file: private, never half-written, locked by one at a time, and of one account.

#![allow(clippy::unwrap_used, reason = "test helpers unwrap as tests do")]

use std::ffi::OsString;
use std::fs::{self, FileType};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::{Account, FileStore, OpenTokenStore, StoreOp, StoreResult, StoredToken, TokenStore};
use pan123_proto::ClockSkew;
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

/// Paths in this directory that cannot hold a token, and a part of the error.
fn unusable(directory: &Path) -> Vec<(PathBuf, &'static str)> {
    let names_directory = "names a directory, and a token is stored in a file";
    fs::create_dir(directory.join("folder")).unwrap();
    fs::write(directory.join("file"), "").unwrap();
    for taken in ["new-taken.new", "lock-taken.lock"] {
        fs::create_dir(directory.join(taken)).unwrap();
    }
    vec![
        (PathBuf::new(), "the path of the token file is empty"),
        (".".into(), names_directory),
        ("..".into(), names_directory),
        ("token.json/".into(), names_directory),
        ("token.json/.".into(), names_directory),
        (directory.join("absent/"), names_directory),
        (directory.join("absent/.."), names_directory),
        (directory.join("folder"), names_directory),
        (directory.join("folder/"), names_directory),
        (directory.join("file/"), names_directory),
        (directory.join("file/token.json"), "file is not a directory"),
        (
            directory.join("file/er/token.json"),
            "file is not a directory",
        ),
        (
            directory.join("lock-taken"),
            "lock-taken.lock is not a file",
        ),
        (directory.join("new-taken"), "new-taken.new is not a file"),
    ]
}

/// The same for what only Unix has.
#[cfg(unix)]
fn unusable_on_unix(directory: &Path) -> Vec<(PathBuf, &'static str)> {
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener;

    let special = "is not a file, but a device, a pipe or a socket";
    let links = [
        ("loop", "loop"),
        ("there", "and-back"),
        ("and-back", "there"),
        ("to-folder", "folder"),
        ("to-absent-folder", "absent/"),
        ("to-socket", "socket"),
        ("nowhere", "absent"),
        ("new-linked.new", "file"),
        ("lock-linked.lock", "pipe"),
    ];
    for (link, target) in links {
        symlink(target, directory.join(link)).unwrap();
    }
    for socket in ["socket", "new-socket.new", "lock-socket.lock"] {
        UnixListener::bind(directory.join(socket)).unwrap();
    }
    // Not by a program: a process that starts holds the locks of the other tests until it has begun.
    #[cfg(target_os = "linux")]
    rustix::fs::mkfifoat(
        rustix::fs::CWD,
        directory.join("pipe"),
        rustix::fs::Mode::RWXU,
    )
    .unwrap();
    #[cfg(not(target_os = "linux"))]
    UnixListener::bind(directory.join("pipe")).unwrap();
    let long = "a".repeat(254);
    [
        ("a\0b", "a\0b cannot be used"),
        (&long, "choose another path"),
        ("loop", "leads back to itself"),
        ("there", "leads back to itself"),
        ("to-folder", "names a directory"),
        ("to-absent-folder", "absent/ names a directory"),
        ("socket", special),
        ("to-socket", special),
        ("pipe", special),
        ("pipe/token.json", "pipe is not a directory"),
        ("nowhere/token.json", "nowhere is not a directory"),
        ("new-linked", "new-linked.new is not a file"),
        ("new-socket", "new-socket.new is not a file"),
        ("lock-linked", "lock-linked.lock is not a file"),
        ("lock-socket", "lock-socket.lock is not a file"),
    ]
    .map(|(name, part)| (directory.join(name), part))
    .into()
}

#[test]
fn path_that_cannot_hold_a_token_is_refused_by_the_first_operation_and_nothing_changes() {
    let directory = tempfile::tempdir().unwrap();
    let paths = unusable(directory.path()).into_iter();
    #[cfg(unix)]
    let paths = paths.chain(unusable_on_unix(directory.path()));
    let paths: Vec<_> = paths.collect();
    let before = kinds(directory.path());
    for (path, part) in paths {
        for op in [StoreOp::Load, StoreOp::Lock] {
            let mut store = FileStore::new(&path).open(&account());
            let what = format!("{op:?} of {}", path.display());
            match store.run(op) {
                StoreResult::Failed(text) => assert!(text.contains(part), "{what}: {text}"),
                other => panic!("{what}: {other:?}"),
            }
        }
    }
    assert_eq!(kinds(directory.path()), before);
}

/// The entries of a directory, and what each is.
fn kinds(directory: &Path) -> Vec<(OsString, FileType)> {
    let entries = fs::read_dir(directory).unwrap().map(Result::unwrap);
    let mut kinds: Vec<_> = entries
        .map(|entry| (entry.file_name(), entry.file_type().unwrap()))
        .collect();
    kinds.sort_by(|(one, _), (other, _)| one.cmp(other));
    kinds
}

/// The system shows an open pipe as a link to a path where nothing is.
#[cfg(target_os = "linux")]
#[test]
fn pipe_that_this_process_has_open_is_refused() {
    use std::os::fd::AsRawFd;

    let (reader, _writer) = std::io::pipe().unwrap();
    let path = format!("/proc/self/fd/{}", reader.as_raw_fd());
    let mut store = FileStore::new(path).open(&account());
    assert!(fault(store.run(StoreOp::Load)).contains("is not a file"));
}

#[test]
fn long_file_is_an_error_and_stays_unchanged() {
    for text in [
        format!("{}a file of its own", " ".repeat(70_000)),
        format!("{}a file of its own", "\0".repeat(70_000)),
        "\0".repeat(1024 * 1024 + 1),
        " ".repeat(1024 * 1024) + "a file of its own",
    ] {
        let place = Place::holding(&text);
        let error = fault(place.open().run(StoreOp::Load));
        assert!(error.contains("move the file away"), "{error}");
        assert_eq!(fs::read_to_string(place.store.path()).unwrap(), text);
    }
}

#[test]
fn long_token_is_saved_and_loaded() {
    let place = place();
    let long = "t".repeat(100_000);
    save(&mut *place.open(), &long);
    assert_eq!(load(&mut *place.open()), Some(long));
}

/// Other systems refuse such a name.
#[cfg(target_os = "linux")]
#[test]
fn name_that_is_not_utf_8_works() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(OsStr::from_bytes(b"tok\xffen"));
    let mut store = FileStore::new(&path).open(&account());
    save(&mut *store, "t");
    assert_eq!(load(&mut *store).as_deref(), Some("t"));
    assert!(path.exists());
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

    /// Root may write everywhere.
    #[test]
    fn lock_is_refused_where_no_token_can_be_saved() {
        let place = place();
        let directory = place.store.path().parent().unwrap();
        let set_mode = |mode| fs::set_permissions(directory, fs::Permissions::from_mode(mode));
        let mut store = place.open();
        assert!(matches!(store.run(StoreOp::Lock), StoreResult::Locked));
        assert!(matches!(store.run(StoreOp::Unlock), StoreResult::Unlocked));
        set_mode(0o500).unwrap();
        if fs::File::create(directory.join("probe")).is_err() {
            let error = fault(store.run(StoreOp::Lock));
            assert!(error.contains("cannot be written"), "{error}");
        }
        set_mode(0o700).unwrap();
        assert!(matches!(
            place.open().run(StoreOp::Lock),
            StoreResult::Locked
        ));
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

#[cfg(unix)]
mod links {
    use std::os::unix::fs::symlink;

    use super::*;

    /// Links to `real/token.json`, and the text of each.
    const LINKS: [(&str, &str); 4] = [
        ("link.json", "real/token.json"),
        ("link-of-link.json", "elsewhere/up.json"),
        ("elsewhere/up.json", "../real/token.json"),
        ("through-folder", "real"),
    ];
    /// Paths that all lead to the same file.
    const PATHS: [&str; 4] = [
        "link.json",
        "link-of-link.json",
        "through-folder/token.json",
        "through-folder/../elsewhere/up.json",
    ];

    fn linked(directory: &Path) -> PathBuf {
        for folder in ["real", "elsewhere"] {
            fs::create_dir(directory.join(folder)).unwrap();
        }
        for (link, target) in LINKS {
            symlink(target, directory.join(link)).unwrap();
        }
        directory.join("real/token.json")
    }

    #[test]
    fn link_stays_and_the_file_that_it_leads_to_is_read_locked_and_replaced() {
        for link in PATHS {
            let directory = tempfile::tempdir().unwrap();
            let real = linked(directory.path());
            let before = kinds(directory.path());
            let open = |path: &Path| FileStore::new(path).open(&account());
            let mut through_link = open(&directory.path().join(link));
            let mut direct = open(&real);
            assert_eq!(
                load(&mut *through_link),
                None,
                "{link}: it leads nowhere yet"
            );
            assert!(matches!(
                through_link.run(StoreOp::Lock),
                StoreResult::Locked
            ));
            assert!(
                matches!(direct.run(StoreOp::Lock), StoreResult::Busy),
                "{link}"
            );
            assert!(matches!(
                through_link.run(StoreOp::Prepare),
                StoreResult::Prepared
            ));
            save(&mut *through_link, "first");
            assert_eq!(load(&mut *direct).as_deref(), Some("first"), "{link}");
            assert!(matches!(direct.run(StoreOp::Lock), StoreResult::Locked));
            assert!(
                matches!(through_link.run(StoreOp::Lock), StoreResult::Busy),
                "{link}"
            );
            save(&mut *direct, "second");
            assert_eq!(
                load(&mut *through_link).as_deref(),
                Some("second"),
                "{link}"
            );
            assert_eq!(kinds(directory.path()), before, "{link}");
            let names: Vec<_> = kinds(&directory.path().join("real"))
                .into_iter()
                .map(|(name, _)| name)
                .collect();
            assert_eq!(names, ["token.json", "token.json.lock"], "{link}");
        }
    }

    #[test]
    fn link_that_is_changed_under_the_lock_counts_from_the_next_lock_on() {
        let directory = tempfile::tempdir().unwrap();
        let real = linked(directory.path());
        let link = directory.path().join("link.json");
        let mut store = FileStore::new(&link).open(&account());
        assert!(matches!(store.run(StoreOp::Lock), StoreResult::Locked));
        fs::remove_file(&link).unwrap();
        symlink("another.json", &link).unwrap();
        assert!(matches!(
            store.run(StoreOp::Save(token("first"))),
            StoreResult::Saved
        ));
        assert!(real.exists() && !link.exists(), "what was locked is saved");
        assert_eq!(load(&mut *store).as_deref(), Some("first"));
        assert!(matches!(store.run(StoreOp::Unlock), StoreResult::Unlocked));
        assert_eq!(load(&mut *store), None);
        save(&mut *store, "second");
        assert_eq!(
            load(&mut *FileStore::new(&real).open(&account())).as_deref(),
            Some("first")
        );
        assert!(directory.path().join("another.json").exists());
    }

    #[test]
    fn folder_of_a_file_to_which_a_link_leads_is_created() {
        let directory = tempfile::tempdir().unwrap();
        let link = directory.path().join("link.json");
        symlink("deep/er/token.json", &link).unwrap();
        save(&mut *FileStore::new(&link).open(&account()), "t");
        assert!(directory.path().join("deep/er/token.json").exists());
    }
}
