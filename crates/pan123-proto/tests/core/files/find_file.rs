//! The file of a successful download.

use std::time::{Duration, SystemTime};

use crate::support::drive::FakeDrive;
use crate::support::file_lookups::{DEFAULT_DIR, download, found, into, start, target, world};
use crate::support::{Outcome, Reply, World, fixed, millis, path, secs, task};
use pan123_proto::offline::{
    Download, Downloaded, ExpectedFile, FileLookup, WatchError, WatchPolicy,
};
use pan123_proto::{DirId, ErrorKind, FileId, Session};
use serde_json::json;

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
fn several_matches_are_all_reported() {
    let drive = FakeDrive::default();
    let dir = drive.dir(0, "videos");
    drive.file_made(dir, "film.mp4", start());
    drive.file_made(dir, "film(1).mp4", start());
    let landed = look(&mut world(&drive), into(dir));
    assert!(landed.file().is_none());
    let FileLookup::Several(entries) = landed else {
        panic!("{landed:?}");
    };
    let names: Vec<_> = entries.iter().map(|entry| &entry.name[..]).collect();
    assert_eq!(names, ["film.mp4", "film(1).mp4"]);
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

#[test]
fn without_a_name_the_creation_time_decides() {
    let drive = FakeDrive::default();
    let dir = drive.dir(0, DEFAULT_DIR);
    drive.file_made(dir, "old.bin", long_ago());
    let file = drive.file_made(dir, "whatever.bin", start());
    let nameless = Download::new("https://example.com/").unwrap();
    let landed = look(&mut world(&drive), ExpectedFile::of(&nameless, start()));
    assert_eq!(found(&landed), file);
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
