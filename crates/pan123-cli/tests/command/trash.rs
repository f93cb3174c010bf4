//! `trash ls|restore|empty`.

use pan123_mock::CannedResponse;
use pan123_mock::http::StatusCode;
use pan123_mock::path::{DELETE, FILE_LIST, OLD_FILE_LIST};

use crate::files::{Drive, texts};

/// A drive whose trash holds a file of the root, and one of a folder.
fn drive() -> (Drive, u64, u64) {
    let drive = Drive::new();
    let folder = drive.folder(0, "d");
    let top = drive.file(0, "电影", 5);
    let inner = drive.file(folder, "inner", 5);
    drive.file(0, "here", 5);
    drive.mock.trash_files(&[top, inner]);
    (drive, top, inner)
}

#[test]
fn trash_is_listed_as_a_whole_or_of_one_folder() {
    let (drive, top, inner) = drive();
    let objects = drive.run(&["trash", "ls", "--json"]).exits(0).objects();
    assert_eq!(texts(&objects, "name"), ["电影"]);
    assert_eq!(
        (&objects[0]["id"], &objects[0]["trashed"]),
        (&top.into(), &true.into())
    );
    let objects = drive
        .run(&["trash", "ls", "/d", "--json"])
        .exits(0)
        .objects();
    assert_eq!(objects.len(), 1);
    assert_eq!(objects[0]["id"], inner);
    let line = drive.run(&["trash", "ls", "-l"]).exits(0).stdout;
    assert!(line.starts_with(&top.to_string()), "{line}");
    assert_eq!(drive.run(&["trash", "ls", "/here"]).exits(1).stdout, "");
}

#[test]
fn every_page_of_the_trash_is_read() {
    let drive = Drive::new();
    let files = drive.mock.add_files(0, 120);
    drive.mock.trash_files(&files);
    let objects = drive.run(&["trash", "ls", "--json"]).exits(0).objects();
    assert_eq!(objects.len(), 120);
    drive.mock.assert_requests(OLD_FILE_LIST, 2);
}

#[test]
fn restore_takes_the_id_or_the_old_path() {
    let (drive, top, inner) = drive();
    let id = format!("id:{top}");
    let object = drive
        .run(&["trash", "restore", &id, "--json"])
        .exits(0)
        .object();
    assert_eq!(object["change"], "restored");
    assert!(!drive.is_trashed(top));
    drive.run(&["trash", "restore", "/d/inner"]).exits(0);
    assert!(!drive.is_trashed(inner));
    for (place, text) in [
        ("/d/inner", "nothing that was at `/d/inner`"),
        (&*id, "is not in the trash"),
        ("id:987654321", "no file or folder"),
    ] {
        let ended = drive.run(&["trash", "restore", place]).exits(1);
        assert!(ended.stderr.contains(text), "{ended:#?}");
    }
    drive.run(&["trash", "restore", "/"]).exits(2);
}

#[test]
fn what_lost_its_folder_is_restored_to_another_one() {
    let drive = Drive::new();
    let gone = drive.folder(0, "gone");
    let file = drive.file(gone, "f", 5);
    drive.mock.trash_files(&[file, gone]);
    let id = format!("id:{file}");
    let ended = drive.run(&["trash", "restore", &id]).exits(1);
    assert!(ended.stderr.contains("--to FOLDER"), "{ended:#?}");
    let to = drive.folder(0, "to");
    let object = drive.run(&["trash", "restore", "--to", "/to", &id, "--json"]);
    assert_eq!(object.exits(0).object()["parent"], to);
    assert_eq!(drive.names(to), ["f"]);
}

#[test]
fn several_of_one_path_are_told_apart_by_their_ids() {
    let drive = Drive::new();
    let one = drive.file(0, "f", 1);
    drive.mock.trash_files(&[one]);
    let two = drive.file(0, "f", 2);
    drive.mock.trash_files(&[two]);
    let ended = drive.run(&["trash", "restore", "/f"]).exits(1);
    assert!(
        ended.stderr.contains(&format!("id:{one}, id:{two}")),
        "{ended:#?}"
    );
    assert!(drive.is_trashed(one) && drive.is_trashed(two));
}

#[test]
fn empty_deletes_only_what_is_in_the_trash_and_only_with_yes() {
    let (drive, _, inner) = drive();
    for arguments in [&["trash", "empty"][..], &["trash", "empty", "--json"]] {
        let shown = format!("{:?}", drive.run(arguments).exits(2));
        assert!(shown.contains("--yes"), "{shown}");
    }
    assert_eq!(drive.mock.requests().len(), 0);
    let objects = drive
        .run(&["trash", "empty", "--yes", "--json"])
        .exits(0)
        .objects();
    assert_eq!(texts(&objects, "change"), ["deleted"]);
    assert_eq!(drive.names(0), ["d", "here"]);
    assert!(drive.is_trashed(inner));
    drive.run(&["trash", "empty", "--yes", "/d"]).exits(0);
    assert!(!drive.is_trashed(inner));
    let ended = drive.run(&["trash", "empty", "--yes"]).exits(0);
    assert!(ended.stderr.contains("nothing in the trash"), "{ended:#?}");
    let quiet = drive.run(&["trash", "empty", "--yes", "--quiet"]).exits(0);
    assert_eq!(quiet.stderr, "");
}

#[test]
fn row_that_cannot_be_read_hides_no_other() {
    let (drive, top, _) = drive();
    let rows = format!(
        r#"{{"code":0,"message":"ok","data":{{"lastFileId":-1,"fileList":[{{"fileId":"x","filename":"b","type":0,"trashed":1}},
        {{"fileId":{top},"filename":"电影","type":0,"parentFileId":0,"trashed":1}}]}}}}"#
    );
    for (place, exit) in [("/电影", 0), ("/missing", 1)] {
        let page = CannedResponse::raw(StatusCode::OK, rows.clone());
        drive.mock.respond_next(FILE_LIST, page);
        let ended = drive.run(&["trash", "restore", place]).exits(exit);
        assert!(!ended.stderr.contains("nothing that was"), "{ended:#?}");
    }
    assert!(!drive.is_trashed(top));
}

#[test]
fn list_that_repeats_itself_ends() {
    let drive = Drive::new();
    let files = drive.mock.add_files(0, 100);
    drive.mock.trash_files(&files);
    let row = |id| format!(r#"{{"fileID":{id},"filename":"f","type":0,"parentFileId":0}}"#);
    let rows: Vec<_> = files.iter().map(row).collect();
    let rows = format!(
        r#"{{"code":0,"message":"ok","data":{{"total":999,"fileList":[{}]}}}}"#,
        rows.join(",")
    );
    for _ in 0..3 {
        let page = CannedResponse::raw(StatusCode::OK, rows.clone());
        drive.mock.respond_next(OLD_FILE_LIST, page);
    }
    let objects = drive.run(&["trash", "ls", "--json"]).exits(0).objects();
    assert_eq!(objects.len(), 100);
    drive.mock.assert_requests(OLD_FILE_LIST, 2);
}

#[test]
fn list_that_ignores_what_it_was_asked_for_deletes_nothing() {
    let drive = Drive::new();
    let file = drive.file(0, "here", 5);
    let rows = format!(
        r#"{{"code":0,"message":"ok","data":{{"total":1,"fileList":[{{"fileID":{file},"filename":"here","type":0,"parentFileId":0}}]}}}}"#
    );
    let page = CannedResponse::raw(StatusCode::OK, rows);
    drive.mock.respond_next(OLD_FILE_LIST, page);
    drive.run(&["trash", "empty", "--yes"]).exits(0);
    drive.mock.assert_requests(DELETE, 0);
    assert_eq!(drive.names(0), ["here"]);
}
