//! Processes that see the token file through a mount of that file alone, as containers do. Only Linux has such mounts.

#![cfg(target_os = "linux")]

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use pan123_mock::{CLIENT_ID, CannedResponse, MockPan123, path};
use pan123_store::Account;
use tempfile::TempDir;

use super::{
    LONG_TIMEOUT, TokenFile, WORKER, assert_all_ok, assert_complete_after_kills, issued, output_of,
};
use super::{token_file, token_requests, until_asked};

/// A directory of its own, with the token file mounted in it: `$1` is mounted at `$2/token.json`.
const WRITABLE: &str = r#"touch "$2/token.json" && mount --bind "$1" "$2/token.json""#;
/// The same, and nothing can be created in the directory.
const READ_ONLY: &str = r#"mount -t tmpfs tmpfs "$2" && touch "$2/token.json" && mount --bind "$1" "$2/token.json" && mount -o remount,ro "$2""#;
/// The same as the first, and `$2/token.json` is a link to the file that is mounted.
const LINKED: &str = r#"touch "$2/real.json" && mount --bind "$1" "$2/real.json" && ln -sf real.json "$2/token.json""#;
/// The same as the first, and the file is deleted where it was mounted from.
const REPLACED: &str = r#"touch "$2/token.json" && mount --bind "$1" "$2/token.json" && rm "$1""#;

/// A command in a mount namespace of its own. Its token file is `$2/token.json`.
fn contained(mounts: &str, file: &Path, directory: &Path, arguments: &[&str]) -> Command {
    let script = format!(r#"{mounts} && shift 2 && exec "$@""#);
    let mut command = Command::new("unshare");
    command
        .args(["--map-root-user", "--mount", "sh", "-c", &script, "sh"])
        .args([file, directory])
        .args(arguments)
        .stdout(Stdio::piped());
    command
}

/// An empty token file, as it has to exist before it can be mounted. None where this machine lets nobody mount anything.
fn mountable() -> Option<TokenFile> {
    let token_file = token_file();
    fs::write(&token_file.file, "").unwrap();
    for mounts in [WRITABLE, READ_ONLY] {
        let directory = tempfile::tempdir().unwrap();
        let mut probe = contained(mounts, &token_file.file, directory.path(), &["true"]);
        let probed = probe.stderr(Stdio::piped()).output();
        let why = match probed {
            Ok(output) if output.status.success() => continue,
            Ok(output) => String::from_utf8_lossy(&output.stderr).into_owned(),
            Err(error) => error.to_string(),
        };
        let line = format!("SKIPPED: a token file that is mounted alone was not tested: {why}\n");
        // Not captured, as the output of a test would be.
        std::io::stderr().write_all(line.as_bytes()).unwrap();
        return None;
    }
    Some(token_file)
}

/// A client in a mount namespace, with this time for its call.
fn client(
    mounts: &str,
    kind: &str,
    token_file: &TokenFile,
    directory: &TempDir,
    url: &str,
    call: Duration,
) -> Child {
    let file = directory.path().join("token.json");
    let file = file.to_str().unwrap();
    let times = [call, LONG_TIMEOUT].map(|time| time.as_millis().to_string());
    let arguments = [WORKER, "client", kind, url, file, &times[0], &times[1]];
    let mut command = contained(mounts, &token_file.file, directory.path(), &arguments);
    command.spawn().unwrap()
}

#[test]
fn processes_that_mount_one_empty_file_issue_one_token() {
    let Some(token_file) = mountable() else {
        return;
    };
    let mock = MockPan123::start_blocking();
    let url = mock.base_url();
    let directories: Vec<TempDir> = (0..8).map(|_| tempfile::tempdir().unwrap()).collect();
    let start_all = |call| -> Vec<Child> {
        let places = [
            (WRITABLE, "blocking"),
            (READ_ONLY, "async"),
            (WRITABLE, "async"),
            (READ_ONLY, "blocking"),
        ];
        let start =
            |((mounts, kind), directory)| client(mounts, kind, &token_file, directory, &url, call);
        let places = places.into_iter().cycle().zip(&directories);
        places.map(start).collect()
    };

    // While one is asking for a token, none of the others asks, nor does a process that sees the directory.
    let never = CannedResponse::envelope(1, "nobody reads this").delay(LONG_TIMEOUT);
    mock.respond_next(path::ACCESS_TOKEN, never);
    let place = tempfile::tempdir().unwrap();
    let mut holder = client(
        WRITABLE,
        "blocking",
        &token_file,
        &place,
        &url,
        LONG_TIMEOUT,
    );
    until_asked(&mock);
    let short = Duration::from_secs(2);
    let mut others = start_all(short);
    others.push(token_file.start("blocking", &url, short, LONG_TIMEOUT));
    for other in others {
        let output = output_of(other);
        assert!(output.starts_with("Deadline"), "{output}");
    }
    assert_eq!((issued(&mock), token_requests(&mock)), (0, 1));
    holder.kill().unwrap();
    holder.wait().unwrap();

    assert_all_ok(start_all(LONG_TIMEOUT));
    assert_eq!((issued(&mock), token_requests(&mock)), (1, 2));
    // A process that sees the directory shares the token, and does not take the file from under the mounts.
    assert_all_ok(token_file.start_all(2, &url));
    assert_all_ok(start_all(LONG_TIMEOUT));
    assert_eq!(issued(&mock), 1);
    let account = Account::new(&url, CLIENT_ID);
    assert!(token_file.stored(&account).is_some());
}

/// Kills processes that save tokens through such a mount.
fn assert_complete_through(mounts: &str) {
    let Some(token_file) = mountable() else {
        return;
    };
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("token.json");
    let arguments = [WORKER, "client", "save", file.to_str().unwrap(), "20000"];
    assert_complete_after_kills(&token_file, || {
        contained(mounts, &token_file.file, directory.path(), &arguments)
    });
}

#[test]
fn mounted_file_is_complete_after_a_kill_at_any_point() {
    assert_complete_through(WRITABLE);
}

#[test]
fn mounted_file_behind_a_link_is_complete_after_a_kill_at_any_point() {
    assert_complete_through(LINKED);
}

#[test]
fn file_that_was_replaced_outside_of_its_mount_is_an_error() {
    let Some(token_file) = mountable() else {
        return;
    };
    let mock = MockPan123::start_blocking();
    let directory = tempfile::tempdir().unwrap();
    let url = mock.base_url();
    let client = client(
        REPLACED,
        "blocking",
        &token_file,
        &directory,
        &url,
        LONG_TIMEOUT,
    );
    let output = output_of(client);
    assert!(output.starts_with("TokenStore"), "{output}");
    assert!(output.contains("outside of its mount"), "{output}");
    assert_eq!(issued(&mock), 0);
}
