//! What stands at the path, and beside it.

use std::fs;
use std::path::Path;

use pan123_ledger::SqliteLedger;
use pan123_proto::Account;
use pan123_proto::ledger::{Ledger, LedgerFault, LedgerOp, OpenLedger, SpilledTask, Transaction};

use super::{at, claim, intend_one, item, open, refusal, run, task};
use crate::common::workers::{end, spawn};

#[cfg(unix)]
#[test]
fn files_are_for_their_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("downloads.db");
    let mut ledger = open(&path);
    run(&mut *ledger, 0, vec![LedgerOp::Add(vec![item(1)])]);
    let mut names = Vec::new();
    for entry in folder.path().read_dir().expect("a folder") {
        let entry = entry.expect("an entry");
        let mode = entry.metadata().expect("metadata").permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{:?}", entry.path());
        names.push(entry.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    assert_eq!(
        names,
        [
            "downloads.db",
            "downloads.db-shm",
            "downloads.db-wal",
            "downloads.db-worker-1"
        ]
    );
}

#[test]
fn what_is_no_ledger_of_the_account_is_refused_and_stays() {
    let folder = tempfile::tempdir().expect("a folder");
    let text = folder.path().join("notes.txt");
    std::fs::write(
        &text,
        "not a database, but a text that is long enough for a header",
    )
    .unwrap();
    let error = refusal(&text);
    assert!(error.contains("notes.txt is not a ledger"), "{error}");
    let content = std::fs::read_to_string(&text).unwrap();
    assert!(content.starts_with("not a database"), "it is overwritten");

    let foreign = folder.path().join("foreign.db");
    let other = rusqlite::Connection::open(&foreign).unwrap();
    other
        .execute_batch("CREATE TABLE songs (name TEXT)")
        .unwrap();
    let error = refusal(&foreign);
    assert!(error.contains("database of another program"), "{error}");
    drop(other);

    let newer = folder.path().join("newer.db");
    end(open(&newer));
    let other = rusqlite::Connection::open(&newer).unwrap();
    other.execute_batch("PRAGMA user_version = 2").unwrap();
    drop(other);
    let error = refusal(&newer);
    assert!(error.contains("version 2"), "{error}");

    let theirs = folder.path().join("theirs.db");
    let other = Account::new("https://open-api.123pan.com", "somebody-else");
    drop(SqliteLedger::new(&theirs).open(&other).expect("a ledger"));
    let error = refusal(&theirs);
    assert!(error.contains("somebody-else"), "{error}");

    for path in [folder.path(), Path::new(""), Path::new("..")] {
        let error = refusal(path);
        assert!(error.contains("give the path of a file"), "{error}");
    }
}

#[cfg(unix)]
fn make_pipe(path: &Path) {
    let made = spawn(std::process::Command::new("mkfifo").arg(path));
    assert!(made.unwrap().wait().unwrap().success());
}

#[cfg(unix)]
#[test]
fn path_that_is_no_plain_file_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let in_folder = |name: &str| folder.path().join(name);
    make_pipe(&in_folder("pipe"));
    let _socket = std::os::unix::net::UnixListener::bind(in_folder("socket")).unwrap();
    fs::write(in_folder("short"), "x").unwrap();
    std::os::unix::fs::symlink(in_folder("nothing"), in_folder("dangling")).unwrap();
    end(open(&in_folder("first")));
    fs::hard_link(in_folder("first"), in_folder("second")).unwrap();
    for (name, expected) in [
        ("pipe", "is a device, a pipe or a socket"),
        ("socket", "is a device, a pipe or a socket"),
        ("short", "is not a ledger"),
        ("dangling", "is a link to nothing"),
        ("first", "has 2 names"),
        ("second", "has 2 names"),
        ("short/under", "cannot be created"),
    ] {
        let error = refusal(&in_folder(name));
        assert!(error.contains(name) && error.contains(expected), "{error}");
    }
    assert_eq!(fs::read_to_string(in_folder("short")).unwrap(), "x");
    assert!(!in_folder("nothing").exists());
}

#[cfg(unix)]
#[test]
fn wider_permissions_are_tightened() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("downloads.db");
    fs::write(&path, "").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    let _ledger = open(&path);
    for name in ["downloads.db", "downloads.db-wal", "downloads.db-shm"] {
        let found = fs::metadata(folder.path().join(name)).unwrap();
        assert_eq!(found.permissions().mode() & 0o777, 0o600, "{name}");
    }
}

#[cfg(unix)]
#[test]
fn worker_that_knows_the_file_by_a_link_is_alive_for_the_others() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("downloads.db");
    let link = folder.path().join("link.db");
    let mut first = open(&path);
    std::os::unix::fs::symlink(&path, &link).unwrap();
    let mut second = open(&link);
    run(&mut *second, 0, vec![LedgerOp::Add(vec![item(1)])]);
    intend_one(&mut *second, 0);
    let claimed = claim(&mut *first, 1);
    assert!(claimed.unconfirmed.is_empty(), "{claimed:?}");
}

#[cfg(unix)]
#[test]
fn file_that_is_deleted_or_replaced_in_use_breaks_the_handle() {
    for replaced in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("downloads.db");
        let mut ledger = open(&path);
        fs::rename(&path, folder.path().join("moved.db")).unwrap();
        if replaced {
            fs::write(&path, "").unwrap();
        }
        let fault = ledger.run(Transaction::new(at(0), vec![LedgerOp::Counts]));
        let Err(LedgerFault::Broken(text)) = fault else {
            panic!("{fault:?}");
        };
        assert!(text.contains("deleted, moved or replaced"), "{text}");
    }
}

/// A handle, and in its worker's file the task id of its only item.
fn with_kept_task(path: &Path) -> Box<dyn OpenLedger> {
    let mut ledger = open(path);
    run(&mut *ledger, 0, vec![LedgerOp::Add(vec![item(1)])]);
    let (id, fence) = intend_one(&mut *ledger, 0);
    ledger.spill(SpilledTask::new(id, fence, task(9))).unwrap();
    ledger
}

#[test]
fn task_ids_of_another_ledger_at_this_path_are_neither_lost_nor_taken() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("downloads.db");
    let kept = folder.path().join("downloads.db-worker-1");
    let first = with_kept_task(&path);
    end(first);
    let before = fs::read(&kept).unwrap();
    fs::remove_file(&path).unwrap();
    let error = refusal(&path);
    assert!(
        error.contains("downloads.db-worker-1 keeps task ids"),
        "{error}"
    );
    assert_eq!(fs::read(&kept).unwrap(), before);
    fs::write(&kept, "somebody's notes").unwrap();
    let error = refusal(&path);
    assert!(error.contains("or is no file of a ledger"), "{error}");
    fs::remove_file(&kept).unwrap();
    open(&path);
}

/// A process was killed after the ledger had taken over a dead worker's items, before it removed that worker's file.
#[test]
fn file_that_a_kill_left_behind_is_removed_at_the_next_start() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("downloads.db");
    let kept = folder.path().join("downloads.db-worker-1");
    let first = with_kept_task(&path);
    let copy = fs::read(&kept).unwrap();
    end(first);
    let mut second = open(&path);
    assert_eq!(claim(&mut *second, 1).to_follow.len(), 1);
    assert!(!kept.exists());
    fs::write(&kept, copy).unwrap();
    let others = ["downloads.db-worker-x", "downloads.db-worker-99"];
    for other in others {
        fs::write(folder.path().join(other), "").unwrap();
    }
    end(open(&path));
    assert!(!kept.exists());
    assert!(folder.path().join("downloads.db-worker-2").exists());
    for other in others {
        assert!(folder.path().join(other).exists(), "{other}");
    }
}

/// A process was killed while it opened the ledger, before its worker was registered.
#[test]
fn file_of_a_worker_that_never_was_is_made_anew() {
    let folder = tempfile::tempdir().unwrap();
    let other = folder.path().join("other.db");
    let _other = open(&other);
    let whole = fs::read(folder.path().join("other.db-worker-1")).unwrap();
    for (number, left) in [&b""[..], b"p123", &whole[..20], &whole].iter().enumerate() {
        let path = folder.path().join(format!("{number}.db"));
        let kept = folder.path().join(format!("{number}.db-worker-1"));
        fs::write(&kept, left).unwrap();
        end(with_kept_task(&path));
        assert_eq!(claim(&mut *open(&path), 1).to_follow.len(), 1);
        assert!(!kept.exists());
    }
}

/// The folder was moved while a worker runs, and another ledger was created at its place.
#[cfg(unix)]
#[test]
fn worker_that_ends_leaves_the_files_of_the_ledger_that_took_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("data");
    let path = place.join("downloads.db");
    let first = open(&path);
    fs::rename(&place, folder.path().join("old")).unwrap();
    let _second = open(&path);
    end(first);
    assert!(place.join("downloads.db-worker-1").exists());
}

#[cfg(unix)]
#[test]
fn worker_file_that_is_no_plain_file_is_told_by_name_and_not_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("downloads.db");
    let kept = folder.path().join("downloads.db-worker-1");
    make_pipe(&kept);
    let error = refusal(&path);
    assert!(error.contains("downloads.db-worker-1"), "{error}");
    fs::remove_file(&kept).unwrap();

    end(with_kept_task(&path));
    fs::remove_file(&kept).unwrap();
    make_pipe(&kept);
    let mut second = open(&path);
    let claim = LedgerOp::Claim {
        create: 1,
        follow: 1,
    };
    let fault = second.run(Transaction::new(at(1), vec![claim]));
    let text = fault.expect_err("it cannot be read").to_string();
    assert!(text.contains("downloads.db-worker-1"), "{text}");
}
