//! Files that a callback names: only a hint, which is confirmed.

use crate::support::drive::FakeDrive;
use crate::support::file_lookups::{
    DEFAULT_DIR, described, download, found, into, start, target, world,
};
use crate::support::{Reply, World, fixed, millis, path, secs, task};
use pan123_proto::DirId;
use pan123_proto::offline::{CallbackNotice, ExpectedFile, FileLookup, WatchPolicy};
use serde_json::json;

/// The end of a watch that a callback notifies of this file ten seconds after its start.
fn end_after_callback(world: &mut World, target: Option<ExpectedFile>, file: u64) -> FileLookup {
    let watch = fixed().watch(task(), WatchPolicy::default().interval(secs(900)));
    let handle = watch.handle();
    let machine = match target {
        Some(target) => watch.to_file(target),
        None => watch.to_end(),
    };
    let outcome = world.start(machine);
    world.run_until(secs(10));
    assert!(!outcome.is_there());
    let notice = format!(r#"{{"url":"https://example.com/film.mp4","status":0,"fileID":{file}}}"#);
    handle.notify(&CallbackNotice::parse(notice.as_bytes()).unwrap());
    world.run();
    let done = outcome.get().unwrap();
    let polls = world.times(path::PROGRESS);
    assert_eq!(polls.last(), Some(&secs(10)), "asked at once");
    done.file
}

/// Every task is done after five seconds.
fn slow_world(drive: &FakeDrive) -> World {
    let drive = drive.clone();
    World::new(move |view, request| match request.uri().path() {
        path::PROGRESS if view.at < secs(5) => Reply::data(json!({"process": 10, "status": 0})),
        path::PROGRESS => Reply::data(json!({"process": 100, "status": 2})),
        _ => drive.serve(view, request),
    })
}

#[test]
fn hint_during_the_lookup_counts() {
    for (told_at, list_knows_it) in [(millis(1500), false), (secs(6), false), (millis(20), true)] {
        let drive = FakeDrive::default();
        let dir = drive.dir(0, "videos");
        let name = if list_knows_it {
            "film.mp4"
        } else {
            "original.mp4"
        };
        let file = drive.file_made(dir, name, start() + secs(1));
        let watch = fixed().watch(task(), WatchPolicy::default());
        let handle = watch.handle();
        let mut world = world(&drive);
        let outcome = world.start(watch.to_file(into(dir)));
        world.run_until(told_at);
        assert!(!outcome.is_there());
        let notice = format!(r#"{{"status":0,"fileID":{file}}}"#);
        handle.notify(&CallbackNotice::parse(notice.as_bytes()).unwrap());
        world.run();
        let landed = outcome.get().unwrap().file;
        assert_eq!(
            landed.file().unwrap().get(),
            file,
            "{told_at:?}: {landed:?}"
        );
    }
}

#[test]
fn hint_ends_the_wait_before_the_next_lookup() {
    let drive = FakeDrive::default();
    let dir = drive.dir(0, "videos");
    let file = drive.file_made(dir, "film.mp4", start() + secs(1));
    let watch = fixed().watch(task(), WatchPolicy::default());
    let handle = watch.handle();
    // The list is late to show what the detail knows.
    let mut world = World::new(move |view, request| match request.uri().path() {
        path::PROGRESS => Reply::data(json!({"process": 100, "status": 2})),
        path::LIST => Reply::data(json!({"lastFileId": -1, "fileList": []})),
        _ => drive.serve(view, request),
    });
    let outcome = world.start(watch.to_file(into(dir)));
    world.run_until(millis(1500));
    let notice = format!(r#"{{"status":0,"fileID":{file}}}"#);
    handle.notify(&CallbackNotice::parse(notice.as_bytes()).unwrap());
    world.run();
    let (when, done) = outcome.timed();
    assert_eq!(found(&done.unwrap().file), file);
    assert!(when < secs(2), "{when:?}");
}

#[test]
fn hint_decides_between_several_matches() {
    let drive = FakeDrive::default();
    let dir = drive.dir(0, "videos");
    drive.file_made(dir, "film.mp4", start() + secs(1));
    let second = drive.file_made(dir, "film(1).mp4", start() + secs(1));
    let watch = fixed().watch(task(), WatchPolicy::default());
    let handle = watch.handle();
    let mut world = world(&drive);
    let outcome = world.start(watch.to_file(into(dir)));
    world.run_until(millis(75));
    let notice = format!(r#"{{"status":0,"fileID":{second}}}"#);
    handle.notify(&CallbackNotice::parse(notice.as_bytes()).unwrap());
    world.run();
    assert_eq!(found(&outcome.get().unwrap().file), second);
}

#[test]
fn hint_is_passed_on_without_a_lookup() {
    let mut world = slow_world(&FakeDrive::default());
    let landed = end_after_callback(&mut world, None, 77);
    assert_eq!(landed.file().unwrap().get(), 77);
    assert!(matches!(landed, FileLookup::Hint(_)));
    assert_eq!(world.sent().len(), 2, "two polls");
}

#[test]
fn matching_hint_needs_no_list() {
    let drive = FakeDrive::default();
    let dir = drive.dir(0, DEFAULT_DIR);
    drive.file_made(dir, "film.mp4", start());
    let file = drive.file_made(dir, "film(1).mp4", start() + secs(5));
    let mut world = slow_world(&drive);
    let landed = end_after_callback(&mut world, Some(target()), file);
    assert_eq!(described(&landed), "Id: film(1).mp4");
    assert!(world.times(path::LIST).is_empty());
}

#[test]
fn hint_with_another_name_yields_to_a_better_match() {
    let requested = |dir| {
        let download = download().file_name("film.mp4").unwrap();
        ExpectedFile::of(&download.save_to(DirId::new(dir).unwrap()), start())
    };
    let drive = FakeDrive::default();
    let dir = drive.dir(0, "videos");
    let named_by_the_source = drive.file_made(dir, "original.mp4", start() + secs(5));
    let end =
        |target| end_after_callback(&mut slow_world(&drive), Some(target), named_by_the_source);
    // Only a guess is wrong.
    assert_eq!(described(&end(into(dir))), "Id: original.mp4");
    let hint = end(requested(dir));
    assert!(matches!(hint, FileLookup::Hint(id) if id.get() == named_by_the_source));

    drive.file_made(dir, "film.mp4", start() + secs(5));
    assert_eq!(described(&end(into(dir))), "GuessedName: film.mp4");
    assert_eq!(described(&end(requested(dir))), "RequestedName: film.mp4");
}

#[test]
fn hint_that_does_not_match_is_ignored() {
    let drive = FakeDrive::default();
    let dir = drive.dir(0, "videos");
    let elsewhere = drive.file_made(0, "film.mp4", start() + secs(5));
    let folder = drive.dir_made(dir, "film.mp4", start() + secs(5));
    let trashed = drive.file_made(dir, "film.mp4", start() + secs(5));
    drive.trash(trashed);
    for id in [77, elsewhere, trashed, folder] {
        let mut world = slow_world(&drive);
        let landed = end_after_callback(&mut world, Some(into(dir)), id);
        assert!(matches!(landed, FileLookup::NotFound), "{id}: {landed:?}");
    }
    let file = drive.file_made(dir, "film(1).mp4", start() + secs(5));
    for id in [77, elsewhere, trashed, folder] {
        let mut world = slow_world(&drive);
        let landed = end_after_callback(&mut world, Some(into(dir)), id);
        assert_eq!(found(&landed), file, "{id}");
    }
}

#[test]
fn notice_without_a_file_gives_no_hint() {
    for body in [
        r#"{"status":1,"fileID":77,"failReason":"gone"}"#,
        r#"{"status":0}"#,
        r#"{"status":2,"fileID":77}"#,
    ] {
        let watch = fixed().watch(task(), WatchPolicy::default());
        watch
            .handle()
            .notify(&CallbackNotice::parse(body.as_bytes()).unwrap());
        assert_eq!(watch.file_hint(), None, "{body}");
    }
}

#[test]
fn two_lookups_do_not_add_up() {
    let drive = FakeDrive::default();
    let dir = drive.dir(0, "videos");
    let file = drive.file_made(dir, "film.mp4", start());
    let other = drive.file_made(dir, "film(1).mp4", start());
    let served = drive.clone();
    // A callback during the first lookup restarts it.
    let watch = fixed().watch(task(), WatchPolicy::default());
    let handle = watch.handle();
    let mut world = World::new(move |view, request| match request.uri().path() {
        path::PROGRESS => Reply::data(json!({"process": 100, "status": 2})),
        path::DETAIL => {
            served.trash(other);
            Reply::code(5066, "")
        }
        _ => served.serve(view, request),
    });
    let outcome = world.start(watch.to_file(into(dir)));
    world.run_until(millis(75));
    let notice = br#"{"status":0,"fileID":77}"#;
    handle.notify(&CallbackNotice::parse(notice).unwrap());
    world.run();
    assert_eq!(found(&outcome.get().unwrap().file), file);
}
