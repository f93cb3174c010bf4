//! Paths of the drive: found, and created as far as they are missing.

use crate::support::drive::{DUPLICATE, FIRST, FakeDrive};
use crate::support::{Reply, World, fixed, millis, path, progress, secs};
use pan123_proto::file::{CreateDir, Entry};
use pan123_proto::{BuildError, DirId, Error, ErrorKind, Parent};
use serde_json::{Value, json};

fn world(drive: &FakeDrive) -> World {
    let drive = drive.clone();
    World::new(move |view, request| drive.serve(view, request))
}

fn ensure(world: &mut World, path: &str) -> Result<DirId, Error> {
    world.output_of(fixed().ensure_dir(path).unwrap())
}

fn find(world: &mut World, path: &str) -> Result<Option<Entry>, Error> {
    world.output_of(fixed().find(path).unwrap())
}

fn counts(world: &World) -> (usize, usize) {
    (
        world.times(path::LIST).len(),
        world.times(path::MKDIR).len(),
    )
}

#[test]
fn ensure_dir_creates_what_is_missing() {
    let drive = FakeDrive::default();
    let mut world = world(&drive);
    let made = ensure(&mut world, "/videos/2026/11").unwrap();
    assert_eq!(made.get(), FIRST + 2);
    assert_eq!(drive.names(0), ["videos"]);
    assert_eq!(drive.names(FIRST), ["2026"]);
    assert_eq!(drive.names(FIRST + 1), ["11"]);
    assert_eq!(counts(&world), (1, 3));
}

#[test]
fn ensure_dir_uses_existing_folders() {
    let drive = FakeDrive::default();
    let videos = drive.dir(0, "videos");
    drive.file(videos, "2026");
    drive.file(0, "videos");
    let year = drive.dir(videos, "2026");
    let mut world = world(&drive);
    let found = ensure(&mut world, "videos/2026/").unwrap();
    assert_eq!(found.get(), year, "the folder, not the file of that name");
    assert_eq!(counts(&world), (2, 0));
}

#[test]
fn names_match_exactly() {
    let drive = FakeDrive::default();
    for other in ["a", "Videos", "videos ", "videos2"] {
        let dir = drive.dir(0, other);
        drive.dir(dir, "2026");
    }
    let videos = drive.dir(0, "videos");
    drive.dir(videos, "2025");
    let year = drive.dir(videos, "2026");
    let mut world = world(&drive);
    let found = find(&mut world, "/videos/2026").unwrap().unwrap();
    assert_eq!(found.id.get(), year);
    assert_eq!(ensure(&mut world, "/videos/2026").unwrap().get(), year);
    assert!(find(&mut world, "/video").unwrap().is_none());
}

#[test]
fn trashed_folder_is_ignored() {
    let drive = FakeDrive::default();
    let old = drive.dir(0, "videos");
    drive.trash(old);
    let mut world = world(&drive);
    assert!(find(&mut world, "/videos").unwrap().is_none());
}

#[test]
fn folder_beyond_the_first_page_is_found() {
    let drive = FakeDrive::default();
    for number in 0..250 {
        drive.file(0, &format!("f{number}"));
    }
    let dir = drive.dir(0, "videos");
    for number in 250..400 {
        drive.file(0, &format!("f{number}"));
    }
    let mut world = world(&drive);
    assert_eq!(ensure(&mut world, "/videos").unwrap().get(), dir);
    assert_eq!(counts(&world), (3, 0), "and no page after it is read");
}

#[test]
fn ensure_dir_waits_for_a_stale_list() {
    let drive = FakeDrive::default();
    let dir = drive.dir(0, "videos");
    let mut world = World::new(move |view, request| {
        let late = request.uri().path() == path::LIST && view.at < secs(3);
        if late {
            FakeDrive::default().serve(view, request)
        } else {
            drive.serve(view, request)
        }
    });
    assert_eq!(ensure(&mut world, "/videos").unwrap().get(), dir);
    assert_eq!(counts(&world), (4, 1));
    assert!(world.now() < secs(5), "{:?}", world.now());
}

#[test]
fn name_taken_by_a_file_is_an_api_error() {
    let drive = FakeDrive::default();
    drive.file(0, "videos");
    let mut world = world(&drive);
    let error = ensure(&mut world, "/videos/2026").unwrap_err();
    assert_eq!(error.api().unwrap().message(), DUPLICATE);
    assert_eq!(
        counts(&world),
        (4, 1),
        "one making, and a bounded number of looks"
    );
    assert_eq!(drive.names(0), ["videos"]);
}

#[test]
fn ensure_dir_ends_at_once_on_other_errors() {
    let drive = FakeDrive::default();
    let mut world = World::new(move |view, request| match request.uri().path() {
        path::MKDIR => Reply::code(1, "内部错误"),
        _ => drive.serve(view, request),
    });
    let error = ensure(&mut world, "/videos/2026").unwrap_err();
    assert_eq!(error.api().unwrap().message(), "内部错误");
    assert_eq!(counts(&world), (1, 1));
}

#[test]
fn error_after_a_lost_response_says_that_it_may_be_done() {
    let drive = FakeDrive::default();
    let mut world = World::new(move |view, request| {
        let reply = drive.serve(view, request);
        if view.earlier.is_empty() {
            return Reply::cut();
        }
        reply
    });
    let make = || {
        fixed()
            .call(&CreateDir::new(Parent::Root, "videos").unwrap())
            .unwrap()
    };
    let error = world.output_of(make()).unwrap_err();
    assert!(error.api().unwrap().follows_lost_response() && error.api().unwrap().is_name_taken());
    assert!(
        error.to_string().contains("may have been carried out"),
        "{error}"
    );
    let error = world.output_of(make()).unwrap_err();
    assert!(!error.api().unwrap().follows_lost_response());
}

#[test]
fn error_after_a_429_or_a_lost_read_does_not_say_that_it_may_be_done() {
    let then_refused = |lost: fn() -> Reply| {
        World::new(move |view, _| match view.earlier {
            [] => lost(),
            _ => Reply::code(1, "该目录下已存在同名文件夹"),
        })
    };
    let mut limited = then_refused(|| Reply::code(429, "请求太频繁"));
    let create = CreateDir::new(Parent::Root, "videos").unwrap();
    let error = limited
        .output_of(fixed().call(&create).unwrap())
        .unwrap_err();
    assert_eq!(limited.sent().len(), 2);
    assert!(!error.api().unwrap().follows_lost_response(), "{error}");

    let mut cut = then_refused(Reply::cut);
    let error = cut.output_of(fixed().call(&progress()).unwrap());
    let error = error.unwrap_err();
    assert_eq!(cut.sent().len(), 2);
    assert!(!error.api().unwrap().follows_lost_response(), "{error}");
}

#[test]
fn invalid_path_is_not_sent() {
    for (path, said) in [("/", "names the root"), ("/a/../b", "`..`"), ("./a", "`.`")] {
        for error in [
            fixed().ensure_dir(path).unwrap_err(),
            fixed().find(path).unwrap_err(),
        ] {
            assert!(matches!(error, BuildError::Path { .. }));
            assert!(error.to_string().contains(said), "{error}");
        }
    }
}

#[test]
fn existing_folders_with_names_that_the_service_rejects_are_used() {
    let long = "影".repeat(300);
    for odd in ["b:c", "a?*|<>\"\\", "dots...", " ", "\u{202e}", &long] {
        let drive = FakeDrive::default();
        let videos = drive.dir(0, "videos");
        let inner = drive.dir(videos, odd);
        let path = format!("/videos/{odd}");
        let mut world = world(&drive);
        assert_eq!(ensure(&mut world, &path).unwrap().get(), inner);
        let found = find(&mut world, &path).unwrap().unwrap();
        assert_eq!(found.id.get(), inner);
        let made = ensure(&mut world, &format!("{path}/2026")).unwrap();
        assert_eq!(drive.names(inner), ["2026"]);
        assert_eq!(made.get(), inner + 1);
    }
}

#[test]
fn no_folder_is_created_if_one_of_the_missing_names_is_rejected() {
    let long = format!("/videos/new/{}/b", "影".repeat(300));
    for (path, lists, said) in [
        (
            "/videos/b:c",
            2,
            "its folder \"b:c\" does not exist, and the name contains ':'",
        ),
        ("/videos/new/a?/b", 2, "its folder \"a?\" does not exist"),
        ("/new/b:c", 1, "its folder \"b:c\" does not exist"),
        (&long, 2, "the name has 300 characters"),
        ("/来自:离线下载/2026", 1, "the service creates it itself"),
        ("/来自：离线下载/2026", 1, "the service creates it itself"),
    ] {
        let drive = FakeDrive::default();
        drive.dir(0, "videos");
        let mut world = world(&drive);
        let error = ensure(&mut world, path).unwrap_err();
        assert!(
            matches!(&error, Error::Build(BuildError::Path { .. })),
            "{error:?}"
        );
        assert!(error.to_string().contains(said), "{error}");
        assert_eq!(counts(&world), (lists, 0), "{path}");
    }
}

#[test]
fn own_folder_of_the_service_is_found_with_either_colon() {
    let spellings = ["来自:离线下载", "来自：离线下载"];
    for own in spellings {
        for given in spellings {
            let drive = FakeDrive::default();
            drive.file(0, spellings.into_iter().find(|name| *name != own).unwrap());
            let dir = drive.dir(0, own);
            let file = drive.file(dir, "a");
            let mut world = world(&drive);
            let found = find(&mut world, &format!("/{given}/a")).unwrap().unwrap();
            assert_eq!(found.id.get(), file, "{given} for {own}");
            ensure(&mut world, &format!("/{given}/2026")).unwrap();
            assert_eq!(drive.names(dir), ["a", "2026"], "{given} for {own}");
        }
    }
    let drive = FakeDrive::default();
    let [ascii, wide] = spellings.map(|name| drive.dir(0, name));
    let below = drive.dir(ascii, spellings[0]);
    let mut world = world(&drive);
    for (path, expected) in [
        ("/来自:离线下载", Some(ascii)),
        ("/来自：离线下载", Some(wide)),
        ("/来自:离线下载/来自:离线下载", Some(below)),
        ("/来自:离线下载/来自：离线下载", None),
    ] {
        let found = find(&mut world, path).unwrap();
        assert_eq!(found.map(|entry| entry.id.get()), expected, "{path}");
    }
    let drive = FakeDrive::default();
    drive.file(0, spellings[1]);
    let found = find(&mut self::world(&drive), spellings[0]).unwrap();
    assert!(found.is_none(), "a file is not the folder");
}

#[test]
fn normal_forms_of_a_name_are_one_name() {
    for (existing, given) in [("cafe\u{301}", "caf\u{e9}"), ("caf\u{e9}", "cafe\u{301}")] {
        let drive = FakeDrive::default();
        let dir = drive.dir(0, existing);
        let file = drive.file(dir, existing);
        let mut world = world(&drive);
        assert_eq!(ensure(&mut world, given).unwrap().get(), dir);
        let found = find(&mut world, &format!("/{given}/{given}")).unwrap();
        assert_eq!(found.unwrap().id.get(), file);
        assert_eq!(counts(&world).1, 0);

        // The one that is spelt so wins, wherever it is listed.
        for number in 0..100 {
            drive.file(0, &format!("f{number}"));
        }
        let exact = drive.dir(0, given);
        assert_eq!(ensure(&mut world, given).unwrap().get(), exact);
        let inner = ensure(&mut world, &format!("/{given}/{existing}")).unwrap();
        assert_eq!(drive.names(exact), [existing], "created as it is spelt");
        assert_eq!(inner.get(), exact + 1);
    }
}

#[test]
fn find_returns_the_entry_at_a_path() {
    let drive = FakeDrive::default();
    let default = drive.dir(0, "来自:离线下载");
    let inner = drive.dir(default, "a");
    drive.file(0, "a");
    let file = drive.file(inner, "film.mp4");
    let mut world = world(&drive);
    let found = find(&mut world, "/来自:离线下载/a/film.mp4")
        .unwrap()
        .unwrap();
    assert_eq!(found.file().unwrap().get(), file);
    assert_eq!(counts(&world), (3, 0));
}

/// The root holds a row with these values in place of those of a folder `videos`, a folder `music` and a file `notes`.
fn beside(odd: &[(&'static str, Value)]) -> World {
    let drive = FakeDrive::default();
    let row = drive.dir(0, "odd");
    drive.set(row, "filename", json!("videos"));
    for (key, value) in odd {
        drive.set(row, key, value.clone());
    }
    drive.dir(0, "music");
    drive.file(0, "notes");
    world(&drive)
}

#[test]
fn unreadable_row_is_skipped_unless_it_may_be_the_one() {
    let no_kind = ("type", json!(null));
    let no_id = ("fileId", json!(0));
    let no_name = ("filename", json!(null));
    let named = |name: &str| ("filename", json!(name));
    for (odd, may_be_videos) in [
        (vec![no_kind.clone()], true),
        (vec![no_id.clone()], true),
        (vec![no_name.clone()], true),
        (vec![no_name.clone(), no_kind.clone()], true),
        (vec![no_name.clone(), ("type", json!(0))], false),
        (vec![no_id.clone(), ("type", json!(0))], false),
        (vec![no_kind.clone(), named("video")], false),
        (vec![no_id.clone(), named("Videos")], false),
        (vec![no_id.clone(), named("vid\u{fffd}")], true),
        (vec![no_id.clone(), named("cid\u{fffd}")], false),
        (vec![no_id.clone(), ("trashed", json!(1))], false),
    ] {
        let mut world = beside(&odd);
        // Something else fits.
        let music = find(&mut world, "/music").unwrap().unwrap();
        assert_eq!(ensure(&mut world, "/music").unwrap(), music.dir().unwrap());
        assert!(find(&mut world, "/music/x").unwrap().is_none(), "{odd:?}");
        assert_eq!(world.times(path::MKDIR).len(), 0);

        let made = ensure(&mut world, "/videos");
        assert_eq!(
            world.times(path::MKDIR).len(),
            usize::from(!may_be_videos),
            "{odd:?}"
        );
        if may_be_videos {
            for error in [
                made.unwrap_err(),
                find(&mut world, "/videos/x").unwrap_err(),
            ] {
                assert_eq!(error.kind(), ErrorKind::UnreadableRow, "{odd:?}");
                assert!(
                    error.to_string().contains("may be what was looked for"),
                    "{error}"
                );
            }
        } else {
            made.unwrap();
        }
    }
    // As the last name a file counts, too.
    let mut world = beside(&[no_id.clone(), ("type", json!(0))]);
    let error = find(&mut world, "/videos").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UnreadableRow);
    assert!(find(&mut world, "/videos/x").unwrap().is_none());

    let mut world = beside(&[no_id, named("来自：离线下载")]);
    let error = ensure(&mut world, "/来自:离线下载/2026").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UnreadableRow);
}

#[test]
fn find_stops_at_the_first_missing_name() {
    let drive = FakeDrive::default();
    drive.file(0, "a");
    for path in ["/b/c/d", "/a/c"] {
        let mut world = world(&drive);
        assert!(find(&mut world, path).unwrap().is_none(), "{path}");
        assert_eq!(
            counts(&world),
            (1, 0),
            "{path}: a file has nothing below it"
        );
    }
}

#[test]
fn stop_ends_ensure_dir_in_flight() {
    for (hangs, sent) in [(path::LIST, 1), (path::MKDIR, 2)] {
        let drive = FakeDrive::default();
        let mut world = World::new(move |view, request| {
            if request.uri().path() == hangs {
                return Reply::hang();
            }
            drive.serve(view, request)
        });
        let ensure = fixed().ensure_dir("/videos").unwrap();
        let handle = ensure.handle();
        let outcome = world.start(ensure);
        world.run_until(secs(1));
        handle.stop();
        world.run_until(secs(1));
        assert_eq!(outcome.get().unwrap_err().kind(), ErrorKind::Stopped);
        assert_eq!(world.sent().len(), sent);
    }
}

#[test]
fn stop_ends_ensure_dir_waiting() {
    let drive = FakeDrive::default();
    drive.file(0, "videos");
    let mut world = world(&drive);
    let ensure = fixed().ensure_dir("/videos").unwrap();
    let handle = ensure.handle();
    let outcome = world.start(ensure);
    world.run_until(millis(900));
    assert!(!outcome.is_there());
    handle.stop();
    world.run();
    let (when, result) = outcome.timed();
    assert_eq!(result.unwrap_err().kind(), ErrorKind::Stopped);
    assert_eq!(when, millis(900));
}
