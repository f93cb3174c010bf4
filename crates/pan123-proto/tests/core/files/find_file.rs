//! The file of a successful download.

use std::time::{Duration, SystemTime};

use crate::support::drive::{FakeDrive, service_date};
use crate::support::file_lookups::{
    DEFAULT_DIR, described, download, found, into, start, target, world,
};
use crate::support::{Outcome, Reply, World, fixed, millis, path, secs, task};
use pan123_proto::offline::{
    Download, Downloaded, ExpectedFile, FileLookup, WatchError, WatchPolicy,
};
use pan123_proto::{DirId, ErrorKind, FileId, Session};
use serde_json::{Value, json};

fn long_ago() -> SystemTime {
    start() - secs(24 * 3600)
}

fn look(world: &mut World, target: ExpectedFile) -> FileLookup {
    world.output_of(fixed().find_file(target)).unwrap()
}

#[test]
fn file_is_found_in_the_requested_folder() {
    let drive = FakeDrive::default();
    let dir = drive.dir(0, "videos");
    drive.file_made(0, "film.mp4", start());
    drive.dir_made(dir, "film(1).mp4", start() + secs(1));
    drive.file_made(dir, "other.mp4", start());
    let file = drive.file_made(dir, "film.mp4", start() + secs(1));
    let mut world = world(&drive);
    let landed = look(&mut world, into(dir));
    assert_eq!(found(&landed), file);
    assert_eq!(landed.file().unwrap().get(), file);
    assert_eq!(world.times(path::LIST).len(), 1);
}

#[test]
fn file_is_found_in_the_default_folder() {
    let drive = FakeDrive::default();
    drive.file_made(0, "film.mp4", start());
    let dir = drive.dir(0, DEFAULT_DIR);
    let file = drive.file_made(dir, "film.mp4", start());
    assert_eq!(found(&look(&mut world(&drive), target())), file);
}

#[test]
fn new_file_with_a_number_is_found_when_the_name_was_taken() {
    let drive = FakeDrive::default();
    let dir = drive.dir(0, "videos");
    drive.file_made(dir, "film.mp4", long_ago());
    drive.file_made(dir, "film(1).mp4", long_ago());
    let file = drive.file_made(dir, "film(2).mp4", start() + secs(5));
    assert_eq!(found(&look(&mut world(&drive), into(dir))), file);
}

#[test]
fn creation_time_has_three_seconds_of_tolerance() {
    for (earlier, fits) in [(3, true), (4, false)] {
        let drive = FakeDrive::default();
        let dir = drive.dir(0, "videos");
        let file = drive.file_made(dir, "film.mp4", start() - secs(earlier));
        let landed = look(&mut world(&drive), into(dir));
        assert_eq!(landed.file().map(FileId::get), fits.then_some(file));
    }
}

#[test]
fn creation_time_has_a_minute_of_tolerance_without_date() {
    for (earlier, fits) in [(60, true), (61, false)] {
        let drive = FakeDrive::default();
        let dir = drive.dir(0, "videos");
        let file = drive.file_made(dir, "film.mp4", start() - secs(earlier));
        let mut world = World::new(move |view, request| {
            drive.serve(view, request).header("date", "no date at all")
        });
        let landed = look(&mut world, into(dir));
        assert_eq!(landed.file().map(FileId::get), fits.then_some(file));
    }
}

#[test]
fn old_and_trashed_files_do_not_match() {
    let drive = FakeDrive::default();
    let dir = drive.dir(0, "videos");
    drive.file_made(dir, "film.mp4", start() - secs(30));
    let trashed = drive.file_made(dir, "film(1).mp4", start());
    drive.trash(trashed);
    let mut world = world(&drive);
    assert!(matches!(look(&mut world, into(dir)), FileLookup::NotFound));
    assert_eq!(world.times(path::LIST).len(), 3, "looked for three times");
    assert!(world.now() < secs(10), "{:?}", world.now());
}

#[test]
fn lookup_is_repeated_for_a_stale_list() {
    let drive = FakeDrive::default();
    let dir = drive.dir(0, "videos");
    let served = drive.clone();
    let mut world = World::new(move |view, request| {
        if view.count(path::LIST) == 2 {
            served.file_made(dir, "film.mp4", view.wall());
        }
        served.serve(view, request)
    });
    found(&look(&mut world, into(dir)));
    assert_eq!(drive.names(dir), ["film.mp4"]);
}

#[test]
fn wrong_local_clock_does_not_hide_the_file() {
    for local in [start() + secs(3600), start() - secs(3600)] {
        let drive = FakeDrive::default();
        let dir = drive.dir(0, "videos");
        drive.file_made(dir, "film.mp4", start() - secs(600));
        let file = drive.file_made(dir, "film(1).mp4", start() + secs(1));
        let mut world = world(&drive).local_clock(local);
        let target = ExpectedFile::of(&download().save_to(DirId::new(dir).unwrap()), local);
        assert_eq!(found(&look(&mut world, target)), file);
    }
}

/// What is known of the name of a download.
#[derive(Clone, Copy, Debug)]
enum Name {
    /// `film.mp4`, with an accent on the i.
    Requested,
    /// The same, in the URL.
    Guessed,
    Unknown,
}

/// What a folder says of the age of a file: an hour before the download, after it, or nothing that can be read.
#[derive(Clone, Copy, Debug)]
enum Age {
    Old,
    Fresh,
    Unknown,
    /// Old by its creation, fresh by its last change.
    Overwritten,
}

fn file_of_age(drive: &FakeDrive, dir: u64, name: &str, age: Age) -> u64 {
    let old = start() - secs(3600);
    match age {
        Age::Old => drive.file_made(dir, name, old),
        Age::Fresh => drive.file_made(dir, name, start()),
        Age::Unknown => {
            let file = drive.file_made(dir, name, old);
            drive.set(file, "createAt", json!(null));
            file
        }
        Age::Overwritten => {
            let file = drive.file_made(dir, name, old);
            drive.set(file, "updateAt", json!(service_date(start())));
            file
        }
    }
}

const NFC: &str = "f\u{ed}lm.mp4";
const NFD: &str = "fi\u{301}lm.mp4";
const NUMBERED: &str = "f\u{ed}lm(1).mp4";
const NUMBERED_NFD: &str = "fi\u{301}lm (1).mp4";

/// The name, the files of the folder, the result, and the number of searches.
type Match = (Name, &'static [(&'static str, Age)], &'static str, usize);

const MATCHES: &[Match] = &[
    // A name decides, and the time.
    (
        Name::Requested,
        &[(NFC, Age::Old), (NUMBERED, Age::Fresh), ("b", Age::Fresh)],
        "RequestedName: film(1).mp4",
        1,
    ),
    (
        Name::Guessed,
        &[(NFC, Age::Fresh), ("b", Age::Fresh)],
        "GuessedName: film.mp4",
        1,
    ),
    (
        Name::Unknown,
        &[("a", Age::Old), ("b", Age::Fresh)],
        "Time: b",
        1,
    ),
    (
        Name::Requested,
        &[(NFC, Age::Fresh), (NUMBERED, Age::Fresh)],
        "several: film.mp4, film(1).mp4",
        1,
    ),
    (
        Name::Unknown,
        &[("a", Age::Fresh), ("b", Age::Fresh)],
        "several: a, b",
        1,
    ),
    // An overwritten file is fresh, but less surely than a new one.
    (
        Name::Requested,
        &[(NFC, Age::Overwritten), ("b", Age::Fresh)],
        "RequestedName: film.mp4",
        1,
    ),
    (
        Name::Requested,
        &[(NFC, Age::Overwritten), (NUMBERED, Age::Fresh)],
        "RequestedName: film(1).mp4",
        1,
    ),
    (
        Name::Unknown,
        &[("a", Age::Overwritten), ("b", Age::Old)],
        "Time: a",
        3,
    ),
    // An unknown age is not too old, but less than any that fits.
    (
        Name::Requested,
        &[(NFC, Age::Unknown), ("b", Age::Fresh)],
        "RequestedName: film.mp4",
        3,
    ),
    (
        Name::Requested,
        &[(NFC, Age::Unknown), (NUMBERED, Age::Unknown)],
        "several: film.mp4, film(1).mp4",
        3,
    ),
    (
        Name::Requested,
        &[(NFC, Age::Unknown), (NUMBERED, Age::Overwritten)],
        "RequestedName: film(1).mp4",
        1,
    ),
    (
        Name::Unknown,
        &[("a", Age::Unknown), ("b", Age::Old)],
        "Time: a",
        3,
    ),
    (
        Name::Unknown,
        &[("a", Age::Unknown), ("b", Age::Fresh)],
        "Time: b",
        1,
    ),
    // A guess may be wrong, a request is not.
    (
        Name::Guessed,
        &[("a", Age::Old), ("b", Age::Fresh)],
        "Time: b",
        3,
    ),
    (
        Name::Guessed,
        &[(NFC, Age::Old), ("b", Age::Fresh), ("c", Age::Fresh)],
        "several: b, c",
        3,
    ),
    (
        Name::Guessed,
        &[(NFC, Age::Unknown), ("b", Age::Fresh)],
        "GuessedName: film.mp4",
        3,
    ),
    (
        Name::Guessed,
        &[("a", Age::Unknown), ("b", Age::Fresh)],
        "Time: b",
        3,
    ),
    (
        Name::Guessed,
        &[("a", Age::Unknown), ("b", Age::Old)],
        "Time: a",
        3,
    ),
    (
        Name::Requested,
        &[(NFC, Age::Old), ("b", Age::Fresh)],
        "NotFound",
        3,
    ),
    (
        Name::Requested,
        &[("b", Age::Unknown), ("F\u{ed}lm.mp4", Age::Fresh)],
        "NotFound",
        3,
    ),
    // Normal forms are one name, unless one is exactly the expected name.
    (
        Name::Requested,
        &[(NFD, Age::Fresh)],
        "RequestedName: film.mp4",
        1,
    ),
    (
        Name::Guessed,
        &[(NFC, Age::Old), (NUMBERED_NFD, Age::Fresh)],
        "GuessedName: film (1).mp4",
        1,
    ),
    (
        Name::Requested,
        &[(NFD, Age::Fresh), (NUMBERED, Age::Fresh)],
        "RequestedName: film(1).mp4",
        1,
    ),
    (
        Name::Requested,
        &[(NUMBERED_NFD, Age::Fresh), (NFD, Age::Fresh)],
        "several: film (1).mp4, film.mp4",
        1,
    ),
];

#[test]
fn best_match_is_found_and_equal_ones_are_all_reported() {
    for (name, files, expected, searches) in MATCHES {
        let case = format!("{name:?}: {files:?}");
        let drive = FakeDrive::default();
        let dir = drive.dir(0, "videos");
        for (name, age) in *files {
            file_of_age(&drive, dir, name, *age);
        }
        let url = match name {
            Name::Guessed => "https://example.com/f%C3%ADlm.mp4?sig=x",
            Name::Requested | Name::Unknown => "https://example.com/",
        };
        let mut download = Download::new(url)
            .unwrap()
            .save_to(DirId::new(dir).unwrap());
        if matches!(name, Name::Requested) {
            download = download.file_name(NFC).unwrap();
        }
        let mut world = world(&drive);
        let lookup = look(&mut world, ExpectedFile::of(&download, start()));
        let described = described(&lookup)
            .replace("i\u{301}", "i")
            .replace('\u{ed}', "i");
        assert_eq!(described, *expected, "{case}");
        assert_eq!(world.times(path::LIST).len(), *searches, "{case}");
    }
}

#[test]
fn unreadable_date_is_unknown_and_the_later_readable_one_decides() {
    let old = json!(service_date(long_ago()));
    let fresh = json!(service_date(start()));
    let mut cases = vec![
        (old.clone(), fresh.clone(), true),
        (fresh.clone(), old.clone(), true),
        (old.clone(), old.clone(), false),
    ];
    for unreadable in [
        json!(null),
        json!(""),
        json!("soon"),
        json!("-"),
        json!("0000-00-00 00:00:00"),
        json!("0001-01-01T00:00:00Z"),
        json!("1970-01-01 08:00:00"),
        json!("2020-02-30 00:00:00"),
        json!("2020-01-01"),
        json!("2020-01-01 00:00"),
        json!(20_200_101),
        json!(0),
        json!(1_577_836_800),
        json!(1_577_836_800_000_u64),
        json!(-1),
        json!([]),
        json!({}),
        json!(false),
    ] {
        cases.push((unreadable.clone(), unreadable.clone(), true));
        cases.push((unreadable.clone(), fresh.clone(), true));
        cases.push((fresh.clone(), unreadable.clone(), true));
        cases.push((unreadable.clone(), old.clone(), false));
        cases.push((old.clone(), unreadable.clone(), false));
    }
    for (created, updated, fits) in cases {
        let drive = FakeDrive::default();
        let dir = drive.dir(0, "videos");
        let file = drive.file(dir, "film.mp4");
        drive.set(file, "createAt", created.clone());
        drive.set(file, "updateAt", updated.clone());
        let lookup = look(&mut world(&drive), into(dir));
        let found = lookup.file().map(FileId::get);
        assert_eq!(found, fits.then_some(file), "{created} {updated}");
    }
}

#[test]
fn file_that_is_listed_twice_is_one_file() {
    let row = |id: u64, name: &str| json!({"fileId": id, "filename": name, "parentFileId": 7, "type": 0, "createAt": service_date(start())});
    let again = || row(1, "film.mp4");
    for (pages, expected) in [
        (vec![vec![again(), again()]], "GuessedName: film.mp4"),
        (vec![vec![again()], vec![again()]], "GuessedName: film.mp4"),
        // Renamed between the pages.
        (
            vec![vec![row(1, "a.tmp")], vec![again()]],
            "GuessedName: film.mp4",
        ),
        (
            vec![vec![again(), row(2, "film(1).mp4")], vec![again()]],
            "several: film.mp4, film(1).mp4",
        ),
    ] {
        let case = format!("{pages:?}");
        let mut world = World::new(move |view, _| {
            let page = view.count(path::LIST) % pages.len();
            let last = if page + 1 == pages.len() {
                -1
            } else {
                i64::try_from(page).unwrap() + 100
            };
            Reply::data(json!({"lastFileId": last, "fileList": pages[page]}))
        });
        assert_eq!(described(&look(&mut world, into(7))), expected, "{case}");
    }
}

#[test]
fn default_folder_is_searched_under_either_spelling() {
    for (folders, expected) in [
        (vec![DEFAULT_DIR], "GuessedName: film.mp4"),
        (vec!["来自：离线下载"], "GuessedName: film.mp4"),
        (vec!["来自；离线下载"], "NotFound"),
    ] {
        let drive = FakeDrive::default();
        for name in &folders {
            let dir = drive.dir(0, name);
            drive.file_made(dir, "film.mp4", start());
        }
        let lookup = look(&mut world(&drive), target());
        assert_eq!(described(&lookup), expected, "{folders:?}");
    }
    // With both, the documented one first.
    for (in_other, in_documented, expected, lists) in [
        ("a", "film.mp4", "GuessedName: film.mp4", 2),
        ("film.mp4", "a", "GuessedName: film.mp4", 5),
    ] {
        let drive = FakeDrive::default();
        let documented = drive.dir(0, DEFAULT_DIR);
        let other = drive.dir(0, "来自：离线下载");
        drive.file_made(documented, in_documented, start());
        drive.file_made(other, in_other, start());
        let mut world = world(&drive);
        assert_eq!(described(&look(&mut world, target())), expected);
        assert_eq!(world.times(path::LIST).len(), lists);
    }
}

fn end_of(world: &mut World, session: &Session, target: Option<ExpectedFile>) -> Downloaded {
    let watch = session.watch(task(), WatchPolicy::default());
    let machine = match target {
        Some(target) => watch.to_file(target),
        None => watch.to_end(),
    };
    let outcome: Outcome<Result<Downloaded, WatchError>> = world.start(machine);
    world.run();
    outcome.get().unwrap()
}

#[test]
fn watch_end_reports_the_file() {
    let drive = FakeDrive::default();
    let dir = drive.dir(0, DEFAULT_DIR);
    let file = drive.file_made(dir, "film.mp4", start());
    let done = end_of(&mut world(&drive), &fixed(), Some(target()));
    assert_eq!(done.task, task());
    assert_eq!(found(&done.file), file);

    let mut unasked = world(&drive);
    let done = end_of(&mut unasked, &fixed(), None);
    assert!(matches!(done.file, FileLookup::NotAttempted));
    assert!(unasked.times(path::LIST).is_empty());
}

/// What was found in a folder that holds a row with these values in place of those of `film.mp4`, and this other file.
fn beside(odd: &[(&'static str, Value)], other: &str, download: &Download) -> String {
    let drive = FakeDrive::default();
    let dir = drive.dir(0, DEFAULT_DIR);
    let row = drive.file_made(dir, "film.mp4", start());
    for (key, value) in odd {
        drive.set(row, key, value.clone());
    }
    drive.file_made(dir, other, start());
    let mut world = world(&drive);
    let lookup = fixed().find_file(ExpectedFile::of(download, start()));
    match world.output_of(lookup) {
        Ok(lookup) => described(&lookup),
        Err(error) => format!("{:?}", error.kind()),
    }
}

#[test]
fn unreadable_row_is_skipped_unless_it_may_be_the_file() {
    let requested = download().file_name("film.mp4").unwrap();
    let no_id = ("fileId", json!(0));
    let is_dir = ("type", json!(1));
    let named = |name: &str| ("filename", json!(name));
    for (odd, may_be) in [
        (vec![("type", json!(null))], true),
        (vec![no_id.clone()], true),
        (vec![no_id.clone(), named("film(1).mp4")], true),
        (vec![no_id.clone(), named("fi\u{fffd}")], true),
        (vec![("filename", json!(null))], true),
        (vec![no_id.clone(), named("other.mp4")], false),
        (vec![no_id.clone(), is_dir.clone()], false),
        (vec![no_id.clone(), ("trashed", json!(1))], false),
    ] {
        let missing = if may_be { "UnreadableRow" } else { "NotFound" };
        assert_eq!(beside(&odd, "b.mp4", &requested), missing, "{odd:?}");
        let found = beside(&odd, "film (2).mp4", &requested);
        assert_eq!(found, "RequestedName: film (2).mp4", "{odd:?}");
        // A guessed name yields to the time.
        assert_eq!(beside(&odd, "b.mp4", &download()), "Time: b.mp4", "{odd:?}");
    }
}

#[test]
fn unreadable_row_may_be_the_default_folder() {
    for (name, kind) in [
        (json!(DEFAULT_DIR), Some(ErrorKind::UnreadableRow)),
        (json!("来自：离线下载"), Some(ErrorKind::UnreadableRow)),
        (json!(null), Some(ErrorKind::UnreadableRow)),
        (json!("videos"), None),
    ] {
        let drive = FakeDrive::default();
        let odd = drive.dir(0, "odd");
        drive.set(odd, "fileId", json!(null));
        drive.set(odd, "filename", name.clone());
        let mut world = world(&drive);
        let result = world.output_of(fixed().find_file(target()));
        let error = result.as_ref().err();
        assert_eq!(
            error.map(pan123_proto::Error::kind),
            kind,
            "{name}: {result:?}"
        );
        // The folder is known, so it does not matter what the row is.
        let dir = drive.dir(0, "来自：离线下载");
        assert!(matches!(look(&mut world, target()), FileLookup::NotFound));
        let file = drive.file_made(dir, "film.mp4", start());
        assert_eq!(found(&look(&mut world, target())), file);
    }
}

#[test]
fn failed_lookup_does_not_fail_the_watch() {
    let mut world = World::new(move |_, request| match request.uri().path() {
        path::PROGRESS => Reply::data(json!({"process": 100, "status": 2})),
        _ => Reply::code(1, "内部错误"),
    });
    let done = end_of(&mut world, &fixed(), Some(target()));
    let FileLookup::Failed(error) = done.file else {
        panic!("{:?}", done.file);
    };
    assert_eq!(error.kind(), ErrorKind::Api);
}

#[test]
fn stop_ends_each_part_of_a_lookup() {
    // Once during the look-up of the hint, once of the folder, once of its list.
    for (target, hint) in [(target(), Some(77)), (target(), None), (into(7), None)] {
        let find = fixed().find_file(match hint {
            Some(file) => target.file_hint(FileId::new(file).unwrap()),
            None => target,
        });
        let handle = find.handle();
        let mut world = World::new(|_, _| Reply::hang());
        let outcome = world.start(find);
        world.run_until(secs(1));
        handle.stop();
        world.run_until(secs(1));
        assert_eq!(outcome.get().unwrap_err().kind(), ErrorKind::Stopped);
        assert_eq!(world.sent().len(), 1);
    }
}

#[test]
fn stop_ends_a_lookup_waiting() {
    let watch = fixed().watch(task(), WatchPolicy::default());
    let handle = watch.handle();
    let mut world = world(&FakeDrive::default());
    let outcome = world.start(watch.to_file(target()));
    world.run_until(millis(1500));
    assert!(!outcome.is_there());
    handle.stop();
    world.run();
    let (when, done) = outcome.timed();
    assert_eq!(when, Duration::from_millis(1500));
    let FileLookup::Failed(error) = done.unwrap().file else {
        panic!("the look was stopped");
    };
    assert_eq!(error.kind(), ErrorKind::Stopped);
}
