//! A folder in which the token file cannot be replaced.

use std::cell::RefCell;
use std::time::Duration;

use pan123_proto::ClockSkew;

use super::*;

/// A folder that fails to replace a file, and tells what it was asked for.
#[derive(Default)]
struct Recorded {
    replace: Option<io::ErrorKind>,
    sync: Option<io::ErrorKind>,
    ops: RefCell<Vec<String>>,
}

impl Recorded {
    fn record(&self, op: &str, path: &Path, fails: Option<io::ErrorKind>) -> io::Result<()> {
        let name = path.file_name().unwrap_or_default().display();
        self.ops.borrow_mut().push(format!("{op} {name}"));
        fails.map_or(Ok(()), |kind| Err(kind.into()))
    }
}

impl Folder for Recorded {
    fn replace(&self, path: &Path, new: NamedTempFile) -> io::Result<File> {
        self.record("replace", path, self.replace)?;
        Disk.replace(path, new)
    }

    fn sync(&self, directory: &Path) -> io::Result<()> {
        self.record("sync", directory, self.sync)
    }
}

fn account() -> Account {
    Account::new("http://127.0.0.1", "id")
}

fn token(value: &str) -> StoredToken {
    StoredToken::new(account(), value, None, ClockSkew::Ahead(Duration::ZERO))
}

/// A store in a file with this content, locked.
fn open(directory: &Path, content: Option<&[u8]>, folder: Recorded) -> Open<Recorded> {
    let path = directory.join("token.json");
    if let Some(content) = content {
        fs::write(&path, content).unwrap();
    }
    let mut open = Open {
        store: FileStore::new(path),
        account: account(),
        lock: None,
        folder,
    };
    assert!(matches!(open.run(StoreOp::Lock), StoreResult::Locked));
    open
}

fn stored(open: &mut Open<Recorded>) -> Option<String> {
    match open.run(StoreOp::Load) {
        StoreResult::Loaded(token) => token.map(|token| token.expose().to_owned()),
        StoreResult::Lost(_) => None,
        other => panic!("{other:?}"),
    }
}

#[test]
fn directory_is_synced_after_the_file_is_replaced() {
    let directory = tempfile::tempdir().unwrap();
    let mut open = open(directory.path(), None, Recorded::default());
    assert!(matches!(
        open.run(StoreOp::Save(token("t"))),
        StoreResult::Saved
    ));
    let name = directory.path().file_name().unwrap().display();
    assert_eq!(
        *open.folder.ops.borrow(),
        ["replace token.json".to_owned(), format!("sync {name}")]
    );
}

#[test]
fn directory_that_cannot_be_synced_is_an_error_unless_none_can_be() {
    for (sync, is_saved) in [
        (io::ErrorKind::PermissionDenied, true),
        (io::ErrorKind::Unsupported, true),
        (io::ErrorKind::StorageFull, false),
        (io::ErrorKind::Other, false),
    ] {
        let directory = tempfile::tempdir().unwrap();
        let folder = Recorded {
            sync: Some(sync),
            ..Recorded::default()
        };
        let mut open = open(directory.path(), None, folder);
        let saved = open.run(StoreOp::Save(token("t")));
        assert_eq!(
            matches!(saved, StoreResult::Saved),
            is_saved,
            "{sync}: {saved:?}"
        );
    }
}

#[cfg(unix)]
#[test]
fn file_that_cannot_be_replaced_is_written_in_place() {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};

    let usual = serde_json::to_vec(&token("usual")).unwrap();
    for (content, before) in [(&b""[..], None), (b"\n", None), (&usual, Some("usual"))] {
        for replace in [
            io::ErrorKind::ResourceBusy,
            io::ErrorKind::CrossesDevices,
            io::ErrorKind::PermissionDenied,
            io::ErrorKind::ReadOnlyFilesystem,
        ] {
            let directory = tempfile::tempdir().unwrap();
            let folder = Recorded {
                replace: Some(replace),
                ..Recorded::default()
            };
            let mut open = open(directory.path(), Some(content), folder);
            let path = open.store.path.clone();
            let inode = fs::metadata(&path).unwrap().ino();
            assert_eq!(stored(&mut open).as_deref(), before, "{replace}");
            let prepared = open.run(StoreOp::Prepare);
            assert!(
                matches!(prepared, StoreResult::Prepared),
                "{replace}: {prepared:?}"
            );
            assert_eq!(stored(&mut open).as_deref(), before, "{replace}, prepared");
            for value in ["a-long-first-token", "second", "third"] {
                let saved = open.run(StoreOp::Save(token(value)));
                assert!(matches!(saved, StoreResult::Saved), "{replace}: {saved:?}");
                let mode = fs::metadata(&path).unwrap().permissions().mode();
                assert_eq!(mode & 0o777, 0o600, "before anybody reads it");
                assert_eq!(stored(&mut open).as_deref(), Some(value), "{replace}");
            }
            assert_eq!(fs::metadata(&path).unwrap().ino(), inode);
            assert!(!directory.path().join("token.json.new").exists());

            // It stays so for a process that could replace it.
            open.folder.replace = None;
            assert!(matches!(
                open.run(StoreOp::Save(token("fourth"))),
                StoreResult::Saved
            ));
            assert_eq!(fs::metadata(&path).unwrap().ino(), inode, "{replace}");
            assert_eq!(stored(&mut open).as_deref(), Some("fourth"));
        }
    }
}

#[test]
fn full_disk_and_missing_file_are_errors_that_name_the_file() {
    for (content, replace, part) in [
        (
            Some(&b""[..]),
            io::ErrorKind::StorageFull,
            "make room on its disk",
        ),
        (
            Some(b""),
            io::ErrorKind::QuotaExceeded,
            "make room on its disk",
        ),
        (
            None,
            io::ErrorKind::PermissionDenied,
            "give the user of this program the right",
        ),
        (
            None,
            io::ErrorKind::ReadOnlyFilesystem,
            "mount it for writing",
        ),
    ] {
        let directory = tempfile::tempdir().unwrap();
        let folder = Recorded {
            replace: Some(replace),
            ..Recorded::default()
        };
        let mut open = open(directory.path(), content, folder);
        match open.run(StoreOp::Save(token("t"))) {
            StoreResult::Failed(text) => assert!(
                text.contains("token.json cannot be written") && text.contains(part),
                "{text}"
            ),
            other => panic!("{replace}: {other:?}"),
        }
    }
}

#[test]
fn only_some_errors_of_the_file_system_may_pass() {
    let fails = |error: io::Error| Fault::io("cannot be read", Path::new("t.json"), &error).into();
    for kind in [
        io::ErrorKind::Interrupted,
        io::ErrorKind::TimedOut,
        io::ErrorKind::OutOfMemory,
    ] {
        assert!(
            matches!(fails(kind.into()), StoreResult::Unavailable(_)),
            "{kind}"
        );
    }
    for kind in [
        io::ErrorKind::PermissionDenied,
        io::ErrorKind::ReadOnlyFilesystem,
        io::ErrorKind::StorageFull,
        io::ErrorKind::QuotaExceeded,
        io::ErrorKind::IsADirectory,
        io::ErrorKind::Other,
    ] {
        assert!(
            matches!(fails(kind.into()), StoreResult::Failed(_)),
            "{kind}"
        );
    }
    if cfg!(unix) {
        let too_many_open_files = io::Error::from_raw_os_error(24);
        assert!(matches!(
            fails(too_many_open_files),
            StoreResult::Unavailable(_)
        ));
    }
}
