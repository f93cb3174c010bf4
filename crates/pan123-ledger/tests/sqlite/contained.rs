//! Disks that are full, limited, read-only or mounted oddly. What this machine cannot set up is told and skipped.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use pan123_proto::ledger::ItemState;

use super::worker::command;
use super::{counts, open};
use crate::common::workers::{said, spawn};

/// Runs a shell script, with the folder as `$1` and the process as the further arguments. Returns what the process says; none if the
/// script cannot set up what it needs.
fn said_in(before: &[&str], script: &str, kind: &str, folder: &Path) -> Option<Vec<String>> {
    let process = command(
        kind,
        &folder.join("downloads.db"),
        0,
        Duration::from_secs(30),
    );
    let mut shell = Command::new(before.first().copied().unwrap_or("sh"));
    shell.args(before.iter().skip(1));
    if !before.is_empty() {
        shell.arg("sh");
    }
    shell
        .args(["-c", script, "sh"])
        .arg(folder)
        .arg(process.get_program())
        .args(process.get_args());
    for (name, value) in process.get_envs() {
        shell.env(name, value.unwrap());
    }
    let shell = shell
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let why = match spawn(shell).and_then(Child::wait_with_output) {
        Ok(output) if output.status.code() != Some(99) => {
            let text = String::from_utf8(output.stdout).unwrap();
            return Some(text.lines().filter_map(said).map(str::to_owned).collect());
        }
        Ok(output) => String::from_utf8_lossy(&output.stderr).into_owned(),
        Err(error) => error.to_string(),
    };
    // Not captured, as the output of a test would be.
    let line = format!("SKIPPED: {script}: {why}\n");
    std::io::stderr().write_all(line.as_bytes()).unwrap();
    None
}

const MOUNTS: [&str; 3] = ["unshare", "--map-root-user", "--mount"];

#[test]
fn full_disk_takes_nothing_more_answers_questions_and_keeps_task_ids() {
    let folder = tempfile::tempdir().unwrap();
    let script = r#"mount -t tmpfs -o size=2m tmpfs "$1" || exit 99
        head -c 300000 /bin/sh "$(command -v sh)" > "$1/ballast"; shift; exec "$@""#;
    let Some(said) = said_in(&MOUNTS, script, "fill", folder.path()) else {
        return;
    };
    assert_eq!(said.len(), 4, "{said:?}");
    assert!(said[0].starts_with("the ledger cannot grow: "), "{said:?}");
    assert!(said[0].contains("downloads.db"), "{said:?}");
    let (total, count) = said[1].split_once(" of ").unwrap();
    assert_eq!(total, count, "all or nothing");
    assert_eq!(said[2..], ["true", "Ok(())"], "{said:?}");
}

/// A write beyond the limit on the size of files is an I/O error.
#[test]
fn handle_is_broken_for_ever_after_an_io_error_and_what_was_answered_holds() {
    let folder = tempfile::tempdir().unwrap();
    let script = r#"trap "" XFSZ && ulimit -f 1000 || exit 99; shift; exec "$@""#;
    let Some(said) = said_in(&[], script, "fill", folder.path()) else {
        return;
    };
    assert!(said[0].starts_with("the ledger is broken: "), "{said:?}");
    assert!(said[0].contains("downloads.db"), "{said:?}");
    assert_eq!(said[1], said[0], "it stays broken");
    assert_eq!(said[2], "Ok(())", "the spill has its place already");
    let mut ledger = open(&folder.path().join("downloads.db"));
    let queued = counts(&mut *ledger).of(ItemState::Queued);
    assert!(queued > 0 && queued.is_multiple_of(50), "{queued}");
}

#[test]
fn places_that_cannot_hold_a_ledger_are_told_by_name() {
    let mount = r#"mount -t tmpfs tmpfs "$1" || exit 99"#;
    let read_only = r#"mount -o remount,ro "$1" || exit 99"#;
    let process = r#"(shift; exec "$@")"#;
    for (script, expected) in [
        (
            format!("{mount}; {read_only}; {process}"),
            "cannot be created",
        ),
        (
            format!("{mount}; {process} >&2; {read_only}; {process}"),
            "cannot be written: make the file and its folder writable",
        ),
        (
            format!(
                r#"touch "$1/a" "$1/downloads.db"; mount --bind "$1/a" "$1/downloads.db" || exit 99; {process}"#
            ),
            "is mounted alone",
        ),
        // The name of another mount is not UTF-8.
        (
            format!(
                r#"{mount}; odd="$1/$(printf '\316\304')"; mkdir "$odd" && mount -t tmpfs tmpfs "$odd" || exit 99;
                touch "$1/a" "$1/downloads.db"; mount --bind "$1/a" "$1/downloads.db" || exit 99; {process}"#
            ),
            "is mounted alone",
        ),
        (
            format!(r#"mount -t tmpfs -o size=8k tmpfs "$1" || exit 99; {process}"#),
            "the ledger cannot grow",
        ),
        (
            format!(r#"mount -t tmpfs -o nr_inodes=1 tmpfs "$1" || exit 99; {process}"#),
            "the ledger cannot grow",
        ),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let Some(said) = said_in(&MOUNTS, &script, "open", folder.path()) else {
            continue;
        };
        assert_eq!(said.len(), 1, "{said:?}");
        assert!(said[0].contains(expected), "{expected}: {said:?}");
        assert!(said[0].contains("downloads.db"), "{said:?}");
        let left = fs::read_dir(folder.path()).unwrap().flatten();
        for file in left {
            assert_eq!(file.metadata().unwrap().len(), 0, "{file:?}");
        }
    }
}
